"""The command photo: its pictures are signed like every other delivery, and say nothing of whose they are."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from head3d import cli
from head3d.export.provenance import COMPOSITE_SOURCE_TYPE, read_provenance
from head3d.export.signing import verify

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs ``head3d photo`` on one photo that needs no network to be cut out; returns the folder of its pictures."""
    matte = np.zeros(PIXELS.shape[:2], np.float32)
    matte[12:, 20:44] = 1
    seen = SimpleNamespace(
        photo=SimpleNamespace(name="Ada Lovelace.jpg", rgb_srgb=PIXELS), parsing=SimpleNamespace(matte=matte)
    )
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("head3d.capture.photos.gather", lambda photos, emit: ([seen.photo], []))
    monkeypatch.setattr("head3d.perception.observe.observe", lambda photos, config, emit: ([seen], []))

    def run(*words: str) -> Path:
        out = tmp_path / "out"
        assert cli.main(["photo", "Ada Lovelace.jpg", "--out", str(out), *words]) == 0
        return out

    return run


def test_both_pictures_are_signed_as_a_photo_changed_by_a_program(made, capsys: pytest.CaptureFixture[str]):
    out = made("--place")
    files = [out / f"Ada Lovelace_{kind}.png" for kind in ("backdrop", "place")]
    for path in files:
        found = verify(path)
        assert (found.state, found.source_type, found.problems) == ("trusted", COMPOSITE_SOURCE_TYPE, ())
        assert read_provenance(path)["digital_source_type"] == COMPOSITE_SOURCE_TYPE, "the plain text says the same"
    capsys.readouterr()
    assert cli.main(["verify", *map(str, files)]) == 0
    assert capsys.readouterr().out.count("trusted; signed by") == 2


def test_neither_the_photos_name_nor_the_backdrops_path_is_in_the_picture(made, tmp_path: Path):
    behind = tmp_path / "at home in Somerset.png"
    Image.fromarray(PIXELS).save(behind)
    path = made("--backdrop", str(behind)) / "Ada Lovelace_backdrop.png"
    assert read_provenance(path)["backdrop"] == "picture"
    content = path.read_bytes()
    assert b"Lovelace" not in content and b"Somerset" not in content


def test_who_wants_no_signature_gets_the_plain_text_alone(made, capsys: pytest.CaptureFixture[str]):
    path = made("--provenance.sign", "off") / "Ada Lovelace_backdrop.png"
    assert verify(path).state == "unsigned" and read_provenance(path)["backdrop"] == "studio-grey"
    assert cli.main(["verify", str(path)]) == 6

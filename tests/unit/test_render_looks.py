"""Looks as files: what the gate refuses is put aside with its reason, and every file says what was thought of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ExifTags, Image

from head3d import render_looks as module
from head3d.errors import ConfigError
from head3d.events import Event, Notice
from head3d.export.provenance import read_provenance
from head3d.export.signing import verify
from head3d.imaging.formats import PictureFormat, read_levels
from head3d.look_sets import looks_of
from head3d.looks import Look
from head3d.quality.gate import Level
from head3d.render_looks import METER_PX, render_looks, shoot
from head3d.set_record import RecordOptions
from tests.unit.grey_studio import GreyStudio, ToldGate, names_in, told

LOOKS = [Look(name="good"), Look(name="torn"), Look(name="soft"), Look(name="small")]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were remembered for erasing."""
    monkeypatch.setattr(module, "Studio", GreyStudio)
    return []


def made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recorded: list[Path],
    levels: Mapping[str, Level],
    **how: RecordOptions,
) -> tuple[list[str], list[str]]:
    """Names of the delivered pictures, and what was said."""
    monkeypatch.setattr(module, "gate_of", told(levels))
    subject, heard = SimpleNamespace(path=tmp_path, record_deliveries=recorded.extend), list[Event]()
    paths = render_looks(subject, LOOKS, size=64, confidence=True, out=tmp_path / "out", emit=heard.append, **how)  # type: ignore[arg-type]
    return [path.name for path in paths], [one.text for one in heard if isinstance(one, Notice)]


def test_refused_looks_lie_aside_and_are_no_results(tmp_path: Path, monkeypatch, recorded):
    names, said = made(tmp_path, monkeypatch, recorded, {"good": "good", "torn": "refused", "soft": "warned"})
    assert names == ["good_64.png", "soft_64.png", "small_64.png"]
    assert [one for one in names_in(tmp_path / "out") if "torn" in one] == [
        "refused/torn_64.png", "refused/torn_64_confidence.png",
    ]  # fmt: skip
    (torn,) = [one for one in said if one.startswith("torn")]
    assert "it is blurred. Add a sharper photo." in torn and str(Path("refused") / "torn_64.png") in torn
    assert any(one.startswith("soft: warned") for one in said) and not any(one.startswith("good") for one in said)


def test_files_say_what_the_gate_thought(tmp_path: Path, monkeypatch, recorded):
    made(tmp_path, monkeypatch, recorded, {"good": "good", "torn": "refused"})
    place = tmp_path / "out"
    assert read_provenance(place / "good_64.png")["gate"] == "good"
    assert read_provenance(place / "refused" / "torn_64.png")["gate"] == "refused"
    assert "gate" not in read_provenance(place / "small_64.png"), "nobody judged it"


def test_what_no_photo_saw_is_refused_whatever_the_picture_looks_like(tmp_path: Path, monkeypatch, recorded):
    sight: Mapping[str, Level] = {"good": "refused", "small": "refused", "soft": "warned"}
    monkeypatch.setattr(module, "Studio", lambda subject: GreyStudio(subject, sight))
    names, said = made(tmp_path, monkeypatch, recorded, {"good": "good", "torn": "good", "soft": "warned"})
    assert names == ["torn_64.png", "soft_64.png"]
    aside = tmp_path / "out" / "refused"
    assert said == [
        f"good: unseen It lies in {aside / 'good_64.png'}.",
        "soft: unseen",
        "soft: warned, it is blurred. Add a sharper photo.",
        f"small: unseen It lies in {aside / 'small_64.png'}.",
    ]
    assert {read_provenance(aside / f"{one}_64.png")["gate"] for one in ("good", "small")} == {"refused"}
    assert aside / "small_64.png" in recorded and (aside / "small_64_confidence.png").is_file()


def test_refused_pictures_are_remembered_for_erasing(tmp_path: Path, monkeypatch, recorded):
    made(tmp_path, monkeypatch, recorded, {"torn": "refused"})
    assert tmp_path / "out" / "refused" / "torn_64.png" in recorded and all(path.is_file() for path in recorded)


def test_looks_are_signed_like_other_pictures_refused_ones_too(tmp_path: Path, monkeypatch, recorded):
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "Studio", lambda subject: GreyStudio(subject, sign=True))
    made(tmp_path, monkeypatch, recorded, {"good": "good", "torn": "refused"})
    for name in ("good_64.png", "small_64.png", "refused/torn_64.png"):
        assert verify(tmp_path / "out" / name).state == "trusted"


def test_only_looks_of_one_light_and_expression_are_one_set():
    looks = [
        Look(name="front"), Look(name="side", yaw_deg=20.0), Look(name="split", light="split"),
        Look(name="smile", expression="smile"), Look(name="wink", units={"eyeBlinkLeft": 0.5}),
    ]  # fmt: skip
    gate = ToldGate({})
    assert len(list(shoot(GreyStudio(None), looks, size=64, gate=gate))) == 5  # type: ignore[arg-type]
    assert gate.sets[0] == gate.sets[1] and len(set(gate.sets)) == 4


class CountingStudio(GreyStudio):
    """Remembers what was rendered."""

    def __init__(self, subject: object) -> None:
        super().__init__(subject)
        self.rendered: list[tuple[str, str, int]] = []

    def picture(self, look: Look, height_px: int, **how: object):
        self.rendered.append((look.garment, look.crop, height_px))
        return super().picture(look, height_px, **how)


def test_backdrops_share_a_render_and_everything_shares_the_exposure_of_the_bare_head():
    looks = looks_of(
        {"views": ["front"], "garment": ["own", "suit"], "crop": "linkedin", "backdrop": ["white", "warm", "blue"]},
        where="set",
    )
    studio = CountingStudio(None)
    shots = list(shoot(studio, looks, size=64, gate=ToldGate({})))  # type: ignore[arg-type]
    assert studio.rendered == [("own", "as-rendered", METER_PX), ("own", "linkedin", 64), ("suit", "linkedin", 64)]
    assert [shot.headshot.view for shot in shots] == [look.name for look in looks], "each has its own name"


def test_light_from_the_backdrop_is_rendered_for_each():
    looks = looks_of({"views": ["front"], "light": "backdrop", "backdrop": ["white", "warm"]}, where="set")
    studio = CountingStudio(None)
    list(shoot(studio, looks, size=64, gate=ToldGate({})))  # type: ignore[arg-type]
    assert [height for _, _, height in studio.rendered if height == 64] == [64, 64]


def written_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: PictureFormat, **how: object) -> list[Path]:
    monkeypatch.setattr(module, "gate_of", told({"good": "good", "torn": "refused"}))
    subject = SimpleNamespace(path=tmp_path, record_deliveries=lambda paths: None)
    return render_looks(subject, LOOKS[:3], size=64, format=kind, out=tmp_path / "out", **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["jpg", "webp", "avif", "tiff"])
def test_looks_are_written_in_the_format_and_drafts_are_gone(tmp_path: Path, monkeypatch, recorded, kind):
    paths = written_as(tmp_path, monkeypatch, kind)
    assert [path.name for path in paths] == [f"good_64.{kind}", f"soft_64.{kind}"]
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == [f"good_64.{kind}", f"refused/torn_64.{kind}", f"soft_64.{kind}"]
    assert read_provenance(paths[0])["gate"] == "good" and "gate" not in read_provenance(paths[1])


def test_tiff_keeps_sixteen_bits_past_the_gate(tmp_path: Path, monkeypatch, recorded):
    levels = read_levels(written_as(tmp_path, monkeypatch, "tiff")[0])
    assert levels.dtype == np.uint16 and int(levels[0, 0, 0]) == 90 * 257 + 5


def test_an_older_picture_of_another_format_stays(tmp_path: Path, monkeypatch, recorded):
    (old,) = [path for path in written_as(tmp_path, monkeypatch, "png") if path.name.startswith("good")]
    before = old.read_bytes()
    written_as(tmp_path, monkeypatch, "jpg")
    assert old.read_bytes() == before


def test_looks_carry_the_exif_that_was_chosen(tmp_path: Path, monkeypatch, recorded):
    (good, _) = written_as(tmp_path, monkeypatch, "jpg", exif={"Copyright": "Acme"})
    with Image.open(good) as picture:
        assert picture.getexif()[ExifTags.Base.Copyright] == "Acme"
    with pytest.raises(ConfigError, match="not written as EXIF"):
        written_as(tmp_path, monkeypatch, "jpg", exif={"GPSInfo": "here"})


def test_pictures_before_one_backdrop_are_matched_as_one_set():
    looks = looks_of({"views": ["front", "back"], "light": ["split", "rim"], "backdrop": ["white", "warm"]}, where="s")
    studio = GreyStudio(None)
    list(shoot(studio, looks, size=64, gate=ToldGate({})))  # type: ignore[arg-type]
    assert set(studio.harmonies.values()) == {None}
    studio.config = replace(studio.config, finish=replace(studio.config.finish, match="backdrop"))
    list(shoot(studio, looks, size=64, gate=ToldGate({})))  # type: ignore[arg-type]
    for backdrop in ("white", "warm"):
        (one,) = {studio.harmonies[look.name] for look in looks if look.backdrop == backdrop}
        assert one is not None and len(one[0]) == 4 and all(name.endswith(backdrop) for name in one[0])


def test_a_match_that_is_asked_for_is_what_the_studio_finishes_with(tmp_path: Path, monkeypatch, recorded):
    made_of: list[GreyStudio] = []
    monkeypatch.setattr(module, "Studio", lambda subject: made_of.append(GreyStudio(subject)) or made_of[-1])
    written_as(tmp_path, monkeypatch, "png", match="backdrop")
    assert made_of[0].config.finish.match == "backdrop" and None not in made_of[0].harmonies.values()

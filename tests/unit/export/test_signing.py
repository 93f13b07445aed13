"""Content credentials: true for what was written, broken by a changed byte, gone when a picture is saved again."""

import json
import stat
from pathlib import Path

import c2pa
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from head3d import cli
from head3d.errors import ConfigError
from head3d.export import certificate, signing
from head3d.export.certificate import Identity, own_identity, user_identity
from head3d.export.provenance import (
    COMPOSITE_SOURCE_TYPE,
    DIGITAL_SOURCE_TYPE,
    NOTE,
    read_provenance,
    write_with_provenance,
)
from head3d.export.signing import SigningConfig, identity_of, verify
from head3d.export.video import write_video

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
FACTS = {"view": "front", "light": "rim"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def identity() -> Identity:
    return own_identity()


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_written_picture_is_trusted_here_and_says_it_is_synthetic(tmp_path: Path, name: str, identity: Identity):
    path = write_with_provenance(tmp_path / name, PIXELS, facts=FACTS, signer=identity)
    found = verify(path)
    assert (found.state, found.source_type, found.problems) == ("trusted", DIGITAL_SOURCE_TYPE, ())
    assert found.generator.startswith("head3d ")
    assert read_provenance(path)["digital_source_type"] == DIGITAL_SOURCE_TYPE, "the plain text is there, too"
    if name.endswith("png"):
        assert np.array_equal(np.asarray(Image.open(path)), PIXELS)


def test_c2pas_own_reader_sees_no_thumbnail_and_nothing_personal(tmp_path: Path, identity: Identity):
    path = write_with_provenance(tmp_path / "a.png", PIXELS, facts=FACTS, signer=identity)
    with c2pa.Reader(str(path)) as reader:
        found = json.loads(reader.json())
    manifest = found["manifests"][found["active_manifest"]]
    assert "thumbnail" not in manifest
    labels = [one["label"] for one in manifest["assertions"]]
    assert not any("thumbnail" in label for label in labels)
    facts = next(one["data"] for one in manifest["assertions"] if one["label"] == "org.head3d.picture")
    assert facts == FACTS
    assert len(path.read_bytes()) < PIXELS.size + 40_000


def video(path: Path, identity: Identity, **how: str) -> Path:
    """A second of grey."""
    grey = (np.full((64, 96, 3), 40 + 15 * k, np.uint8) for k in range(12))
    return write_video(path, grey, fps=12, facts={"view": "turntable", "light": "rim"}, signer=identity, **how)


@pytest.mark.parametrize("source_type", [DIGITAL_SOURCE_TYPE, COMPOSITE_SOURCE_TYPE])
def test_c2pas_own_reader_finds_a_video_marked_as_machine_made(tmp_path: Path, identity: Identity, source_type: str):
    path = video(tmp_path / "turn.mp4", identity, source_type=source_type)
    with c2pa.Reader(str(path)) as reader:
        found = json.loads(reader.json())
    manifest = found["manifests"][found["active_manifest"]]
    data = {one["label"]: one["data"] for one in manifest["assertions"]}
    (action,) = data["c2pa.actions.v2"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", source_type)
    assert data["org.head3d.picture"] == {"view": "turntable", "light": "rim"}
    assert verify(path).state == "trusted" and verify(path).source_type == source_type


def test_a_signed_video_still_plays_and_starts_with_its_index(tmp_path: Path, identity: Identity):
    path = video(tmp_path / "turn.mp4", identity)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert count == 12 and seconds == pytest.approx(1.0, abs=0.1)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    middle = data.index(b"mdat") + 40
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    assert verify(path).state == "broken"


def test_webm_has_no_place_for_a_signature_and_keeps_its_note(tmp_path: Path, identity: Identity):
    path = video(tmp_path / "turn.webm", identity)
    assert verify(path).state == "unreadable" and NOTE.encode() in path.read_bytes()


def test_any_changed_byte_of_the_picture_breaks_it(tmp_path: Path, identity: Identity):
    path = write_with_provenance(tmp_path / "a.jpg", PIXELS, facts=FACTS, signer=identity)
    data = path.read_bytes()
    for place in (len(data) - 3, len(data) // 2 + 2000, len(data) - 500):
        changed = tmp_path / "b.jpg"
        changed.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert verify(changed).state == "broken"


def test_saving_again_leaves_an_unsigned_picture(tmp_path: Path, identity: Identity):
    path = write_with_provenance(tmp_path / "a.png", PIXELS, facts=FACTS, signer=identity)
    Image.open(path).convert("RGB").save(tmp_path / "b.png")
    assert verify(tmp_path / "b.png").state == "unsigned"
    assert verify(tmp_path / "no.png").state == verify(Path(__file__)).state == "unreadable"


def test_keys_are_private_and_name_nobody(home: Path, identity: Identity):
    place = certificate.folder()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    for one in place.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o600, one
    assert own_identity() == identity, "made once"
    x509 = pytest.importorskip("cryptography.x509")
    for one in x509.load_pem_x509_certificates(identity.chain):
        assert {part.value for part in one.subject} <= {"head3d", "head3d local authority", "head3d pictures"}


def test_another_machines_picture_is_valid_and_trusted_with_its_anchor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Identity
):
    path = write_with_provenance(tmp_path / "a.png", PIXELS, facts=FACTS, signer=identity)
    anchor = (certificate.folder() / "ca.pem").read_bytes()
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "another"))
    own_identity()
    assert verify(path).state == "valid"
    assert verify(path, anchors=anchor).state == "trusted"


def test_a_certificate_of_ones_own_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Identity):
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(identity.chain)
    key.write_bytes(identity.key)
    mine = identity_of(SigningConfig(certificate=str(chain), key=str(key)))
    assert mine == identity
    path = write_with_provenance(tmp_path / "a.png", PIXELS, facts=FACTS, signer=mine)
    assert verify(path).state == "trusted"


def test_what_cannot_sign_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match="needs its key"):
        identity_of(SigningConfig(certificate="a.pem"))
    with pytest.raises(ConfigError, match=r"a\.pem"):
        user_identity(tmp_path / "a.pem", tmp_path / "b.pem")
    (tmp_path / "a.pem").write_text("none")
    with pytest.raises(ConfigError, match="no certificate"):
        user_identity(tmp_path / "a.pem", tmp_path / "a.pem")
    assert identity_of(SigningConfig(sign="off")) is None
    monkeypatch.setattr(signing, "available", lambda: False)
    assert identity_of(SigningConfig()) is None, "without the packages pictures carry text alone"
    with pytest.raises(ConfigError, match="cannot be signed"):
        identity_of(SigningConfig(sign="require"))


def test_a_certificate_that_signs_itself_is_refused(tmp_path: Path, identity: Identity):
    root = (certificate.folder() / "ca.pem").read_bytes(), (certificate.folder() / "ca.key").read_bytes()
    with pytest.raises(ConfigError, match="cannot be signed"):
        write_with_provenance(tmp_path / "a.png", PIXELS, facts=FACTS, signer=Identity(*root, "es256"))
    assert not (tmp_path / "a.png").exists()


def test_the_command_says_it_for_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], identity: Identity):
    good = write_with_provenance(tmp_path / "a.png", PIXELS, facts=FACTS, signer=identity)
    plain = write_with_provenance(tmp_path / "b.png", PIXELS, facts=FACTS)
    assert cli.main(["verify", str(good)]) == 0
    assert "trusted; signed by head3d pictures; trainedAlgorithmicMedia" in capsys.readouterr().out
    assert cli.main(["verify", "--json", str(good), str(plain)]) == 6
    found = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in found.values()] == ["trusted", "unsigned"]

"""As test_readers.py: jobs, looks and sets, scans, phones' pictures and films, locked folders."""

# pyrage is compiled: its names cannot be seen without running it
# pyright: reportAttributeAccessIssue=false

import io
import json
import os
import shutil
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyrage import encrypt, x25519  # pyright: ignore[reportAttributeAccessIssue]

from head3d import vault
from head3d.batch.plan import read_plan
from head3d.capture.decode import decode
from head3d.capture.scan import read_scan
from head3d.capture.video import sharp_frames
from head3d.config import load_config
from head3d.errors import CorruptPart, Head3DError
from head3d.export.video import write_video
from head3d.geometry.mesh import write_ply
from head3d.look_sets import read_set
from head3d.looks import look_payload, named_look, read_looks
from head3d.parts_views import read_views
from head3d.render.lamp_file import read_lamps
from head3d.subject import Subject
from tests.fuzz.mutations import damaged, reshaped
from tests.fuzz.survival import survives
from tests.golden.make_folder import write as write_folder
from tests.unit.export.balls import ball

JOBS = {
    "preset": "test",
    "consent": {"by": "Studio Vega", "scope": "staff directory", "date": "2026-01-31"},
    "views": ["front", "30/-10"],
    "size": 96,
    "results": "s3://bucket/heads",
    "subjects": [
        {"name": "ada", "photos": ["ada/*.jpg"], "options": {"train": {"steps": 20}}},
        {"name": "grace", "photos": ["grace/"], "renders": [{"views": ["front"], "light": "rembrandt", "size": 64}]},
    ],
}


@given(data=st.data())
def test_jobs_of_a_batch(data: st.DataObject, tmp_path: Path):
    for name in ("ada", "grace"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "a.jpg").touch()
    path = tmp_path / "jobs.yaml"
    path.write_bytes(data.draw(st.one_of(reshaped(JOBS), damaged(json.dumps(JOBS).encode()))))

    def read() -> None:
        for item in read_plan(path):
            assert (tmp_path / item.name).resolve().parent == tmp_path.resolve(), "a subject's folder is in that of all"

    survives(read)


LOOK = {**look_payload(named_look("front", units={"jawOpen": 0.2})), "focal_mm": 85.0}
ONE = {"format": "head3d.look", "version": 1, "look": LOOK}
SEVERAL = {"format": "head3d.looks", "version": 1, "looks": [LOOK, LOOK]}


@pytest.mark.parametrize("good", [ONE, SEVERAL], ids=["one", "several"])
@given(data=st.data())
def test_looks(good: dict, data: st.DataObject, tmp_path: Path):
    path = tmp_path / "look.json"
    path.write_bytes(data.draw(st.one_of(reshaped(good), damaged(json.dumps(good).encode()))))
    survives(lambda: read_looks(path))


SET = {
    "views": ["front", "30/-10"],
    "garment": ["own", "blazer:charcoal,white"],
    "light": "rembrandt",
    "backdrop": ["white", "#aabbcc"],
    "units": {"jawOpen": 0.1},
    "focal_mm": 85,
}
SET_YAML = (
    b"views: [front, 30/-10]\ngarment:\n  - own\n  - suit:navy\nlight: rembrandt\nlight_yaw_deg: [0, 2026-01-31]\n"
)


@given(data=st.data())
def test_sets_of_looks(data: st.DataObject, tmp_path: Path):
    path = tmp_path / "set.yaml"
    path.write_bytes(data.draw(st.one_of(reshaped(SET), damaged(SET_YAML))))
    survives(lambda: read_set(path))


VIEWS = {"format": "head3d.views", "version": 1, "views": ["front"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("subject") / "me"
    write_folder(place)
    return place


@given(data=st.data())
def test_the_order_of_views(data: st.DataObject, folder: Path):
    path = folder / "views" / "views.json"
    good = path.read_bytes()
    try:
        path.write_bytes(data.draw(st.one_of(reshaped(json.loads(good)), damaged(good))))
        survives(lambda: read_views(folder / "views"))
    finally:
        path.write_bytes(good)


def head_sized(suffix: str, scratch: Path) -> bytes:
    """A ball of 20 cm, as a scanner would write it."""
    mesh = ball(rings=24)
    if suffix == ".ply":
        write_ply(scratch / "good.ply", mesh)
        return (scratch / "good.ply").read_bytes()
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in mesh.vertices.tolist()]
    return "\n".join(lines + [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]).encode()


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
# each case starts a program, for seconds: they are few, and not made smaller
@settings(max_examples=int(os.environ.get("HEAD3D_FUZZ_SCANS", "10")), phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_scans(suffix: str, data: st.DataObject, tmp_path: Path):
    pytest.importorskip("open3d", reason="scans are read by open3d (pip install open3d-cpu)")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data.draw(damaged(head_sized(suffix, tmp_path))))
    survives(lambda: read_scan(path), runs="scan_reader")


@cache
def heic() -> bytes:
    """A picture as phones write it."""
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(buffer, format="HEIF", exif=exif.tobytes())
    return buffer.getvalue()


@given(data=st.data())
def test_heic_photos(data: st.DataObject):
    content = data.draw(damaged(heic()))
    survives(lambda: decode(content, max_side_px=512, max_pixels=4_000_000))


@given(data=st.data())
def test_mp4_films(data: st.DataObject, tmp_path: Path):
    good, path = tmp_path / "good.mp4", tmp_path / "a.mp4"
    if not good.exists():
        frames = (np.full((48, 64, 3), 30 * k, np.uint8) for k in range(6))
        write_video(good, frames, fps=6, facts={"view": "turntable"}, signer=None)
    path.write_bytes(data.draw(damaged(good.read_bytes())))
    survives(lambda: sharp_frames(path, "a.mp4"))


WORDS = "correct horse battery staple"
IDENTITY = x25519.Identity.generate()


def archive(*entries: tuple[str, str, str]) -> bytes:
    """A tar of (kind, name, what it holds or points at)."""
    kinds = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for kind, name, value in entries:
            info = tarfile.TarInfo(name)
            info.type = kinds.get(kind, tarfile.FIFOTYPE)
            content = value.encode() if kind == "file" else b""
            info.linkname, info.size = ("" if kind == "file" else value), len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PLAIN = archive(("folder", "photos", ""), ("file", "photos/000.png", "x" * 900), ("file", "subject.json", "{}"))
PLACES = ["photos/a", "subject.json", "../out", "/tmp/out", "photos/../../out", "photos", "photos/b/../c", ".", ""]
SEALED = encrypt(PLAIN, [IDENTITY.to_public()])
ENTRY = st.tuples(
    st.sampled_from(["file", "folder", "link", "hard", "fifo"]), st.sampled_from(PLACES), st.sampled_from(PLACES)
)


def locked(place: Path, content: bytes, key: bytes = b"key") -> Subject:
    """A locked subject whose archive is what is given."""
    place.mkdir(exist_ok=True)
    (place / vault.VAULT).write_bytes(content)
    (place / vault.KEY).write_bytes(key)
    return Subject(place)


def below(place: Path) -> dict[str, bytes]:
    return {str(one.relative_to(place)): one.read_bytes() for one in place.rglob("*") if one.is_file()}


def test_what_many_cases_found(tmp_path: Path, folder: Path):
    """A list of views that is none or leads elsewhere, and words of age's on several lines."""
    place = Path(shutil.copytree(folder, tmp_path / "me")) / "views"
    for wrong in (None, "front", [None], ["x" * 3000], ["../views/front"], [".."], [""], ["a\0"]):
        (place / "views.json").write_text(json.dumps({**VIEWS, "views": wrong}))
        with pytest.raises(CorruptPart, match="lists no views"):
            read_views(place)
    subject = locked(tmp_path / "locked", b"age-encryption.org/v9\n" + SEALED.partition(b"\n")[2])
    with pytest.MonkeyPatch.context() as patch, pytest.raises(CorruptPart) as caught:
        patch.setattr(vault, "opened", lambda content, passphrase: str(IDENTITY))
        vault.unlock(subject, WORDS)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["a: 2026-13-45", "views: " + "[" * 5000, "a: " + "9" * 5000, "? [a]\n: b", "a: !!x [b]"]
)
def test_yaml_that_is_none_for_reasons_of_its_own(text: str, tmp_path: Path):
    """Dates and numbers that cannot be, lists without end, keys that are lists, tags that would run something."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    for read in (read_set, read_plan, lambda path: load_config(str(path)), lambda path: read_lamps(path, most_lamps=4)):
        with pytest.raises(Head3DError):
            read(path)


def test_looks_too_deep_or_too_large(tmp_path: Path):
    path = tmp_path / "a.json"
    for text in ("[" * 100_000, json.dumps({**ONE, "look": {**LOOK, "units": {"jawOpen": 10**400}}})):
        path.write_text(text)
        with pytest.raises(Head3DError):
            read_looks(path)


@pytest.mark.parametrize("kind", ["link", "hard", "fifo"])
def test_a_locked_folder_holds_files_and_folders_alone(kind: str, tmp_path: Path):
    plain = archive(("file", "subject.json", "{}"), (kind, "photos", "subject.json"))
    subject = locked(tmp_path / "me", encrypt(plain, [IDENTITY.to_public()]))
    before = below(tmp_path)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(CorruptPart, match="special file"):
        patch.setattr(vault, "opened", lambda content, passphrase: str(IDENTITY))
        vault.unlock(subject, WORDS)
    assert below(tmp_path) == before


@given(data=st.data())
def test_locked_folders(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    """Damaged, or made by somebody who knows the key: nothing gets out, and what does not open stays as it was."""
    place = tmp_path_factory.mktemp("vault")
    kind = data.draw(st.sampled_from(["damaged age", "damaged tar", "hostile tar"]))
    plain = PLAIN
    if kind == "hostile tar":
        plain = archive(*data.draw(st.lists(ENTRY, min_size=1, max_size=6)))
    elif kind == "damaged tar":
        plain = data.draw(damaged(PLAIN))
    content = data.draw(damaged(SEALED)) if kind == "damaged age" else encrypt(plain, [IDENTITY.to_public()])
    subject = locked(place / "me", content)
    before = below(place)
    with pytest.MonkeyPatch.context() as patch:  # the passphrase itself is the next test's
        patch.setattr(vault, "opened", lambda content, passphrase: str(IDENTITY))
        survives(lambda: vault.unlock(subject, WORDS), inside=subject.path)
    assert [one.name for one in place.iterdir()] == ["me"]
    assert not any(one.is_symlink() and not one.resolve().is_relative_to(place) for one in place.rglob("*"))
    if vault.is_locked(subject):
        assert below(place) == before


@settings(max_examples=8)  # a guess costs a second, on purpose
@given(data=st.data())
def test_keys_of_locked_folders(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("vault")
    subject = locked(place / "me", b"never read", data.draw(damaged(sealed_key())))
    before = below(place)
    survives(lambda: vault.unlock(subject, WORDS), inside=subject.path)
    assert below(place) == before


@cache
def sealed_key() -> bytes:
    return vault.sealed(str(IDENTITY), WORDS)

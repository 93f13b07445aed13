"""Bad input and bad disks: one clear line, the right exit code, nothing lost."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from head3d.capture.photos import gather
from head3d.perception.observe import observe
from tests.end_to_end.conftest import QUICK, environment, head3d


def refuse(photo: Path, out: Path, *words: str) -> str:
    """Run on input that must be refused; the error line."""
    done = head3d("run", photo, "--out", out, *QUICK, *words)
    assert done.returncode == 3, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(lines) == 2 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


def no_face(path: Path) -> None:
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    Image.fromarray(np.stack([np.tile(ramp, (400, 1))] * 3, -1)).save(path)


def dog(path: Path) -> None:
    """A cat, which detectors take for a face no less than a dog: scikit-image brings one along."""
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.chelsea()).save(path)


def bomb(path: Path) -> None:
    Image.fromarray(np.zeros((13000, 13000), np.uint8)).convert("1").save(path, optimize=True)


def truncated(path: Path) -> None:
    whole = path.with_suffix(".whole.jpg")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (600, 600, 3), np.uint8)).save(whole, quality=95)
    path.write_bytes(whole.read_bytes()[:9000])
    whole.unlink()


def text(path: Path) -> None:
    path.write_text("Dear Sir or Madam,\n" * 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (no_face, "wall.png", "no face"),
        (dog, "cat.png", "no face"),
        (bomb, "bomb.png", "megapixel"),
        (truncated, "cut.jpg", "cut.jpg"),
        (text, "letter.jpg", "letter.jpg"),
        (empty, "nothing.png", "nothing.png"),
    ],
)
def test_what_shows_no_face_is_refused_with_its_reason(
    make: Callable[[Path], None], name: str, told: str, people: Path, tmp_path: Path
):
    make(tmp_path / name)
    assert told in refuse(tmp_path / name, tmp_path / "me")


def test_a_tiny_face_is_refused(people: Path, tmp_path: Path):
    with Image.open(people / "P001" / "studio_portrait.jpg") as photo:
        canvas = Image.new("RGB", (800, 800), (90, 110, 130))
        canvas.paste(photo.resize((90, 90)), (350, 350))
        canvas.save(tmp_path / "far.png")
    refuse(tmp_path / "far.png", tmp_path / "me")


def test_two_people_of_one_size_are_told_once_and_either_can_be_chosen(people: Path, tmp_path: Path):
    portraits = [Image.open(people / person / "studio_portrait.jpg").resize((900, 900)) for person in ("P001", "P002")]
    both = Image.new("RGB", (1800, 900))
    for place, portrait in enumerate(portraits):
        both.paste(portrait, (900 * place, 0))
    both.save(tmp_path / "both.jpg", quality=95)
    done = head3d("run", tmp_path / "both.jpg", "--out", tmp_path / "me", *QUICK)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "error: both.jpg: 2 people, and nothing tells who is meant.",
        "hint: Choose with --face 0 (the largest), 1, ..., crop the photo, or add one of that person alone.",
    ]
    chosen = head3d("photo", tmp_path / "both.jpg", "--face", "1", "--out", tmp_path / "cut")
    assert chosen.returncode == 0, chosen.stderr
    assert head3d("verify", tmp_path / "cut" / "both_backdrop.png").returncode == 0


def test_an_empty_folder_is_refused(tmp_path: Path):
    (tmp_path / "none").mkdir()
    assert "No photo found" in refuse(tmp_path / "none", tmp_path / "me")


def as_user() -> list[str]:
    """A prefix that makes root obey permissions like everybody."""
    if os.geteuid() != 0:
        return []
    tool = shutil.which("setpriv")
    if tool is None:
        pytest.skip("root ignores permissions, and setpriv is not here")
    return [tool, "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search"]


def test_a_folder_without_permission_is_refused(tmp_path: Path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    try:
        done = head3d("run", locked, "--out", tmp_path / "me", *QUICK, prefix=as_user())
    finally:
        locked.chmod(0o755)
    assert done.returncode == 3 and "no permission" in done.stderr, done.stderr


def test_a_read_only_output_is_one_clear_line(people: Path, tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    try:
        photo = people / "P001" / "studio_portrait.jpg"
        done = head3d("run", photo, "--out", closed / "me", *QUICK, prefix=as_user())
    finally:
        closed.chmod(0o755)
    assert done.returncode == 6 and "permission denied" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_takes_no_more_is_one_clear_line_and_the_run_goes_on_later(people: Path, tmp_path: Path):
    photo = people / "P001" / "studio_portrait.jpg"
    words = ["run", str(photo), "--out", str(tmp_path / "me"), *QUICK]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-m", "head3d.cli", *words],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        preexec_fn=small_files,
    )
    assert done.returncode == 6, done.stderr
    assert "Cannot write" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "me").rglob("*.tmp"))
    assert head3d(*words).returncode == 0


def test_bad_photos_among_good_ones_become_notices(people: Path, tmp_path: Path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(people / "P001" / "studio_portrait.jpg", folder / "a.jpg")
    text(folder / "b.jpg")
    done = head3d("run", folder, "--out", tmp_path / "me", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "warning: b.jpg: " in done.stderr


def test_a_failed_run_keeps_the_last_head(subject: Path, photo: Path, tmp_path: Path):
    before = (subject / "headshots" / "contact_sheet.jpg").read_bytes()
    no_face(tmp_path / "wall.png")
    refuse(tmp_path / "wall.png", subject)
    assert (subject / "headshots" / "contact_sheet.jpg").read_bytes() == before
    done = head3d("run", photo, "--out", subject, *QUICK)
    assert done.returncode == 0 and (subject / "headshots" / "contact_sheet.jpg").read_bytes() == before


@pytest.mark.parametrize("mode", ["CMYK", "P", "I;16", "L", "RGBA"])
def test_unusual_pixel_formats_are_read(mode: str, people: Path, tmp_path: Path):
    name = "me.jpg" if mode == "CMYK" else "me.png"
    with Image.open(people / "P001" / "studio_portrait.jpg") as photo:
        if mode == "I;16":
            grey = np.asarray(photo.convert("L")).astype(np.uint16) * 257
            Image.fromarray(grey).save(tmp_path / name)
        else:
            photo.convert(mode).save(tmp_path / name)
    observations, _ = observe(gather([tmp_path / name])[0])
    assert len(observations) == 1


def test_a_rotated_exif_photo_stands_upright(people: Path, tmp_path: Path):
    with Image.open(people / "P001" / "studio_portrait.jpg") as photo:
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned: viewers turn the picture clockwise
        photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
        upright = np.asarray(photo.convert("RGB")).astype(float)
    pixels = gather([tmp_path / "turned.jpg"])[0][0].rgb_srgb
    assert pixels.shape == upright.shape and abs(pixels - upright).mean() < 4


def test_photos_of_somebody_else_are_left_out(people: Path, tmp_path: Path):
    folder = tmp_path / "ten"
    folder.mkdir()
    for person in ("P001", "P002"):
        for photo in sorted((people / person).glob("*")):
            if person == "P001" or "studio" in photo.name:
                shutil.copy(photo, folder / f"{person}_{photo.name}")
    _, verdicts = observe(gather([folder])[0])
    refused = {one.name for one in verdicts if not one.accepted}
    assert refused == {"P002_studio_portrait.jpg"}

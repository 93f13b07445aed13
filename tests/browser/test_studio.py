"""What the studio adds to turning a head: an office's rules, one's own backdrop, photos to compare with, videos."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from head3d.looks import read_looks
from tests.browser.conftest import MADE, forget_picks, say, until
from tests.end_to_end.conftest import head3d

READ = """([selector, side]) => {
  const c = new OffscreenCanvas(side, side).getContext('2d');
  c.drawImage(document.querySelector(selector), 0, 0, side, side);
  return [...c.getImageData(0, 0, side, side).data];
}"""


def pixels(page: Any, selector: str, side: int = 32) -> np.ndarray:
    """An element's picture, side x side RGBA."""
    return np.array(page.evaluate(READ, [selector, side]), dtype=float).reshape(side, side, 4)


def test_an_office_frame_shows_its_lines_and_its_rules_live(open_page: Callable[..., Any]):
    page = open_page()
    page.click("#crops [data-value=passport-eu]")
    until(page, "document.querySelectorAll('#office li').length === 16")
    assert page.evaluate("head3d.look.backdrop") == "#dcdee0" and page.is_visible("#guides")
    assert page.locator("#guides line").count() == 3
    broken = page.evaluate("[...document.querySelectorAll('#checks strong')].map(one => one.textContent)")
    assert "turn to a side" not in broken and "background plain" not in broken
    for control, wanted in (
        (lambda: page.fill("#yaw_deg", "15"), "turn to a side"),
        (lambda: page.click("#backdrops [data-value=charcoal]"), "background light"),
    ):
        control()
        page.keyboard.press("Enter")
        until(page, f"[...document.querySelectorAll('#checks strong')].some(one => one.textContent === '{wanted}')")
    assert "of 16 rules kept" in page.inner_text("#office-sum")
    page.click("#crops [data-value=square]")
    assert not page.is_visible("#office")
    until(page, "document.getElementById('guides').hasAttribute('hidden')")  # drawn with the next frame


def test_ones_own_picture_stands_behind_and_bad_files_are_refused(open_page: Callable[..., Any], tmp_path: Path):
    page = open_page()
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 500, 3), (10, 160, 10), np.uint8))
    (tmp_path / "bad.jpg").write_bytes(b"<svg onload=alert(1)>")
    page.set_input_files("#backdrop-file", [tmp_path / "bad.jpg"])
    until(page, "document.querySelector('#status').textContent.includes('no picture')")
    page.set_input_files("#backdrop-file", [tmp_path / "wall.png"])
    until(page, "head3d.look.backdrop.startsWith('own:')")
    until(page, MADE)
    red, green, blue, _ = pixels(page, "#frame")[1, 1]
    assert green > 120 and red < 60 and blue < 60
    page.click("#backdrop-drop")
    until(page, "head3d.look.backdrop === ''")
    until(page, "document.querySelectorAll('#backdrops [data-value^=\"own:\"]').length === 0")


def test_a_photo_is_stood_at_and_faded_to(open_page: Callable[..., Any]):
    page = open_page()
    until(page, MADE)
    page.focus("#photos button")
    page.keyboard.press("Enter")
    until(page, "head3d.look.seen_from.startsWith('photo:') && document.querySelector('#photo').naturalWidth > 0")
    number = page.evaluate("head3d.number")
    until(page, f"head3d.number >= {number} && {MADE}")
    assert page.evaluate("document.activeElement.id") == "fade"
    page.keyboard.press("End")
    assert page.evaluate("getComputedStyle(document.querySelector('#photo')).opacity") == "1"
    page.keyboard.press("Home")
    assert page.evaluate("getComputedStyle(document.querySelector('#photo')).opacity") == "0"
    # the head stands where the photo has it: both are lighter in the same places
    head, photo = (pixels(page, name, 48)[12:36, 12:36, 1].ravel() for name in ("#frame", "#photo"))
    correlation = float(np.corrcoef(head, photo)[0, 1])
    say(f"head and photo, middle of the picture: correlation {correlation:.2f}")
    assert correlation > 0.6
    page.click("#as-photo")
    look = page.evaluate("head3d.look")
    assert look["light"] == look["expression"] == look["seen_from"]
    page.focus("#stage")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("head3d.look.seen_from") == "" and not page.is_visible("#compare")


def test_a_smile_and_eyes_that_look_here_change_the_picture_where_they_are(open_page: Callable[..., Any]):
    page = open_page()

    def after(act: Callable[[], Any]) -> np.ndarray:
        """How much the picture changed (levels, 64 x 64) by what was done."""
        until(page, MADE)
        number, before = page.evaluate("head3d.number"), pixels(page, "#frame", 64)
        act()
        until(page, f"head3d.number > {number} && {MADE}")
        return np.abs(pixels(page, "#frame", 64) - before)[..., :3].mean(axis=-1)

    def row_of(change: np.ndarray) -> int:
        """Where it changed most, from the upper edge of the picture."""
        return int(change.max(axis=1).argmax())

    page.fill("#yaw_deg", "20")
    after(lambda: page.press("#yaw_deg", "Enter"))
    smile = after(lambda: page.select_option("#expression", "smile"))
    after(lambda: page.select_option("#expression", "neutral"))
    gaze = after(lambda: page.check("#gaze"))
    assert page.evaluate("head3d.look.gaze") == "camera" and page.evaluate("head3d.look.expression") == "neutral"
    for name, change in (("a smile", smile), ("gaze", gaze)):
        say(f"{name} changes the picture by up to {change.max():.0f} levels, at row {row_of(change)} of 64")
    assert smile.max() > 10 and gaze.max() > 5
    assert row_of(gaze) < row_of(smile)  # eyes stand above the mouth
    assert after(lambda: page.uncheck("#gaze")).max() == pytest.approx(gaze.max(), abs=3.0)


def test_the_light_is_dragged_round_the_head(open_page: Callable[..., Any]):
    page = open_page(viewport={"width": 1100, "height": 1400})
    box = page.locator("#above .light").bounding_box()
    whole = page.locator("#above").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(whole["x"] + whole["width"] - 4, whole["y"] + whole["height"] / 2, steps=4)
    page.mouse.up()
    assert 70 <= page.evaluate("head3d.look.light_yaw_deg") <= 110  # to the subject's left


def test_a_video_is_made_played_cancelled_and_named_as_a_command(open_page: Callable[..., Any]):
    pytest.importorskip("imageio_ffmpeg")
    page = open_page()
    forget_picks(page)
    page.select_option("#video-size", "256")
    page.fill("#video-seconds", "10")
    page.click("#film")
    until(page, "document.querySelector('#film-bar').value >= 1")
    page.click("#film-cancel")
    until(page, "document.querySelector('#film-progress').hidden")
    until(page, "document.querySelector('#videos').textContent.includes('Cancelled')")
    for name, yaw in (("one", "-20"), ("two", "20")):
        page.fill("#yaw_deg", yaw)
        page.press("#yaw_deg", "Enter")
        page.fill("#name", name)
        page.click("#keep")
        until(page, f"[...document.querySelectorAll('#pick-list input')].some(one => one.value === '{name}')")
    short = {"kind": "path", "size": 128, "seconds": 1, "fps": 8}
    page.evaluate("asked => fetch('/api/videos', {method: 'POST', body: JSON.stringify(asked)})", short)
    until(page, "document.querySelector('#videos video')?.readyState >= 1")
    assert page.evaluate("document.querySelector('#videos video').duration") == pytest.approx(1.0, abs=0.2)
    with page.expect_download() as waiting:
        page.click("#videos a.button")
    capture = cv2.VideoCapture(str(waiting.value.path()))
    frames = [capture.read()[1] for _ in range(8)]
    capture.release()
    assert all(frame is not None and frame.shape == (128, 128, 3) for frame in frames)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 2
    made = page.evaluate("async () => (await fetch('/api/videos')).json()")[0]
    assert made["command"].startswith("head3d export ") and "--frames 8 --fps 8" in made["command"]
    words = shlex.split(made["command"])
    looks = read_looks(Path(words[words.index("--looks") + 1]))
    assert [one.name for one in looks] == ["one", "two"]


def test_ones_own_map_lights_the_head_is_turned_and_goes_into_the_set(
    open_page: Callable[..., Any], subject_folder: Path, tmp_path: Path
):
    page = open_page()
    forget_picks(page)
    sky = np.full((32, 64, 3), 0.05, np.float32)
    sky[8:24, 8:24] = 30.0  # a window on one side
    cv2.imwrite(str(tmp_path / "sky.hdr"), sky)
    (tmp_path / "bad.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 120000\n")
    (tmp_path / "bad.exr").write_bytes(b"<svg onload=alert(1)>")
    for name, told in (("bad.hdr", "too large"), ("bad.exr", "no environment map")):
        page.set_input_files("#light-file", [tmp_path / name])
        until(page, f"document.querySelector('#status').textContent.includes('{told}')")
    page.set_input_files("#light-file", [tmp_path / "sky.hdr"])
    until(page, "head3d.look.light.startsWith('own:')")
    assert page.evaluate("document.querySelector('#light-more').value") == page.evaluate("head3d.look.light")

    def left_and_right() -> np.ndarray:
        until(page, MADE)
        face = pixels(page, "#frame", 64)[24:44, :, :3].mean((0, 2))
        return np.array([face[18:30].mean(), face[34:46].mean()])

    before = left_and_right()
    page.evaluate("document.querySelector('#light_yaw_deg').value = '180'")
    page.dispatch_event("#light_yaw_deg", "input")
    turned = left_and_right()
    say(f"left and right half of a face under a map: {before.round()}, turned round {turned.round()}")
    assert (before[0] - before[1]) * (turned[0] - turned[1]) < 0 and np.abs(turned - before).max() > 10
    page.click("#keep")
    until(page, "document.querySelectorAll('#pick-list > li').length === 1")
    assert "own:" not in page.evaluate("document.querySelector('#pick-list input').value")
    ask = (
        "async () => (await (await fetch('/api/sets', {method: 'POST', body: JSON.stringify({size: 128})})).json()).id"
    )
    place = subject_folder / "exports" / "sets" / page.evaluate(ask)
    until(page, f"[...document.querySelectorAll('#sets img')].some(one => one.src.includes('{place.name}'))")
    (picture,) = place.glob("*.png")
    made = cv2.imread(str(picture))
    assert made is not None
    face = made[48:88].mean((0, 2))
    assert (face[36:60].mean() - face[68:92].mean()) * (turned[0] - turned[1]) > 0
    # the copied command finds the map with the subject
    page.select_option("#size", "512")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    until(page, "document.querySelector('#status').textContent.startsWith('Copied')")
    words = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    done = head3d(*words[1:], "--out", tmp_path / "again")
    assert done.returncode == 0 and len(list((tmp_path / "again").glob("*.png"))) == 1, done.stderr
    page.click("#light-drop")
    until(page, "head3d.look.light === 'soft-front' && !document.querySelector('#light-more').value")
    assert list((subject_folder / "exports" / "lights").glob("*")) == []
    until(page, "document.querySelector('#light-drop').hidden")

"""A picture of every state of every page, to be looked at: no other test sees that something looks wrong.

HEAD3D_SCREENSHOTS=shots pytest -m slow tests/browser/test_states.py
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import MADE, SECONDS, Server, forget_picks, say, until

FOLDER = "HEAD3D_SCREENSHOTS"
TALL_PX = 384
"""Height of the picture: large enough to be looked at, half the work of the page's own."""
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
HURRY_S = 1000.0
"""With a machine that does other things."""


class Album:
    """Numbered pictures of pages."""

    def __init__(self, folder: Path, first: int) -> None:
        self.folder, self.number = folder, first

    def take(self, page: Any, name: str, *, whole: bool = True) -> None:
        """The page from top to bottom, or what its window shows."""
        page.evaluate("scrollTo(0, 0)")  # a click brings what it presses into sight
        path = self.folder / f"{self.number:02d}-{name}.png"
        # in the page's own pixels: a long page in a phone's is more than Chromium draws at once
        how = {"full_page": whole, "scale": "css" if whole else "device", "animations": "disabled"}
        page.screenshot(path=str(path), timeout=1000 * SECONDS, **how)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than its window"
        self.number += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    made = Path(os.environ.get(FOLDER) or tmp_path / "screenshots").resolve()
    made.mkdir(parents=True, exist_ok=True)
    say(f"pictures of the page: {made}")
    return made


def keep(page: Any, name: str) -> None:
    number = page.locator("#pick-list > li").count()
    page.fill("#name", name)
    page.click("#keep")
    until(page, f"document.querySelectorAll('#pick-list > li').length === {number + 1}")


def settled(page: Any) -> None:
    """Wait for the picture, and for the small ones around it."""
    until(page, f"{MADE} && document.querySelector('#wait').hidden", seconds=HURRY_S)
    page.wait_for_timeout(1500)  # small ones are asked for when nothing has changed for a moment
    page.evaluate("[...document.images].forEach(one => { one.loading = 'eager'; })")  # whole pages are pictured
    shown = "[...document.images].filter(one => one.checkVisibility())"
    until(page, f"{shown}.every(one => one.complete && one.naturalWidth)", seconds=HURRY_S)


@pytest.mark.slow
@pytest.mark.timeout(3 * HURRY_S)
def test_the_studio_in_its_states(open_page: Callable[..., Any], server: Server, folder: Path):
    page, album = open_page(tall=TALL_PX), Album(folder, 1)
    forget_picks(page)
    settled(page)
    album.take(page, "studio")

    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 20, steps=6)
    assert page.evaluate("head3d.shown") == "proxy"
    album.take(page, "moving", whole=False)
    page.mouse.up()

    page.click("#reset")
    page.click("#angles [data-angle=back]")
    settled(page)
    album.take(page, "from-behind", whole=False)
    page.click("#angles [data-angle=profile-left]")
    page.check("#overlay")
    settled(page)
    album.take(page, "what-no-photo-saw")
    page.uncheck("#overlay")

    page.click("#photos button >> nth=0")
    until(page, "document.querySelector('#photo').naturalWidth > 0")
    settled(page)
    album.take(page, "beside-a-photo", whole=False)
    page.click("#leave")

    page.click("#reset")
    page.click("#crops [data-value=passport-eu]")
    page.fill("#yaw_deg", "12")
    page.press("#yaw_deg", "Enter")
    until(page, "document.querySelectorAll('#office li').length === 16", seconds=HURRY_S)
    settled(page)
    album.take(page, "passport-rules")

    page.click("#crops [data-value=portrait-4x5]")
    page.click("#lights [data-value=rembrandt]")
    page.select_option("#garment", "blazer")
    for name, angle in (("Front", "front"), ("Over the shoulder", "left-20"), ("From behind", "back")):
        page.click(f"#angles [data-angle={angle}]")
        keep(page, name)
    settled(page)
    album.take(page, "picks")
    page.select_option("#size", "512")
    page.click("#render")
    until(page, "document.querySelector('#bar').value >= 1", seconds=HURRY_S)
    album.take(page, "set-is-made")
    until(page, "document.querySelector('#progress').hidden", seconds=HURRY_S)
    until(page, "document.querySelector('#sets .refused')")
    settled(page)
    album.take(page, "set-with-a-refusal")

    page.select_option("#video-size", "256")
    page.click("#film")
    until(page, "document.querySelector('#film-bar').value >= 1", seconds=HURRY_S)
    album.take(page, "video-is-made")
    page.click("#film-cancel")
    until(page, "document.querySelector('#film-progress').hidden", seconds=HURRY_S)

    phone = open_page(**PHONE)
    settled(phone)
    album.take(phone, "phone", whole=False)
    album.take(phone, "phone-from-top-to-bottom")

    server.kill()
    until(page, "document.querySelector('#status').classList.contains('bad')")
    album.take(page, "server-is-gone", whole=False)
    server.start()
    until(page, "document.querySelector('#status').textContent === 'Ready.'")
    forget_picks(page)


@pytest.mark.slow
@pytest.mark.timeout(2 * HURRY_S)
def test_the_other_pages_in_their_states(open_page: Callable[..., Any], server: Server, browser: Any, folder: Path):
    page, album = open_page("/rate"), Album(folder, 31)
    until(page, "document.querySelectorAll('#arena img').length === 2")
    album.take(page, "rate")
    page.click("#kinds [data-value=stars]")
    until(page, "document.querySelectorAll('#answers button').length === 6 && !head3d.rate.busy")
    album.take(page, "rate-with-stars")

    page.goto(f"{server.address}/blind")
    album.take(page, "blind-test-begins")
    page.click("#begin")
    begun = "head3d.blind.shown.length === 2 && document.querySelector('#picture').naturalWidth > 0"
    until(page, begun, seconds=HURRY_S)
    album.take(page, "blind-test")
    page.keyboard.press("r")
    until(page, "head3d.blind.at === 1")
    page.keyboard.press("p")
    until(page, "!document.querySelector('#result').hidden")
    album.take(page, "blind-test-told")

    page.goto(f"{server.address}/live")
    album.take(page, "live-begins")
    page.click("#webcam")
    until(page, "head3d.live.face === 'followed' && head3d.live.pictures > 20", seconds=HURRY_S)
    album.take(page, "live")
    page.click("#stop")

    page.goto(f"{server.address}/3d")
    page.frame_locator("#scene").get_by_role("checkbox", name="Picks", exact=True).wait_for(state="attached")
    page.wait_for_timeout(30_000)  # drawn without a GPU, it does not say when it is done
    album.take(page, "scene", whole=False)

    stranger = browser.new_context(viewport={"width": 800, "height": 400})
    outside = stranger.new_page()
    assert outside.goto(server.address).status == 401
    album.take(outside, "not-let-in")
    stranger.close()


@pytest.mark.slow
@pytest.mark.timeout(3 * HURRY_S)
def test_the_capture_page_in_its_states(empty: Server, capture_page: Any, people: Path, folder: Path, tmp_path: Path):
    page, album = capture_page, Album(folder, 51)
    album.take(page, "photos-none")
    ramp = np.linspace(40, 200, 600).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (500, 600, 3)).copy()).save(tmp_path / "wall.jpg")
    two = [Image.open(people / person / "studio_portrait.jpg").resize((600, 600)) for person in ("P001", "P002")]
    pair = Image.new("RGB", (1200, 600))
    for at, one in enumerate(two):
        pair.paste(one, (600 * at, 0))
    pair.save(tmp_path / "the two.jpg", quality=92)
    photo = people / "P001" / "studio_portrait.jpg"
    page.set_input_files("#files", [photo, tmp_path / "wall.jpg", tmp_path / "the two.jpg"])
    until(page, "document.querySelectorAll('#photos > li[data-id]').length === 3", seconds=HURRY_S)
    album.take(page, "photos-judged")
    page.click("#start")
    until(page, "document.querySelector('#status').textContent.includes('agrees')")
    album.take(page, "photos-without-consent", whole=False)
    page.click("#photos [aria-label='Remove the two.jpg']")
    until(page, "document.querySelectorAll('#photos > li[data-id]').length === 2")
    page.check("#consent")
    page.fill("#by", "Ada")
    page.evaluate("document.querySelector('#preset').add(new Option('Test', 'test'))")
    page.select_option("#preset", "test")
    page.click("#start")
    until(page, "head3d.stages.get('perception')?.state === 'done'", seconds=HURRY_S)
    album.take(page, "photos-being-made")
    kill_run_of(empty)
    until(page, "!document.querySelector('#problem').hidden")
    assert "memory" in page.inner_text("#problem") and page.inner_text("#start") == "Go on"
    album.take(page, "photos-failed")
    page.click("#start")
    trained = "head3d.stages.get('field')?.state === 'done'"
    until(page, f"!document.querySelector('#preview').hidden || {trained}", seconds=HURRY_S)
    album.take(page, "photos-head-in-training")
    until(page, "!document.querySelector('#studio').hidden", seconds=HURRY_S)
    album.take(page, "photos-done")
    page.fill("#confirm", "new person")
    page.click("#erase")
    until(page, "document.querySelector('#status').textContent === 'Everything is deleted.'")
    album.take(page, "photos-deleted", whole=False)


def kill_run_of(server: Server) -> None:
    """End what makes the head, as a machine without memory does."""
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    for child in {word for one in tasks for word in (one / "children").read_text().split()}:
        if b"head3d.cli\0run" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)

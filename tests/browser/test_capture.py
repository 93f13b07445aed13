"""From photos to the studio on the page alone."""

import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.browser.conftest import (
    IMPACTS,
    MADE,
    Server,
    axe_source,
    faults_of,
    say,
    until,
)

PICTURE = "document.querySelectorAll('#photos > li[data-id]').length === {}"


def test_photos_are_judged_made_into_a_head_and_erased(capture_page: Any, empty: Server, photo: Path, tmp_path: Path):
    page = capture_page
    wall = tmp_path / "wall.jpg"
    ramp = np.linspace(40, 200, 600).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (500, 600, 3)).copy()).save(wall)
    page.set_input_files("#files", [photo, wall])
    until(page, PICTURE.format(2))
    assert "✓" in page.inner_text("#photos > li:not(.refused)")
    assert "no face found" in page.inner_text("#photos > li.refused")
    page.click("#start")
    until(page, "document.querySelector('#status').textContent.includes('agrees')")
    assert not (tmp_path / "new person").exists()
    page.check("#consent")
    page.fill("#by", "Ada")
    page.evaluate("document.querySelector('#preset').add(new Option('Test', 'test'))")
    page.select_option("#preset", "test")
    page.click("#start")
    # cancelled while it works, then on from where it was
    until(page, "head3d.stages.get('capture')?.state === 'done'")
    page.click("#cancel")
    until(page, "!document.querySelector('#start').disabled")
    assert page.locator("#preview").is_hidden()
    page.click("#start")
    # the head appears while it is trained, for everybody to see and for nobody to be told again and again
    until(page, "document.querySelector('#preview').naturalWidth >= 192", seconds=400)
    seen = page.locator("#preview")
    assert seen.is_visible() and "from the front" in seen.get_attribute("alt")
    assert (
        page.evaluate("document.querySelector('#preview').closest('[aria-live], [role=status], [role=alert]')") is None
    )
    assert [one for one in faults_of(page, axe_source()) if one[0] in IMPACTS] == []
    until(page, "!document.querySelector('#studio').hidden", seconds=400)
    assert seen.is_hidden() and page.request.get(f"{empty.address}/api/capture/preview.jpg").status == 404
    assert not seen.get_attribute("src")
    assert page.evaluate("head3d.stages.get('capture').state") == "fresh"
    page.click("#studio")
    until(page, f"window.head3d && {MADE}")
    say(f"from photos to the studio: {page.inner_text('#kind')}")
    page.goto(f"{empty.address}/capture")
    page.fill("#confirm", "somebody else")
    page.click("#erase")
    until(page, "document.querySelector('#status').classList.contains('bad')")
    page.fill("#confirm", "new person")
    page.click("#erase")
    until(page, "document.querySelector('#status').textContent === 'Everything is deleted.'")
    assert not page.is_checked("#consent") and page.input_value("#by") == ""  # which was that person's
    assert not (tmp_path / "new person").exists() and not (tmp_path / ".new person.photos").exists()


DRAGGED = """async ([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), held = new DataTransfer();
  held.items.add(new File([bytes], name, { type: 'image/jpeg' }));
  return held;
}"""


def test_photos_are_dropped_on_the_page(capture_page: Any, photo: Path):
    page = capture_page
    held = page.evaluate_handle(DRAGGED, ["dropped – été.jpg", b64encode(photo.read_bytes()).decode()])
    page.dispatch_event("#drop", "dragover", {"dataTransfer": held})
    assert "over" in page.get_attribute("#drop", "class").split()
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})
    assert "over" not in page.get_attribute("#drop", "class").split()
    until(page, PICTURE.format(1))
    assert "dropped – été.jpg" in page.inner_text("#photos") and "✓" in page.inner_text("#photos > li:not(.refused)")


def test_files_that_are_no_photos_are_refused(capture_page: Any, tmp_path: Path):
    page = capture_page
    (tmp_path / "x.html").write_text("<script>alert(1)</script>")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing more")
    shutil.copy(tmp_path / "broken.jpg", tmp_path / "<img src=x onerror=alert(1)>.png")
    page.set_input_files("#files", [tmp_path / "x.html"])
    until(page, "document.querySelector('#status').textContent.includes('is no photo')")
    page.set_input_files("#files", [tmp_path / "<img src=x onerror=alert(1)>.png"])
    until(page, PICTURE.format(1))
    assert "<img src=x" in page.inner_text("#photos") and page.locator("#photos img").count() == 1


def test_a_short_video_is_taken_and_what_calls_itself_one_is_not(capture_page: Any, photo: Path, tmp_path: Path):
    picture = cv2.imread(str(photo))
    assert picture is not None
    small = cv2.resize(picture, (480, 640), interpolation=cv2.INTER_AREA)
    writer = cv2.VideoWriter(str(tmp_path / "me.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (480, 640))
    for _ in range(12):
        writer.write(small)
    writer.release()
    (tmp_path / "list.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    page = capture_page
    until(page, "document.querySelector('#preset').value === 'cpu'")
    page.set_input_files("#files", [tmp_path / "list.mp4"])
    until(page, "document.querySelector('#status').textContent.includes('is no video')")
    page.set_input_files("#files", [tmp_path / "me.mp4"])
    until(page, PICTURE.format(1))
    assert "✓" in page.inner_text("#photos > li")
    until(page, "document.querySelector('#preset').value === 'video'")
    page.click("#photos > li button")
    until(page, f"{PICTURE.format(0)} && document.querySelector('#preset').value === 'cpu'")


def test_who_is_meant_on_a_photo_of_two_is_chosen_with_the_keyboard(capture_page: Any, people: Path, tmp_path: Path):
    page = capture_page
    two = [Image.open(people / person / "studio_portrait.jpg").resize((600, 600)) for person in ("P001", "P002")]
    pair = Image.new("RGB", (1200, 600))
    for at, one in enumerate(two):
        pair.paste(one, (600 * at, 0))
    pair.save(tmp_path / "the two.jpg", quality=92)
    page.set_input_files("#files", [tmp_path / "the two.jpg"])
    until(page, "document.querySelector('#photos > li') !== null")
    page.evaluate("head3d.load()")  # as when the line of events opens, or opens again, while a photo is looked at
    until(page, PICTURE.format(1))
    assert "2 people. Press the face that is meant." in page.inner_text("#photos > li")
    assert page.get_by_role("group", name="2 people on the two.jpg: who is meant?").count() == 1
    faces = page.get_by_role("group").get_by_role("button")
    assert [one.get_attribute("aria-pressed") for one in faces.all()] == ["false", "false"]
    until(page, "document.querySelector('.faces img').naturalWidth > 300")
    boxes, picture = [one.bounding_box() for one in faces.all()], page.locator(".faces img").bounding_box()
    middle = picture["x"] + picture["width"] / 2
    # a frame on each half of the picture, within it
    assert sorted(box["x"] > middle for box in boxes) == [False, True]
    assert all(
        picture["y"] <= box["y"] and box["y"] + box["height"] <= picture["y"] + picture["height"] for box in boxes
    )
    page.focus(".faces button")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#status').textContent === 'Face 1 of the two.jpg is meant.'")
    assert [one.get_attribute("aria-pressed") for one in faces.all()] == ["false", "true"]
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Face 1 is meant"
    assert "✓" in page.inner_text("#photos > li:not(.refused)")
    assert [one for one in faults_of(page, axe_source()) if one[0] in IMPACTS] == []
    # the other one, with the mouse; and it is remembered
    faces.nth(0).click()
    until(page, "document.querySelector('#status').textContent === 'Face 0 of the two.jpg is meant.'")
    page.reload()
    until(page, PICTURE.format(1))
    assert [one.get_attribute("aria-pressed") for one in faces.all()] == ["true", "false"]

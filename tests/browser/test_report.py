"""The report as a file: filters and sliders by keyboard, without a network, without a script, and on paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from head3d.quality.config import GateConfig
from head3d.quality.gate import judge_sight
from head3d.quality.report import InputEntry, ReportContent, write_report
from head3d.quality.sight_overlay import SightView
from head3d.render.confidence import Shares
from tests.browser.conftest import IMPACTS, axe_source, faults_of

DARK, BRIGHT = (np.full((64, 64, 3), level, np.uint8) for level in (30, 220))
SHARES = {
    "front": Shares(0.95, 0.05, 0.0),
    "left-20": Shares(0.7, 0.1, 0.2, (1.0, 0.0, 0.0)),
    "back": Shares(0.1, 0.1, 0.8, (0.0, 0.0, -1.0)),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = ReportContent(
        title="Ada",
        inputs=[InputEntry("ada.jpg", True, picture=DARK, rendered=BRIGHT)],
        headshots={"front": DARK, "left-20": DARK},
        aside={"back": DARK},
        sight=[SightView(judge_sight(view, one, config=GateConfig()), DARK) for view, one in SHARES.items()],
        eye_contact_deg={"front": 2.0},
    )
    return write_report(tmp_path_factory.mktemp("report"), content)


@pytest.fixture
def page(report: Path, browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(
        offline=True, viewport={"width": 900, "height": 900}, java_script_enabled=getattr(request, "param", True)
    )
    made = context.new_page()
    told: list[str] = []
    made.on("console", lambda message: told.append(message.text))
    made.on("pageerror", lambda error: told.append(str(error)))
    made.goto(report.as_uri())
    yield made
    context.close()
    assert told == []


def shown(page: Any) -> list[str]:
    """Views in the first section."""
    captions = page.locator("#headshots figure:visible figcaption")
    return [text.split("\n")[0].strip() for text in captions.all_inner_texts()]


def boxes(page: Any) -> list[dict[str, float]]:
    return [image.bounding_box() for image in page.locator(".pair img").all()]


def test_boxes_choose_pictures_by_keyboard_and_tell_how_many(page: Any):
    assert shown(page) == ["front", "left 20", "back"]
    page.get_by_role("checkbox", name="Put aside (1)").focus()
    page.keyboard.press("Space")
    assert shown(page) == ["front", "left 20"]
    assert page.locator(".filters output").inner_text() == "2 of 3 pictures"
    page.keyboard.press("Space")
    page.get_by_role("group", name="What photos saw").get_by_label("Partly invented (2)").uncheck()
    assert shown(page) == ["front"]
    assert page.locator("#sight figure:visible").count() == 1


def test_the_slider_uncovers_the_photo_by_keyboard(page: Any):
    slider = page.get_by_role("slider", name="How much of the photo ada.jpg is shown")
    first, second = boxes(page)
    assert first == second
    slider.focus()
    for key, bright in (("Home", True), ("End", False)):
        page.keyboard.press(key)
        assert (mean_level(page) > 128) == bright
    assert slider.get_attribute("aria-valuetext") == "100% photo"


def mean_level(page: Any) -> float:
    """Of the pair's picture as it is seen, without its border."""
    import cv2

    seen = cv2.imdecode(np.frombuffer(page.locator(".pair").screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    return float(seen[8:56, 8:56].mean())


@pytest.mark.parametrize("page", [False], indirect=True)
def test_without_a_script_everything_is_seen_side_by_side(page: Any):
    assert shown(page) == ["front", "left 20", "back"]
    assert not page.locator(".filters").is_visible() and not page.locator(".cut").is_visible()
    first, second = boxes(page)
    assert first["x"] + first["width"] <= second["x"] and first["y"] == second["y"]


def test_paper_has_no_controls_and_both_pictures(page: Any):
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible() and not page.locator(".cut").is_visible()
    first, second = boxes(page)
    assert first["x"] + first["width"] <= second["x"]
    assert page.evaluate("getComputedStyle(document.querySelector('.after')).clipPath") == "none"


def test_axe_finds_no_serious_fault(page: Any):
    assert [one for one in faults_of(page, axe_source()) if one[0] in IMPACTS] == []

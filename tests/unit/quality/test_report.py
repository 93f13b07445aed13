import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from head3d.quality.consistency import Consistency, PairScore
from head3d.quality.gate import GateConfig, judge_sight
from head3d.quality.identity import IdentityScore
from head3d.quality.report import InputEntry, ReportContent, StageCost, summary, write_report
from head3d.quality.sight_overlay import SightView
from head3d.render.confidence import Shares

PICTURE = np.full((40, 30, 3), 120, np.uint8)


def content() -> ReportContent:
    return ReportContent(
        title="<script>alert(1)</script>",
        inputs=[
            InputEntry(
                "a & b.jpg", True, warnings=("a little blurred",), picture=PICTURE, overlays={"landmarks": PICTURE}
            ),
            InputEntry("dog.jpg", False, reasons=("no face found",)),
        ],
        headshots={"front": PICTURE, "back": PICTURE},
        turntable=[PICTURE] * 3,
        identity=[IdentityScore("front", {"a & b.jpg": 0.41}, 0.41), IdentityScore("back", {}, None)],
        consistency=Consistency(38.2, 0.02, (PairScore("front", "left-20", 20.0, 0.8, 38.2, 0.02),)),
        sight=[
            SightView(judge_sight("front", Shares(0.9, 0.1, 0.0), config=GateConfig()), PICTURE),
            SightView(judge_sight("back", Shares(0.1, 0.1, 0.8, (0.0, 0.0, -1.0)), config=GateConfig()), PICTURE),
        ],
        stages=[StageCost("fit", 12.0, 900.0), StageCost("field", 130.0, 2100.0)],
    )


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def text(tmp_path) -> str:
    return write_report(tmp_path, content()).read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_every_picture_has_words(text):
    page = Page(text)
    assert page.open == [] and len(page.images) == 1 + 2 + 2 + 3 + 1 + 1
    assert all(image["alt"] for image in page.images)


def test_nothing_is_asked_of_anybody(text):
    assert "http://" not in text and "https://" not in text and "url(" not in text
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in Page(text).images)


def test_names_are_text_not_markup(text):
    assert "script" not in Page(text).tags
    assert "a &amp; b.jpg" in text


def test_verdicts_reasons_and_numbers_are_there(text):
    for words in (
        "no face found",
        "a little blurred",
        "0.41",
        "38.2 dB",
        "2 min 10 s",
        "not used",
        "90% seen",
        "Add a photo from behind.",
    ):
        assert words in text, words


def test_json_holds_the_numbers(tmp_path):
    write_report(tmp_path, content())
    got = json.loads((tmp_path / "report.json").read_text())
    assert got["identity"]["by_view"]["front"]["photos"] == {"a & b.jpg": 0.41}
    assert got["identity"]["mean"] == pytest.approx(0.41) and got["photos_used"] == 1
    assert got["sight"]["back"]["level"] == "refused" and got["sight"]["front"]["seen"] == pytest.approx(0.9)
    assert got["inputs"][1]["reasons"] == ["no face found"] and got["seconds"] == 142.0


def test_an_empty_run_still_gives_a_page(tmp_path):
    bare = ReportContent(title="me", inputs=[], headshots={})
    assert "<h1>me</h1>" in write_report(tmp_path, bare).read_text()
    assert summary(bare)["identity"]["mean"] is None


def test_it_fits_a_phone(text):
    assert re.search(r'name="viewport" content="width=device-width', text) and "max-width:700px" in text

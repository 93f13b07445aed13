import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from head3d.quality.config import GateConfig
from head3d.quality.consistency import Consistency, PairScore
from head3d.quality.gate import judge_sight
from head3d.quality.identity import IdentityScore
from head3d.quality.picture_gate import PictureVerdict
from head3d.quality.picture_numbers import PictureNumbers
from head3d.quality.report import InputEntry, ReportContent, StageCost, summary, write_report
from head3d.quality.report_pictures import kind_of, state_of
from head3d.quality.report_style import STYLE
from head3d.quality.sight_overlay import SightView
from head3d.render.confidence import Shares

PICTURE = np.full((40, 30, 3), 120, np.uint8)


def content() -> ReportContent:
    return ReportContent(
        title="<script>alert(1)</script>",
        inputs=[
            InputEntry(
                "a & b.jpg",
                True,
                warnings=("a little blurred",),
                picture=PICTURE,
                overlays={"landmarks": PICTURE},
                rendered=PICTURE,
            ),
            InputEntry("dog.jpg", False, reasons=("no face found",)),
        ],
        headshots={"front": PICTURE, "left-20": PICTURE},
        aside={"back": PICTURE},
        turntable=[PICTURE] * 3,
        identity=[IdentityScore("front", {"a & b.jpg": 0.41}, 0.41), IdentityScore("back", {}, None)],
        consistency=Consistency(38.2, 0.02, (PairScore("front", "left-20", 20.0, 0.8, 38.2, 0.02),)),
        sight=[
            SightView(judge_sight("front", Shares(0.9, 0.1, 0.0), config=GateConfig()), PICTURE),
            SightView(judge_sight("left-20", Shares(0.7, 0.1, 0.2, (1.0, 0.0, 0.0)), config=GateConfig()), PICTURE),
            SightView(judge_sight("back", Shares(0.1, 0.1, 0.8, (0.0, 0.0, -1.0)), config=GateConfig()), PICTURE),
        ],
        eye_contact_deg={"front": 3.4, "left-20": 19.7, "back": None},
        stages=[StageCost("fit", 12.0, 900.0), StageCost("field", 130.0, 2100.0)],
    )


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.figures: list[dict[str, str | None]] = []
        self.inputs: list[dict[str, str | None]] = []
        self.labelled: list[bool] = []
        self.policy = ""
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "figure":
            self.figures.append(dict(attrs))
        if tag == "input":
            self.inputs.append(dict(attrs))
            self.labelled.append("label" in self.open or "aria-label" in dict(attrs))
        if tag == "script":
            self.scripts.append("")
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"] or ""
        if tag not in ("img", "meta", "br", "input"):
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def text(tmp_path) -> str:
    return write_report(tmp_path, content()).read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_every_picture_has_words(text):
    page = Page(text)
    assert page.open == [] and len(page.images) == 1 + 3 + 3 + 3 + 1 + 1 + 2
    assert all(image["alt"] for image in page.images)


def test_nothing_is_asked_of_anybody(text):
    assert "http://" not in text and "https://" not in text and "url(" not in text
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in Page(text).images)


def test_only_the_script_that_the_policy_names_runs(text):
    page = Page(text)
    assert len(page.scripts) == 1
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy and "default-src 'none'" in page.policy
    assert not re.search(r"<[^>]* on[a-z]+=", text), "handlers within tags would not run"


def test_pictures_carry_what_the_filters_go_by(text):
    page = Page(text)
    marks = [(one["data-state"], one["data-kind"]) for one in page.figures if "data-state" in one]
    assert marks == 2 * [("delivered", "seen"), ("warned", "invented"), ("aside", "invented")]
    boxes = {(one["name"], one["value"]) for one in page.inputs if one["type"] == "checkbox"}
    assert {("state", state) for state, _ in marks} | {("kind", kind) for _, kind in marks} <= boxes
    for words in ("Delivered (1)", "With a warning (1)", "Put aside (1)", "Seen by photos (1)", "Partly invented (2)"):
        assert words in text, words


def test_every_control_has_a_name(text):
    page = Page(text)
    assert len(page.inputs) == 6 + 1 and all(page.labelled)


def test_a_photo_stands_beside_the_head_from_its_camera(text):
    pair = re.search(r'<div class="pair">(.*?)</div>', text)
    assert pair and [image["alt"] for image in Page(pair[1]).images] == [
        "Photo a & b.jpg, the head in it",
        "The head from the camera of a & b.jpg",
    ]
    assert text.count('type="range"') == 1


def test_every_angle_says_what_becomes_of_it_and_what_photos_saw(text):
    for words in ("deliver · 90% seen", "warning · 70% seen", "refused · 10% seen"):
        assert text.count(words) == 1, words


def test_a_refused_view_that_an_older_run_delivered_comes_with_a_warning():
    lone = replace(content(), headshots={"back": PICTURE}, aside={})
    assert state_of("back", lone) == "warned"


def test_a_run_that_delivers_nothing_still_has_its_page_and_says_what_would_help(tmp_path):
    none = replace(content(), headshots={}, aside={**content().headshots, "back": PICTURE}, identity=[])
    page = write_report(tmp_path, none).read_text()
    assert "None of these pictures is good enough to be delivered. Add a photo from behind." in page
    assert {one["data-state"] for one in Page(page).figures if "data-state" in one} == {"aside"}
    assert "None of these" not in write_report(tmp_path, content()).read_text()


def test_a_picture_nobody_judged_is_delivered_and_passes_every_kind(tmp_path):
    bare = ReportContent(title="me", inputs=[], headshots={"front": PICTURE})
    page = Page(write_report(tmp_path, bare).read_text())
    assert [one for one in page.figures if "data-state" in one] == [{"data-state": "delivered"}]
    assert {one["name"] for one in page.inputs} == {"state"}


@pytest.mark.parametrize(
    ("shares", "kind"),
    [((0.95, 0.05, 0.0), "seen"), ((0.85, 0.08, 0.07), "extrapolated"), ((0.5, 0.3, 0.2), "invented")],
)
def test_a_picture_is_of_its_least_certain_notable_kind(shares: tuple[float, float, float], kind: str):
    assert kind_of(Shares(*shares)) == kind


def test_paper_has_no_controls_and_cuts_no_picture():
    paper = STYLE[STYLE.index("@media print") :]
    assert "nav,.live .filters,.live .cut{display:none}" in paper and "figure,img" in paper
    assert "break-inside:avoid" in paper


def test_eye_contact_is_told_where_an_eye_shows(text, tmp_path):
    assert text.count("eyes 3° off the camera") == 1 and text.count("off the camera") == 2
    write_report(tmp_path, content())
    told = json.loads((tmp_path / "report.json").read_text())["eye_contact_deg"]
    assert told == {"front": 3.4, "left-20": 19.7, "back": None}


def test_numbers_of_every_picture_come_with_the_sets_interval_and_the_nets(tmp_path):
    said = {
        view: PictureVerdict(view, "good", "", -2.0, 0.4, numbers=PictureNumbers(landmarks=value, exposure=60.0))
        for view, value in (("front", 0.02), ("left-20", 0.04))
    }
    page = write_report(tmp_path, replace(content(), pictures=said)).read_text()
    assert "How good is every picture?" in page and "sha256" in page and "0.03 (0.02 to 0.04)" in page
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["pictures"]["front"]["landmarks"] == 0.02 and told["pictures"]["front"]["lpips_photo"] is None
    assert told["numbers"]["landmarks"] == {"mean": pytest.approx(0.03), "interval": [0.02, 0.04], "of": 2}
    assert "How good is every picture?" not in write_report(tmp_path, content()).read_text()


def test_names_are_text_not_markup(text):
    assert "alert" not in "".join(Page(text).scripts)
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

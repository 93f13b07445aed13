"""The viewer's sets: what the gate refuses is named with its reason, and is not among the pictures taken home."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from head3d.looks import Look
from head3d.quality.gate import Level
from head3d.viewer import sets  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
from head3d.viewer.render_loop import Stopped, Turns  # pyright: ignore[reportMissingImports]
from tests.unit.grey_studio import GreyStudio, names_in, told

LOOKS = [Look(name="good"), Look(name="torn", yaw_deg=20.0), Look(name="soft", yaw_deg=-20.0)]
LEVELS: Mapping[str, Level] = {"good": "good", "torn": "refused", "soft": "warned"}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Makes a set; its maker, and what the page is told of it."""

    def making(studio: GreyStudio, levels: Mapping[str, Level] = LEVELS) -> tuple[Any, dict[str, Any]]:
        monkeypatch.setattr(sets, "gate_of", told(levels))
        maker = sets.SetMaker(tmp_path / "sets", Turns(), lambda event: None)
        maker.start(studio, LOOKS, size=64)
        end = time.monotonic() + 30
        while maker.current and time.monotonic() < end:
            time.sleep(0.01)
        (one,) = maker.all()
        return maker, one

    return making


def test_a_refused_picture_is_listed_with_its_reason_and_stays_out_of_the_zip(make, tmp_path: Path):
    maker, one = make(GreyStudio(None))
    assert one["state"] == "done"
    assert [(shot["name"], shot["file"], shot["level"]) for shot in one["shots"]] == [
        ("good", "good.png", "good"), ("torn", "refused-torn.png", "refused"), ("soft", "soft.png", "warned"),
    ]  # fmt: skip
    assert one["shots"][1]["sentence"] == "torn: refused, it is blurred. Add a sharper photo."
    assert names_in(tmp_path / "sets" / one["id"]) == ["good.png", "refused-torn.png", "soft.png"]
    archive = zipfile.ZipFile(io.BytesIO(maker.archive(one["id"])))
    assert sorted(archive.namelist()) == ["good.png", "looks.json", "soft.png"]


def test_the_strictest_verdict_counts_and_gives_the_reason(make):
    _, one = make(GreyStudio(None, {"soft": "refused", "good": "warned"}))
    assert {shot["name"]: shot["level"] for shot in one["shots"]} == {
        "good": "warned", "torn": "refused", "soft": "refused",
    }  # fmt: skip
    assert [shot["sentence"] for shot in one["shots"]][::2] == ["good: unseen", "soft: unseen"]


def test_a_cancelled_set_keeps_what_was_finished_and_judged(make):
    class Tired(GreyStudio):
        def picture(self, look: Look, height_px: int, **how: Any) -> Any:
            if look.name == "soft" and height_px == 64:
                raise Stopped
            return super().picture(look, height_px, **how)

    _, one = make(Tired(None))
    assert one["state"] == "cancelled"
    assert [(shot["name"], shot["level"]) for shot in one["shots"]] == [("good", "good"), ("torn", "refused")]


def test_what_a_crash_would_leave_unjudged_is_noted_with_a_warning(make, tmp_path: Path):
    notes: list[dict[str, Any]] = []

    class Watched(GreyStudio):
        def picture(self, look: Look, height_px: int, **how: Any) -> Any:
            if look.name == "soft" and height_px == 64:
                (path,) = (tmp_path / "sets").glob("*/set.json")
                notes.extend(json.loads(path.read_text())["shots"])
            return super().picture(look, height_px, **how)

    make(Watched(None, {"torn": "refused"}))
    assert [(one["level"], one["sentence"]) for one in notes] == [
        ("warned", f"good: {sets.UNJUDGED}"), ("refused", "torn: unseen"),
    ]  # fmt: skip

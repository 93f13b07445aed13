"""What was made and judged after a run, as tables: read from the folder as the commands write it, nothing if absent."""

import json
from pathlib import Path

import numpy as np

from head3d import store
from head3d.finish.passport import checks_path
from head3d.quality.preference import PreferenceModel, write_model
from head3d.quality.ratings import append_rating, new_rating
from head3d.quality.report import ReportContent, write_report
from head3d.report_extras import extra_files, read_extras
from head3d.set_record import NUMBERS_KIND, NUMBERS_VERSION


def numbers(folder: Path) -> None:
    levels = {"good": 3, "warned": 1, "refused": 0}
    skin = {"mean": 0.5, "interval": [0.4, 0.6], "worst": 0.9, "of": 4}
    payload = {"summary": {"pictures": 4, "levels": levels, "skin_delta_e": skin}, "pictures": []}
    store.write_json(folder / "numbers.json", payload, kind=NUMBERS_KIND, version=NUMBERS_VERSION)


def checks(picture: Path) -> None:
    wrong = {"name": "head height", "passed": False, "found": "60%", "wanted": "71% to 80%", "advice": "Larger."}
    right = {**wrong, "name": "eyes", "passed": True}
    payload = {"picture": picture.name, "preset": "passport-eu", "passed": False, "checks": [wrong, right]}
    store.write_json(checks_path(picture), payload, kind="head3d.passport", version=1)


def test_nothing_is_told_of_what_is_not_there(tmp_path: Path):
    assert read_extras(tmp_path) == [] and extra_files(tmp_path) == []
    assert "Made and judged since" not in write_report(tmp_path, ReportContent("me", [], {})).read_text()


def test_everything_that_is_there_has_its_table(tmp_path: Path):
    numbers(store.make_folder(tmp_path / "exports" / "sets" / "one"))
    checks(store.make_folder(tmp_path / "exports" / "renders" / "refused") / "front_passport.png")
    for choice in (0, 1):
        vote = new_rating(rater="<ada>", kind="pairwise", axis="appeal", items=["a.png", "b.png"], choice=choice)
        append_rating(tmp_path / "ratings.jsonl", vote)
    one = np.ones(1)
    model = PreferenceModel("appeal", ("light",), one, one, one, 1.0, 20, 0.9, (0.8, 0.95))
    write_model(tmp_path / "preference_appeal.json", model)
    blind = {"rater": "ada", "judged": 12, "right": 6, "share": 0.5, "interval": [0.25, 0.75]}
    blind |= {"renders_taken_for_photos": 0.4, "photos_taken_for_renders": 0.5}
    store.write_json(tmp_path / "blind.json", blind, kind="head3d.blind", version=1)
    gap = {"metric": "landmark error", "group": "Monk 08", "gap": 0.12, "interval": [0.02, 0.2]}
    (tmp_path / "audit.json").write_text(json.dumps({"people": 20, "bound": 0.1, "above": [gap]}))
    sets, passport, votes, told, audit = read_extras(tmp_path)
    assert sets.rows[0][:4] == ("sets/one", "4", "3 / 1 / 0", "0.5 (0.4 to 0.6)") and sets.rows[0][4] == "–"
    wrong = "head height: 60%, wanted 71% to 80%"
    assert passport.rows == (("renders/refused/front_passport.png (refused)", "1 of 2", wrong),)
    assert votes.rows == (("appeal", "2", "1", "90% (80% to 95%)"),)
    assert told.rows == (("ada", "6 of 12", "50% (25% to 75%)", "40%"),)
    assert audit.rows == (("landmark error", "Monk 08", "+12%", "+2% to +20%"),) and "20 people" in audit.caption
    assert len(extra_files(tmp_path)) == 6
    page = write_report(tmp_path, ReportContent("me", [], {}, extras=read_extras(tmp_path))).read_text()
    assert "Made and judged since" in page and "Passport checks" in page and "Blind test" in page


def test_a_file_that_was_edited_takes_nothing_else_with_it(tmp_path: Path):
    store.make_folder(tmp_path / "exports")
    numbers(tmp_path / "exports")
    (tmp_path / "blind.json").write_text("{")
    (tmp_path / "audit.json").write_text("[]")
    assert [one.rows[0][0] for one in read_extras(tmp_path)] == ["."]

"""Looks asked for by a word: which words do, in which order they come, and when their pictures are out of date."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from head3d.asked_looks import PICKS, asks_for_looks, contents_for, looks_for
from head3d.errors import ConfigError
from head3d.looks import KIND, VERSION, Look, look_payload, write_looks


def keep(path: Path, look: Look, *, order: float | None = None) -> Path:
    """A pick, as the viewer writes it; without a place in its list, as a person does."""
    path.parent.mkdir(exist_ok=True)
    place = {} if order is None else {"order": order}
    path.write_text(json.dumps({"format": KIND, "version": VERSION, **place, "look": look_payload(look)}))
    return path


def names(words: list[str | Path], views: Path | None = None) -> list[str]:
    return [look.name for look in looks_for([str(word) for word in words], views)]


def test_angles_ask_for_no_looks():
    asked = ["front", "30/-10", "7.5", "picks", "a/b.json", "set.YAML", "set.yml"]
    assert [asks_for_looks(word) for word in asked] == [False] * 3 + [True] * 4
    assert looks_for(["front", "30"], None) == []


def test_picks_come_in_the_order_of_the_viewers_list(tmp_path: Path):
    for stem, order in (("c" * 12, 1.0), ("a" * 12, 2.5), ("b" * 12, 2.0), ("mine", None)):
        keep(tmp_path / f"{stem}.json", Look(name=stem[0]), order=order)
    (tmp_path / ".undo.json").write_text('{"format": "head3d.undo", "version": 1, "changes": []}')
    (tmp_path / "views.json").write_text('{"format": "head3d.views", "version": 1}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "front").mkdir()
    assert names([PICKS], tmp_path) == ["c", "b", "a", "m"]
    assert names([PICKS]) == [] and names([PICKS], tmp_path / "none") == []


def test_files_and_picks_come_in_the_order_they_are_asked_for(tmp_path: Path):
    write_looks(tmp_path / "looks.json", [Look(name="one"), Look(name="two")])
    (tmp_path / "set.yaml").write_text("views: [left-20, back]")
    keep(tmp_path / "views" / "x.json", Look(name="kept"))
    words = [tmp_path / "set.yaml", "front", PICKS, tmp_path / "looks.json"]
    assert names(words, tmp_path / "views") == ["left-20", "back", "kept", "one", "two"]


def test_pictures_beside_a_file_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "wall.png")
    (tmp_path / "set.yaml").write_text("views: front\nbackdrop: [wall.png, white, none.png]")
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    looks = looks_for([str(tmp_path / "set.yaml")], None)
    assert [look.backdrop for look in looks] == [str(tmp_path / "wall.png"), "white", "none.png"]
    Image.new("RGB", (8, 8)).save(here / "wall.png")
    assert looks_for([str(tmp_path / "set.yaml")], None)[0].backdrop == "wall.png"  # as the command line has it


def test_contents_follow_looks_and_what_they_name_and_not_places(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "wall.png")
    kept = keep(tmp_path / "views" / "x.json", Look())
    (tmp_path / "set.yaml").write_text("views: front\nbackdrop: wall.png")

    def contents() -> list[str]:
        return contents_for([str(tmp_path / "set.yaml"), PICKS], kept.parent)

    seen = [contents()]
    assert len(seen[0]) == 3 and contents() == seen[0]
    Image.new("RGB", (8, 9)).save(tmp_path / "wall.png")
    seen.append(contents())
    keep(kept, Look(yaw_deg=3.0))
    seen.append(contents())
    kept.write_text("{")
    seen.append(contents())
    assert len({tuple(one) for one in seen}) == 4


def test_what_is_missing_or_no_look_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.json: no such file of looks"):
        names([tmp_path / "none.json"])
    keep(tmp_path / "bad.json", Look(name="x"))
    (tmp_path / "bad.json").write_text((tmp_path / "bad.json").read_text().replace("yaw_deg", "yaw"))
    with pytest.raises(ConfigError, match="no 'yaw'"):
        names([tmp_path / "bad.json"])


def test_looks_are_read_without_torch():
    probe = "import sys, head3d.asked_looks, head3d.batch.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0

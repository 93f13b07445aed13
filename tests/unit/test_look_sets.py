"""Sets of looks: every combination once, named for what varies, backdrops side by side."""

from pathlib import Path
from typing import Any

import pytest

from head3d.errors import ConfigError
from head3d.look_sets import MOST, in_rows, looks_of, read_set

SET = {
    "views": ["front", "profile-left", "30/-10"],
    "garment": ["own", "blazer:charcoal,white"],
    "light": "rembrandt",
    "backdrop": ["white", "charcoal"],
}


def test_every_combination_is_made_once():
    looks = looks_of(SET, where="set")
    assert len(looks) == 12 == len({look.name for look in looks})
    assert {look.light for look in looks} == {"rembrandt"}
    assert {(look.garment, look.garment_color) for look in looks} == {("own", ""), ("blazer", "charcoal,white")}
    assert {(look.yaw_deg, look.pitch_deg) for look in looks} == {(0, 0), (85, 0), (30, -10)}


def test_backdrops_of_one_render_follow_each_other_wherever_the_file_lists_them():
    looks = looks_of({"backdrop": ["white", "warm"], "views": ["front", "back"], "garment": ["own", "suit"]}, where="s")
    assert [look.backdrop for look in looks] == ["white", "warm"] * 4
    assert [(a.yaw_deg, a.garment) == (b.yaw_deg, b.garment) for a, b in zip(looks[::2], looks[1::2], strict=True)]


def test_names_say_what_varies_and_nothing_else():
    names = [look.name for look in looks_of(SET, where="set")]
    assert names[0] == "front own white" and "left 30 down 10 blazer charcoal,white charcoal" in names
    (alone,) = looks_of({"views": "right-20", "crop": "linkedin", "units": {"jawOpen": 0.1}}, where="set")
    assert alone.name == "right-20" and alone.crop == "linkedin" and alone.units == {"jawOpen": 0.1}


def test_lenses_at_equal_framing_say_the_distance_and_are_named():
    near, far = looks_of({"views": "front", "lens_mm": [35, 135]}, where="set")
    assert (near.name, far.name) == ("front 35", "front 135") and near.focal_mm is None
    assert far.distance_m / near.distance_m == pytest.approx(135 / 35)
    with pytest.raises(ConfigError, match="set: A lens"):
        looks_of({"views": "front", "lens_mm": 35, "focal_mm": 50}, where="set")


def test_rows_hold_the_angles_of_one_combination():
    looks = looks_of(SET, where="set")
    rows = in_rows(looks)
    assert [len(row) for row in rows] == [3] * 4 and sorted(n for row in rows for n in row) == list(range(12))
    for row in rows:
        assert [looks[n].yaw_deg for n in row] == [0, 85, 30]
        assert len({(looks[n].garment, looks[n].backdrop) for n in row}) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"garment": "suit"}, "no set of pictures"),
        (["front"], "no set of pictures"),
        ({"views": ["front"], "garments": ["suit"]}, "no 'garments'"),
        ({"views": ["front"], "yaw_deg": [3]}, "no 'yaw_deg'"),
        ({"views": ["sideways"]}, "no view 'sideways'"),
        ({"views": []}, "views lists nothing"),
        ({"views": ["front", "front"]}, "views lists something twice"),
        ({"views": ["front"], "crop": ["postcard"]}, "crop is 'postcard'"),
        ({"views": ["front"], "light_yaw_deg": list(range(MOST + 1))}, f"{MOST + 1} pictures"),
    ],
)
def test_what_is_wrong_is_named(content: Any, told: str):
    with pytest.raises(ConfigError, match=told):
        looks_of(content, where="set.yaml")


def test_a_file_is_read_and_a_broken_one_named(tmp_path: Path):
    path = tmp_path / "set.yaml"
    path.write_text("views: [front, left-20]\nbackdrop: white\n")
    assert [look.backdrop for look in read_set(path)] == ["white", "white"]
    path.write_text("views: [front")
    with pytest.raises(ConfigError, match="not a yaml file"):
        read_set(path)
    with pytest.raises(ConfigError, match="no such set file"):
        read_set(tmp_path / "none.yaml")

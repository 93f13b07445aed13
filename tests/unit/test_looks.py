"""Looks: what they hold comes back, what they cannot hold is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from head3d.errors import ConfigError
from head3d.looks import Look, file_stem, look_from, look_payload, named_look, read_looks, write_looks


def test_a_look_comes_back_from_json():
    look = Look(name="Ada, links", yaw_deg=-30, focal_mm=85.0, gloss=0.0, units={"jawOpen": 0.25}, gaze="camera")
    look = replace(look, gaze_yaw_deg=-8.0, gaze_pitch_deg=3.0)
    assert look_from(json.loads(json.dumps(look_payload(look))), where="x") == look


def test_a_look_of_before_the_eyes_could_be_turned_is_read():
    before = {name: value for name, value in look_payload(Look(yaw_deg=5)).items() if not name.startswith("gaze_")}
    assert look_from(before, where="x") == Look(yaw_deg=5)


def test_a_list_of_looks_comes_back_in_its_order(tmp_path: Path):
    looks = [named_look("profile-left", light="rim"), Look(name="own")]
    write_looks(tmp_path / "set.json", looks)
    assert read_looks(tmp_path / "set.json") == looks
    assert looks[0].yaw_deg == 85


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"yaw": 3}, "no 'yaw'"),
        ({"yaw_deg": "3"}, "yaw_deg is '3'"),
        ({"yaw_deg": float("nan")}, "yaw_deg is nan"),
        ({"yaw_deg": True}, "yaw_deg is True"),
        ({"gaze_yaw_deg": 23}, "gaze_yaw_deg is 23"),
        ({"distance_m": 0.1}, "distance_m is 0.1"),
        ({"crop": "passport"}, "crop is 'passport'"),
        ({"light": 3}, "light is no text"),
        ({"name": "a\nb"}, "name is no text of one line"),
        ({"units": {"jawOpen": 9}}, "jawOpen weighs 9"),
        ({"units": [1]}, "units are no weights"),
    ],
)
def test_what_is_wrong_is_named(payload: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told):
        look_from(payload, where="file.json")


def test_names_become_harmless_file_names():
    assert file_stem("../../etc/passwd") == "etc-passwd"
    assert file_stem("Müller & søn\x00") == "m-ller-s-n"
    assert file_stem("…") == "look"


def test_a_file_that_holds_no_look_is_named(tmp_path: Path):
    for content in ('{"format": "head3d.look", "version": 1, "look": 3}', '{"format": "head3d.looks", "version": 1}'):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(ConfigError, match="holds no look"):
            read_looks(tmp_path / "x.json")

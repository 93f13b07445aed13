"""Frames: the same head at the same place in every picture, and hair is not cut."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from head3d import cli
from head3d.errors import ConfigError
from head3d.finish.crops import CropPreset, crop_names, frame, load_crop
from head3d.finish.marks import HeadMarks
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project

HEAD = torch.tensor([[0.0, 0.13, 0.0], [0.0, -0.11, 0.05], [0.08, 0.0, 0.0], [-0.08, 0.0, 0.0], [0.0, 0.02, 0.08]])
CROWN, CHIN, LEFT, RIGHT, EYES = range(5)


def camera_at(yaw_deg: float = 25.0, distance_m: float = 1.0) -> Cameras:
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=distance_m)
    return Cameras(c2w[None], intrinsics(900.0, (640, 480))[None], (640, 480))


def marks_in(camera: Cameras, *, hair_px: float = 0.0) -> HeadMarks:
    points, _ = project(HEAD, camera.c2w[0], camera.K[0])
    landmarks = points[EYES].expand(478, 2).clone()
    skull = float(points[:, 1].min())
    sides = points[[LEFT, RIGHT], 0]
    return HeadMarks(skull, skull - hair_px, float(points[CHIN, 1]), float(sides.min()), float(sides.max()), landmarks)


def placed(camera: Cameras, crop: CropPreset) -> torch.Tensor:
    """The head's points as parts of the framed picture's width and height."""
    points, _ = project(HEAD, camera.c2w[0], camera.K[0])
    return points / torch.tensor([float(crop.size_px[0]), float(crop.size_px[1])])


@pytest.mark.parametrize("name", crop_names())
@pytest.mark.parametrize("yaw_deg", [0.0, 40.0, -85.0])
def test_the_head_has_the_size_and_place_of_the_preset(name: str, yaw_deg: float):
    crop = load_crop(name)
    camera = camera_at(yaw_deg)
    aimed = frame(camera, crop, marks=marks_in(camera))
    at = placed(aimed, crop)
    assert aimed.size == (crop.size_px[1], crop.size_px[0])
    assert float(at[CHIN, 1] - at[CROWN, 1]) == pytest.approx(crop.head, abs=1e-3)
    assert float(at[EYES, 1]) == pytest.approx(crop.eyes, abs=1e-3)
    assert float(at[[LEFT, RIGHT], 0].mean()) == pytest.approx(crop.across, abs=1e-3)


def test_team_tiles_agree_for_every_distance_angle_and_hair():
    crop = load_crop("team-grid")
    seen = []
    for distance, hair in ((0.7, 0.0), (1.5, 40.0), (1.0, 90.0)):
        camera = camera_at(0.0, distance)
        at = placed(frame(camera, crop, marks=marks_in(camera, hair_px=hair)), crop)
        seen.append([float(at[CHIN, 1] - at[CROWN, 1]), float(at[EYES, 1])])
    assert torch.tensor(seen).std(0).max() < 2e-3


def test_high_hair_gets_room_at_the_cost_of_the_eye_line():
    crop = load_crop("linkedin")
    camera = camera_at(0.0)
    bare, tall = marks_in(camera), marks_in(camera, hair_px=80.0)
    aimed = frame(camera, crop, marks=tall)
    scale = float(aimed.K[0, 1, 1] / camera.K[0, 1, 1])
    eyes = float(placed(aimed, crop)[EYES, 1]) * crop.size_px[1]
    assert eyes - (tall.eye_y - tall.hair_y) * scale >= 0.029 * crop.size_px[1]
    assert scale == pytest.approx(float(frame(camera, crop, marks=bare).K[0, 1, 1] / camera.K[0, 1, 1]))


def test_a_passport_shrinks_the_head_first_and_keeps_the_eye_line_within_the_rules():
    crop = load_crop("passport-eu")
    assert crop.passport is not None
    camera = camera_at(0.0)
    for hair in (0.0, 20.0, 60.0, 200.0):
        at = placed(frame(camera, crop, marks=marks_in(camera, hair_px=hair)), crop)
        assert crop.passport.head[0] <= float(at[CHIN, 1] - at[CROWN, 1]) <= crop.passport.head[1]
        assert crop.passport.eyes[0] <= 1 - float(at[EYES, 1]) <= crop.passport.eyes[1]


def test_frames_of_offices_lie_within_their_own_rules():
    offices = [crop for crop in map(load_crop, crop_names()) if crop.passport]
    assert {crop.name for crop in offices} == {"passport-eu", "visa-us"}
    for crop in offices:
        assert crop.passport is not None
        for head in (crop.head, crop.head_least or crop.head):
            assert crop.passport.head[0] <= head <= crop.passport.head[1]
        for eyes in (crop.eyes, crop.eyes_most):
            assert crop.passport.eyes[0] <= 1 - eyes <= crop.passport.eyes[1]
    eu, us = load_crop("passport-eu"), load_crop("visa-us")
    assert [round(n / eu.dpi * 25.4, 1) for n in eu.size_px] == [35.0, 45.0]
    assert [n / us.dpi for n in us.size_px] == [2.0, 2.0]


def test_the_lower_edge_of_the_bust_is_in_no_frame():
    for crop in map(load_crop, crop_names()):
        assert (1 - crop.eyes) / (crop.head_least or crop.head) < 1.28  # it ends 1.3 heads below the eyes


def test_another_size_keeps_the_shape():
    assert load_crop("portrait-3x4").resized(640).size_px == (480, 640)


def test_a_frame_of_ones_own_and_what_it_says_wrong(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("size_px: [300, 200]\nhead: 0.6\n")
    assert replace(load_crop(str(path)), name="") == CropPreset("", size_px=(300, 200), head=0.6)
    for text, told in (
        ("haed: 0.5", "haed"),
        ("head: 2", "head is 2"),
        ("size_px: 4", "size_px"),
        ("top: hat", "top is 'hat'"),
        ("passport: {haed: 1}", "haed"),
        ("passport: 3", "names and values"),
        ("- 1", "nothing about a frame"),
        ("a: [", "not a yaml"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=told):
            load_crop(str(path))
    with pytest.raises(ConfigError, match="no such crop file"):
        load_crop(str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match="linkdin") as caught:
        load_crop("linkdin")
    assert "linkedin" in caught.value.hint


def test_presets_lists_frames_beside_runs(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["presets"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("fast", "cpu", *crop_names()))
    assert cli.main(["presets", "visa-us"]) == 0
    assert "top: hair" in capsys.readouterr().out

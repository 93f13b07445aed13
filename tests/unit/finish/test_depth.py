"""A place behind the head: as blurred as the lens says, and moving against the head where the camera walks."""

import math

import numpy as np
import pytest
import torch

from head3d.finish.apply import backdrop_picture
from head3d.finish.config import FinishConfig
from head3d.finish.depth import depth_behind, out_of_focus
from head3d.geometry.cameras import Cameras, project
from head3d.imaging.color import luminance
from head3d.imaging.io import write_image
from head3d.render.lens import lens_distance_m
from head3d.render.views import named_view

WAYS = {"far_m": 3.0, "f_number": 5.6, "walk": 0.2}


def seen(yaw_deg: float = 0.0, *, lens_mm: float = 85.0, size: int = 128) -> Cameras:
    return named_view("front", size=(size, size), yaw_deg=yaw_deg, distance_m=lens_distance_m(lens_mm)).camera


@pytest.fixture
def bar(tmp_path) -> FinishConfig:
    """A white bar in the middle of a dark picture that is twice as wide as high."""
    pixels = np.full((128, 256, 3), 20, np.uint8)
    pixels[:, 120:136] = 250
    return FinishConfig(backdrop_image=str(write_image(tmp_path / "bar.png", pixels)))


def middle(picture: torch.Tensor) -> float:
    weight = (luminance(picture) - 0.02).clamp_min(0).sum(0)
    return float((weight * (torch.arange(len(weight)) + 0.5)).sum() / weight.sum())


class TestBlur:
    def test_disc_of_the_thin_lens(self):
        # 85 mm, f/5.6, focused at 1.46 m, 3 m behind: 85^2 / 5.6 / (1460 - 85) * 3000 / 4460 = 0.631 mm of 24
        assert depth_behind(seen(), **WAYS).blur * 24 == pytest.approx(0.631, rel=0.02)

    def test_long_and_fast_lenses_blur_more(self):
        lenses = [depth_behind(seen(lens_mm=mm), **WAYS).blur for mm in (35.0, 85.0, 135.0)]
        stops = [depth_behind(seen(), **{**WAYS, "f_number": f}).blur for f in (2.0, 5.6, 16.0)]
        assert lenses == sorted(lenses) and stops == sorted(stops, reverse=True)
        assert depth_behind(seen(), **{**WAYS, "f_number": 0.0}).blur == 0.0

    def test_without_a_camera_it_is_the_usual_one(self):
        usual = depth_behind(named_view("front").camera, **WAYS)
        assert depth_behind(None, **WAYS).blur == pytest.approx(usual.blur, rel=0.02)

    def test_a_point_becomes_an_even_disc_of_the_same_light(self):
        point = torch.zeros(41, 41, 3)
        point[20, 20] = 1.0
        disc = out_of_focus(point, radius_px=8.0)
        assert float(disc.sum()) == pytest.approx(3.0, rel=1e-3)
        assert float(disc[20, 27, 0]) == pytest.approx(float(disc[20, 20, 0])) and float(disc[20, 30, 0]) < 1e-8
        assert out_of_focus(point, radius_px=0.3) is point

    def test_an_even_wall_stays_what_it_is(self):
        wall = torch.full((30, 20, 3), 0.4)
        assert torch.allclose(out_of_focus(wall, radius_px=6.0), wall, atol=1e-5)


class TestShift:
    def test_who_walks_all_the_way_sees_the_parallax_of_the_camera(self):
        camera = seen(20.0)
        there, _ = project(torch.tensor([[0.0, 0.0, -3.0]]), camera.c2w[0], camera.K[0])
        here, _ = project(torch.zeros(1, 3), camera.c2w[0], camera.K[0])
        shift = depth_behind(camera, **{**WAYS, "walk": 1.0}).shift
        assert shift * 128 == pytest.approx(float(there[0, 0] - here[0, 0]), rel=0.03)

    def test_against_the_head_alike_to_both_sides_and_never_when_the_person_turns(self):
        left, right = (depth_behind(seen(yaw), **WAYS).shift for yaw in (30.0, -30.0))
        assert left < 0 and right == pytest.approx(-left)  # the nose goes right, the place left
        assert depth_behind(seen(30.0), **{**WAYS, "walk": 0.0}).shift == 0.0
        assert abs(depth_behind(seen(180.0), **WAYS).walked_rad) <= 0.2 * math.pi / 2 + 1e-6

    def test_pictures_move_with_the_view_and_never_leave_their_frame(self, bar):
        at = [middle(backdrop_picture(bar, (128, 128), camera=seen(yaw))) for yaw in (-80, -20, 0, 20, 80)]
        assert at == sorted(at, reverse=True) and at[2] == pytest.approx(64.0, abs=0.6)
        assert 0 < at[4] < at[3] - 5 and at[0] < 128

    def test_a_picture_of_the_frames_shape_has_no_room_to_move(self, tmp_path):
        pixels = np.full((64, 64, 3), 20, np.uint8)
        pixels[:, 30:34] = 250
        config = FinishConfig(backdrop_image=str(write_image(tmp_path / "a.png", pixels)), backdrop_f=0.0)
        still, turned = (backdrop_picture(config, (64, 64), camera=seen(yaw)) for yaw in (0.0, 60.0))
        assert torch.equal(still, turned)

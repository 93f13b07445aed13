"""Named angles frame the head, turn it the right way, and are lit without negative light."""

import pytest
import torch

from head3d.errors import ConfigError
from head3d.geometry.cameras import project
from head3d.geometry.sh import irradiance_basis
from head3d.render.angles import ANGLES
from head3d.render.lens import lens_distance_m
from head3d.render.rigs import LIGHTS, studio_light
from head3d.render.views import HEAD_CENTRE_M, HEAD_HEIGHT_M, HEAD_SHARE, named_view


def test_three_quarter_left_shows_the_face_turned_to_its_own_left():
    camera = named_view("three-quarter-left").camera
    assert float(torch.rad2deg(camera.yaw_pitch[0, 0])) == pytest.approx(40.0, abs=2.0)
    nose, _ = project(torch.tensor([[0.0, 0.0, 0.1]]), camera.c2w[0], camera.K[0])
    assert nose[0, 0] > 512  # the subject's left is on the right of the picture


@pytest.mark.parametrize("name", ANGLES)
def test_the_head_takes_its_share_of_the_height_in_the_middle(name):
    camera = named_view(name, size=(400, 300)).camera
    centre = torch.tensor(HEAD_CENTRE_M)
    up = torch.linalg.inv(camera.c2w[0])[1, :3] * -1
    ends = torch.stack([centre + up * HEAD_HEIGHT_M / 2, centre - up * HEAD_HEIGHT_M / 2, centre])
    places, _ = project(ends, camera.c2w[0], camera.K[0])
    assert float(places[1, 1] - places[0, 1]) == pytest.approx(HEAD_SHARE * 400, rel=0.005)
    assert places[2].tolist() == pytest.approx([150.0, 200.0], abs=0.1)


@pytest.mark.parametrize("name", LIGHTS)
def test_no_studio_light_is_negative_anywhere(name):
    directions = torch.nn.functional.normalize(torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert (irradiance_basis(directions) @ studio_light(name).sh).min() > 0


def test_an_unknown_view_lists_the_known_ones():
    with pytest.raises(ConfigError, match="profile-left"):
        named_view("sideways")
    with pytest.raises(ConfigError, match="inside"):
        named_view("front", distance_m=0.1)


@pytest.mark.parametrize("lens_mm", [35.0, 85.0, 135.0])
def test_a_lens_at_equal_framing_keeps_the_heads_size_and_is_of_that_length(lens_mm):
    camera = named_view("front", size=(480, 480), distance_m=lens_distance_m(lens_mm)).camera
    centre = torch.tensor(HEAD_CENTRE_M)
    half = torch.tensor([0.0, HEAD_HEIGHT_M / 2, 0.0])
    places, _ = project(torch.stack([centre + half, centre - half]), camera.c2w[0], camera.K[0])
    assert float(places[1, 1] - places[0, 1]) == pytest.approx(HEAD_SHARE * 480, rel=1e-4)
    assert float(camera.K[0, 1, 1]) == pytest.approx(lens_mm / 24 * 480, rel=1e-4)


def test_a_wide_lens_shows_the_nose_larger_against_the_ears():
    def nose_against_ears(lens_mm: float) -> float:
        camera = named_view("front", distance_m=lens_distance_m(lens_mm)).camera
        points = torch.tensor([[0.02, 0.0, 0.12], [-0.02, 0.0, 0.12], [0.08, 0.0, 0.0], [-0.08, 0.0, 0.0]])
        places, _ = project(points, camera.c2w[0], camera.K[0])
        return float((places[0, 0] - places[1, 0]) / (places[2, 0] - places[3, 0]))

    wide, usual, long = (nose_against_ears(mm) for mm in (35.0, 85.0, 135.0))
    assert wide > 1.1 * usual > 1.1 * long


@pytest.mark.parametrize("lens_mm", [20.0, 200.0, float("nan"), True, "85"])
def test_a_lens_that_frames_no_head_is_told(lens_mm):
    with pytest.raises(ConfigError, match="frames no head"):
        lens_distance_m(lens_mm)


def test_a_focal_length_in_millimetres_is_that_of_the_full_format():
    assert float(named_view("front", size=(480, 480), focal_mm=48.0).camera.K[0, 1, 1]) == pytest.approx(960.0)

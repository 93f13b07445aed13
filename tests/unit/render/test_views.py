"""Named angles frame the head, turn it the right way, and are lit without negative light."""

import pytest
import torch

from head3d.errors import ConfigError
from head3d.geometry.cameras import project
from head3d.geometry.sh import irradiance_basis
from head3d.render.angles import ANGLES
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


def test_a_focal_length_in_millimetres_is_that_of_the_full_format():
    assert float(named_view("front", size=(480, 480), focal_mm=48.0).camera.K[0, 1, 1]) == pytest.approx(960.0)

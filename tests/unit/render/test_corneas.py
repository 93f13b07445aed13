"""Eyes mirror lamps where the mirror law says, on a cornea that is steeper than the ball."""

import math

import pytest
import torch

from head3d.geometry.lamps import distant_lamps
from head3d.render.corneas import CORNEA_RADIUS_M, eye_normals, glints, wet

RADIUS_M = 0.0125
FORWARD = torch.tensor([0.0, 0.0, 1.0])


@pytest.fixture
def eyes() -> torch.Tensor:
    centres = torch.tensor([[-0.03, 0.03, 0.07], [0.03, 0.03, 0.07]])
    return torch.cat([centres, FORWARD.repeat(2, 1), torch.full((2, 1), RADIUS_M)], dim=1)


def on_ball(centre: torch.Tensor, *, apart_m: float = 1e-4, half_m: float = 0.005) -> torch.Tensor:
    side = torch.arange(-half_m, half_m, apart_m)
    x, y = torch.meshgrid(side, side, indexing="xy")
    z = (RADIUS_M**2 - x**2 - y**2).sqrt()
    return centre + torch.stack([x, y, z], dim=-1).reshape(-1, 3)


def test_the_ball_is_wet_and_a_lid_is_not(eyes):
    way = torch.nn.functional.normalize(torch.tensor([[0.2, 0.1, 1.0]]), dim=-1)
    places = torch.cat([eyes[:1, :3] + way * (RADIUS_M + above) for above in (0.0, 9e-4, 3e-3)])
    found = wet(eyes, places)
    assert found[0] == 1 and 0.3 < found[1] < 0.7 and found[2] == 0
    assert wet(torch.zeros(2, 7), torch.zeros(5, 3)).max() == 0, "a field that does not know its eyes has none"


def test_the_cornea_is_steeper_than_the_ball(eyes):
    aside = 0.003
    place = eyes[1:, :3] + torch.tensor([[aside, 0.0, math.sqrt(RADIUS_M**2 - aside**2)]])
    normal = eye_normals(eyes, place, place)[0]
    assert float(normal[0] / normal[2]) == pytest.approx(aside / CORNEA_RADIUS_M, rel=0.02)
    apex = eyes[:1, :3] + FORWARD * RADIUS_M
    torch.testing.assert_close(eye_normals(eyes, apex, apex), FORWARD[None])


@pytest.mark.parametrize("azimuth", [-30.0, 25.0])
def test_a_catchlight_lies_where_the_mirror_law_says(eyes, azimuth):
    a = math.radians(azimuth)
    lamp = torch.tensor([[math.sin(a), 0.4, math.cos(a)]])
    lamps = distant_lamps(lamp, torch.ones(1, 3), sine=torch.tensor([0.1]))
    place = on_ball(eyes[0, :3])
    to_camera = FORWARD.expand_as(place)
    shown = glints(eye_normals(eyes, place, place), place, to_camera, lamps)[:, 0]
    half = torch.nn.functional.normalize(torch.nn.functional.normalize(lamp[0], dim=0) + FORWARD, dim=0)
    wanted = half[:2] / half[2] * CORNEA_RADIUS_M
    brightest = (place[shown.argmax()] - eyes[0, :3])[:2]
    assert float((brightest - wanted).norm()) < 3e-4
    assert shown.max() > 20 * shown.median(), "a point of light, not a veil"


def test_a_turned_eye_takes_its_cornea_with_it(eyes):
    turn = math.radians(15)
    place = eyes[:1, :3] + torch.tensor([[math.sin(turn), 0.0, math.cos(turn)]]) * RADIUS_M
    neutral = eyes[:1, :3] + FORWARD * RADIUS_M
    expected = torch.tensor([[math.sin(turn), 0.0, math.cos(turn)]])
    torch.testing.assert_close(eye_normals(eyes, place, neutral), expected, rtol=0, atol=1e-4)

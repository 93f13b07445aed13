"""Shadows on shapes whose shadows are known."""

import math

import numpy as np
import pytest
import torch

from head3d.render.shadows import broad_normal, cone_axes, disc_part, lamp_visibility, openness
from tests.unit.render.synthetic_fields import cache_of

UP = torch.tensor([0.0, 1.0, 0.0])
FLOOR_M, BALL_M, HEIGHT_M = -0.05, 0.04, 0.09
"""A plane, and a ball of this radius with its middle this high above it."""


def floor(points: torch.Tensor) -> torch.Tensor:
    return points[:, 1] - FLOOR_M


def ball_over_floor(points: torch.Tensor) -> torch.Tensor:
    middle = torch.tensor([0.0, FLOOR_M + HEIGHT_M, 0.0])
    return torch.minimum(floor(points), (points - middle).norm(dim=-1) - BALL_M)


def on_floor(distance: torch.Tensor) -> torch.Tensor:
    nothing = torch.zeros_like(distance)
    return torch.stack([distance, nothing + FLOOR_M, nothing], dim=-1)


def seen(cache, points: torch.Tensor, *, sine: float, toward: torch.Tensor = UP, far: float = math.inf) -> torch.Tensor:
    one = torch.ones(len(points))
    normal = UP.expand_as(points)
    return lamp_visibility(cache, points, normal, toward.expand_as(points), sine=one * sine, far_m=one * far)


def visible_part(distance: float, sine: float) -> float:
    """Part of a distant disc overhead that a point of the floor sees past the ball, by looking at 4000 places of it."""
    k = np.arange(4000) + 0.5
    radius, turn = sine * np.sqrt(k / 4000), k * math.pi * (1 + 5**0.5)
    d = np.stack([radius * np.cos(turn), np.sqrt(1 - radius**2), radius * np.sin(turn)], axis=-1)
    to_middle = np.array([-distance, HEIGHT_M, 0.0])
    along = d @ to_middle
    return float(np.mean(to_middle @ to_middle - along**2 > BALL_M**2))


class TestDiscPart:
    def test_ends_middle_and_slope(self):
        assert disc_part(torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0])).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
        rises = disc_part(torch.linspace(-1, 1, 50)).diff()
        assert bool((rises > 0).all())


class TestLampVisibility:
    @pytest.mark.parametrize("sine", [0.05, 0.1, 0.2, 0.3])
    def test_shadow_of_a_ball_has_its_umbra_and_penumbra(self, sine):
        cache, tangent = cache_of(ball_over_floor), math.tan(math.asin(sine))
        distance = torch.linspace(0.0, 0.12, 61)
        part = seen(cache, on_floor(distance), sine=sine)
        core = BALL_M / math.cos(math.asin(sine))
        umbra, penumbra = core - HEIGHT_M * tangent, core + HEIGHT_M * tangent
        slack = 0.004  # one cell of the volume
        assert float(part[distance < umbra - slack].amax()) < 0.03
        assert float(part[distance > penumbra + slack].amin()) > 0.97
        assert bool((part.diff() > -0.02).all())
        exact = torch.tensor([visible_part(d, sine) for d in distance.tolist()])
        assert float((part - exact).abs().max()) < 0.12 and float((part - exact).abs().mean()) < 0.03

    @pytest.mark.parametrize("elevation_deg", [4.0, 20.0, 90.0])
    def test_a_plane_never_shades_itself(self, elevation_deg):
        a = math.radians(elevation_deg)
        toward = torch.tensor([math.cos(a), math.sin(a), 0.0])
        assert (
            float(seen(cache_of(floor), on_floor(torch.linspace(-0.1, 0.05, 40)), sine=0.1, toward=toward).min()) > 0.98
        )

    def test_a_round_surface_never_shades_itself(self):
        cache = cache_of(lambda p: p.norm(dim=-1) - 0.1)
        normal = torch.nn.functional.normalize(torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
        one = torch.ones(500)
        part = lamp_visibility(cache, 0.1 * normal, normal, UP.expand(500, 3), sine=0.1 * one, far_m=one * math.inf)
        facing = normal[:, 1] > -0.09
        assert float(part[facing].min()) > 0.95 and float(part[normal[:, 1] < -0.1].abs().max()) == 0.0

    def test_a_lamp_in_front_of_the_ball_is_seen(self):
        below = torch.zeros(1, 3) + torch.tensor([0.0, FLOOR_M, 0.0])
        assert float(seen(cache_of(ball_over_floor), below, sine=0.05, far=0.04)) == pytest.approx(1.0, abs=0.02)

    def test_the_same_every_time(self):
        cache, points = cache_of(ball_over_floor), on_floor(torch.linspace(0, 0.1, 200))
        assert torch.equal(seen(cache, points, sine=0.2), seen(cache, points, sine=0.2))


class TestOpenness:
    def test_a_plane_sees_the_whole_sky_and_a_corner_half(self):
        points, normal = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
        share = torch.tensor([0.25] + [0.15] * 5)
        off = torch.full((1,), 2e-3)
        plane = openness(cache_of(lambda p: p[:, 2]), points, cone_axes(normal), off_m=off, normal=normal)
        assert float((plane * share).sum()) > 0.97
        corner = cache_of(lambda p: torch.minimum(p[:, 2], p[:, 0] + 0.004))
        assert float((openness(corner, points, cone_axes(normal), off_m=off, normal=normal) * share).sum()) == (
            pytest.approx(0.5, abs=0.15)
        )

    def test_cones_are_unit_and_fill_the_hemisphere_evenly(self):
        normal = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
        axes = cone_axes(normal)
        assert torch.allclose(axes.norm(dim=-1), torch.ones(50, 6), atol=1e-5)
        cosine = (axes * normal[:, None]).sum(-1)
        assert torch.allclose(cosine[:, 1:], torch.full((50, 5), 0.5), atol=1e-5)
        assert torch.allclose(axes[:, 1:].mean(1), 0.5 * normal, atol=1e-5)


def test_broad_normals_point_out_of_a_ball_and_fall_back_where_there_is_no_slope():
    cache = cache_of(lambda p: p.norm(dim=-1) - 0.1)
    normal = torch.nn.functional.normalize(torch.randn(100, 3, generator=torch.Generator().manual_seed(2)), dim=-1)
    found = broad_normal(cache, 0.1 * normal, fallback=-normal)
    assert float((found * normal).sum(-1).min()) > 0.99
    assert torch.equal(broad_normal(cache, torch.full((1, 3), 9.0), fallback=UP[None]), UP[None])

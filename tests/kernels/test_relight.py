"""The kernel that lights pixels does what the plain torch path does."""

import math

import pytest
import torch

from head3d.errors import ShapeError
from head3d.field.occupancy import ShellCache
from head3d.geometry.lamps import Lamps, distant_lamps, joined
from head3d.geometry.sh import Lighting, ambient, project_directional
from head3d.kernels.library import library
from head3d.kernels.relight import LAMP_NUMBERS, relight_pixels
from head3d.render.config import RelightConfig
from head3d.render.relight import Pixels, relight_compiled, relight_torch
from tests.unit.render.synthetic_fields import cache_of

EYE = torch.tensor([0.05, 0.02, 0.8])


def head(points: torch.Tensor) -> torch.Tensor:
    """A ball with a nose, on shoulders."""
    ball = points.norm(dim=-1) - 0.09
    nose = (points - torch.tensor([0.0, -0.01, 0.1])).norm(dim=-1) - 0.02
    return torch.minimum(torch.minimum(ball, nose), points[:, 1] + 0.11)


@pytest.fixture(scope="module")
def cache() -> ShellCache:
    return cache_of(head)


@pytest.fixture(scope="module")
def pixels(cache) -> Pixels:
    """Places on the surface that face the camera, some of them hair."""
    g = torch.Generator().manual_seed(0)
    place = torch.nn.functional.normalize(torch.randn(900, 3, generator=g), dim=-1) * 0.1
    for _ in range(5):
        slope = torch.nn.functional.normalize(place, dim=-1)
        place = place - slope * cache.sdf(place)[:, None]
    normal = torch.nn.functional.normalize(place + 0.02 * torch.randn(900, 3, generator=g), dim=-1)
    hair = (torch.rand(900, generator=g) - 0.5).clamp(min=0.0)
    return Pixels(place, place + 1e-4, normal, torch.rand(900, 3, generator=g), hair)


def light() -> Lighting:
    """Sky with a slope, a sun, a bulb and a panel."""
    sky = ambient(torch.tensor([0.2, 0.25, 0.3])) + 0.2 * project_directional(
        torch.tensor([0.0, 1.0, 0.0]), torch.ones(3)
    )
    sun = distant_lamps(torch.tensor([[0.5, 0.6, 0.6]]), torch.tensor([[2.0, 1.8, 1.5]]), sine=torch.tensor([0.02]))
    places = torch.tensor([[-0.6, 0.2, 0.5], [0.4, 0.4, 0.9]])
    facing = torch.tensor([[0.0, 0.0, 0.0], [-0.4, -0.4, -0.9]])
    near = Lamps(
        places,
        torch.zeros(2, dtype=torch.bool),
        torch.rand(2, 3, generator=torch.Generator().manual_seed(3)),
        torch.nn.functional.normalize(facing, dim=-1),
        torch.tensor([0.05, 0.3]),
    )
    return Lighting(sky, joined([sun, near]))


@pytest.mark.skipif(library("cpu") is None, reason="no compiled kernels")
class TestRelightPixels:
    @pytest.mark.parametrize(
        "config",
        [
            RelightConfig(),
            RelightConfig(shadows=0.0),
            RelightConfig(occlusion=0.0),
            RelightConfig(gloss=0.0),
            RelightConfig(shadows=0.5, occlusion=1.0, gloss=3.0),
        ],
        ids=["all", "no shadows", "no occlusion", "matte", "strong"],
    )
    def test_is_the_torch_path(self, cache, pixels, config):
        one = relight_compiled(pixels, cache, light(), EYE, config)
        two = relight_torch(pixels, cache, light(), EYE, config)
        apart = (one - two).abs().amax(-1)
        # a step that ends on the other side of a cell's border takes another way; the arc sine is right to 7e-5
        assert float(apart.quantile(0.99)) < 1e-4 and float(apart.max()) < 1e-2

    def test_without_lamps_only_the_sky_shines(self, cache, pixels):
        alone = Lighting(light().sh)
        one = relight_compiled(pixels, cache, alone, EYE, RelightConfig())
        assert torch.allclose(one, relight_torch(pixels, cache, alone, EYE, RelightConfig()), atol=1e-4)

    def test_no_pixels_and_bad_shapes(self, cache, pixels):
        none = Pixels(*(tensor[:0] for tensor in vars(pixels).values()))
        assert relight_compiled(none, cache, light(), EYE, RelightConfig()).shape == (0, 3)
        with pytest.raises(ShapeError, match="lamps"):
            relight_pixels(
                cache.volume, place=pixels.place, neutral=pixels.neutral, normal=pixels.normal, albedo=pixels.albedo,
                hair=pixels.hair, eye=EYE, sh=light().sh, lamps=torch.zeros(2, LAMP_NUMBERS - 1), shadows=1.0,
                occlusion=1.0, gloss=1.0,
            )  # fmt: skip

    def test_the_nose_throws_a_shadow_away_from_the_lamp(self, cache):
        # places left and right of the nose, under a lamp far on the right
        place = torch.nn.functional.normalize(torch.tensor([[-0.035, -0.01, 0.1], [0.035, -0.01, 0.1]]), dim=-1) * 0.09
        flat = Pixels(place, place, torch.nn.functional.normalize(place, dim=-1), torch.ones(2, 3), torch.zeros(2))
        side = math.radians(55.0)
        lamps = distant_lamps(
            torch.tensor([[math.sin(side), 0.0, math.cos(side)]]), torch.ones(1, 3), sine=torch.tensor([0.02])
        )
        config = RelightConfig(gloss=0.0, occlusion=0.0)
        lit = relight_compiled(flat, cache, Lighting(torch.zeros(9, 3), lamps), EYE, config)[:, 0]
        bare = relight_compiled(
            flat, cache, Lighting(torch.zeros(9, 3), lamps), EYE, RelightConfig(shadows=0.0, gloss=0.0, occlusion=0.0)
        )[:, 0]
        assert float(bare[0]) > 0.01 and float(lit[0]) < 0.1 * float(bare[0])
        assert float(lit[1]) > 0.95 * float(bare[1])

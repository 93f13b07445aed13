"""A ball of skin under lamps: what is lit, what is not, and what a picture keeps of it."""

import math
from dataclasses import replace

import pytest
import torch

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.lamps import distant_lamps
from head3d.geometry.sh import Lighting, ambient
from head3d.render.config import RelightConfig, RenderConfig
from head3d.render.sheen import lamp_sheen, sky_sheen
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view
from tests.unit.render.synthetic_fields import RADIUS_M, ball_field

MATTE = RelightConfig(gloss=0.0, occlusion=0.0)


@pytest.fixture(scope="module")
def ball() -> tuple[RadianceField, ShellCache]:
    field = ball_field()
    cache = ShellCache(field)
    cache.refresh(field)
    return field, cache


def camera(yaw_deg: float = 0.0, *, size: int = 64) -> Cameras:
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=0.8)
    return Cameras(c2w[None], intrinsics(2.6 * size, (size, size))[None], (size, size))


def lamp(x: float, y: float, z: float, *, sky: float = 0.0) -> Lighting:
    """White, of irradiance pi, 3 degrees wide."""
    lamps = distant_lamps(torch.tensor([[x, y, z]]), torch.full((1, 3), math.pi), sine=torch.tensor([0.03]))
    return Lighting(ambient(torch.full((3,), sky)), lamps)


def picture(ball, light: Lighting, config: RelightConfig = MATTE, *, yaw_deg: float = 0.0, **how) -> RenderOutput:
    field, cache = ball
    view = View("ball", camera(yaw_deg), light)
    return render_view(field, view, config=RenderConfig(relight=config, **how), cache=cache)


def test_a_lamp_lights_as_lambert_says(ball):
    seen = picture(ball, lamp(0.6, 0.0, 0.8))
    solid = seen.alpha > 0.99
    cosine = (seen.normal @ torch.tensor([0.6, 0.0, 0.8])).clamp(min=0.0)
    apart = (seen.rgb_linear / seen.albedo - cosine[..., None])[solid].abs()
    assert float(apart.median()) < 0.01 and float(apart.max()) < 0.12


def test_a_lamp_behind_the_head_does_not_light_the_face(ball):
    seen = picture(ball, lamp(0.0, 0.0, -1.0), replace(MATTE, gloss=1.0))
    middle = (seen.alpha > 0.99) & (seen.normal[..., 2] > 0.1)
    assert float(seen.rgb_linear[middle].max()) < 1e-6


def test_light_turns_with_its_yaw(ball):
    left, right = (picture(ball, lamp(x, 0.0, 0.3)).rgb_linear for x in (1.0, -1.0))
    assert float(left[:, 40:].mean()) > 5 * float(left[:, :24].mean())  # the subject's left is right in the picture
    assert torch.allclose(left, right.flip(1), atol=0.03)


def test_an_even_sky_leaves_the_albedo_and_occlusion_takes_nothing_from_a_ball(ball):
    # taps of the cones reach 14 cm, and a ball falls away from all of them
    light = replace(
        lamp(0.0, 0.0, 1.0, sky=1.0), lamps=distant_lamps(torch.zeros(0, 3), torch.zeros(0, 3), sine=torch.zeros(0))
    )
    seen = picture(ball, light, RelightConfig(gloss=0.0, occlusion=1.0))
    solid = seen.alpha > 0.99
    assert torch.allclose(seen.rgb_linear[solid], seen.albedo[solid], atol=0.02)


def test_pictures_are_the_same_every_time(ball):
    light = lamp(0.5, 0.5, 0.7, sky=0.2)
    one, two = (picture(ball, light, RelightConfig()).rgb_linear for _ in range(2))
    assert torch.equal(one, two)


def test_several_rays_per_pixel_average_what_one_shows(ball):
    light = lamp(0.5, 0.5, 0.7, sky=0.2)
    one, four = picture(ball, light, RelightConfig()), picture(ball, light, RelightConfig(), oversample=2)
    solid = (one.alpha > 0.99) & (four.alpha > 0.99)
    assert float((one.rgb_linear - four.rgb_linear)[solid].abs().mean()) < 0.01


def test_the_light_of_a_photo_stays_matte_and_unshaded_unless_asked(ball):
    plain = Lighting(ambient(torch.full((3,), 0.8)))
    matte, asked = picture(ball, plain, RelightConfig()), picture(ball, plain, RelightConfig(photo=True))
    solid = matte.alpha > 0.99
    assert torch.allclose(matte.rgb_linear[solid], 0.8 * matte.albedo[solid], atol=1e-3)
    assert float((asked.rgb_linear - matte.rgb_linear)[solid].mean()) > 0.005


class TestSheen:
    def test_shines_on_skin_and_not_on_hair(self, ball):
        light = lamp(0.0, 0.5, 0.8)
        shine = picture(ball, light, replace(MATTE, gloss=1.0)).rgb_linear - picture(ball, light).rgb_linear
        assert 0.01 < float(shine.max()) < 0.2
        hair = ball_field(softness=2.0)
        cache = ShellCache(hair)
        cache.refresh(hair)
        dull = picture((hair, cache), light, replace(MATTE, gloss=1.0)).rgb_linear
        assert torch.allclose(dull, picture((hair, cache), light).rgb_linear)

    def test_does_not_return_more_light_than_came(self):
        # all that a surface under a lamp sends to any camera, as a part of what falls on it
        i = torch.arange(4000) + 0.5
        z, turn = i / 4000, math.pi * (1 + 5**0.5) * i
        r = (1 - z * z).sqrt()
        cameras = torch.stack([r * turn.cos(), r * turn.sin(), z], dim=-1)
        normal = torch.tensor([0.0, 0.0, 1.0]).expand(4000, 3)
        for angle_deg, most in ((0.0, 0.04), (45.0, 0.05), (75.0, 0.2)):
            a = math.radians(angle_deg)
            toward = torch.tensor([math.sin(a), 0.0, math.cos(a)]).expand(4000, 3)
            sent = (lamp_sheen(normal, cameras, toward, sine=torch.full((4000,), 0.05)) * z).mean() * 2 * math.pi
            assert 0.015 < float(sent) < most

    def test_is_the_same_both_ways(self):
        g = torch.Generator().manual_seed(0)
        one, two = (torch.nn.functional.normalize(torch.rand(50, 3, generator=g) + 0.2, dim=-1) for _ in range(2))
        normal, sine = torch.tensor([0.0, 0.0, 1.0]).expand(50, 3), torch.full((50,), 0.05)
        assert torch.allclose(
            lamp_sheen(normal, one, two, sine=sine), lamp_sheen(normal, two, one, sine=sine), rtol=1e-4
        )

    def test_of_an_even_sky_is_the_reflectance(self):
        normal, sky = torch.tensor([[0.0, 0.0, 1.0]]), ambient(torch.ones(3))
        assert 0.02 < float(sky_sheen(normal, normal, sky)[0, 0]) < 0.04
        grazing = torch.tensor([[0.99, 0.0, 0.14]])
        assert 0.08 < float(sky_sheen(normal, grazing, sky)[0, 0]) < 0.3


def test_the_ball_is_where_it_should_be(ball):
    depth = picture(ball, lamp(0.0, 0.0, 1.0)).depth_m[32, 32]
    assert float(depth) == pytest.approx(0.8 - RADIUS_M, abs=2e-3)

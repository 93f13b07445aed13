"""Scenes for Mitsuba: what they say; and, where Mitsuba is, its pictures against head3d's own formulas of light."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor

from head3d.export.mitsuba import emitters, sensor
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, pixel_grid, pixel_rays
from head3d.geometry.lamps import Lamps, arrival, distant_lamps, joined, lamp_irradiance
from head3d.geometry.sh import Lighting, ambient, project_directional, shade_lambert
from head3d.render.types import View

RADIUS_M, ALBEDO, SIDE = 0.09, 0.5, 28


def lamps() -> Lamps:
    """A panel to the left, a ball behind on the right, a sun and a wide sky light above."""
    panel, ball = torch.tensor([0.8, 0.5, 0.9]), torch.tensor([-0.9, 0.2, 0.4])
    near = Lamps(
        torch.stack([panel, ball]),
        torch.tensor([False, False]),
        torch.tensor([[2.0, 1.8, 1.5], [0.5, 0.6, 0.9]]),
        torch.stack([-panel / panel.norm(), torch.zeros(3)]),
        torch.tensor([0.15, 0.05]),
    )
    up = torch.tensor([[0.0, 1.0, 0.5], [-1.0, 0.8, 0.3]])
    return joined([near, distant_lamps(up, torch.tensor([[0.4, 0.4, 0.3]] * 2), sine=torch.tensor([0.005, 0.3]))])


def view(light: Lighting) -> View:
    """The ball from the upper left, off the middle of the picture."""
    c2w = look_at_head(yaw_deg=30.0, pitch_deg=20.0, distance_m=0.8)
    K = intrinsics(3.0 * SIDE, (SIDE, SIDE))
    K[0, 2] += 3.0
    K[1, 2] -= 2.0
    return View("test", Cameras(c2w[None], K[None], (SIDE, SIDE)), light)


def lit_ball(seen: View) -> tuple[Tensor, Tensor]:
    """Radiance by head3d's formulas (H, W, 3), and where the ball is, well inside its outline."""
    camera = seen.camera
    origin, way = pixel_rays(pixel_grid(SIDE, SIDE), camera.c2w[0], camera.K[0])
    along = (origin * way).sum(-1)
    inside = along.square() - origin.square().sum(-1) + (0.8 * RADIUS_M) ** 2 > 0
    reach = along.square() - origin.square().sum(-1) + RADIUS_M**2
    place = origin + way * (-along - reach.clamp(min=0).sqrt())[:, None]
    normal = torch.nn.functional.normalize(place, dim=-1)
    albedo = torch.full_like(place, ALBEDO)
    total = shade_lambert(albedo, normal, seen.lighting.sh)
    of_lamps = seen.lighting.lamps
    for index in range(0 if of_lamps is None else len(of_lamps)):
        assert of_lamps is not None
        light = arrival(of_lamps, index, place)
        part = light.strength * lamp_irradiance(normal, light.direction, light.sine)
        total = total + albedo / math.pi * part[:, None] * of_lamps.color[index]
    return total.reshape(SIDE, SIDE, 3), inside.reshape(SIDE, SIDE)


def mitsubas_picture(folder: Path, seen: View) -> np.ndarray:
    """The ball in Mitsuba (H, W, 4)."""
    mitsuba = pytest.importorskip("mitsuba", reason="Mitsuba is not installed: pip install mitsuba")
    mitsuba.set_variant("scalar_rgb")
    scene = ElementTree.fromstring(
        f"""<scene version="3.0.0"><default name="spp" value="256"/>
        <integrator type="path"><integer name="max_depth" value="2"/><boolean name="hide_emitters" value="true"/>
        </integrator><shape type="sphere"><float name="radius" value="{RADIUS_M}"/>
        <bsdf type="diffuse"><rgb name="reflectance" value="{ALBEDO}"/></bsdf></shape></scene>"""
    )
    scene.append(sensor(seen))
    scene.extend(emitters(seen.lighting, folder / "textures" / "light.hdr"))
    path = folder / "scene.xml"
    path.write_bytes(ElementTree.tostring(scene))
    return np.array(mitsuba.render(mitsuba.load_file(str(path)), seed=1))


SKY = Lighting(ambient(torch.full((3,), 0.6)) + project_directional(torch.tensor([0.6, 0.0, 0.8]), torch.ones(3)) * 0.3)


@pytest.mark.parametrize("light", [SKY, Lighting(ambient(torch.full((3,), 0.01)), lamps())], ids=["sky", "lamps"])
def test_a_matte_ball_looks_alike_in_mitsuba(tmp_path: Path, light: Lighting):
    seen = view(light)
    wanted, inside = lit_ball(seen)
    picture = torch.from_numpy(mitsubas_picture(tmp_path, seen))
    assert bool((picture[..., 3][inside] > 0.99).all()), "the camera stands where it should"
    error = (picture[..., :3] - wanted)[inside]
    scale = float(wanted[inside].mean())
    assert float(error.abs().mean()) < 0.03 * scale
    assert float(error.mean().abs()) < 0.01 * scale


def test_each_kind_of_lamp_is_what_it_is_in_mitsuba(tmp_path: Path):
    sky, panel, ball, sun = emitters(Lighting(ambient(torch.ones(3)), lamps()), tmp_path / "textures" / "light.hdr")
    assert [one.get("type") for one in (sky, panel, ball, sun)] == ["envmap", "disk", "sphere", "directional"]
    assert (tmp_path / "textures" / "light.hdr").is_file(), "the wide one is in the map"

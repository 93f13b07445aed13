"""The photos' own clothes dyed: cloth takes the colour, skin does not, folds stay, and every view agrees."""

import numpy as np
import pytest
import torch
from torch import Tensor

from head3d.errors import ConfigError
from head3d.garments.catalogue import choose_outfit
from head3d.garments.names import own_color
from head3d.garments.own import OwnCloth, OwnWearer, cloth_of
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.color import luminance
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view

SKIN, WHITE = torch.tensor([0.42, 0.26, 0.18]), torch.tensor([0.70, 0.72, 0.74])
NAVY = (0.012, 0.020, 0.051)
EDGE_M, PLANE_M = -0.03, 0.05
"""A wall in front of the head: skin above the edge, cloth below."""


def albedo_at(points: Tensor) -> Tensor:
    fold = 1 + 0.2 * torch.sin(points[:, :1] * 200)
    return torch.where(points[:, 1:2] > EDGE_M, SKIN, WHITE * fold)


def places(*, wrong: bool = False) -> tuple[Tensor, np.ndarray]:
    """Places of the wall, and what photos say of them: half a centimetre off at the edge, and a patch of nonsense."""
    side = torch.arange(-0.1, 0.1, 0.0015)
    y, x = torch.meshgrid(side, side, indexing="ij")
    points = torch.stack([x, y, torch.full_like(x, PLANE_M)], dim=-1).reshape(-1, 3)
    says = np.where(points[:, 1].numpy() > EDGE_M + 0.005, -1.0, 1.0)
    if wrong:
        says[(points[:, :2] - torch.tensor([0.04, -0.07])).norm(dim=-1).numpy() < 0.015] = -1.0
    return points, says


def found(*, wrong: bool = False) -> OwnCloth:
    points, says = places(wrong=wrong)
    return cloth_of(points, albedo_at(points), says=says, known=np.ones(len(points), bool))


def seen(yaw_deg: float = 0.0, size: int = 160) -> tuple[RenderOutput, View, Tensor]:
    """The wall as a camera sees it, lit by a warm lamp, and the places in its pixels."""
    view = View("v", named_view("front", size=(size, size), yaw_deg=yaw_deg).camera, Lighting(ambient(torch.ones(3))))
    K, c2w = view.camera.K[0], view.camera.c2w[0]
    rows, columns = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    local = torch.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], torch.ones(size, size)], dim=-1)
    ways = local @ c2w[:3, :3].T
    depth = (PLANE_M - c2w[2, 3]) / ways[..., 2]
    points = (c2w[:3, 3] + ways * depth[..., None]).reshape(-1, 3)
    albedo = albedo_at(points).reshape(size, size, 3)
    rgb = albedo * torch.tensor([0.9, 0.8, 0.6])
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(size, size, 3)
    return RenderOutput(rgb, albedo, normal, torch.ones(size, size), depth), view, points.reshape(size, size, 3)


class TestOwnCloth:
    def test_cloth_is_dyed_to_the_pixel_and_skin_is_left(self):
        output, view, points = seen()
        dyed = found().dyed(output, view, dye=NAVY)
        inside = (points[..., :2].abs() < 0.09).all(-1)
        skin, cloth = inside & (points[..., 1] > EDGE_M + 0.002), inside & (points[..., 1] < EDGE_M - 0.002)
        assert float((dyed.albedo - output.albedo)[skin].abs().max()) < 0.01
        assert float(luminance(dyed.albedo)[cloth].max()) < 0.05

    def test_folds_keep_their_contrast_and_the_colour_is_the_dyes(self):
        output, view, points = seen()
        dyed = found().dyed(output, view, dye=NAVY)
        cloth = (points[..., 1] < EDGE_M - 0.02) & (points[..., :2].abs() < 0.09).all(-1)
        ratio = luminance(dyed.albedo)[cloth] / luminance(output.albedo)[cloth]
        assert float(ratio.std() / ratio.mean()) < 0.02
        chroma = dyed.albedo[cloth] / luminance(dyed.albedo)[cloth][:, None]
        wanted = torch.tensor(NAVY) / luminance(torch.tensor(NAVY))
        assert torch.allclose(chroma, wanted.expand_as(chroma), rtol=0.01)

    def test_the_light_stays_on_it(self):
        output, view, points = seen()
        dyed = found().dyed(output, view, dye=NAVY)
        cloth = (points[..., 1] < EDGE_M - 0.02) & (points[..., :2].abs() < 0.09).all(-1)
        light = (dyed.rgb_linear / dyed.albedo)[cloth]
        assert torch.allclose(light, torch.tensor([0.9, 0.8, 0.6]).expand_as(light), rtol=0.01)

    def test_views_agree_at_every_place(self):
        cloth = found()
        rows = []
        for yaw in (0.0, 30.0):
            output, view, points = seen(yaw)
            near = (points[..., 1] - EDGE_M).abs() > 0.003
            near &= (points[..., :2].abs() < 0.08).all(-1)
            below = points[..., 1] < EDGE_M
            rows.append(float((cloth.cover(output, view)[near] - below[near].float()).abs().max()))
        assert max(rows) < 0.05

    def test_colours_outvote_regions_that_are_drawn_badly(self):
        output, view, points = seen()
        patch = (points[..., :2] - torch.tensor([0.04, -0.07])).norm(dim=-1) < 0.012
        assert float(found(wrong=True).cover(output, view)[patch].mean()) > 0.97


class TestNames:
    def test_own_clothes_take_one_colour(self):
        outfit = choose_outfit("own", "navy")
        assert outfit is not None and outfit.words == "own:navy" and len(outfit.dyes) == 1
        assert choose_outfit("own") is None and own_color("own", "") == "" and own_color("suit", "navy") == ""
        with pytest.raises(ConfigError, match="one colour"):
            choose_outfit("own", "navy,white")
        with pytest.raises(ConfigError, match="mud"):
            choose_outfit("", "mud")


def test_places_are_dyed_as_pixels_are():
    """The mesh that is shown while one turns the head agrees with the picture."""
    output, view, points = seen()
    outfit = choose_outfit("own", "navy")
    assert outfit is not None
    wearer = object.__new__(OwnWearer)
    wearer.cloth, wearer.outfit = found(), outfit
    flat = wearer.paint(points.reshape(-1, 3), output.albedo.reshape(-1, 3))
    picture = wearer.dress(output, view)
    torch.testing.assert_close(flat.reshape(output.albedo.shape), picture.albedo, atol=2e-3, rtol=0)
    wearer.cloth = None
    assert wearer.paint(points.reshape(-1, 3), output.albedo.reshape(-1, 3)).equal(output.albedo.reshape(-1, 3))

"""Retouch of a patch of skin: blotches go, moles and texture stay, and all views get the same."""

import math

import pytest
import torch
from torch import Tensor

from head3d.finish.retouch import MOST, Blotches, find_blotches
from head3d.geometry.sh import Lighting, ambient
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view

SKIN = torch.tensor([0.42, 0.26, 0.18])
HALF_M = 0.06


def blotch(points: Tensor) -> Tensor:
    """Logarithm: a red patch of a centimetre at the middle."""
    near = torch.exp(-points[:, :2].square().sum(-1) / (2 * 0.006**2))
    return near[:, None] * torch.tensor([0.02, -0.10, -0.10])


def texture(points: Tensor) -> Tensor:
    """Logarithm: pores of 2 mm."""
    return 0.04 * (torch.sin(points[:, :1] * math.tau / 0.002) * torch.sin(points[:, 1:2] * math.tau / 0.002))


def mole(points: Tensor) -> Tensor:
    """Logarithm: a dark dot of 3 mm beside the middle."""
    return torch.where((points[:, :2] - torch.tensor([0.03, 0.0])).norm(dim=-1, keepdim=True) < 0.0015, -1.2, 0.0)


def albedo_at(points: Tensor) -> Tensor:
    return SKIN * torch.exp(blotch(points) + texture(points) + mole(points))


def sheet(step_m: float = 0.0009) -> Tensor:
    """Places of a flat patch in front of the head."""
    side = torch.arange(-HALF_M, HALF_M, step_m)
    y, x = torch.meshgrid(side, side, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 0.08)], dim=-1).reshape(-1, 3)


@pytest.fixture(scope="module")
def found() -> Blotches:
    points = sheet()
    return find_blotches(points, albedo_at(points), face=torch.ones(len(points), dtype=torch.bool))


def change(found: Blotches, x: float, y: float = 0.0) -> Tensor:
    return found.volume.at(torch.tensor([[x, y, 0.08]]))[0]


def test_a_blotch_is_taken_back_and_even_skin_is_left(found):
    there = change(found, 0.0)
    assert float(there[1]) > 0.03 and float(there[2]) > 0.03 and float(there[0]) < 0
    assert float(change(found, 0.035, 0.035).abs().max()) < 0.01


def test_a_mole_keeps_its_contrast(found):
    beside = change(found, 0.036)
    assert float((change(found, 0.03) - beside).abs().max()) < 0.01


def test_what_is_finer_than_four_millimetres_passes_unchanged(found):
    line = torch.stack([torch.linspace(-0.03, 0.03, 601), torch.zeros(601), torch.full((601,), 0.08)], dim=-1)
    values = found.volume.at(line)
    fine = values - torch.nn.functional.avg_pool1d(values.T[None], 21, 1, 10, count_include_pad=False)[0].T
    assert float(fine[20:-20].abs().max()) < 0.004  # 2 mm: a tenth of the pores' own contrast


def test_nothing_is_changed_by_more_than_a_blotch_is(found):
    assert float(found.volume.values.abs().max()) <= MOST + 1e-6


def seen(yaw_deg: float) -> tuple[RenderOutput, View]:
    """The patch as a camera sees it: by rays to its plane."""
    view = View("v", named_view("front", size=(96, 96), yaw_deg=yaw_deg).camera, Lighting(ambient(torch.ones(3))))
    camera = view.camera
    rows, columns = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    local = torch.stack(
        [(columns - camera.K[0, 0, 2]) / camera.K[0, 0, 0], (rows - camera.K[0, 1, 2]) / camera.K[0, 1, 1],
         torch.ones(96, 96)], dim=-1
    )  # fmt: skip
    ways = local @ camera.c2w[0, :3, :3].T
    depth = (0.08 - camera.centre[0, 2]) / ways[..., 2]
    points = camera.centre[0] + ways * depth[..., None]
    albedo = albedo_at(points.reshape(-1, 3)).reshape(96, 96, 3)
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(96, 96, 3)
    return RenderOutput(albedo * 0.7, albedo, normal, torch.ones(96, 96), depth), view


def test_every_view_and_every_light_get_the_same_factor_at_the_same_place(found):
    for yaw in (0.0, 30.0):
        output, view = seen(yaw)
        evened = found.evened(output, view, strength=1.0)
        ratio = evened.albedo / output.albedo
        assert torch.allclose(ratio, evened.rgb_linear / output.rgb_linear, rtol=1e-4)
        assert float(ratio[..., 1].max()) == pytest.approx(math.exp(float(change(found, 0.0)[1])), abs=0.01)


def test_half_the_strength_goes_half_the_way_and_none_changes_nothing(found):
    output, view = seen(0.0)
    assert found.evened(output, view, strength=0.0) is output
    half, whole = (found.evened(output, view, strength=s).albedo / output.albedo for s in (0.5, 1.0))
    assert torch.allclose(half.square(), whole, rtol=1e-4)


def test_without_a_face_nothing_is_evened():
    points = sheet(0.004)
    none = find_blotches(points, albedo_at(points), face=torch.zeros(len(points), dtype=torch.bool))
    assert float(none.volume.values.abs().max()) == 0.0

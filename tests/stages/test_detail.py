"""What a colour grid is too coarse for is kept beside the field, and shown from everywhere under every light."""

import math

import numpy as np
import pytest
import torch

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.deform import Deformation
from head3d.field.detail import PhotoDetail
from head3d.field.radiance import field_from_state, field_state
from head3d.field.volumes import Volume
from head3d.geometry.cameras import pixel_grid, pixel_rays
from head3d.geometry.sh import Lighting, shade_lambert
from head3d.imaging.color import srgb_from_linear
from head3d.perception.types import Region
from head3d.render.types import View
from head3d.render.volume import render_view
from head3d.train.choice import CELLS
from head3d.train.config import TrainConfig
from head3d.train.detail import add_details, bent
from head3d.train.rays import TrainPhoto
from head3d.train.state import TrainState
from tests.stages.ball import RADIUS_M, camera, lamp, psnr, untrained

GRID = GridConfig(levels=4, coarsest_cells=8, finest_cells=32, table_log2=12)
STRIPE_M = 0.004
SIZE = 300


def striped(yaw_deg: float, light: Lighting) -> tuple[torch.Tensor, torch.Tensor]:
    """A grey ball with rings a few millimetres wide (linear RGB), and where it is."""
    view = camera(yaw_deg, size=SIZE)
    origins, directions = pixel_rays(pixel_grid(SIZE, SIZE), view.c2w[0], view.K[0])
    middle = -(origins * directions).sum(-1)
    gap = RADIUS_M**2 - (origins + directions * middle[:, None]).pow(2).sum(-1)
    inside = gap > 0
    points = origins + directions * (middle - gap.clamp(min=0).sqrt())[:, None]
    albedo = (0.5 * (0.4 * torch.sin(points[:, 1] * 2 * math.pi / STRIPE_M)).exp())[:, None].expand(-1, 3)
    rgb = shade_lambert(albedo, torch.nn.functional.normalize(points, dim=-1), light.sh) * inside[:, None]
    return rgb.reshape(SIZE, SIZE, 3), inside.reshape(SIZE, SIZE)


def photo(yaw_deg: float, light: Lighting) -> TrainPhoto:
    rgb, inside = striped(yaw_deg, light)
    levels = (srgb_from_linear(rgb).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    full = inside.numpy().astype(np.uint8) * 255
    labels = inside.numpy().astype(np.uint8) * int(Region.SKIN)
    return TrainPhoto(f"{yaw_deg}", levels, full, labels, full, full, full, 0 * full, camera(yaw_deg, size=SIZE))


@pytest.fixture(scope="module")
def state() -> TrainState:
    """A plain ball whose right half was photographed, from two sides under two lights."""
    lights = lamp(1.0), lamp(-1.0)
    field = untrained(FieldConfig(geometry=GRID, color=GRID, hidden=16), seen=lambda places: places[:, 0] < 0)
    field.sh = torch.nn.Parameter(torch.stack([one.sh for one in lights]))
    field.turn, field.shift = torch.zeros(2, 3), torch.zeros(2, 2)
    with torch.no_grad():
        field.color_decoder.weight_out.zero_()
    made = TrainState(field, config=TrainConfig())
    made.cache.refresh(field)
    choice = torch.ones(2, CELLS, CELLS, CELLS)
    choice[0, :, :, CELLS // 2 - 3 :] = 0.5  # the middle is the second photo's
    choice[1, :, :, : CELLS // 2 - 3] = 0.5
    add_details(made, [photo(35.0, lights[0]), photo(10.0, lights[1])], Deformation([None, None]), choice)
    return made


def shown(state: TrainState, yaw_deg: float, light: Lighting, *, details: bool = True):
    field = (
        state.field
        if details
        else field_from_state(
            {
                name: value
                for name, value in field_state(state.field).items()
                if not name.startswith(("details", "grain"))
            }
        )
    )
    return render_view(field, View("x", camera(yaw_deg, size=SIZE), light), cache=state.cache)


@pytest.mark.parametrize("yaw_deg", [20.0, -20.0])
def test_rings_are_seen_from_both_sides_under_another_light(state: TrainState, yaw_deg: float):
    light = lamp(0.2)
    truth, inside = striped(yaw_deg, light)
    plain, made = (shown(state, yaw_deg, light, details=one) for one in (False, True))
    middle = torch.nn.functional.max_pool2d(-inside.float()[None], 61, 1, 30)[0] == -1
    gain = psnr(made.rgb_linear, truth, middle) - psnr(plain.rgb_linear, truth, middle)
    assert gain > 7.0, "the seen side, and the other as its mirror"
    assert plain.sharp is None and made.sharp is not None
    assert float(made.sharp[middle].mean()) > 0.9
    ratio = (made.albedo / plain.albedo)[middle].mean()
    assert abs(float(ratio) - 1) < 0.04, "detail changes no colour on the mean"


def test_what_no_photo_saw_gets_grain_like_what_they_saw(state: TrainState):
    light = lamp(0.2)
    changes = []
    for yaw_deg in (20.0, 180.0):
        plain, made = (shown(state, yaw_deg, light, details=one) for one in (False, True))
        middle = torch.nn.functional.max_pool2d(-plain.alpha[None], 91, 1, 45)[0] < -0.99
        changes.append((made.albedo / plain.albedo).log().mean(-1)[middle])
        assert made.sharp is not None and float(made.sharp[middle].mean()) > 0.9
    seen, unseen = changes
    assert 0.6 < float(unseen.std() / seen.std()) < 1.1, "it was interpolated twice more"
    assert abs(float(unseen.mean())) < 0.05


def test_small_pictures_get_the_mean_of_what_is_finer(state: TrainState):
    view = View("small", camera(20.0, size=40), lamp(0.2))
    made = render_view(state.field, view, cache=state.cache)
    inside = made.alpha > 0.99
    assert float(made.albedo[inside].std()) < 0.02, "rings of a quarter of a pixel do not alias"


def test_a_photo_says_nothing_about_what_it_cannot_see(state: TrainState):
    detail: PhotoDetail = max(state.field.details, key=lambda one: abs(float(one.c2w[0, 3])))
    front = torch.tensor([[-0.55, 0.2, 0.84]]) * RADIUS_M
    front = torch.nn.functional.normalize(front, dim=-1) * RADIUS_M
    centre = detail.c2w[:3, 3]
    ray = torch.nn.functional.normalize(front - centre, dim=-1)
    behind = front - 2 * (front * ray).sum(-1, keepdim=True) * ray
    assert detail.at(front, pixel_m=5e-4)[1] > 0.9 and detail.at(behind, pixel_m=5e-4)[1] == 0


def test_it_is_written_with_the_field(state: TrainState):
    back = field_from_state(field_state(state.field))
    assert len(back.details) == len(state.field.details) == 2
    assert len(back.grain) == len(state.field.grain) > 0
    places = (
        torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=-1) * RADIUS_M
    )
    for one, other in zip(state.field.detail(places, pixel_m=5e-4), back.detail(places, pixel_m=5e-4), strict=True):
        assert torch.equal(one, other)


def test_an_expression_is_undone_and_done_again():
    block = Volume(torch.full((3, 4, 4, 4), 0.0), torch.full((3,), -0.1), 0.06)
    block.values[1] = torch.linspace(0, 0.006, 4)[None, None, :]
    deformation = Deformation([None, block])
    places = torch.rand(40, 3, generator=torch.Generator().manual_seed(1)) * 0.08 - 0.04
    there = bent(places, deformation, 1)
    assert float((there - places).norm(dim=-1).max()) > 0.002
    back = deformation.to_canonical(there, torch.ones(40, dtype=torch.long))
    torch.testing.assert_close(back, places, rtol=0, atol=2e-5)
    assert torch.equal(bent(places, deformation, 0), places)

"""Painted skin has the pores of skin that photos show, and nothing of the clothes that were on it."""

import numpy as np
import pytest
import torch

from head3d.field.detail import packed
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.garments import pores
from head3d.garments.pores import PIXEL_M, add_pores
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.perception.types import Region
from tests.unit.render.synthetic_fields import RADIUS_M, ball_field, volume_of

SIZE, STRENGTH, LINE_M = (420, 420), 0.2, -0.03
"""Below the line it was dressed."""


@pytest.fixture
def camera() -> Cameras:
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)
    return Cameras(c2w[None], intrinsics(1.0 / PIXEL_M, SIZE)[None], SIZE)


def photo_detail(camera: Cameras, *, strength: float, kept: bool = True):
    """Noise on what a photo shows of the ball."""
    y, x = torch.meshgrid(*[(torch.arange(n) + 0.5 - n / 2) * PIXEL_M for n in SIZE], indexing="ij")
    inside = (x.square() + y.square()) < (0.9 * RADIUS_M) ** 2
    depth = torch.where(inside, 1.0 - (RADIUS_M**2 - x.square() - y.square()).clamp(min=0).sqrt(), torch.zeros(SIZE))
    change = torch.randn(*SIZE, 3, generator=torch.Generator().manual_seed(1)) * strength
    return packed(change, inside.float() * kept, depth, camera)


@pytest.fixture
def bare(camera: Cameras, monkeypatch: pytest.MonkeyPatch) -> RadianceField:
    monkeypatch.setattr(pores, "MIDDLE_M", (0.0, 0.0, 0.0))
    field = ball_field()
    field.glimpsed.zero_()  # what was painted has no word of a photo
    field.details.append(photo_detail(camera, strength=STRENGTH))
    field.grain.append(photo_detail(camera, strength=3 * STRENGTH))
    return field


def grain_at(field: RadianceField, *, y: float) -> tuple[float, float]:
    """Spread of the detail on a line about the front of the ball, and how far it has a word there."""
    turn = torch.linspace(-0.5, 0.5, 400)
    flat = (RADIUS_M**2 - y**2) ** 0.5
    points = torch.stack([flat * turn.sin(), torch.full_like(turn, y), flat * turn.cos()], dim=-1)
    change, word = field.detail(points, pixel_m=PIXEL_M)
    return float(change.std()), float(word.mean())


def undressed(field: RadianceField, label: Region, camera: Cameras) -> None:
    cache = ShellCache(field)
    cache.refresh(field)
    painted = volume_of(lambda p: (p[:, 1:2] < LINE_M).float())
    add_pores(field, painted, cache, [(np.full(SIZE, int(label), np.uint8), camera)])


def test_painted_skin_takes_pores_from_skin_and_loses_the_weave(bare: RadianceField, camera: Cameras):
    above, _ = grain_at(bare, y=0.03)
    undressed(bare, Region.SKIN, camera)
    spread, word = grain_at(bare, y=-0.06)
    assert word > 0.95 and spread == pytest.approx(STRENGTH, rel=0.3), "not the three times of what was there"
    assert grain_at(bare, y=0.03)[0] == pytest.approx(above, rel=0.01), "what was not painted stays"


def test_without_plain_skin_in_the_photos_it_stays_smooth(bare: RadianceField, camera: Cameras):
    undressed(bare, Region.HAIR, camera)
    spread, word = grain_at(bare, y=-0.06)
    assert spread < 0.01 and word < 0.05

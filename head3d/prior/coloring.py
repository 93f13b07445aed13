"""Colours of a synthetic person's surfaces, sample by sample: skin and hair from maps, eyes drawn."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from head3d.field.outer_map import map_place
from head3d.perception.types import Region
from head3d.prior.eyes import EyeTraits, eye_color
from head3d.prior.layers import Material
from head3d.prior.skin import SkinTexture
from head3d.prior.unwrap import HEIGHT, WIDTH


def paint_samples(
    paint: Float[Tensor, "P 3"],
    material: Int[Tensor, "P"],
    label: Int[Tensor, "P"],
    *,
    skin: SkinTexture,
    eyes: EyeTraits,
    hair_map: Float[Tensor, "A B"] | None,
    hair_color: Float[Tensor, "3"],
) -> tuple[Float[Tensor, "P 3"], UInt8[Tensor, "P"]]:
    """Albedo (linear RGB) and ``Region`` of samples of a synthetic person (see ``Material`` for ``paint``)."""
    albedo, region = paint.clone(), label.to(torch.uint8)
    bare = torch.nonzero(material == int(Material.SKIN))[:, 0]
    at = map_place(paint[bare])
    found = torch.nn.functional.grid_sample(
        skin.albedo[None], (at * 2 - 1)[None, None], align_corners=False, padding_mode="border"
    )
    albedo[bare] = found[0, :, 0].T
    column = (at[:, 0] * WIDTH).long().clamp(0, WIDTH - 1)
    row = (at[:, 1] * HEIGHT).long().clamp(0, HEIGHT - 1)
    marked = skin.labels.reshape(-1)[row * WIDTH + column]
    neck = (marked == int(Region.SKIN)) & (paint[bare, 1] < _chin_line(paint[bare]))
    region[bare] = torch.where(neck, int(Region.NECK), marked).to(torch.uint8)
    if hair_map is not None:
        hair = torch.nonzero(material == int(Material.HAIR_MAP))[:, 0]
        shade = torch.nn.functional.grid_sample(
            hair_map[None, None], (paint[hair, :2] * 2 - 1)[None, None], align_corners=False
        )[0, 0, 0]
        albedo[hair] = (shade[:, None] * hair_color).clamp(0.002, 0.8)
    eye = torch.nonzero(material == int(Material.EYE))[:, 0]
    albedo[eye] = eye_color(paint[eye], eyes)
    return albedo, region


def _chin_line(place: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
    """Height (m, neutral mean head) below which skin is neck: under the jaw, rising to the ears."""
    return -0.094 + (0.075 - place[:, 2]).clamp(0, 0.09) * 0.75

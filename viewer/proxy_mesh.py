"""The mesh a page turns, and the garment on it."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.garments.draw import SKIN_UNDER_M
from head3d.garments.light import arriving
from head3d.garments.wear import Wearer
from head3d.geometry.sh import Lighting
from head3d.imaging.color import srgb_from_linear

TUCKED_M = 0.02
"""Over this height below the chin skin goes under cloth."""


@dataclass(frozen=True)
class BakedHead:
    """The mesh of a look's expression.

    Attributes:
        vertices: Head frame, metres, with the expression.
        normals: Unit, of the neutral head.
        colors: Albedo, sRGB in [0, 1].
        sky: Part of the soft light that arrives.
        faces: Triangles; the first ``coarse`` are not of the face.
        coarse: See ``faces``.
    """

    vertices: Float[Tensor, "V 3"]
    normals: Float[Tensor, "V 3"]
    colors: Float[Tensor, "V 3"]
    sky: Float[Tensor, "V"]
    faces: Int[Tensor, "F 3"]
    coarse: int


@torch.no_grad()
def dressed(bare: BakedHead, wearer: Wearer) -> BakedHead:
    """The mesh of a head without its own clothes, with a garment on: both sides of the cloth, each with its own light.

    Pictures let cloth win by ``SKIN_UNDER_M`` where the body is bare; here the skin goes back by as much.
    """
    cloth = wearer.dressing
    low = ((wearer.chin_y - bare.vertices[:, 1:2]) / TUCKED_M).clamp(0, 1)
    skin = bare.vertices - low * SKIN_UNDER_M * bare.normals
    # a vertex between faces of two colours is one of each
    paint, dye = cloth.albedo.unique(dim=0, return_inverse=True)
    keys = cloth.faces * len(paint) + dye[:, None]
    kept, faces = keys.unique(return_inverse=True)
    source, color = kept // len(paint), paint[kept % len(paint)]
    places, outward = cloth.vertices[source], cloth.normals[source]
    sides = [_lit(wearer, side)[source] for side in (cloth.normals, -cloth.normals)]
    start, each = len(bare.vertices), len(kept)
    shown = srgb_from_linear(color.clamp(0, 1))
    return BakedHead(
        torch.cat([skin, places, places]),
        torch.cat([bare.normals, outward, -outward]),
        torch.cat([bare.colors, shown, shown]),
        torch.cat([bare.sky, *sides]),
        torch.cat([bare.faces, faces + start, faces.flip(1) + start + each]),
        bare.coarse,
    )


def _lit(wearer: Wearer, normals: Float[Tensor, "V 3"]) -> Float[Tensor, "V"]:
    """Part of an even sky that arrives at one side of the cloth."""
    cloth = wearer.dressing
    even = torch.zeros(9, 3)
    even[0] = 2 * math.sqrt(math.pi)
    everywhere = torch.ones(len(cloth.vertices), dtype=torch.bool)
    return (
        arriving(cloth.vertices, normals, wearer.visible, wearer.shade, Lighting(even), everywhere)
        .sky.mean(-1)
        .clamp(0, 1)
    )

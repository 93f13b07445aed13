"""A pullover: the shoulders once more, a little outside the skin, cut at the collar and carried on downwards."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.mesh import vertex_normals
from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.prior.clip import Patch, cut_patch
from head3d.prior.layers import Layer, plain_layer

DROP_M = 0.35
"""How far the cloth hangs below the model's lowest ring."""


@dataclass(frozen=True)
class Collar:
    """A cut of clothes.

    Attributes:
        patch: The covered skin.
        level: Distance (m, about) of its points below the collar.
        rim: Edges (pairs of points of the patch) of its lower end, in the order of their triangles.
    """

    patch: Patch
    level: Float[Tensor, "P"]
    rim: Int[Tensor, "R 2"]


def cut_collars(model: HeadModel) -> tuple[Collar, ...]:
    """The collars there are: round, V and high."""
    seen = torch.zeros(len(model.mean), dtype=torch.bool)
    seen[model.groups["skin"]] = True
    faces = model.faces[seen[model.faces].all(1)]
    return tuple(_cut(model, faces, shape) for shape in ("round", "v", "high"))


def make_clothes(
    collar: Collar, color: Float[Tensor, "3"], vertices: Float[Tensor, "V 3"], normals: Float[Tensor, "V 3"]
) -> Layer:
    """Clothes on a posed head."""
    rise = 0.002 + 0.006 * (collar.level / 0.012).clamp(max=1)
    points = collar.patch.carry(vertices)
    points = points + rise[:, None] * torch.nn.functional.normalize(collar.patch.carry(normals), dim=-1)
    lower = points[collar.rim] * torch.tensor([1.0, 0.0, 1.0]) + torch.tensor(
        [0.0, float(points[:, 1].min()) - DROP_M, 0]
    )
    count, edges = len(points), len(collar.rim)
    below = count + 2 * torch.arange(edges)
    skirt = torch.cat(
        [
            torch.stack([collar.rim[:, 1], collar.rim[:, 0], below], dim=-1),
            torch.stack([collar.rim[:, 1], below, below + 1], dim=-1),
        ]
    )
    # The seam of the collar is a little darker: a fold of the cloth.
    shade = 0.75 + 0.25 * (collar.level / 0.01).clamp(0, 1)
    shade = torch.cat([shade, torch.ones(2 * edges)])
    everything = torch.cat([points, lower.reshape(-1, 3)])
    faces = torch.cat([collar.patch.faces, skirt])
    normal = vertex_normals(everything, faces)
    normal[count:] = normal[collar.rim.reshape(-1)]
    return plain_layer(
        everything,
        faces,
        color=color * shade[:, None],
        label=int(Region.CLOTH),
        normal=normal,
        open_sky=torch.full((len(everything),), 0.9),
    )


def draw_cloth_color(generator: torch.Generator) -> Float[Tensor, "3"]:
    """Any colour, mostly muted; linear RGB."""
    value, hue, strength = torch.rand(3, generator=generator).tolist()
    phase = torch.tensor([0.0, 1 / 3, 2 / 3]) + hue
    tint = 1 + 0.8 * strength**2 * torch.cos(2 * torch.pi * phase)
    return (tint * (0.015 + 0.55 * value**2)).clamp(0.01, 0.8)


def collar_level(position: Float[Tensor, "*B 3"], shape: str) -> Float[Tensor, "*B"]:
    """Distance (m, about) of places of the neutral mean head below the collar."""
    x, y, z = position.unbind(-1)
    plane = -(y + 0.5 * z + 0.133) / 1.12
    if shape == "high":
        return plane + 0.022
    if shape == "v":
        return plane - (0.055 - 0.9 * x.abs()).clamp(min=0) * (z > 0)
    return plane


def _cut(model: HeadModel, faces: Int[Tensor, "F 3"], shape: str) -> Collar:
    patch = cut_patch(faces, collar_level(model.mean, shape))
    level = collar_level(patch.carry(model.mean), shape).clamp_min(0)
    edge = torch.cat([patch.faces[:, [0, 1]], patch.faces[:, [1, 2]], patch.faces[:, [2, 0]]])
    key, back = edge[:, 0] * len(level) + edge[:, 1], edge[:, 1] * len(level) + edge[:, 0]
    border = edge[~torch.isin(key, back)]
    low = patch.carry(model.mean)[:, 1]
    rim = border[(low[border] < low.min() + 0.004).all(1)]
    return Collar(patch, level, rim)

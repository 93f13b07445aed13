"""The outside of a head as one picture: every direction from an axis through it has a place on the map.

Below the crown's centre the axis is vertical and rows are heights; above it directions are spherical, so the crown is
covered too. The seam is in front, where photos look; the back of the head lies whole in the middle.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.field.occupancy import ShellCache, trace

MAP_WIDTH, MAP_HEIGHT = 512, 256
"""Texels: 1.2 mm wide on the head, 1.5 mm high."""
CENTRE = (0.0, 0.03, 0.01)
"""Head frame, metres: the axis goes down from here, the crown is a dome about it."""
RADIUS = 0.1
"""Metres of height below the centre per radian of elevation above it."""
LOWEST_M = -0.20
TOP = math.pi / 2
BOTTOM = (LOWEST_M - CENTRE[1]) / RADIUS
FAR_M = 0.5
"""Rays to the surface start this far from the axis: outside of any head and its shoulders."""


def axis_foot(points_m: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """The nearest point of the axis: straight inwards from the skin."""
    x, z = torch.full_like(points_m[..., 0], CENTRE[0]), torch.full_like(points_m[..., 2], CENTRE[2])
    return torch.stack([x, points_m[..., 1].clamp(max=CENTRE[1]), z], dim=-1)


def map_place(points_m: Float[Tensor, "*B 3"], *, front: float = 0.5) -> Float[Tensor, "*B 2"]:
    """Place on the map of points of the head frame: column in [0, 1), ``front`` ahead; row in [0, 1], 0 on top."""
    x, z = points_m[..., 0] - CENTRE[0], points_m[..., 2] - CENTRE[2]
    y = points_m[..., 1] - CENTRE[1]
    column = torch.atan2(x, z) / (2 * math.pi) + front
    above = torch.atan2(y.clamp_min(0), (x * x + z * z).sqrt())
    return torch.stack([column % 1.0, (TOP - above - y.clamp_max(0) / RADIUS) / (TOP - BOTTOM)], dim=-1)


def map_rays(width: int = MAP_WIDTH, height: int = MAP_HEIGHT) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P 3"]]:
    """Rays inwards to the axis, one a texel (row by row), seam in front: origins (m) and unit directions."""
    row = TOP - (torch.arange(height) + 0.5) / height * (TOP - BOTTOM)
    azimuth = (torch.arange(width) + 0.5) / width * 2 * math.pi
    row, azimuth = (part.reshape(-1) for part in torch.meshgrid(row, azimuth, indexing="ij"))
    elevation = row.clamp_min(0)
    outward = torch.stack([azimuth.sin() * elevation.cos(), elevation.sin(), azimuth.cos() * elevation.cos()], dim=-1)
    foot = torch.tensor(CENTRE) + torch.stack([0 * row, row.clamp_max(0) * RADIUS, 0 * row], dim=-1)
    return foot + FAR_M * outward, -outward


@torch.no_grad()
def outer_points(
    cache: ShellCache, *, width: int = MAP_WIDTH, height: int = MAP_HEIGHT
) -> tuple[Float[Tensor, "P 3"], Bool[Tensor, "P"]]:
    """The outermost surface at every texel (m, row by row), and whether there is any."""
    origins, directions = (part.to(cache.values.device) for part in map_rays(width, height))
    t, hit = trace(cache, origins, directions)
    return origins + directions * t[:, None], hit

"""Fields and caches that can be computed: a ball of skin, and any signed distance on a grid."""

from collections.abc import Callable

import torch
from torch import Tensor

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, box_grid

RADIUS_M = 0.1
SMALL = GridConfig(levels=2, finest_cells=30, table_log2=10)


def volume_of(function: Callable[[Tensor], Tensor], *, half_m: float = 0.16, cell_m: float = 0.004) -> Volume:
    """Values (P C) of a function of points, on a grid about the origin."""
    shape, origin = box_grid(torch.full((3,), -half_m), torch.full((3,), half_m), cell_m)
    nodes = Volume(torch.zeros(1, *shape), origin, cell_m).nodes()
    return Volume(function(nodes).T.reshape(-1, *shape).contiguous(), origin, cell_m)


def cache_of(distance: Callable[[Tensor], Tensor], **grid: float) -> ShellCache:
    """A cache that holds a signed distance (P) and belongs to no field."""
    made = volume_of(lambda points: distance(points)[:, None], **grid)
    cache = ShellCache.__new__(ShellCache)
    cache.values, cache.origin, cache.cell_m = made.values, made.origin, made.cell_m
    return cache


def ball_field(*, softness: float = 1.0) -> RadianceField:
    """A grey ball; its networks add nothing."""
    field = RadianceField(
        FieldConfig(SMALL, SMALL),
        shape=volume_of(lambda p: p.norm(dim=-1, keepdim=True) - RADIUS_M),
        traits=volume_of(lambda p: torch.tensor([0.004, softness]).expand(len(p), 2), cell_m=0.04),
        paint=volume_of(lambda p: torch.zeros(len(p), 4), cell_m=0.04),
        sh=torch.zeros(1, 9, 3),
    )
    torch.nn.init.zeros_(field.geometry_decoder.weight_out)
    torch.nn.init.zeros_(field.color_decoder.weight_out)
    return field.requires_grad_(False)

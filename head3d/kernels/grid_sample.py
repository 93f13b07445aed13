"""Trilinear lookup in a dense grid: signed distance of the base, expression warps, occupancy."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import library_for, require
from head3d.kernels.lookup import lookup_op


def grid_sample3(grid: Float[Tensor, "X Y Z C"], points_unit: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
    """Interpolate a grid whose nodes fill the unit cube from corner to corner.

    Args:
        grid: Values at ``grid[x, y, z]``, node i of an axis at i / (nodes - 1).
        points_unit: In the unit cube; what lies outside is moved to its border and gets no gradient.

    Returns:
        Values, differentiable once in grid and points.
    """
    require("grid", grid, (None, None, None, None))
    require("points_unit", points_unit, (None, 3))
    if min(grid.shape[:3]) < 2:
        raise ShapeError("grid", expected="at least two nodes along each axis", actual=str(tuple(grid.shape)))
    points = points_unit.to(grid.dtype)
    if library_for(grid) is None:
        return grid_sample3_torch(grid, points)
    return _grid_sample3(grid, points)


def grid_sample3_torch(grid: Tensor, points: Tensor) -> Tensor:
    """The same in plain torch."""
    nodes = torch.tensor(grid.shape[:3], device=points.device)
    position = torch.nan_to_num(points).clamp(0, 1) * (nodes - 1)
    cell = torch.minimum(position.detach().long(), nodes - 2)
    t = position - cell
    flat = grid.reshape(-1, grid.shape[3])
    total = flat.new_zeros(len(points), grid.shape[3])
    for c in range(8):
        upper = torch.tensor([c & 1, c >> 1 & 1, c >> 2], device=points.device)
        at = cell + upper
        weight = torch.where(upper.bool(), t, 1 - t).prod(-1, keepdim=True)
        total = total + weight * flat[(at[:, 0] * nodes[1] + at[:, 1]) * nodes[2] + at[:, 2]]
    return total


_grid_sample3 = lookup_op("grid_sample3", sizes_from=0)

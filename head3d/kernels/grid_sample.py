"""Trilinear lookup in a dense grid: signed distance of the base, expression warps, occupancy."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import call, library, require


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
    if library(grid.device.type) is None or grid.dtype not in (torch.float32, torch.float64):
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


def _suffix(tensor: Tensor) -> str:
    return "f32" if tensor.dtype == torch.float32 else "f64"


@torch.library.custom_op("head3d::grid_sample3", mutates_args=())
def _grid_sample3(grid: Tensor, points: Tensor) -> Tensor:
    lib = library(grid.device.type)
    assert lib is not None, "the caller chose this path because the library is there"
    out = grid.new_empty(len(points), grid.shape[3])
    shape = *grid.shape, points.contiguous(), len(points)
    call(lib, f"grid_sample3_fwd_{_suffix(grid)}", grid.contiguous(), *shape, out)
    return out


@torch.library.custom_op("head3d::grid_sample3_backward", mutates_args=())
def _grid_sample3_backward(g_out: Tensor, grid: Tensor, points: Tensor, which: int) -> tuple[Tensor, Tensor]:
    """Bit 1 of ``which`` asks for the gradient of the points, bit 0 for that of the grid; else they are empty."""
    lib = library(grid.device.type)
    assert lib is not None
    grid, points = grid.contiguous(), points.contiguous()
    g_grid = torch.zeros_like(grid) if which & 1 else grid.new_empty(0)
    g_points = torch.empty_like(points) if which & 2 else grid.new_empty(0)
    shape = *grid.shape, points, len(points), g_out.contiguous()
    wanted = g_grid if which & 1 else None, g_points if which & 2 else None
    call(lib, f"grid_sample3_bwd_{_suffix(grid)}", grid, *shape, *wanted)
    return g_grid, g_points


@_grid_sample3.register_fake
def _(grid, points):
    return grid.new_empty(points.shape[0], grid.shape[3])


@_grid_sample3_backward.register_fake
def _(g_out, grid, points, which):
    empty = grid.new_empty(0)
    return (
        grid.new_empty(grid.shape) if which & 1 else empty,
        points.new_empty(points.shape) if which & 2 else empty,
    )


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_out):
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    if not which:
        return None, None
    g_grid, g_points = _grid_sample3_backward(g_out, *ctx.saved_tensors, which)
    return g_grid if which & 1 else None, g_points if which & 2 else None


_grid_sample3.register_autograd(_backward, setup_context=_save)

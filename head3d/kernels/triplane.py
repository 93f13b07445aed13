"""Three feature planes XY, YZ, ZX (Chan et al. 2022, EG3D): a point's features are what its projections find, added."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import call, library, require


def triplane(planes: Float[Tensor, "3 H W C"], points_unit: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
    """Interpolate three planes at the projections of points, and add up what is found.

    Args:
        planes: Channels last, so that a node is one run of memory. ``planes[k, i, j]`` lies at j / (W - 1) of
            coordinate k and at i / (H - 1) of coordinate k + 1 mod 3: XY, YZ, ZX.
        points_unit: In the unit cube; what lies outside is moved to its border and gets no gradient.

    Returns:
        Features, differentiable once in planes and points.
    """
    require("planes", planes, (3, None, None, None))
    require("points_unit", points_unit, (None, 3))
    if min(planes.shape[1:3]) < 2:
        raise ShapeError("planes", expected="at least two nodes along each axis", actual=str(tuple(planes.shape)))
    points = points_unit.to(planes.dtype)
    if library(planes.device.type) is None or planes.dtype not in (torch.float32, torch.float64):
        return triplane_torch(planes, points)
    return _triplane(planes, points)


def triplane_torch(planes: Tensor, points: Tensor) -> Tensor:
    """The same in plain torch, but exactly on the border: there torch's slope is 0, ours that of the cell."""
    u = torch.nan_to_num(points).clamp(0, 1) * 2 - 1
    pairs = torch.stack([u[:, [0, 1]], u[:, [1, 2]], u[:, [2, 0]]])[:, :, None]
    found = torch.nn.functional.grid_sample(
        planes.permute(0, 3, 1, 2), pairs, align_corners=True, padding_mode="border"
    )  # (3, C, P, 1)
    return found.sum(0).squeeze(-1).T


def _suffix(tensor: Tensor) -> str:
    return "f32" if tensor.dtype == torch.float32 else "f64"


@torch.library.custom_op("head3d::triplane", mutates_args=())
def _triplane(planes: Tensor, points: Tensor) -> Tensor:
    lib = library(planes.device.type)
    assert lib is not None, "the caller chose this path because the library is there"
    out = planes.new_empty(len(points), planes.shape[3])
    shape = *planes.shape[1:], points.contiguous(), len(points)
    call(lib, f"triplane_fwd_{_suffix(planes)}", planes.contiguous(), *shape, out)
    return out


@torch.library.custom_op("head3d::triplane_backward", mutates_args=())
def _triplane_backward(g_out: Tensor, planes: Tensor, points: Tensor, which: int) -> tuple[Tensor, Tensor]:
    """Bit 1 of ``which`` asks for the gradient of the points, bit 0 for that of the planes; else they are empty."""
    lib = library(planes.device.type)
    assert lib is not None
    planes, points = planes.contiguous(), points.contiguous()
    g_planes = torch.zeros_like(planes) if which & 1 else planes.new_empty(0)
    g_points = torch.empty_like(points) if which & 2 else planes.new_empty(0)
    shape = *planes.shape[1:], points, len(points), g_out.contiguous()
    wanted = g_planes if which & 1 else None, g_points if which & 2 else None
    call(lib, f"triplane_bwd_{_suffix(planes)}", planes, *shape, *wanted)
    return g_planes, g_points


@_triplane.register_fake
def _(planes, points):
    return planes.new_empty(points.shape[0], planes.shape[3])


@_triplane_backward.register_fake
def _(g_out, planes, points, which):
    empty = planes.new_empty(0)
    return (
        planes.new_empty(planes.shape) if which & 1 else empty,
        points.new_empty(points.shape) if which & 2 else empty,
    )


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_out):
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    if not which:
        return None, None
    g_planes, g_points = _triplane_backward(g_out, *ctx.saved_tensors, which)
    return g_planes if which & 1 else None, g_points if which & 2 else None


_triplane.register_autograd(_backward, setup_context=_save)

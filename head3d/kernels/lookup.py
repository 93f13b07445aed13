"""Lookups of channels-last values at points as torch ops: what the grid and the three planes have in common."""

import torch
from torch import Tensor

from head3d.kernels.build import Part
from head3d.kernels.library import call_for
from head3d.kernels.ops import KernelOp, kernel_op


def lookup_op(name: str, *, sizes_from: int, part: Part = "core") -> KernelOp:
    """Register ``head3d::NAME`` (values, points (P,3)) -> (P,C), differentiable once in both.

    Args:
        name: Of the op and of its kernels ``NAME_fwd`` and ``NAME_bwd``.
        sizes_from: The kernels are told ``values.shape[sizes_from:]``.
        part: Of the CPU kernels, that has them.
    """

    @kernel_op(f"{name}")
    def forward(values: Tensor, points: Tensor) -> Tensor:
        out = values.new_empty(len(points), values.shape[3])
        sizes = *values.shape[sizes_from:], points.contiguous(), len(points)
        call_for(values, f"{name}_fwd", values.contiguous(), *sizes, out, part=part)
        return out

    @kernel_op(f"{name}_backward")
    def backward(g_out: Tensor, values: Tensor, points: Tensor, which: int) -> tuple[Tensor, Tensor]:
        """Bit 1 of ``which`` asks for the gradient of the points, bit 0 for that of the values; else they are empty."""
        values, points = values.contiguous(), points.contiguous()
        g_values = torch.zeros_like(values) if which & 1 else values.new_empty(0)
        g_points = torch.empty_like(points) if which & 2 else values.new_empty(0)
        sizes = *values.shape[sizes_from:], points, len(points), g_out.contiguous()
        wanted = g_values if which & 1 else None, g_points if which & 2 else None
        call_for(values, f"{name}_bwd", values, *sizes, *wanted, part=part)
        return g_values, g_points

    @forward.register_fake
    def _(values, points):
        return values.new_empty(points.shape[0], values.shape[3])

    @backward.register_fake
    def _(g_out, values, points, which):
        empty = values.new_empty(0)
        return (
            values.new_empty(values.shape) if which & 1 else empty,
            points.new_empty(points.shape) if which & 2 else empty,
        )

    def save(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    def gradients(ctx, g_out):
        which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
        if not which:
            return None, None
        g_values, g_points = backward(g_out, *ctx.saved_tensors, which)
        return g_values if which & 1 else None, g_points if which & 2 else None

    forward.register_autograd(gradients, setup_context=save)
    return forward

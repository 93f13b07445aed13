"""Hash grid and network in one pass with bfloat16 between the layers, on CPUs with AMX (cuda_ext/cpu/bfloat16)."""

import torch
from torch import Tensor

from head3d.kernels.library import call, call_for, library
from head3d.kernels.ops import kernel_op


def has_bf16() -> bool:
    """Whether ``precision="bfloat16"`` makes a difference on the CPU: AVX-512 BF16 and AMX are there."""
    lib = library("cpu", "bfloat16")
    return lib is not None and lib.handle.head3d_has_bf16() == 1


def _groups(points: Tensor) -> int:
    """Tiles of 16 points, an even number."""
    return (points.shape[0] + 31) // 32 * 2


@kernel_op("encode_mlp_bf16")
def encode_mlp_bf16(
    points: Tensor, table: Tensor, flat: Tensor, scales: Tensor, layout: Tensor, smooth: bool, shape: list[int],
    tape: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Outputs, and the features as the network reads them for the backward pass (empty without ``tape``)."""
    lib = library("cpu", "bfloat16")
    assert lib is not None, "the caller chose this path because the library is there"
    out = table.new_empty(len(points), shape[3])
    kept = _bf16_tape(points, shape, tape)
    grid = table.contiguous(), scales, layout, len(layout), 2, int(smooth)
    network = flat, torch.tensor(shape), kept if tape else None, out
    call(lib, "encode_mlp_fwd_bf16", points.contiguous(), len(points), *grid, *network)
    return out, kept


def _bf16_tape(points: Tensor, shape: list[int], tape: bool) -> Tensor:
    size = (_groups(points), (shape[0] + 31) // 32, 16, 16) if tape else (0,)
    return points.new_empty(size, dtype=torch.int32)


@kernel_op("encode_mlp_bf16_backward")
def _encode_mlp_bf16_backward(
    g_out: Tensor, points: Tensor, table: Tensor, flat: Tensor, scales: Tensor, layout: Tensor, smooth: bool,
    shape: list[int], tape: Tensor, which: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Bit 1 of ``which`` asks for the gradient of the table, bit 0 for that of the points; else they are empty."""
    lib = library("cpu", "bfloat16")
    assert lib is not None
    points, levels = points.contiguous(), len(layout)
    g_flat = torch.empty_like(flat)
    g_table = torch.zeros_like(table) if which & 2 else table.new_empty(0)
    words = points.new_empty((levels, _groups(points), 16) if which else (0,), dtype=torch.int32)
    grid = scales, layout, levels, 2, int(smooth)
    network = flat, torch.tensor(shape), tape, g_out.contiguous()
    wanted = words if which else None, g_table if which & 2 else None, g_flat
    call(lib, "encode_mlp_bwd_bf16", points, len(points), *grid, *network, *wanted)
    g_points = points.new_empty(0)
    if which & 1:
        pairs = words.view(torch.bfloat16).reshape(levels, -1, 2)[:, : len(points)]
        g_features = pairs.permute(1, 0, 2).reshape(len(points), 2 * levels).float()
        g_points = torch.empty_like(points)
        arguments = points, len(points), table.contiguous(), *grid[:2], levels, 2, int(smooth), g_features, None
        call_for(table, "hash_grid_bwd", *arguments, g_points)
    return g_points, g_table, g_flat


@encode_mlp_bf16.register_fake
def _(points, table, flat, scales, layout, smooth, shape, tape):
    return table.new_empty(points.shape[0], shape[3]), _bf16_tape(points, shape, tape)


@_encode_mlp_bf16_backward.register_fake
def _(g_out, points, table, flat, scales, layout, smooth, shape, tape, which):
    g_points = points.new_empty(points.shape if which & 1 else (0,))
    return g_points, table.new_empty(table.shape if which & 2 else (0,)), torch.empty_like(flat)


def _save(ctx, inputs, output):
    points, table, flat, scales, layout, ctx.smooth, ctx.shape, ctx.tape = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(points, table, flat, scales, layout, output[1])


def _gradient(ctx, g_out, _):
    points, table, flat, scales, layout, kept = ctx.saved_tensors
    assert ctx.tape, "encode_mlp kept its features because an input needs a gradient"
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    grid = scales, layout, ctx.smooth, ctx.shape, kept
    g_points, g_table, g_flat = _encode_mlp_bf16_backward(g_out, points, table, flat, *grid, which)
    wanted = g_points if which & 1 else None, g_table if which & 2 else None
    return *wanted, g_flat, None, None, None, None, None


encode_mlp_bf16.register_autograd(_gradient, setup_context=_save)

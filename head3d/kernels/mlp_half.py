"""Hash grid and network in one launch on the tensor cores of a GPU, with 16-bit numbers between the layers.

bfloat16, or float16 on GPUs before sm_80 (cuda_ext/cuda/encode_mlp_half.cu). Points, table, parameters, outputs and
all gradients are float32. Nothing is kept for the backward pass but the inputs.
"""

import ctypes

import torch
from torch import Tensor

from head3d.kernels.library import Library, call, library
from head3d.kernels.ops import kernel_op

SHARED_BYTES = 64 * 1024
"""Shared memory that every GPU since sm_75 gives a block."""

ROWS, PATCH_BYTES = 32, 16 * 20 * 4
"""Points of a warp, and its float32 patch, as in cuda_ext/cuda/tensor_core.h."""


def fits_half(shape: list[int]) -> bool:
    """Whether a warp's points fit shared memory with the values of all layers."""
    inputs, hidden, layers, outputs, _ = shape
    rows = [(width + 15) // 16 * 16 + 8 for width in (inputs, hidden, outputs)]
    numbers = max(rows[0] + layers * rows[1] + rows[2], 2 * max(rows[:2]))
    return PATCH_BYTES + ROWS * numbers * 2 <= SHARED_BYTES


def _scratch(lib: Library, shape: list[int], flat: Tensor, backward: bool) -> Tensor:
    """Float32 numbers; PyTorch aligns them to more than the 32 bytes asked for."""
    count = lib.handle.head3d_encode_mlp_half_scratch
    count.restype = ctypes.c_int64
    return flat.new_empty(count((ctypes.c_int64 * len(shape))(*shape), ctypes.c_int64(backward)))


@kernel_op("encode_mlp_half")
def encode_mlp_half(
    points: Tensor, table: Tensor, flat: Tensor, scales: Tensor, layout: Tensor, smooth: bool, shape: list[int]
) -> Tensor:
    """Outputs (P O) for points (P 3) in the unit cube; ``shape`` and ``flat`` as the C side knows them."""
    lib = library(table.device.type)
    assert lib is not None, "the caller chose this path because the library is there"
    out = table.new_empty(len(points), shape[3])
    grid = table.contiguous(), scales, layout, len(layout), table.shape[1], int(smooth)
    network = flat, torch.tensor(shape), _scratch(lib, shape, flat, False), out
    call(lib, "encode_mlp_half_fwd", points.contiguous(), len(points), *grid, *network)
    return out


@kernel_op("encode_mlp_half_backward")
def _encode_mlp_half_backward(
    g_out: Tensor, points: Tensor, table: Tensor, flat: Tensor, scales: Tensor, layout: Tensor, smooth: bool,
    shape: list[int], which: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Bit 1 of ``which`` asks for the gradient of the table, bit 0 for that of the points; else they are empty."""
    lib = library(table.device.type)
    assert lib is not None
    points, table = points.contiguous(), table.contiguous()
    g_points = torch.empty_like(points) if which & 1 else table.new_empty(0)
    g_table = torch.zeros_like(table) if which & 2 else table.new_empty(0)
    g_flat = torch.empty_like(flat)
    grid = table, scales, layout, len(layout), table.shape[1], int(smooth)
    network = flat, torch.tensor(shape), _scratch(lib, shape, flat, True), g_out.contiguous()
    wanted = g_table if which & 2 else None, g_points if which & 1 else None, g_flat
    call(lib, "encode_mlp_half_bwd", points, len(points), *grid, *network, *wanted)
    return g_points, g_table, g_flat


@encode_mlp_half.register_fake
def _(points, table, flat, scales, layout, smooth, shape):
    return table.new_empty(points.shape[0], shape[3])


@_encode_mlp_half_backward.register_fake
def _(g_out, points, table, flat, scales, layout, smooth, shape, which):
    empty = table.new_empty(0)
    return (
        points.new_empty(points.shape) if which & 1 else empty,
        table.new_empty(table.shape) if which & 2 else empty,
        torch.empty_like(flat),
    )


def _save(ctx, inputs, output):
    points, table, flat, scales, layout, ctx.smooth, ctx.shape = inputs
    ctx.save_for_backward(points, table, flat, scales, layout)


def _gradient(ctx, g_out):
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    g_points, g_table, g_flat = _encode_mlp_half_backward(g_out, *ctx.saved_tensors, ctx.smooth, ctx.shape, which)
    wanted = g_points if which & 1 else None, g_table if which & 2 else None
    return *wanted, g_flat, None, None, None, None


encode_mlp_half.register_autograd(_gradient, setup_context=_save)

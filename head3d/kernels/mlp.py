"""Small networks, alone or fused with the hash grid that feeds them."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.encoding import HashGridConfig, hash_grid, level_layout
from head3d.kernels.library import call_for, library, library_for, require
from head3d.kernels.mlp_bf16 import encode_mlp_bf16, has_bf16
from head3d.kernels.mlp_half import encode_mlp_half, fits_half
from head3d.kernels.ops import kernel_op

Activation = Literal["relu", "softplus"]
Precision = Literal["float32", "bfloat16"]

SOFTPLUS_BETA = 100.0
"""Sharpness of the softplus, as in the networks of IDR (Yariv et al. 2020); kSoftplusBeta of cuda_ext/math/mlp.h."""

CUDA_CHANNELS = 3072
"""Values of a float64 point, over all layers, that a CUDA block keeps in its 48 KB of shared memory."""

Layers = Sequence[tuple[Tensor, Tensor | None]]
"""Weight (out, in) and bias (out) or None of each layer; all layers between the first and the last have one width."""


def mlp(features: Float[Tensor, "P I"], layers: Layers, *, activation: Activation = "relu") -> Float[Tensor, "P O"]:
    """Run features through a network; the activation follows every layer but the last.

    Differentiable once, in features and parameters.
    """
    require("features", features, (None, None))
    shape = network_shape(layers, features.shape[1], activation)
    if not _compiled(features, layers):
        return mlp_torch(features, layers, activation=activation)
    return _mlp(features, flat_parameters(layers, features.dtype), shape)


def encode_mlp(
    points_unit: Float[Tensor, "P 3"],
    table: Float[Tensor, "E F"],
    *,
    config: HashGridConfig,
    layers: Layers,
    activation: Activation = "relu",
    precision: Precision = "float32",
) -> Float[Tensor, "P O"]:
    """``mlp(hash_grid(points_unit, table, config), layers)`` in one pass, without the features in between.

    To fade levels of the grid, scale the columns of the first weight.

    Args:
        points_unit: In the unit cube.
        table: Of the grid.
        config: Shape of the grid.
        layers: Of the network; the first takes ``config.width`` numbers.
        activation: After every layer but the last.
        precision: ``bfloat16`` rounds features and activations where the machine gains by it and is ``float32``
            elsewhere: on AMX tiles of a CPU (two features a level and ReLU), on tensor cores of a GPU (there weights
            and inner cotangents are rounded, too; float16 before sm_80). Sums, table and gradients are float32.

    Returns:
        Outputs, differentiable once in points, table and parameters.
    """
    require("points_unit", points_unit, (None, 3))
    require("table", table, (config.entries, config.features))
    shape = network_shape(layers, config.width, activation)
    if not _compiled(table, layers):
        return mlp_torch(hash_grid(points_unit, table, config), layers, activation=activation)
    points = points_unit.to(table.dtype)
    flat = flat_parameters(layers, table.dtype)
    tape = torch.is_grad_enabled() and any(t.requires_grad for t in (points, table, flat))
    smooth = config.interpolation == "smoothstep"
    if precision == "bfloat16" and table.dtype == torch.float32:
        lib = library(table.device.type)
        if lib is not None and lib.device == "cuda" and fits_half(shape):
            return encode_mlp_half(points, table, flat, *level_layout(config), smooth, shape)
        if lib is not None and lib.device == "cpu" and config.features == 2 and activation == "relu" and has_bf16():
            return encode_mlp_bf16(points, table, flat, *level_layout(config), smooth, shape, tape)[0]
    return _encode_mlp(points, table, flat, *level_layout(config), smooth, shape, tape)[0]


def mlp_torch(features: Tensor, layers: Layers, *, activation: Activation = "relu") -> Tensor:
    """The same in plain torch."""
    for index, (weight, bias) in enumerate(layers):
        features = torch.nn.functional.linear(
            features, weight.to(features), None if bias is None else bias.to(features)
        )
        if index + 1 < len(layers):
            relu = activation == "relu"
            features = features.relu() if relu else torch.nn.functional.softplus(features, SOFTPLUS_BETA, threshold=30)
    return features


def network_shape(layers: Layers, inputs: int, activation: Activation) -> list[int]:
    """What the C side calls shape; checks that the layers fit each other."""
    if len(layers) < 2:
        raise ShapeError("layers", expected="at least two", actual=str(len(layers)))
    hidden = layers[0][0].shape[0]
    for index, (weight, bias) in enumerate(layers):
        last = index + 1 == len(layers)
        outputs = weight.shape[0] if last else hidden
        require(f"layers[{index}] weight", weight, (outputs, hidden if index else inputs))
        if bias is not None:
            require(f"layers[{index}] bias", bias, (outputs,))
    return [inputs, hidden, len(layers) - 1, layers[-1][0].shape[0], 0 if activation == "relu" else 1]


def _compiled(tensor: Tensor, layers: Layers) -> bool:
    lib = library_for(tensor)
    if lib is None:
        return False
    widths = [layers[0][0].shape[1], *(weight.shape[0] for weight, _ in layers)]
    fits = lib.device == "cpu" or max(sum(widths), 2 * max(widths)) <= CUDA_CHANNELS
    return fits and all(weight.device == tensor.device for weight, _ in layers)


def _copies(flat: Tensor) -> int:
    """How many times the parameters the gradient's memory must hold: on CUDA, scratch lies behind it."""
    lib = library_for(flat)
    return 1 + lib.handle.head3d_mlp_parts() if lib is not None and lib.device == "cuda" else 1


def flat_parameters(layers: Layers, dtype: torch.dtype) -> Tensor:
    parts = []
    for weight, bias in layers:
        parts += [weight.reshape(-1), weight.new_zeros(weight.shape[0]) if bias is None else bias]
    return torch.cat(parts).to(dtype)


@kernel_op("mlp")
def _mlp(features: Tensor, flat: Tensor, shape: list[int]) -> Tensor:
    out = features.new_empty(len(features), shape[3])
    call_for(flat, "mlp_fwd", features.contiguous(), len(features), flat, torch.tensor(shape), out)
    return out


@kernel_op("mlp_backward")
def _mlp_backward(
    g_out: Tensor, features: Tensor, flat: Tensor, shape: list[int], need_features: bool
) -> tuple[Tensor, Tensor]:
    g_flat = flat.new_empty(_copies(flat) * len(flat))
    g_features = features.new_empty(features.shape if need_features else 0)
    arguments = features.contiguous(), len(features), flat, torch.tensor(shape), g_out.contiguous()
    call_for(flat, "mlp_bwd", *arguments, g_features if need_features else None, g_flat)
    return g_features, g_flat if len(g_flat) == len(flat) else g_flat[: len(flat)].clone()


@kernel_op("encode_mlp")
def _encode_mlp(
    points: Tensor, table: Tensor, flat: Tensor, scales: Tensor, layout: Tensor, smooth: bool, shape: list[int],
    tape: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Outputs, and the features for the backward pass (empty without ``tape``)."""
    count = len(points)
    out = table.new_empty(count, shape[3])
    features = table.new_empty((count, shape[0]) if tape else (0,))
    grid = table.contiguous(), scales, layout, len(layout), table.shape[1], int(smooth)
    network = flat, torch.tensor(shape), features if tape else None, out
    call_for(table, "encode_mlp_fwd", points.contiguous(), count, *grid, *network)
    return out, features


@_mlp.register_fake
def _(features, flat, shape):
    return features.new_empty(features.shape[0], shape[3])


@_mlp_backward.register_fake
def _(g_out, features, flat, shape, need_features):
    return features.new_empty(features.shape if need_features else (0,)), torch.empty_like(flat)


@_encode_mlp.register_fake
def _(points, table, flat, scales, layout, smooth, shape, tape):
    count = points.shape[0]
    return table.new_empty(count, shape[3]), table.new_empty((count, shape[0]) if tape else (0,))


def _mlp_save(ctx, inputs, output):
    features, flat, ctx.shape = inputs
    ctx.save_for_backward(features, flat)


def _mlp_gradient(ctx, g_out):
    features, flat = ctx.saved_tensors
    g_features, g_flat = _mlp_backward(g_out, features, flat, ctx.shape, ctx.needs_input_grad[0])
    return g_features if ctx.needs_input_grad[0] else None, g_flat, None


def _encode_mlp_save(ctx, inputs, output):
    points, table, flat, scales, layout, ctx.smooth, ctx.shape, ctx.tape = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(points, table, flat, scales, layout, output[1])


def _encode_mlp_gradient(ctx, g_out, _):
    points, table, flat, scales, layout, features = ctx.saved_tensors
    assert ctx.tape, "encode_mlp kept its features because an input needs a gradient"
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    g_features, g_flat = _mlp_backward(g_out, features, flat, ctx.shape, which != 0)
    g_points = g_table = None
    if which:
        backward = torch.ops.head3d.hash_grid_backward
        g_points, g_table = backward(g_features, points, table, scales, layout, ctx.smooth, which)
    wanted = g_points if which & 1 else None, g_table if which & 2 else None
    return *wanted, g_flat, None, None, None, None, None


_mlp.register_autograd(_mlp_gradient, setup_context=_mlp_save)
_encode_mlp.register_autograd(_encode_mlp_gradient, setup_context=_encode_mlp_save)

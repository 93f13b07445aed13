"""Signed distances along rays -> weights and what the rays see (NeuS, Wang et al. 2021), on packed samples."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.kernels.library import call_for, library_for, require
from head3d.kernels.ops import kernel_op


@dataclass(frozen=True)
class Composited:
    """What rays see."""

    weights: Float[Tensor, "S"]
    """Part of the light that each section (sample to next sample) stops; 0 at the last sample of a ray."""
    opacity: Float[Tensor, "R"]
    """Sum of a ray's weights."""
    values: Float[Tensor, "R C"]
    """Sum of weighted values."""


def composite(
    sdf: Float[Tensor, "S"],
    sd: Float[Tensor, "S"],
    *,
    packed_info: Int[Tensor, "R 2"],
    values: Float[Tensor, "S C"] | None = None,
    stop_below: float = 0.0,
) -> Composited:
    """Weigh the samples of each ray and add up their values.

    alpha_i = max((Phi(s_i) - Phi(s_i+1)) / Phi(s_i), 0), Phi the logistic of the signed distance over its blur.

    Args:
        sdf: Signed distance, metres; rays one after the other, samples ordered along each.
        sd: Blur of the surface at each sample, metres, positive.
        packed_info: First sample and number of samples of each ray, as in nerfacc; rays share no sample.
        values: Anything to be averaged: colour, distance along the ray, normal.
        stop_below: A ray ends where the part of its light that is left falls below this; weights beyond are 0.

    Returns:
        Differentiable once in sdf, sd and values. Samples of no ray have weight 0.
    """
    require("sdf", sdf, (None,))
    require("sd", sd, (len(sdf),))
    require("packed_info", packed_info, (None, 2), integer=True)
    values = sdf.new_zeros(len(sdf), 0) if values is None else values
    require("values", values, (len(sdf), None))
    inputs = sdf, sd.to(sdf.dtype), packed_info.long(), values.to(sdf.dtype)
    compiled = library_for(sdf) is not None
    op = _composite if compiled else composite_torch
    return Composited(*op(*inputs, stop_below))


def composite_torch(
    sdf: Tensor, sd: Tensor, packed: Tensor, values: Tensor, stop_below: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain torch: rays become rows as long as the longest."""
    rays, longest = len(packed), int(packed[:, 1].max()) if len(packed) else 0
    slot = torch.arange(longest, device=sdf.device)
    valid = slot < packed[:, 1:]
    index = torch.where(valid, packed[:, :1] + slot, 0)
    weights, opacity = torch.zeros_like(sdf), sdf.new_zeros(rays)
    sums = sdf.new_zeros(rays, values.shape[1])
    if not len(sdf) or not longest:
        return weights, opacity, sums
    log_phi = torch.nn.functional.logsigmoid((sdf / sd)[index])
    step = torch.where(valid[:, 1:], log_phi[:, 1:] - log_phi[:, :-1], 0.0).clamp_max(0)
    before = torch.cat([torch.zeros_like(log_phi[:, :1]), step.cumsum(1)], 1)  # log of the light that arrives
    alpha = torch.cat([-torch.expm1(step), torch.zeros_like(step[:, :1])], 1)
    light = torch.exp(before)
    rows = torch.where(light >= stop_below, light * alpha, 0.0)
    weights = weights.index_put((index[valid],), rows[valid])
    sums = (rows[..., None] * torch.where(valid[..., None], values[index], 0.0)).sum(1)
    return weights, rows.sum(1), sums


@kernel_op("composite")
def _composite(
    sdf: Tensor, sd: Tensor, packed: Tensor, values: Tensor, stop_below: float
) -> tuple[Tensor, Tensor, Tensor]:
    rays, channels = len(packed), values.shape[1]
    weights, opacity, sums = torch.zeros_like(sdf), sdf.new_empty(rays), sdf.new_empty(rays, channels)
    inputs = (
        sdf.contiguous(),
        sd.contiguous(),
        packed.contiguous(),
        rays,
        values.contiguous(),
        channels,
        float(stop_below),
    )
    call_for(sdf, "composite_fwd", *inputs, weights.contiguous(), opacity, sums)
    return weights, opacity, sums


@kernel_op("composite_backward")
def _composite_backward(
    g_weights: Tensor, g_opacity: Tensor, g_sums: Tensor, sdf: Tensor, sd: Tensor, packed: Tensor, values: Tensor,
    weights: Tensor, stop_below: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    sdf, sd, values, weights = sdf.contiguous(), sd.contiguous(), values.contiguous(), weights.contiguous()
    g_sdf, g_sd, g_values = torch.zeros_like(sdf), torch.zeros_like(sd), torch.zeros_like(values)
    inputs = sdf, sd, packed.contiguous(), len(packed), values, values.shape[1], float(stop_below), weights
    cotangents = g_weights.contiguous(), g_opacity.contiguous(), g_sums.contiguous()
    call_for(sdf, "composite_bwd", *inputs, *cotangents, g_sdf, g_sd, g_values)
    return g_sdf, g_sd, g_values


@_composite.register_fake
def _(sdf, sd, packed, values, stop_below):
    rays = packed.shape[0]
    return torch.empty_like(sdf), sdf.new_empty(rays), sdf.new_empty(rays, values.shape[1])


@_composite_backward.register_fake
def _(g_weights, g_opacity, g_sums, sdf, sd, packed, values, weights, stop_below):
    return tuple(t.new_empty(t.shape) for t in (sdf, sd, values))


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:4], output[0])
    ctx.stop_below = inputs[4]


def _backward(ctx, *cotangents):
    g_sdf, g_sd, g_values = _composite_backward(*cotangents, *ctx.saved_tensors, ctx.stop_below)
    return g_sdf, g_sd, None, g_values, None


_composite.register_autograd(_backward, setup_context=_save)

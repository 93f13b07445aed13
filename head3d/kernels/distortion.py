"""How far the weights of each ray are spread along it: a loss that pulls them together, on packed samples."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.kernels.library import call_for, library_for, require
from head3d.kernels.ops import kernel_op


def distortion(
    weights: Float[Tensor, "S"],
    starts: Float[Tensor, "S"],
    *,
    ends: Float[Tensor, "S"],
    packed_info: Int[Tensor, "R 2"],
) -> Float[Tensor, "R"]:
    """Measure the spread of each ray's weights.

    sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 d_i with m the middle and d the length of a section (Barron et al.
    2022, Mip-NeRF 360, eq. 15), in time linear in the samples (Sun et al. 2022, DVGOv2).

    Args:
        weights: Part of the light that each section stops, as ``composite`` gives them.
        starts: Where the sections begin along their ray, any unit; their middles ascend along each ray.
        ends: Where they end, same unit.
        packed_info: First sample and number of samples of each ray, as in nerfacc; rays share no sample.

    Returns:
        Spread of each ray in the unit of starts, 0 without samples. Differentiable once in weights, starts and ends.
    """
    require("weights", weights, (None,))
    require("starts", starts, (len(weights),))
    require("ends", ends, (len(weights),))
    require("packed_info", packed_info, (None, 2), integer=True)
    inputs = weights, starts.to(weights.dtype), ends.to(weights.dtype), packed_info.long()
    compiled = library_for(weights) is not None
    return (_distortion if compiled else distortion_torch)(*inputs)


def distortion_torch(weights: Tensor, starts: Tensor, ends: Tensor, packed: Tensor) -> Tensor:
    """The same in plain torch: rays become rows as long as the longest."""
    longest = int(packed[:, 1].max()) if len(packed) else 0
    if not longest:
        return weights.new_zeros(len(packed)) + 0 * weights.sum()
    slot = torch.arange(longest, device=weights.device)
    valid = slot < packed[:, 1:]
    index = torch.where(valid, packed[:, :1] + slot, 0)
    w, start, end = (torch.where(valid, t[index], 0) for t in (weights, starts, ends))
    length = end - start
    middle = torch.where(valid, start - start[:, :1], 0) + length / 2
    light, moment = (t.cumsum(1) - t for t in (w, w * middle))
    return (2 * w * (middle * light - moment) + w.square() * length / 3).sum(1)


@kernel_op("distortion")
def _distortion(weights: Tensor, starts: Tensor, ends: Tensor, packed: Tensor) -> Tensor:
    loss = weights.new_empty(len(packed))
    inputs = weights.contiguous(), starts.contiguous(), ends.contiguous(), packed.contiguous(), len(packed)
    call_for(weights, "distortion_fwd", *inputs, loss)
    return loss


@kernel_op("distortion_backward")
def _distortion_backward(
    g_loss: Tensor, weights: Tensor, starts: Tensor, ends: Tensor, packed: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    g_weights, g_starts, g_ends = (weights.new_zeros(len(weights)) for _ in range(3))
    inputs = weights.contiguous(), starts.contiguous(), ends.contiguous(), packed.contiguous(), len(packed)
    call_for(weights, "distortion_bwd", *inputs, g_loss.contiguous(), g_weights, g_starts, g_ends)
    return g_weights, g_starts, g_ends


@_distortion.register_fake
def _(weights, starts, ends, packed):
    return weights.new_empty(packed.shape[0])


@_distortion_backward.register_fake
def _(g_loss, weights, starts, ends, packed):
    return tuple(weights.new_empty(weights.shape) for _ in range(3))


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_loss):
    return *_distortion_backward(g_loss, *ctx.saved_tensors), None


_distortion.register_autograd(_backward, setup_context=_save)

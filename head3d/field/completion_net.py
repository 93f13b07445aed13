"""The completion net: a head's map with holes in, the whole map out. Trained by ``head3d train-completion``."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.networks.files import load_network, shipped
from head3d.networks.unet import UNet, fast_dtype

NAME = "completion"
INPUTS = 16
"""Colours where known; those everywhere; strands; how far known; distance from the axis; row; azimuth; noise (two)."""
REACH = 40
"""Strands are carried on from so many texels (5 cm) beside a gap, mirrored to and fro."""
SOFT = 9
"""Squares whose mean is taken off to leave strands, texels."""
ALIKE = 0.2
"""Colours (in [-1, 1]) this far apart are hardly of the same thing."""
RADIUS_UNIT_M = 0.1
SURE = 0.6
"""Texels known better than this are given to the net; the rest it has to imagine."""


def make_completion_net() -> UNet:
    """The architecture, untrained."""
    return UNet(INPUTS, 3, widths=(32, 64, 112, 176, 224), depths=(1, 1, 2, 2, 3), attention=True)


@cache
def completion_net() -> UNet | None:
    """The trained net, or None if this installation has no weights."""
    path = shipped(NAME)
    if path is None:
        return None
    net = make_completion_net()
    load_network(net, path)
    return net


def completion_input(
    albedo_srgb: Float[Tensor, "N 3 H W"],
    known: Float[Tensor, "N H W"],
    radius_m: Float[Tensor, "N H W"],
    *,
    generator: torch.Generator | None,
) -> tuple[Float[Tensor, "N 16 H W"], Float[Tensor, "N 3 H W"]]:
    """What the net sees, and what its answer is added to.

    The second is what can be had without learning, in [-1, 1]: the map as it is, and on what is smooth in it the
    strands beside the gap, mirrored into it.

    Args:
        albedo_srgb: In [0, 1]; what is not known is filled smoothly, hair with hair's colour, skin with skin's.
        known: How well photos show each place, in [0, 1].
        radius_m: Distance from the axis.
        generator: Of the noise.
    """
    count, _, height, width = albedo_srgb.shape
    row = torch.linspace(-1, 1, height)[None, None, :, None].expand(count, 1, height, width)
    turn = (torch.arange(width) + 0.5) / width * 2 * torch.pi
    azimuth = torch.stack([turn.sin(), turn.cos()])[None, :, None].expand(count, 2, height, width)
    noise = torch.randn(count, 2, height, width, generator=generator)
    place = torch.cat([row, azimuth, noise], dim=1).to(albedo_srgb)
    have = (known > SURE).float()[:, None]
    colors = 2 * albedo_srgb - 1
    strands = carried_strands(colors, have)
    seen = torch.cat([colors * have, colors, strands, have, radius_m[:, None] / RADIUS_UNIT_M - 1, place], dim=1)
    return seen, colors + strands


def carried_strands(colors: Float[Tensor, "N 3 H W"], have: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N 3 H W"]:
    """The fine part of the colours beside a gap, row by row, mirrored into it to and fro from both sides.

    Only where it belongs: strands of hair onto what has the colour of that hair, not of skin.
    """
    coarse = functional.avg_pool2d(colors * have, SOFT, 1, SOFT // 2)
    coarse = coarse / functional.avg_pool2d(have, SOFT, 1, SOFT // 2).clamp_min(1e-6)
    fine = (colors - coarse) * have
    width = colors.shape[-1]
    columns = torch.arange(width, device=colors.device).expand_as(have)
    left = torch.where(have > 0, columns, -1).cummax(-1).values  # the last known texel to the left of each
    right = torch.where(have > 0, columns, width).flip(-1).cummin(-1).values.flip(-1)
    to_left, to_right = columns - left, right - columns
    sums, weights = torch.zeros_like(colors), torch.full_like(have, 1e-9)
    for edge, away, sign in ((left, to_left, -1), (right, to_right, 1)):
        fold = (away - 1) % (2 * REACH)
        step = torch.where(fold < REACH, fold, 2 * REACH - 1 - fold)
        source = (edge + sign * step).clamp(0, width - 1)
        there = ((edge >= 0) & (edge < width)).float() * have.gather(-1, source)
        source = source.expand_as(colors)
        unlike = (coarse.gather(-1, source) - colors).square().sum(1, keepdim=True)
        weight = there / (1.0 + away.clamp_min(0)) ** 2
        sums = sums + weight * torch.exp(-unlike / (2 * ALIKE**2)) * fine.gather(-1, source)
        weights = weights + weight
    return sums / weights * (1 - have)


def answer(net: UNet, seen: Float[Tensor, "N 16 H W"], start: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H W"]:
    """The whole map in [-1, 1], not clamped."""
    device = seen.device
    kind = fast_dtype(device)
    with torch.autocast(device.type, kind, enabled=kind != torch.float32):
        change = net(seen)
    return start + change.float()


def fill_map(
    net: UNet | None, albedo_srgb: Float[Tensor, "3 H W"], known: Float[Tensor, "H W"], radius_m: Float[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """The whole map (sRGB, 0 to 1): the net's answer, also where the map was known; the same for the same map.

    Without a net it is what can be had without learning. Other arguments as for :func:`completion_input`.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        seen, start = completion_input(albedo_srgb[None], known[None], radius_m[None], generator=generator)
        made = start if net is None else answer(net.to(seen.device), seen, start)
    return ((made[0] + 1) / 2).clamp(0, 1).clone()

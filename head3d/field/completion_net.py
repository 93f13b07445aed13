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
"""Colours where known; the smooth fill; strands; how far known; distance from the axis; row; azimuth; noise (two)."""
REACH = 40
"""Strands are carried on from so many texels (5 cm) beside a gap, mirrored to and fro."""
SOFT = 9
"""Squares whose mean is taken off to leave strands, texels."""
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
    """What the net sees, and what its answer is added to; colours are sRGB, 0 to 1.

    The second is what can be had without learning, in [-1, 1]: known colours go on smoothly into the gap, and the
    strands beside it are mirrored into it.
    """
    count, _, height, width = albedo_srgb.shape
    row = torch.linspace(-1, 1, height)[None, None, :, None].expand(count, 1, height, width)
    turn = (torch.arange(width) + 0.5) / width * 2 * torch.pi
    azimuth = torch.stack([turn.sin(), turn.cos()])[None, :, None].expand(count, 2, height, width)
    noise = torch.randn(count, 2, height, width, generator=generator)
    place = torch.cat([row, azimuth, noise], dim=1).to(albedo_srgb)
    have = (known > SURE).float()[:, None]
    colors = 2 * albedo_srgb - 1
    smooth = smooth_fill(colors, have)
    strands = carried_strands(colors, have)
    start = colors * have + (smooth + strands) * (1 - have)
    return torch.cat([colors * have, smooth, strands, have, radius_m[:, None] / RADIUS_UNIT_M - 1, place], 1), start


def smooth_fill(colors: Float[Tensor, "N C H W"], have: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N C H W"]:
    """Known colours gone on into the gaps, smoother the farther: means over ever larger squares."""
    totals, weights = [colors * have], [have]
    while min(weights[-1].shape[-2:]) > 1:
        totals.append(functional.avg_pool2d(totals[-1], 2))
        weights.append(functional.avg_pool2d(weights[-1], 2))
    color = totals[-1] / weights[-1].clamp_min(1e-6)
    for total, weight in zip(reversed(totals[:-1]), reversed(weights[:-1]), strict=True):
        color = functional.interpolate(color, total.shape[-2:], mode="bilinear", align_corners=False)
        share = (2 * weight).clamp(0, 1)
        color = share * total / weight.clamp_min(1e-6) + (1 - share) * color
    return color


def carried_strands(colors: Float[Tensor, "N 3 H W"], have: Float[Tensor, "N 1 H W"]) -> Float[Tensor, "N 3 H W"]:
    """The fine part of the colours beside a gap, row by row, mirrored into it to and fro from both sides."""
    fine = colors - smooth_fill(
        functional.avg_pool2d(colors * have, SOFT, 1, SOFT // 2)
        / functional.avg_pool2d(have, SOFT, 1, SOFT // 2).clamp_min(1e-6),
        (functional.avg_pool2d(have, SOFT, 1, SOFT // 2) > 0.05).float(),
    )
    fine = fine * have
    width = colors.shape[-1]
    columns = torch.arange(width, device=colors.device).expand_as(have)
    left = torch.where(have > 0, columns, -1).cummax(-1).values  # the last known texel to the left of each
    right = torch.where(have > 0, columns, width).flip(-1).cummin(-1).values.flip(-1)
    to_left, to_right = columns - left, right - columns
    sums, weights = torch.zeros_like(colors), torch.zeros_like(have)
    for edge, away, sign in ((left, to_left, -1), (right, to_right, 1)):
        fold = (away - 1) % (2 * REACH)
        step = torch.where(fold < REACH, fold, 2 * REACH - 1 - fold)
        source = (edge + sign * step).clamp(0, width - 1)
        there = ((edge >= 0) & (edge < width)).float() * have.gather(-1, source)
        weight = there / (1.0 + away.clamp_min(0)) ** 2
        sums = sums + weight * fine.gather(-1, source.expand_as(colors))
        weights = weights + weight
    return sums / weights.clamp_min(1e-6) * (1 - have) * (weights > 0)


def answer(net: UNet, seen: Float[Tensor, "N 16 H W"], start: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H W"]:
    """The whole map in [-1, 1], not clamped."""
    device = seen.device
    kind = fast_dtype(device)
    with torch.autocast(device.type, kind, enabled=kind != torch.float32):
        change = net(seen)
    return start + change.float()


def fill_map(
    net: UNet, albedo_srgb: Float[Tensor, "3 H W"], known: Float[Tensor, "H W"], radius_m: Float[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """The whole map (sRGB, 0 to 1): the net's answer, also where the map was known; the same for the same map."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        seen, start = completion_input(albedo_srgb[None], known[None], radius_m[None], generator=generator)
        made = answer(net.to(seen.device), seen, start)
    return ((made[0] + 1) / 2).clamp(0, 1).clone()

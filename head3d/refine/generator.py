"""Two nets that make pictures sharp: the refiner, at the same size, and the enlarger, at twice or four times the size.

Both only add what is finer than a cell of the picture: of the refiner, KEPT_PX squared; of the enlarger, a given pixel.
In linear light, the mean of what they make of a cell is the mean that was given, whatever they have learned. So scaling
the answer down gives the picture back, and colours cannot move. Trained by ``head3d train-refiner``.
"""

from functools import cache
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.networks.files import load_network, shipped
from head3d.networks.unet import UNet, fast_dtype

NetName = Literal["refiner", "enlarger"]
Factor = Literal[1, 2, 4]
"""How many times larger the answer is."""
KEPT_PX = 4
"""Means over so many px stay when a picture is refined at its own size."""
TILE, MARGIN = 512, 48
"""Large pictures go through in squares of so many px, with so many px of surroundings; multiples of KEPT_PX."""


class Refiner(nn.Module):
    """A U-Net that adds detail to a picture, or to the smoothly enlarged one."""

    def __init__(self, name: NetName) -> None:
        super().__init__()
        self.factor = 1 if name == "refiner" else 2
        if self.factor == 1:
            self.net = UNet(3, 3, widths=(64, 96, 160), depths=(2, 3, 3), fold=2)
        else:
            self.net = UNet(3, 3, widths=(32, 64, 128), depths=(2, 3, 3), fold=1, unfold=2)
        for parameter in self.net.head.parameters():  # begins as plain enlarging
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H2 W2"]:
        """Pictures (sRGB in [-1, 1]), as large or twice as large."""
        seen = x = x.float()
        given = linear_from_srgb((x + 1) / 2)
        if self.factor == 1:
            given = functional.avg_pool2d(given, KEPT_PX)
        else:
            x = functional.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        made = ((x + self.net(seen).float() + 1) / 2).clamp(0, 1)
        return 2 * srgb_from_linear(with_means(linear_from_srgb(made), given)) - 1


def with_means(
    made_linear: Float[Tensor, "N C H W"], given_linear: Float[Tensor, "N C h w"]
) -> Float[Tensor, "N C H W"]:
    """The detail of a picture about the pixels of a smaller one: its square means are exactly those.

    Detail is weakened where it would leave [0, 1]; pixels beyond 1 get none.
    """
    factor = made_linear.shape[-1] // given_linear.shape[-1]
    detail = made_linear - _spread(functional.avg_pool2d(made_linear, factor), factor)
    with torch.no_grad():
        up = functional.max_pool2d(detail, factor).clamp_min(1e-6)
        down = functional.max_pool2d(-detail, factor).clamp_min(1e-6)
        share = torch.minimum((1 - given_linear) / up, given_linear / down).clamp(0, 1)
    return _spread(given_linear, factor) + _spread(share, factor) * detail


def _spread(x: Float[Tensor, "N C h w"], factor: int) -> Float[Tensor, "N C H W"]:
    return x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


@cache
def trained(name: NetName) -> Refiner | None:
    """A net with its weights, or None if this installation has none."""
    path = shipped(name)
    if path is None:
        return None
    net = Refiner(name)
    load_network(net, path)
    return net


def refine(net: Refiner, rgb_srgb: Float[Tensor, "H W 3"]) -> Float[Tensor, "H2 W2 3"]:
    """A picture (sRGB in [0, 1]), refined or twice as large; see the module for what stays."""
    device, factor = rgb_srgb.device, net.factor
    kind = fast_dtype(device)
    net = net.to(device)
    height, width = rgb_srgb.shape[:2]
    picture = (2 * rgb_srgb - 1).permute(2, 0, 1)[None]
    if factor == 1:  # whole cells
        picture = functional.pad(picture, (0, -width % KEPT_PX, 0, -height % KEPT_PX), mode="replicate")
    made = picture.new_zeros(factor * picture.shape[2], factor * picture.shape[3], 3)
    with torch.inference_mode(), torch.autocast(device.type, kind, enabled=kind != torch.float32):
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                bottom, right = min(top + TILE, picture.shape[2]), min(left + TILE, picture.shape[3])
                a, b = max(top - MARGIN, 0), max(left - MARGIN, 0)
                part = picture[:, :, a : bottom + MARGIN, b : right + MARGIN]
                answer = net(part.contiguous(memory_format=torch.channels_last))[0].permute(1, 2, 0)
                made[factor * top : factor * bottom, factor * left : factor * right] = answer[
                    factor * (top - a) : factor * (bottom - a), factor * (left - b) : factor * (right - b)
                ]
    return (made[: factor * height, : factor * width] + 1) / 2


def enlarge(net: Refiner, rgb_srgb: Float[Tensor, "H W 3"], *, factor: Factor) -> Float[Tensor, "H2 W2 3"]:
    """A picture (sRGB in [0, 1]) one, two or four times as large."""
    for _ in range(factor // 2):
        rgb_srgb = refine(net, rgb_srgb)
    return rgb_srgb

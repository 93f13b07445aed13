"""The refiner: a picture in, the same picture four times as large and as sharp as a photo out.

Half the size of its answer is a picture twice as large, a quarter of it a refined one: one network for all three.
Trained by ``head3d train-refiner``.
"""

from functools import cache
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from head3d.networks.files import load_network, shipped
from head3d.networks.unet import UNet, fast_dtype

NAME = "refiner"
MOST = 4
"""How many times larger its answer is."""
Factor = Literal[1, 2, 4]
TILE, MARGIN = 384, 48
"""Large pictures go through in squares of so many px, with so many px of surroundings."""


class Refiner(nn.Module):
    """A U-Net whose answer is added to the smoothly enlarged picture."""

    def __init__(self) -> None:
        super().__init__()
        self.net = UNet(3, 3, widths=(48, 96, 160, 208), depths=(2, 2, 2, 3), fold=1, attention=False, unfold=MOST)
        for parameter in self.net.head.parameters():  # begins as plain enlarging
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "N 3 H W"], factor: Factor = 4) -> Float[Tensor, "N 3 H2 W2"]:
        """Pictures in [-1, 1] (sRGB), ``factor`` times as large."""
        large = functional.interpolate(x.float(), scale_factor=MOST, mode="bicubic", align_corners=False)
        made = large + self.net(x).float()
        return made if factor == MOST else functional.avg_pool2d(made, MOST // factor)


@cache
def refiner() -> Refiner | None:
    """The trained net, or None if this installation has no weights."""
    path = shipped(NAME)
    if path is None:
        return None
    net = Refiner()
    load_network(net, path)
    return net


def refine(net: Refiner, rgb_srgb: Float[Tensor, "H W 3"], *, factor: Factor) -> Float[Tensor, "H2 W2 3"]:
    """A picture (sRGB in [0, 1]) refined, ``factor`` times as large; its mean colours stay within a level.

    The net's answer may add detail, not move colours: over squares of some 16 px its mean is that of the input.
    """
    device = rgb_srgb.device
    kind = fast_dtype(device)
    net = net.to(device)
    picture = (2 * rgb_srgb - 1).permute(2, 0, 1)[None]
    height, width = rgb_srgb.shape[:2]
    made = picture.new_zeros(1, 3, height * factor, width * factor)
    with torch.inference_mode(), torch.autocast(device.type, kind, enabled=kind != torch.float32):
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                bottom, right = min(top + TILE, height), min(left + TILE, width)
                a, b = max(top - MARGIN, 0), max(left - MARGIN, 0)
                part = picture[:, :, a : min(bottom + MARGIN, height), b : min(right + MARGIN, width)]
                answer = net(part.contiguous(memory_format=torch.channels_last), factor)
                made[:, :, top * factor : bottom * factor, left * factor : right * factor] = answer[
                    :, :, (top - a) * factor : (bottom - a) * factor, (left - b) * factor : (right - b) * factor
                ]
    made = made + _smooth_difference(picture, made, factor)
    return ((made[0].permute(1, 2, 0) + 1) / 2).clamp(0, 1)


def _smooth_difference(picture: Tensor, made: Tensor, factor: int) -> Tensor:
    """What the answer's local means lack against the input's."""
    small = functional.avg_pool2d(made, factor) if factor > 1 else made
    lack = functional.avg_pool2d(picture - small, 17, 1, 8, count_include_pad=False)
    return functional.interpolate(lack, made.shape[-2:], mode="bilinear", align_corners=False)

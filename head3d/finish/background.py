"""Studio backdrops: plain paper, and paper with a soft pool of light behind the head."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError
from head3d.imaging.color import linear_from_srgb, srgb_from_linear

BackdropName = Literal["studio-grey", "charcoal", "white", "warm", "blue", "plain-grey"]


@dataclass(frozen=True)
class Backdrop:
    """Two sRGB colours ("#rrggbb"): behind the head and at the corners; equal for plain paper."""

    centre: str
    corner: str


BACKDROPS: dict[BackdropName, Backdrop] = {
    "studio-grey": Backdrop("#b9bcc0", "#6f7378"),
    "charcoal": Backdrop("#54585e", "#1d1f22"),
    "white": Backdrop("#ffffff", "#f1f2f3"),
    "warm": Backdrop("#d9cfc3", "#8f8376"),
    "blue": Backdrop("#8fa6be", "#3d4f64"),
    "plain-grey": Backdrop("#9a9da1", "#9a9da1"),
}

POOL_RADIUS = 0.85
"""Where the pool of light has faded to the corner colour, in half diagonals of the picture."""

_DITHER = 1.0 / 255  # one 8-bit level peak to peak hides the steps of a slow gradient


def parse_color(text: str) -> Float[Tensor, "3"]:
    """Linear RGB of "#rrggbb"."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise ConfigError(f"{text!r} is not a colour.", hint="Write it as #rrggbb, for example #b9bcc0.")
    return linear_from_srgb(torch.tensor([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]))


def paint_backdrop(
    backdrop: Backdrop, size: tuple[int, int], *, centre: tuple[float, float] = (0.5, 0.42)
) -> Float[Tensor, "H W 3"]:
    """Paint a backdrop, linear RGB.

    Args:
        size: (height, width) px.
        centre: (x, y) of the pool of light as fractions of width and height: behind the head.
    """
    height, width = size
    inner, outer = srgb_from_linear(parse_color(backdrop.centre)), srgb_from_linear(parse_color(backdrop.corner))
    if backdrop.centre == backdrop.corner:
        return linear_from_srgb(inner).expand(height, width, 3).clone()
    y = (torch.arange(height) + 0.5)[:, None] - centre[1] * height
    x = (torch.arange(width) + 0.5)[None] - centre[0] * width
    half_diagonal = 0.5 * (height**2 + width**2) ** 0.5
    t = ((x * x + y * y).sqrt() / (half_diagonal * 2 * POOL_RADIUS)).clamp(0, 1)
    t = (t * t * (3 - 2 * t))[..., None]  # mixed in sRGB, where equal steps look equal
    noise = torch.rand(height, width, 1, generator=torch.Generator().manual_seed(0)) - 0.5
    return linear_from_srgb((inner * (1 - t) + outer * t + noise * _DITHER).clamp(0, 1))


def backdrop_picture(config, size):
    return None

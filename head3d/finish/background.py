"""Backdrops: plain paper, paper with a soft pool of light behind the head, and pictures."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.finish.config import BackdropName
from head3d.finish.depth import Depth, out_of_focus
from head3d.geometry.easing import smoothstep
from head3d.imaging.color import linear_from_srgb, luminance, parse_color, srgb_from_linear
from head3d.imaging.panorama import read_linear, read_panorama
from head3d.imaging.warp import resize


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


@lru_cache(maxsize=4)  # one picture after the other has the same; whoever takes it changes nothing in it
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
    t = smoothstep(t)[..., None]  # mixed in sRGB, where equal steps look equal
    noise = torch.rand(height, width, 1, generator=torch.Generator().manual_seed(0)) - 0.5
    return linear_from_srgb((inner * (1 - t) + outer * t + noise * _DITHER).clamp(0, 1))


PANORAMA_SUFFIXES = (".hdr", ".exr")
"""Backdrops that show all directions; the middle is what stands behind the person."""
PANORAMA_SHARE = 0.25
"""Part of a panorama's height that a portrait shows: 45 degrees, little enough to look straight."""
PANORAMA_LEVEL = 0.25
"""Mean luminance a panorama is exposed to."""


def picture_backdrop(path: Path, size: tuple[int, int], *, depth: Depth | None = None) -> Float[Tensor, "H W 3"]:
    """A picture of one's own behind the person, cut to the shape of ``size`` (height, width), linear.

    Args:
        path: The picture, or a panorama.
        size: (height, width) px.
        depth: Where it stands and through which lens it is seen; None shows its sharp middle.
    """
    if path.suffix.lower() in PANORAMA_SUFFIXES:
        around = read_panorama(path)
        height, width = around.shape[:2]
        half = max(round(height * PANORAMA_SHARE / 2), 1)
        if depth is not None:  # all directions are there, so it turns by as much as the camera does
            around = around.roll(-round(depth.walked_rad / (2 * math.pi) * width), 1)
        seen = around[height // 2 - half : height // 2 + half, width // 2 - half : width // 2 + half]
        picture = seen * (PANORAMA_LEVEL / max(float(luminance(seen).mean()), 1e-6))
    else:
        picture = read_linear(path)
    height, width = picture.shape[:2]
    scale = min(height / size[0], width / size[1])
    rows, columns = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    top, left = (height - rows) // 2, (width - columns) // 2
    if depth is not None and path.suffix.lower() not in PANORAMA_SUFFIXES:
        left -= round(_within(depth.shift * rows, left))
    shown = resize(picture[top : top + rows, left : left + columns], size).clamp(0.0, 1.0)
    return shown if depth is None else out_of_focus(shown, radius_px=depth.blur * size[0] / 2)


def _within(wanted: float, room: int) -> float:
    """A shift that never leaves the picture: all of a small one, ever less of a large one."""
    return room * math.tanh(wanted / room) if room else 0.0

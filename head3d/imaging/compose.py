"""Putting a picture with an alpha over a background without dark or bright fringes.

Alpha is straight (not premultiplied) everywhere in head3d: the colour of a pixel is the colour of the person there,
however thin the coverage.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.imaging.warp import resize

MIN_ALPHA = 1e-4
"""Coverage below this has no colour of its own: below half an 8-bit level over any background."""

_RAMP = 0.1  # coverage over which spread_colors changes from the moved colour to the pixel's own


def over(
    rgb_linear: Float[Tensor, "H W 3"],
    alpha: Float[Tensor, "H W"],
    backdrop_linear: Float[Tensor, "..."],
    *,
    space: Literal["linear", "srgb"] = "linear",
) -> Float[Tensor, "H W 3"]:
    """Composite straight-alpha colours over a backdrop; all colours, in and out, are linear RGB.

    Args:
        backdrop_linear: (3,) or (H, W, 3).
        space: Where the mix is made. ``linear`` is what a lens does; ``srgb`` is what most programs (and the truth
            renders of the benchmark) do.
    """
    a = alpha[..., None]
    if space == "linear":
        return rgb_linear * a + backdrop_linear * (1 - a)
    mixed = srgb_from_linear(rgb_linear) * a + srgb_from_linear(backdrop_linear) * (1 - a)
    return linear_from_srgb(mixed)


def unpremultiply(premultiplied: Float[Tensor, "H W 3"], alpha: Float[Tensor, "H W"]) -> Float[Tensor, "H W 3"]:
    """Straight colours of premultiplied ones; zero where nothing is covered."""
    a = alpha[..., None]
    return torch.where(a > MIN_ALPHA, premultiplied / a.clamp_min(MIN_ALPHA), torch.zeros_like(premultiplied))


def resize_straight(
    rgb: Float[Tensor, "H W 3"], alpha: Float[Tensor, "H W"], *, size: tuple[int, int]
) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "h w"]]:
    """Resize colours and alpha together, so that colours of empty pixels never leak into the edge."""
    if tuple(alpha.shape) == tuple(size):
        return torch.where(alpha[..., None] > MIN_ALPHA, rgb, torch.zeros_like(rgb)), alpha.clamp(0, 1)
    alpha_small = resize(alpha, size).clamp(0, 1)
    return unpremultiply(resize(rgb * alpha[..., None], size), alpha_small), alpha_small


def spread_colors(
    rgb: Float[Tensor, "H W 3"], alpha: Float[Tensor, "H W"], *, trust: float = 0.9
) -> Float[Tensor, "H W 3"]:
    """Replace colours of thin coverage by those of the solid person next to them.

    A field's colour at the rim is the least constrained one and often carries the photo's own background: that is what
    makes a fringe. Solid pixels (alpha >= trust) keep their colour; below, the colour moves to the average of the solid
    neighbourhood, the nearer the better (pull-push over a pyramid, after Gortler et al. 1996).
    """
    solid = ((alpha - (trust - _RAMP)) / _RAMP).clamp(0, 1)  # a ramp, so that no seam shows where colours start to move
    weight = solid[None, None] ** 8  # only the surely solid lend their colour
    color = rgb.permute(2, 0, 1)[None] * weight
    levels = [(color, weight)]
    while min(levels[-1][1].shape[2:]) > 1:
        c, w = levels[-1]
        levels.append(
            (
                functional.avg_pool2d(c, 2, ceil_mode=True, count_include_pad=False),
                functional.avg_pool2d(w, 2, ceil_mode=True, count_include_pad=False),
            )
        )
    c, w = levels[-1]
    filled = c / w.clamp_min(1e-12)
    for c, w in reversed(levels[:-1]):
        size = (c.shape[2], c.shape[3])
        coarse = functional.interpolate(filled, size=size, mode="bilinear", align_corners=False)
        trusted = (w * 8).clamp(0, 1)  # an eighth of a cell covered is enough to speak for it
        filled = trusted * (c / w.clamp_min(1e-12)) + (1 - trusted) * coarse
    return solid[..., None] * rgb + (1 - solid[..., None]) * filled[0].permute(1, 2, 0)

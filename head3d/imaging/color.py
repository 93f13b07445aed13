"""Colour: sRGB, linear RGB and CIE Lab, exact formulas and exact inverses.

Inside head3d colours are float32 linear RGB with sRGB primaries; uint8 sRGB only in photos, headshots and files.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.errors import ConfigError

# IEC 61966-2-1: the joint of the two branches is at 0.0031308 linear; 0.04045 is its image under the straight branch.
_LINEAR_JOINT, _SRGB_JOINT, _SLOPE, _OFFSET, _GAMMA = 0.0031308, 0.04045, 12.92, 0.055, 2.4

# Rec. 709 primaries, D65 white (x, y) = (0.3127, 0.3290): the rows give X, Y, Z with Y(white) = 1.
_XYZ_FROM_RGB = (
    (0.4123907992659595, 0.357584339383878, 0.1804807884018343),
    (0.21263900587151036, 0.715168678767756, 0.07219231536073371),
    (0.01933081871559185, 0.11919477979462598, 0.9505321522496607),
)
_LAB_JOINT = 6 / 29  # below its cube the cube root becomes a line (CIE 15)


def srgb_from_linear(rgb_linear: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Encode linear values for display. Negative values keep the straight branch; nothing is clamped.

    >>> srgb_from_linear(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    curved = (1 + _OFFSET) * rgb_linear.clamp_min(_LINEAR_JOINT) ** (1 / _GAMMA) - _OFFSET
    return torch.where(rgb_linear <= _LINEAR_JOINT, rgb_linear * _SLOPE, curved)


def linear_from_srgb(rgb_srgb: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Decode sRGB values to linear light; inverse of :func:`srgb_from_linear`."""
    curved = ((rgb_srgb.clamp_min(_SRGB_JOINT) + _OFFSET) / (1 + _OFFSET)) ** _GAMMA
    return torch.where(rgb_srgb <= _SRGB_JOINT, rgb_srgb / _SLOPE, curved)


def srgb_from_levels(levels: UInt8[np.ndarray, "*B"]) -> Float[Tensor, "*B"]:
    """Turn 8-bit levels into float sRGB in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(levels)).float() / 255


def linear_from_levels(levels: UInt8[np.ndarray, "*B"]) -> Float[Tensor, "*B"]:
    """Turn 8-bit sRGB levels into linear RGB."""
    table = linear_from_srgb(torch.arange(256, dtype=torch.float64) / 255).float()
    return table[torch.from_numpy(np.ascontiguousarray(levels)).long()]


def levels_from_srgb(rgb_srgb: Float[Tensor, "*B"]) -> UInt8[np.ndarray, "*B"]:
    """Round float sRGB to 8-bit levels, clamped to [0, 255]."""
    return (rgb_srgb.detach().cpu().clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()


def levels_from_linear(rgb_linear: Float[Tensor, "*B"]) -> UInt8[np.ndarray, "*B"]:
    """Encode linear RGB as 8-bit sRGB levels, clamped to [0, 255]."""
    return levels_from_srgb(srgb_from_linear(rgb_linear.detach()))


def luminance(rgb_linear: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """Relative luminance Y (Rec. 709) of linear RGB."""
    return rgb_linear @ torch.tensor(_XYZ_FROM_RGB[1], dtype=rgb_linear.dtype, device=rgb_linear.device)


def _white(like: Tensor) -> tuple[Tensor, Tensor]:
    matrix = torch.tensor(_XYZ_FROM_RGB, dtype=torch.float64, device=like.device).to(like.dtype)
    return matrix, matrix.sum(1)


def lab_from_linear(rgb_linear: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """CIE 1976 L*a*b* under D65 of linear RGB; L in [0, 100]."""
    matrix, white = _white(rgb_linear)
    t = (rgb_linear @ matrix.T) / white
    f = torch.where(t > _LAB_JOINT**3, t.clamp_min(_LAB_JOINT**3) ** (1 / 3), t / (3 * _LAB_JOINT**2) + 4 / 29)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def linear_from_lab(lab: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """Linear RGB of CIE L*a*b*; inverse of :func:`lab_from_linear`."""
    matrix, white = _white(lab)
    level, a, b = lab.unbind(-1)
    y = (level + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=-1)
    t = torch.where(f > _LAB_JOINT, f**3, 3 * _LAB_JOINT**2 * (f - 4 / 29))
    return (t * white) @ torch.linalg.inv(matrix).T


def parse_color(text: str) -> Float[Tensor, "3"]:
    """Linear RGB of "#rrggbb"."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise ConfigError(f"{text!r} is not a colour.", hint="Write it as #rrggbb, for example #b9bcc0.")
    return linear_from_srgb(torch.tensor([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]))

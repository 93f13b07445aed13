"""A view with what no photo saw marked on it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.imaging.color import levels_from_srgb, srgb_from_linear
from head3d.imaging.warp import resize
from head3d.quality.gate import SightVerdict
from head3d.render.confidence import EXTRAPOLATED, SEEN
from head3d.render.types import RenderOutput

BETWEEN_SRGB, INVENTED_SRGB = (0.95, 0.72, 0.15), (0.83, 0.18, 0.2)
"""Amber and red: what was extrapolated, what was invented. What was seen keeps its colours."""
TINT = 0.6
PAPER = 0.9
"""sRGB level behind the person."""


@dataclass(frozen=True)
class SightView:
    """One view in the report.

    Attributes:
        verdict: Of the gate, with the shares.
        overlay: The view with marks, uint8 sRGB.
    """

    verdict: SightVerdict
    overlay: UInt8[np.ndarray, "H W 3"]


def draw_sight(
    output: RenderOutput, confidence: Float[Tensor, "H W"], *, size: int = 384
) -> UInt8[np.ndarray, "H W 3"]:
    """Tint a picture by its confidence.

    Args:
        output: The picture.
        confidence: In [0, 1], of its pixels.
        size: Height of the result, px.
    """
    exposed = output.rgb_linear / max(1.0, float(output.rgb_linear.max()))
    colors, alpha = srgb_from_linear(exposed.clamp(0, 1)), output.alpha[..., None]
    invented, between = (confidence < EXTRAPOLATED)[..., None], (confidence < SEEN)[..., None]
    tint = torch.where(invented, torch.tensor(INVENTED_SRGB), torch.tensor(BETWEEN_SRGB))
    marked = torch.where(between, colors * (1 - TINT) + tint * TINT, colors)
    width = round(size * colors.shape[1] / colors.shape[0])
    return levels_from_srgb(resize(marked * alpha + PAPER * (1 - alpha), (size, width)))

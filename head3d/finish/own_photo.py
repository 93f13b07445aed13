"""A person's own photo before another backdrop, and the place without the person."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from head3d.finish.apply import backdrop_picture
from head3d.finish.config import FinishConfig
from head3d.imaging.color import levels_from_linear, linear_from_srgb
from head3d.imaging.compose import over, spread_colors

FILL_PX = 420
"""Long side at which the hole is filled: what stood behind a person is guessed, and out of focus at best."""
AROUND = 0.012
"""Of the long side: hair and shadow reach this far out of a matte."""
RADIUS_PX = 4.0
"""Neighbourhood of Telea's method, px of the small picture."""


@dataclass(frozen=True)
class Cutout:
    """A photo and who is cut out of it.

    Attributes:
        rgb_srgb: Pixels.
        matte: Person against background, in [0, 1].
    """

    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    matte: Float[np.ndarray, "H W"]


def on_backdrop(photo: Cutout, config: FinishConfig) -> UInt8[np.ndarray, "H W 3"]:
    """The person before the backdrop of the options; the rim takes its colours from the person, not the old place."""
    alpha = torch.from_numpy(photo.matte).float().clamp(0, 1)
    rgb = spread_colors(linear_from_srgb(torch.from_numpy(photo.rgb_srgb).float() / 255), alpha)
    behind = backdrop_picture(config, (alpha.shape[0], alpha.shape[1]))
    return levels_from_linear(over(rgb, alpha, behind))


def emptied(photo: Cutout) -> UInt8[np.ndarray, "H W 3"]:
    """The place without the person, who is painted over from the rim inwards (Telea 2004).

    The hole is filled in a small picture, softened the more the farther from its rim, and given the grain of the rest.
    """
    height, width = photo.matte.shape
    scale = min(1.0, FILL_PX / max(height, width))
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    reach = max(int(AROUND * max(size)), 2)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    small = cv2.resize(photo.rgb_srgb, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(photo.matte.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    hole = cv2.dilate((cover > 0.02).astype(np.uint8), disc)
    if hole.all():
        return np.full_like(photo.rgb_srgb, 128)
    filled = cv2.inpaint(small, hole * 255, RADIUS_PX, cv2.INPAINT_TELEA).astype(np.float32)
    deep = cv2.distanceTransform(hole, cv2.DIST_L2, 3)[..., None]
    for sigma in (2.0, 5.0, 11.0):  # streaks of the method grow with the depth
        smooth = cv2.GaussianBlur(filled, (0, 0), sigma)
        share = np.clip(deep / (3 * sigma) - 0.4, 0, 1)
        filled = filled * (1 - share) + smooth * share
    whole = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    share = cv2.resize(cv2.GaussianBlur(hole.astype(np.float32), (0, 0), reach / 3), (width, height))
    share = np.maximum(share, cv2.resize(hole.astype(np.float32), (width, height)) > 0.5)[..., None]
    rest = photo.rgb_srgb.astype(np.float32)
    grain = _grain(rest, share[..., 0])
    noise = np.random.default_rng(0).normal(size=(height, width, 1)) * grain
    return (rest * (1 - share) + (whole + noise) * share).round().clip(0, 255).astype(np.uint8)


def _grain(rgb: Float[np.ndarray, "H W 3"], share: Float[np.ndarray, "H W"]) -> float:
    """Standard deviation (levels) of the finest detail outside of the hole, in its quiet half: noise, not texture."""
    fine = np.abs(rgb - cv2.GaussianBlur(rgb, (0, 0), 1.0)).mean(-1)[share <= 0]
    return float(np.median(fine)) if fine.size else 0.0

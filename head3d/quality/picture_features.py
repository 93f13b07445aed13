"""What a preference is learned from: a few numbers everybody can read, and a small embedding of the picture."""

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from head3d.imaging.color import lab_from_linear, linear_from_levels

WORKING_PX = 256
"""Longer side the numbers are measured at: the same for all sizes of picture."""
GRID = 4
"""Cells of the embedding along each side: where light, colour and head are, and no detail."""
MIDDLE = 0.5
"""Part of width and height that is about the face in a headshot."""


def picture_metrics(rgb_srgb: UInt8[np.ndarray, "H W 3"]) -> dict[str, float]:
    """Lightness, contrast, warmth, saturation and sharpness of the whole and of the middle, CIE Lab units."""
    lab = _lab(rgb_srgb)
    height, width = lab.shape[:2]
    top, left = round(height * (1 - MIDDLE) / 2), round(width * (1 - MIDDLE) / 2)
    middle = lab[top : height - top, left : width - left]
    found = {}
    for name, part in (("picture", lab), ("face", middle)):
        level = part[..., 0]
        found |= {
            f"{name}.lightness": float(level.mean()),
            f"{name}.contrast": float(level.std()),
            f"{name}.warmth": float(part[..., 2].mean()),
            f"{name}.saturation": float(np.hypot(part[..., 1], part[..., 2]).mean()),
            f"{name}.sharpness": float(np.log1p(cv2.Laplacian(level, cv2.CV_32F).var())),
        }
    half = middle.shape[1] // 2
    found["face.side_light"] = float(middle[:, :half, 0].mean() - middle[:, half:, 0].mean())
    return found


def picture_embedding(rgb_srgb: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "D"]:
    """Lab of a coarse grid over the picture, each channel over 50: ``GRID`` * ``GRID`` * 3 numbers."""
    small = cv2.resize(_lab(rgb_srgb), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return small.reshape(-1) / 50


def _lab(rgb_srgb: np.ndarray) -> np.ndarray:
    height, width = rgb_srgb.shape[:2]
    scale = WORKING_PX / max(height, width)
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    linear = linear_from_levels(rgb_srgb).numpy()
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR

    return lab_from_linear(torch.from_numpy(cv2.resize(linear, size, interpolation=way))).numpy()

"""Tri-plane of Chan et al. 2022 (section 4.1), one point and one corner at a time, in float64."""

import numpy as np

AXES = ((0, 1), (1, 2), (2, 0))
"""Coordinates along the rows and across the rows of each plane: XY, YZ, ZX."""


def features(planes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sum of the bilinear values of (3, H, W, C) planes at the projections of (P, 3) points of the unit cube."""
    _, height, width, channels = planes.shape
    out = np.zeros((len(points), channels))
    for p, point in enumerate(np.clip(points, 0, 1)):
        for plane, (along, across) in zip(planes, AXES, strict=True):
            x, y = point[along] * (width - 1), point[across] * (height - 1)
            for i in range(height):
                for j in range(width):
                    out[p] += max(0, 1 - abs(x - j)) * max(0, 1 - abs(y - i)) * plane[i, j]
    return out

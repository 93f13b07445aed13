"""Distortion loss of one ray as eq. 15 of Mip-NeRF 360 (Barron et al. 2022) writes it: a double sum."""

import numpy as np


def distortion(weights: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> float:
    w, start, end = (np.asarray(a, dtype=np.float64) for a in (weights, starts, ends))
    middle = (start + end) / 2
    between = (w[:, None] * w[None, :] * np.abs(middle[:, None] - middle[None, :])).sum()
    return float(between + (w**2 * (end - start)).sum() / 3)

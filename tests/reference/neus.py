"""Weights along one ray by equations 10 to 13 of Wang et al. 2021, in float64."""

import numpy as np


def weights(sdf: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Weight of each section of one ray; the last sample has none."""
    phi = 1 / (1 + np.exp(-sdf / sd))
    out, transmittance = np.zeros(len(sdf)), 1.0
    for i in range(len(sdf) - 1):
        alpha = max((phi[i] - phi[i + 1]) / phi[i], 0.0)
        out[i] = transmittance * alpha
        transmittance *= 1 - alpha
    return out

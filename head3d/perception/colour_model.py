"""What colours a part of a photo has: a small mixture of Gaussians over lightness, two chroma axes and texture."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

_SAMPLES = 1500
_CLUSTERS = 4
# Spread that even a flat colour has: lightness, a, b (CIELAB), log texture.
_FLOOR = np.array([9.0, 2.0, 2.0, 0.05], np.float32)


def features(rgb_srgb: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W 4"]:
    """CIELAB (lightness in [0, 100]) and the logarithm of the local contrast of lightness."""
    lab = cv2.cvtColor(rgb_srgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    light = lab[..., 0]
    mean = cv2.GaussianBlur(light, (0, 0), 2.0)
    contrast = np.sqrt(np.maximum(cv2.GaussianBlur(light * light, (0, 0), 2.0) - mean * mean, 0.0))
    return np.dstack([lab, np.log(contrast + 0.5)]).astype(np.float32)


@dataclass(frozen=True)
class ColourModel:
    """Mixture of Gaussians with full covariances.

    Attributes:
        weights: Share of each component.
        means: Centres in feature space.
        precisions: Inverse covariances.
        offsets: Log of weight and normalisation.
        typical: Median log likelihood of the samples it was learned from.
    """

    means: Float32[np.ndarray, "K 4"]
    precisions: Float32[np.ndarray, "K 4 4"]
    offsets: Float32[np.ndarray, "K"]
    typical: float = 0.0

    def log_likelihood(self, colours: Float32[np.ndarray, "... 4"]) -> Float32[np.ndarray, "..."]:
        """Log density (nats) at each feature vector, of the nearest component (the others hardly add)."""
        flat = colours.reshape(-1, 4)
        best = np.full(len(flat), -np.inf, np.float32)
        for mean, precision, offset in zip(self.means, self.precisions, self.offsets, strict=True):
            centred = flat - mean
            np.maximum(best, offset - 0.5 * np.einsum("pc,pc->p", centred @ precision, centred), out=best)
        return best.reshape(colours.shape[:-1])


def learn_colours(samples: Float32[np.ndarray, "P 4"]) -> ColourModel:
    """Fit the mixture to feature vectors (k-means, then one Gaussian a cluster); deterministic."""
    picked = samples[np.linspace(0, len(samples) - 1, min(len(samples), _SAMPLES)).astype(int)]
    count = max(1, min(_CLUSTERS, len(picked) // 30))
    scaled = np.ascontiguousarray(picked * np.array([0.5, 1.0, 1.0, 6.0], np.float32))
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5)
    _, labels, _ = cv2.kmeans(scaled, count, np.zeros((len(picked), 1), np.int32), stop, 1, cv2.KMEANS_PP_CENTERS)
    means, precisions, offsets = [], [], []
    for index in range(count):
        members = picked[labels[:, 0] == index]
        if len(members) < 5:
            continue
        mean = members.mean(0)
        covariance = (members - mean).T @ (members - mean) / len(members) + np.diag(_FLOOR)
        means.append(mean)
        precisions.append(np.linalg.inv(covariance))
        share = len(members) / len(picked)
        offsets.append(np.log(share) - 0.5 * np.linalg.slogdet(covariance)[1] - 2.0 * np.log(2.0 * np.pi))
    model = ColourModel(np.stack(means), np.stack(precisions), np.array(offsets, np.float32))
    return ColourModel(
        model.means, model.precisions, model.offsets, typical=float(np.median(model.log_likelihood(picked)))
    )


def with_shadow(model: ColourModel) -> ColourModel:
    """The same colours, and dimmer and brighter versions of lower weight: skin under the chin, shoulders in light."""
    means, precisions, offsets = [model.means], [model.precisions], [model.offsets - np.log(1.5)]
    for dim, weight in ((1.18, 0.15), (0.75, 0.25), (0.55, 0.1)):
        shaded = model.means.copy()
        shaded[:, 0] *= dim
        shaded[:, 1:3] *= 0.5 + 0.5 * dim  # chroma falls with light, more slowly
        means.append(shaded)
        precisions.append(model.precisions)
        offsets.append(model.offsets + np.float32(np.log(weight)))
    return ColourModel(
        np.concatenate(means), np.concatenate(precisions), np.concatenate(offsets), typical=model.typical
    )

"""How far a set of pictures is from another as a whole: Fréchet and kernel distances of features, with intervals.

Fréchet distance of two Gaussians, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2) (Dowson and Landau 1982; over Inception's
features Heusel et al. 2017, "FID"). Kernel distance: unbiased squared maximum mean discrepancy with the polynomial
kernel (x.y / D + 1)^3 (Binkowski et al. 2018, "KID"), which small sets do not inflate.

Of a few pictures the Fréchet distance over many features says mostly how few they are. So features are condensed to a
few principal axes of the second set first, the same for both, and the report says how many.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8

from head3d import store
from head3d.errors import InputError
from head3d.imaging.perceptual import load_lpips

VGG_PX, INCEPTION_PX = 224, 299
VGG_CHANNELS = 512
RESAMPLES = 200
"""Of the bootstrap."""
INTERVAL = (2.5, 97.5)
PER_AXIS = 3
"""Pictures of the smaller set for each axis of the Fréchet distance: fewer would measure their number."""

Picture = UInt8[np.ndarray, "H W 3"]


class FeatureNet(Protocol):
    """Turns pictures into features."""

    @property
    def version(self) -> str:
        """Which net, with its weights."""
        ...

    def __call__(self, pictures: Sequence[Picture]) -> Float64[np.ndarray, "N D"]:
        """Features of pictures, one row each."""
        ...


@dataclass(frozen=True)
class SetDistance:
    """Of two sets.

    Attributes:
        kind: ``frechet`` or ``kernel``.
        value: Over all pictures.
        low: Of the 95 % bootstrap interval.
        high: Of it.
        counts: Pictures of each set.
        axes: Numbers a picture is described by.
        net: See :attr:`FeatureNet.version`.
    """

    kind: str
    value: float
    low: float
    high: float
    counts: tuple[int, int]
    axes: int
    net: str


class VggFeatures:
    """Mean of the last maps of LPIPS' VGG16: 512 numbers; needs no weights beyond those that LPIPS has."""

    version = "vgg16 of lpips 0.1, conv5_3, mean over the picture, 224 px"

    def __call__(self, pictures: Sequence[Picture]) -> Float64[np.ndarray, "N D"]:
        """512 features each."""
        rows = [np.zeros((0, VGG_CHANNELS))]
        with torch.no_grad():
            for one in pictures:
                maps = load_lpips("vgg").features(_tensor(one, VGG_PX))
                rows.append(maps[-1].mean((2, 3)).double().numpy())
        return np.concatenate(rows)


class InceptionFeatures:
    """The 2048 pooled features of FID's own Inception, from a TorchScript file of the user's.

    The file is the one of Karras et al. ("inception-2015-12-05.pt"), under its own licence; head3d neither ships nor
    fetches it. It takes uint8 NCHW pictures of any size and resizes them as the published numbers did.
    """

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the file exists in this format only
                self._net = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(f"{path} is no TorchScript net.", hint="Give inception-2015-12-05.pt.") from error
        self.version = f"{path.name} {store.sha256_file(path)[:12]}"

    def __call__(self, pictures: Sequence[Picture]) -> Float64[np.ndarray, "N D"]:
        """2048 features each."""
        rows = []
        with torch.no_grad():
            for one in pictures:
                batch = torch.from_numpy(np.ascontiguousarray(one)).permute(2, 0, 1)[None]
                rows.append(self._net(batch, return_features=True).reshape(1, -1).double().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, 2048))


def frechet(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]) -> float:
    """Squared Fréchet distance of the Gaussians through two clouds; at least two rows each."""
    mean_gap = first.mean(0) - second.mean(0)
    one, other = (np.atleast_2d(np.cov(cloud, rowvar=False)) for cloud in (first, second))
    return float(mean_gap @ mean_gap + np.trace(one) + np.trace(other) - 2 * _root_trace(one, other))


def _root_trace(one: Float[np.ndarray, "D D"], other: Float[np.ndarray, "D D"]) -> float:
    """tr((A B)^1/2) of two covariances: that of the symmetric A^1/2 B A^1/2, whose eigenvalues are no less than 0."""
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return float(np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum())


def kernel_distance(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]) -> float:
    """Unbiased squared MMD with the cubic kernel; may be below 0 where the sets are alike."""
    n, m, width = len(first), len(second), first.shape[1]
    own, other, across = (_cubic(a, b, width) for a, b in ((first, first), (second, second), (first, second)))
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(within - 2 * across.mean())


def _cubic(a: np.ndarray, b: np.ndarray, width: int) -> np.ndarray:
    return (a @ b.T / width + 1) ** 3


def set_distances(
    first: Sequence[Picture],
    second: Sequence[Picture],
    *,
    net: FeatureNet,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[SetDistance]:
    """Fréchet and kernel distance of two sets of pictures, with bootstrap intervals over pictures.

    Raises:
        InputError: A set has fewer than four pictures.
    """
    if min(len(first), len(second)) < 4:
        raise InputError("A distance of sets needs four pictures of each.", hint="Give more pictures.")
    a, b = net(first), net(second)
    small, large = condensed(a, b)
    draw = np.random.default_rng(seed)
    counts = len(a), len(b)
    return [
        SetDistance(name, value, *interval(measure, x, y, draw, resamples=resamples), counts, x.shape[1], net.version)
        for name, measure, x, y in (("frechet", frechet, small, large), ("kernel", kernel_distance, a, b))
        for value in (measure(x, y),)
    ]


def condensed(
    first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]
) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, "M K"]]:
    """Both clouds on the principal axes of the second, as many as the smaller set can carry (``PER_AXIS``)."""
    axes = max(1, min(min(len(first), len(second)) // PER_AXIS, first.shape[1]))
    middle = second.mean(0)
    _, _, ways = np.linalg.svd(second - middle, full_matrices=False)
    return (first - middle) @ ways[:axes].T, (second - middle) @ ways[:axes].T


def interval(
    measure: Callable[[np.ndarray, np.ndarray], float],
    first: Float[np.ndarray, "N D"],
    second: Float[np.ndarray, "M D"],
    draw: np.random.Generator,
    *,
    resamples: int,
) -> tuple[float, float]:
    """95 % interval of a distance by half-samples of each set without replacement, scaled to the whole set's spread.

    Drawing with replacement repeats pictures, which both distances take for a smaller variety than there is.
    """
    whole = measure(first, second)
    halves = [max(len(cloud) // 2, 2) for cloud in (first, second)]
    found = []
    for _ in range(resamples):
        parts = [
            cloud[draw.permutation(len(cloud))[:half]] for cloud, half in zip((first, second), halves, strict=True)
        ]
        found.append(measure(parts[0], parts[1]))
    # half of the set left out: the variance of a half-sample's mean about the whole's is that of the whole's own
    gaps = np.percentile(np.array(found) - np.mean(found), INTERVAL)
    return whole + float(gaps[0]), whole + float(gaps[1])


def _tensor(picture: Picture, side: int) -> torch.Tensor:
    """One picture as the LPIPS nets take it."""
    shrinks = min(picture.shape[:2]) > side
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1

"""By-example noise: pieces of pictures that cover another one evenly.

After Heitz and Neyret, High-Performance By-Example Noise using a Histogram-Preserving Blending Operator (2018): pieces
lie on a lattice of triangles; where three overlap, their sum is divided by the root of the sum of squares of their
weights, so that it is nowhere weaker than one of them.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int

UNUSUAL = 2.0
"""Pieces with so many times the strength of most are something else: a nostril, a mole, a collar."""
CHOICE = 6
"""A piece is one of so many that fit best, so that none is repeated at once."""
STEP_PX = 4
"""Between middles of pieces."""


class Palette:
    """Pieces of pictures."""

    def __init__(
        self,
        pictures: Sequence[Float[np.ndarray, "_ _ 3"]],
        places: Sequence[Float[np.ndarray, "_ _ F"]],
        whole: Sequence[Bool[np.ndarray, "_ _"]],
        *,
        spacing_px: int,
    ) -> None:
        """Cut pieces.

        Args:
            pictures: What is cut.
            places: What is where in them: the nearer, the better a piece fits.
            whole: Where the middle of a piece may be; somewhere in one of them.
            spacing_px: Of the lattice: a piece reaches so far from its middle.
        """
        width = max(one.shape[1] for one in pictures)
        self.spacing_px = spacing_px
        self.canvas = np.concatenate([np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0))) for one in pictures])
        middles, features, strengths, top = [], [], [], 0
        for picture, place, free in zip(pictures, places, whole, strict=True):
            rows, columns = (index * STEP_PX for index in np.nonzero(free[::STEP_PX, ::STEP_PX]))
            middles.append(np.stack([rows + top, columns], axis=1))
            features.append(place[rows, columns])
            mean = cv2.blur(np.abs(picture), (2 * spacing_px + 1, 2 * spacing_px + 1)).mean(-1)
            strengths.append(mean[rows, columns])
            top += len(picture)
        strength = np.concatenate(strengths)
        usual = strength <= UNUSUAL * np.median(strength)
        self.middles = torch.from_numpy(np.concatenate(middles)[usual])
        self.features = torch.from_numpy(np.concatenate(features)[usual])

    def cover(
        self, places: Float[np.ndarray, "H W F"], wanted: Bool[np.ndarray, "H W"], *, generator: torch.Generator
    ) -> Float[np.ndarray, "H W 3"]:
        """A picture whose wanted pixels are covered; ``places`` tells what is there."""
        rows, columns = np.nonzero(wanted)
        corners, weights = lattice(np.stack([columns, rows], axis=1) + 0.5, spacing_px=self.spacing_px)
        keys, which = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
        which = which.reshape(corners.shape[:2])
        place = lattice_place(keys, spacing_px=self.spacing_px)
        height, width = wanted.shape
        at = place.round().astype(int)[:, ::-1].clip(0, (height - 1, width - 1))
        # of the pixels next to a corner, whose own may lie beside the surface
        nearest = np.zeros(len(keys), int)
        nearest[which.reshape(-1)] = np.repeat(np.arange(len(rows)), corners.shape[1])
        inside = wanted[at[:, 0], at[:, 1]]
        at[~inside] = np.stack([rows, columns], axis=1)[nearest[~inside]]
        chosen = self._chosen(places[at[:, 0], at[:, 1]], generator)
        change = np.zeros((len(rows), 3), np.float32)
        for corner in range(3):
            index = which[:, corner]
            offset = np.stack([rows, columns], axis=1) - place[index][:, ::-1]
            source = (chosen[index] + offset).round().astype(int)
            source = source.clip(0, np.array(self.canvas.shape[:2]) - 1)
            change += weights[:, corner, None] * self.canvas[source[:, 0], source[:, 1]]
        change /= np.sqrt((weights**2).sum(1))[:, None]
        covered = np.zeros((*wanted.shape, 3), np.float32)
        covered[rows, columns] = change
        return covered

    def _chosen(self, features: Float[np.ndarray, "V F"], generator: torch.Generator) -> Int[np.ndarray, "V 2"]:
        """Middle of the piece for each place."""
        best = (
            torch.cdist(torch.from_numpy(features), self.features)
            .topk(min(CHOICE, len(self.features)), largest=False)
            .indices
        )
        pick = torch.randint(best.shape[1], (len(best), 1), generator=generator)
        return self.middles[best.gather(1, pick)[:, 0]].numpy()


def lattice(
    pixels: Float[np.ndarray, "P 2"], *, spacing_px: int
) -> tuple[Int[np.ndarray, "P 3 2"], Float[np.ndarray, "P 3"]]:
    """Corners of the triangle about each pixel, as numbers of the lattice, and how much each counts there."""
    x = pixels[:, 0] / spacing_px
    y = pixels[:, 1] / spacing_px
    skewed = np.stack([x - y / np.sqrt(3), 2 * y / np.sqrt(3)], axis=1)
    base = np.floor(skewed).astype(int)
    part = skewed - base
    rest = 1 - part.sum(1)
    lower = (rest > 0)[:, None]
    one, right, up = np.array([1, 1]), np.array([1, 0]), np.array([0, 1])
    corners = np.stack([np.where(lower, base, base + one), base + up, base + right], axis=1)
    third = np.where(rest > 0, rest, -rest)
    weights = np.stack(
        [third, np.where(rest > 0, part[:, 1], 1 - part[:, 0]), np.where(rest > 0, part[:, 0], 1 - part[:, 1])], axis=1
    )
    return corners, weights.astype(np.float32)


def lattice_place(numbers: Int[np.ndarray, "V 2"], *, spacing_px: int) -> Float[np.ndarray, "V 2"]:
    """Pixels where corners of the lattice are: the inverse of its skew."""
    y = numbers[:, 1] * np.sqrt(3) / 2
    return np.stack([numbers[:, 0] + numbers[:, 1] / 2, y], axis=1) * spacing_px

"""Folds of worn cloth: long soft ridges where shoulders, arms and buttons pull, and the unrest between them."""

from dataclasses import dataclass

import numpy as np

from head3d.garments.torso import Array


@dataclass(frozen=True)
class Folds:
    """How cloth falls.

    Attributes:
        depth_m: Of the deepest folds.
        unrest_m: Of the small ups and downs between them.
        seed: Of what is drawn by chance.
    """

    depth_m: float
    unrest_m: float
    seed: int = 0


ARMPIT = (0.158, -0.295)
SHOULDER = (0.135, -0.150)
"""Where folds begin, x and y of the form, metres; each has its mirror."""


def folded(places_m: Array, normals: Array, folds: Folds) -> Array:
    """Places of a piece (P, 3) moved along its normals by its folds."""
    return places_m + normals * fold_height(places_m, folds)[:, None]


def fold_height(places_m: Array, folds: Folds) -> Array:
    """Height (m) of the folds at places of the form."""
    draw = np.random.default_rng(folds.seed)
    height = np.zeros(len(places_m))
    x, y, z = places_m.T
    for side in (-1.0, 1.0):
        for front in (1.0, -1.0):
            face = 1 / (1 + np.exp(-(z + 0.03) * front / 0.012))
            for origin, spread, count in ((ARMPIT, (95, 165), 5), (SHOULDER, (200, 262), 4)):
                for k in range(count):
                    low, high = spread
                    angle = np.radians(low + (high - low) * (k + draw.uniform(0.15, 0.85)) / count)
                    way = np.array([np.cos(angle) * side, np.sin(angle)])
                    start = np.array([origin[0] * side, origin[1]]) + way * draw.uniform(0.005, 0.03)
                    length, wide = draw.uniform(0.05, 0.12), draw.uniform(0.007, 0.014)
                    strength = folds.depth_m * draw.uniform(0.35, 1.0)
                    height += face * strength * _ridge(x, y, start, way, length, wide, bend=draw.uniform(-1.5, 1.5))
    return height + folds.unrest_m * _unrest(places_m, draw)


def _ridge(x: Array, y: Array, start: Array, way: Array, length: float, wide: float, *, bend: float) -> Array:
    """A fold from ``start`` along ``way`` that widens and dies out: a ridge with a groove on one side."""
    along = (x - start[0]) * way[0] + (y - start[1]) * way[1]
    across = -(x - start[0]) * way[1] + (y - start[1]) * way[0] - bend * along**2
    t = along / length
    here = np.exp(-((t - 0.45) ** 2) / 0.16) * (along > -0.06)
    w = wide * (0.7 + 0.8 * np.clip(t, 0, 1.5))
    u = across / w
    return here * (np.exp(-u * u) - 0.55 * np.exp(-((u - 1.5) ** 2) / 1.3))


def _unrest(places_m: Array, draw: np.random.Generator) -> Array:
    """Smooth noise of 3 to 9 cm waves, of unit size."""
    total = np.zeros(len(places_m))
    for _ in range(14):
        wave = draw.normal(size=3) * np.array([1.0, 0.55, 1.0])
        wave *= 2 * np.pi / draw.uniform(0.03, 0.09) / np.linalg.norm(wave)
        total += np.sin(places_m @ wave + draw.uniform(0, 2 * np.pi))
    return total / np.sqrt(14 / 2)


def sleeve_seam(places_m: Array) -> Array:
    """Signed distance (m) to the seam between body and sleeve, > 0 on the sleeve."""
    x, y, _ = places_m.T
    down = np.clip((-y - 0.15) / 0.14, 0, 1)
    return np.abs(x) - (0.184 - 0.026 * down**1.4)


def arm_crease(places_m: Array, depth_m: float) -> Array:
    """How far (m, < 0 inward) the cloth sinks between arm and chest or back."""
    x, y, _ = places_m.T
    down = np.clip((-y - 0.225) / 0.11, 0, 1)
    return -depth_m * down * np.exp(-(((np.abs(x) - 0.160 + 0.006 * down) / 0.011) ** 2))

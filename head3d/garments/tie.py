"""A tie: a four-in-hand knot between the collar's leaves, and a blade that hangs from it with a dimple."""

import numpy as np

from head3d.garments.sheets import Cloth, Fabric, joined, sheet
from head3d.garments.torso import Array, Torso
from head3d.geometry.easing import smooth_rise

KNOT_TOP_M, KNOT_FOOT_M = -0.128, -0.177
"""Heights of the knot's ends."""
KNOT_HALF_M = (0.0260, 0.0160)
"""Half its width there."""
KNOT_DEEP_M = 0.016
BLADE_END_M = -0.60


def tie(torso: Torso, *, dye: int = 1) -> Cloth:
    """The knot and the blade, in one of the outfit's colours."""
    return joined([_blade(torso, dye), _knot(torso, dye)])


def _knot(torso: Torso, dye: int) -> Cloth:
    """A padded wedge, a little askew as knots are."""
    v = np.linspace(0, 1, 44)
    u = np.linspace(-1, 1, 49)
    v, u = np.meshgrid(v, u, indexing="ij")
    half = KNOT_HALF_M[0] + (KNOT_HALF_M[1] - KNOT_HALF_M[0]) * v**0.85
    x = u * half + 0.0012 * (v - 0.5)
    y = KNOT_TOP_M + (KNOT_FOOT_M - KNOT_TOP_M) * v + 0.0035 * (1 - u * u) * (v - 0.5) * -1.0
    plump = np.clip(1 - np.abs(u) ** 2.6, 0, 1) ** 0.5
    ends = np.clip(1 - np.abs(2 * v - 1) ** 6, 0, 1) ** 0.5
    deep = 0.004 + KNOT_DEEP_M * plump * (0.45 + 0.55 * ends) * (1.0 - 0.12 * v)
    # the cloth wraps slanting: two shallow pleats
    slant = u + 0.9 * (v - 0.3)
    deep = deep - 0.0009 * np.exp(-(((slant - 0.55) / 0.10) ** 2)) - 0.0006 * np.exp(-(((slant + 0.75) / 0.12) ** 2))
    points = torso.drape(x, y, off_m=deep)
    points[..., 2] = np.maximum(points[..., 2], torso.ahead(0.0, KNOT_TOP_M) - 0.02)
    turn = np.stack([x * 0.8 + y * 0.55, y * 0.8 - x * 0.55], axis=-1)
    return sheet(points, uv=turn, fabric=Fabric.SILK, dye=dye)


def _blade(torso: Torso, dye: int) -> Cloth:
    """It widens to the frame, arches from side to side, and has a dimple under the knot."""
    y = np.linspace(KNOT_FOOT_M + 0.006, BLADE_END_M, 150)
    u = np.linspace(-1, 1, 41)
    y, u = np.meshgrid(y, u, indexing="ij")
    down = KNOT_FOOT_M - y
    half = 0.0130 + 0.0185 * smooth_rise(down, -0.01, 0.17) + 0.012 * np.clip(down / 0.4, 0, 1)
    x = u * half + 0.002 * np.sin(down / 0.11)
    arch = 0.0068 + 0.0042 * np.clip(1 - np.abs(u) ** 3, 0, 1) ** 0.5
    dimple = 0.0052 * np.exp(-((u / 0.26) ** 2)) * np.exp(-np.clip(down, 0, 1) / 0.034)
    shoulders = 0.0022 * np.exp(-(((np.abs(u) - 0.55) / 0.25) ** 2)) * np.exp(-np.clip(down, 0, 1) / 0.04)
    wave = 0.0007 * np.sin(down / 0.02 + u * 1.3) * smooth_rise(down, 0.02, 0.10)
    points = torso.drape(x, y, off_m=arch - dimple + shoulders + wave)
    points = _hanging(points, torso)
    edge = (1 - np.abs(u)) * half
    turn = np.stack([x * 0.8 + y * 0.55, y * 0.8 - x * 0.55], axis=-1)
    return sheet(points, uv=turn, fabric=Fabric.SILK, dye=dye, edge=edge)


def _hanging(points: Array, torso: Torso) -> Array:
    """From the knot the blade goes out over the chest in one line, not into the hollow below the throat."""
    start = points[0, points.shape[1] // 2]
    z = points[..., 2]
    y = points[..., 1]
    low = points[:, points.shape[1] // 2]
    reach = smooth_rise(y, -0.26, float(start[1]))
    line = np.interp(-y, [-start[1], 0.26], [start[2] + 0.009, float(np.interp(0.26, -low[:, 1], low[:, 2]))])
    rise = np.maximum(line - z[:, points.shape[1] // 2][:, None], 0) * reach
    moved = points.copy()
    moved[..., 2] = z + rise
    return moved

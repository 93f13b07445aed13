"""A crew-neck: a body of jersey and a ribbed band about the neck."""

import numpy as np

from head3d.garments.relief import Folds, arm_crease, fold_height, sleeve_seam
from head3d.garments.sheets import Cloth, Fabric, grid_uv, joined, lengths, sheet
from head3d.garments.torso import Array, Torso
from head3d.geometry.easing import smooth_rise

AROUND, DOWN = 260, 110
BAND_M = 0.019
"""Width of the band."""


def around(count: int = AROUND) -> Array:
    """Azimuths of a ring, from the back over the subject's right, front and left."""
    return (np.arange(count) / count * 2 - 1) * np.pi


def crew_line(azimuth: Array) -> Array:
    """Way (m) from the natural neckline to the band's upper edge."""
    front = (1 + np.cos(azimuth)) / 2
    return 0.003 + 0.015 * front**2


def body_ways(start: Array, *, rows: int = DOWN, stop_m: float = 0.40) -> Array:
    """Ways (A, rows) down the form from a start per azimuth: dense near the neck."""
    t = np.linspace(0, 1, rows) ** 1.3
    return start[:, None] + (stop_m - start[:, None]) * t


def body(
    torso: Torso, start: Array, *, off_m: float, folds: Folds, fabric: Fabric, dye: int = 0, crease_m: float = 0.008
) -> Cloth:
    """A piece over shoulders, chest and back from a line about the neck down.

    Args:
        torso: The form.
        start: Way (m) of the line at ``around(len(start))``.
        off_m: How far the cloth stands off the form.
        folds: Of the cloth.
        fabric: Of the cloth.
        dye: Of the cloth.
        crease_m: How deep it sinks between arm and chest.
    """
    azimuth = around(len(start))
    ways = body_ways(start)
    angles = np.broadcast_to(azimuth[:, None], ways.shape)
    base = torso.at(angles, ways)
    flat = base.reshape(-1, 3)
    height = fold_height(flat, folds) + arm_crease(flat, crease_m)
    still = smooth_rise((ways - start[:, None]).reshape(-1), 0.004, 0.05)
    points = torso.at(angles, ways, off_m=off_m + (height * still).reshape(ways.shape))
    uv = np.stack([points[..., 0], lengths(points, 1)], axis=-1)
    return sheet(points, uv=uv, fabric=fabric, dye=dye, seam=sleeve_seam(flat).reshape(ways.shape), closed=True)


def crew_neck(torso: Torso) -> Cloth:
    """The garment."""
    azimuth = around()
    start = crew_line(azimuth)
    shirt = body(torso, start + BAND_M - 0.002, off_m=0.0035, folds=Folds(0.0085, 0.0012, 3), fabric=Fabric.JERSEY)
    return joined([shirt, band(torso, azimuth, start)])


def band(torso: Torso, azimuth: Array, start: Array) -> Cloth:
    """The ribbed band: a flat roll that turns in at the neck and meets the body in a seam."""
    #          inside the neck ............ over the edge ............... to the seam
    across = np.array([0.004, 0.0015, 0.0, -0.0008, 0.0, 0.002, 0.006, 0.010, 0.014, BAND_M - 0.0015, BAND_M + 0.0005])
    off = np.array([0.0006, 0.001, 0.0018, 0.0032, 0.0046, 0.0056, 0.0061, 0.0062, 0.0060, 0.0052, 0.0030])
    ways = start[:, None] + across
    angles = np.broadcast_to(azimuth[:, None], ways.shape)
    points = torso.at(angles, ways, off_m=np.broadcast_to(off, ways.shape))
    uv = grid_uv(points)
    return sheet(points, uv=uv, fabric=Fabric.RIB, closed=True)

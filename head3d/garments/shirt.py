"""A shirt: body with placket and buttons, a collar of stand and fall that is worn shut or open."""

from dataclasses import dataclass

import numpy as np

from head3d.garments.knit import AROUND, around, body
from head3d.garments.relief import Folds
from head3d.garments.sheets import Cloth, Fabric, grid_uv, joined, mirrored, resampled, sheet, without
from head3d.garments.torso import Array, Torso
from head3d.geometry.easing import smooth_rise

SHIRT_OFF_M = 0.004
PLACKET_M = 0.0165
"""Half its width."""
BUTTON_M = 0.0056
BUTTON_STEP_M = 0.086


@dataclass(frozen=True)
class Collar:
    """How a collar is cut and worn.

    Attributes:
        stand_m: Height of the fold above the neckline behind and in front.
        fall_m: How far the leaf's edge lies below the neckline behind and at the sides.
        ends_deg: Azimuth where the fold ends in front.
        tip: x and y of the leaf's point, metres, on the form.
        opening: x and y of the shirt's front edge from the neckline down, worn open; empty: shut.
    """

    stand_m: tuple[float, float]
    fall_m: tuple[float, float]
    ends_deg: float
    tip: tuple[float, float]
    opening: tuple[tuple[float, float], ...] = ()


SHUT = Collar((0.037, 0.027), (0.007, 0.013), 8.0, (0.043, -0.193))
OPENING = ((0.0285, -0.141), (0.0265, -0.148), (0.0125, -0.190), (0.0, -0.232))
"""Begins above the neckline, so that no light falls between the front and the collar's stand."""
OPEN = Collar((0.034, 0.012), (0.007, 0.015), 34.0, (0.062, -0.193), OPENING)
UNDER = Collar((0.037, 0.014), (0.007, 0.014), 31.0, (0.054, -0.196), OPENING)
"""Open under a jacket, whose lapels hold the points."""


WORN = Folds(0.0100, 0.0012, 5)
UNDER_JACKET = Folds(0.0010, 0.0004, 5)


def shirt(torso: Torso, collar: Collar, *, folds: Folds = WORN) -> Cloth:
    """The garment; colours: cloth, buttons (the last of the outfit)."""
    front = body(torso, np.full(AROUND, -0.002), off_m=SHIRT_OFF_M, folds=folds, fabric=Fabric.COTTON)
    pieces = []
    if collar.opening:
        x, y, z = front.vertices.T
        line = np.array(collar.opening)[::-1]
        half = np.interp(y, line[:, 1], line[:, 0], left=-1.0, right=line[-1, 0])
        front = without(front, (np.abs(x) < half + 0.007) & (z > 0) & (y < -0.120))
        pieces += _open_edges(torso, collar)
    pieces += [front, *_placket(torso, collar), *leaf(torso, collar), *stand(torso, collar)]
    return joined(pieces)


def _placket(torso: Torso, collar: Collar) -> list[Cloth]:
    """The band down the front, and its buttons."""
    top = collar.opening[-1][1] + 0.012 if collar.opening else -0.150
    y = np.linspace(top, -0.5, 120)
    x = np.linspace(-PLACKET_M, PLACKET_M, 23)
    x, y = np.meshgrid(x, y, indexing="ij")
    edge = PLACKET_M - np.abs(x)
    rise = SHIRT_OFF_M + 0.0004 + 0.0016 * smooth_rise(edge, -0.0002, 0.0012)
    wave = 0.0006 * np.sin(y / BUTTON_STEP_M * 2 * np.pi + 0.6) * smooth_rise(edge, 0.0, 0.006)
    points = torso.drape(x, y, off_m=rise + wave)
    band = sheet(points, uv=np.stack([x, y], -1), fabric=Fabric.COTTON, edge=edge)
    first = -0.150 - 0.068
    places = [first - k * BUTTON_STEP_M for k in range(4)]
    return [band, *(button(torso.drape(0.0, p, off_m=SHIRT_OFF_M + 0.003), torso) for p in places if p < top - 0.004)]


def button(centre: Array, torso: Torso, *, radius_m: float = BUTTON_M, dye: int = -1) -> Cloth:
    """A round button with a rim and four holes' hollow, facing ahead of the form."""
    step = 0.004
    x, y, _ = centre
    a = torso.drape(x + step, y) - torso.drape(x - step, y)
    b = torso.drape(x, y + step) - torso.drape(x, y - step)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    n = np.cross(a, b)
    r = np.array([0.0, 0.25, 0.5, 0.62, 0.75, 0.9, 1.0, 1.03, 1.03]) * radius_m
    h = np.array([0.25, 0.28, 0.42, 0.85, 1.0, 0.95, 0.55, 0.1, -1.2]) * 0.0016
    turn = around(28)
    points = centre + (
        r[None, :, None] * (np.cos(turn)[:, None, None] * a + np.sin(turn)[:, None, None] * b) + h[None, :, None] * n
    )
    return sheet(points, uv=grid_uv(points), fabric=Fabric.BUTTON, dye=dye, closed=True)


def fold_ring(torso: Torso, collar: Collar, azimuth: Array) -> tuple[Array, Array]:
    """Way (m) and stand-off (m) of the collar's fold."""
    apart = np.abs(azimuth)
    front = smooth_rise(np.pi - apart, 0.35 * np.pi, np.pi)
    height = collar.stand_m[0] + (collar.stand_m[1] - collar.stand_m[0]) * front
    off = 0.0042 + 0.0016 * np.sin(apart) ** 2 + 0.003 * front
    if collar.opening:  # the ends fall open
        last = np.radians(collar.ends_deg)
        lean = smooth_rise(-apart, -last - 1.0, -last)
        off = off + 0.006 * lean
    return -height, off


def stand(torso: Torso, collar: Collar) -> list[Cloth]:
    """The band about the neck under the leaf, seen inside the collar."""
    last = np.radians(collar.ends_deg if collar.opening else 0.0)
    azimuth = np.linspace(last, 2 * np.pi - last, 220)  # from the front end on the left about the back
    azimuth = (azimuth + np.pi) % (2 * np.pi) - np.pi
    way, off = fold_ring(torso, collar, azimuth)
    t = np.linspace(0, 1, 14)
    ways = 0.004 + (way[:, None] - 0.004) * t
    offs = SHIRT_OFF_M - 0.0005 + (off[:, None] - SHIRT_OFF_M + 0.0005) * t
    angles = np.broadcast_to(azimuth[:, None], ways.shape)
    points = torso.at(angles, ways, off_m=offs)
    return [sheet(points, uv=grid_uv(points), fabric=Fabric.COTTON)]


def leaf(torso: Torso, collar: Collar) -> list[Cloth]:
    """The collar's fall: from the fold out and down to its edge, a half and its mirror."""
    last, count = np.radians(collar.ends_deg), 130
    azimuth = np.pi - (np.pi - last) * np.linspace(0, 1, count) ** 0.9
    way, off = fold_ring(torso, collar, azimuth)
    fold = torso.at(azimuth, way, off_m=off + 0.0008)
    tip = torso.drape(*collar.tip)
    turn, down, _ = torso.locate(tip)
    behind, beside = collar.fall_m
    edge = torso.guided(
        [
            (180.0, behind, 0.0095),
            (120.0, behind + 0.001, 0.0095),
            (82.0, beside - 0.001, 0.0090),
            (0.45 * 82 + 0.55 * float(np.degrees(turn)), beside + 0.40 * (float(down) - beside), 0.0080),
            (float(np.degrees(turn)), float(down), 0.0070),
        ],
        count,
    )
    rows = np.linspace(0, 1, 30)
    points = fold[:, None] * (1 - rows[None, :, None]) + edge[:, None] * rows[None, :, None]
    points = torso.lifted(_rolled(torso, points, rows, collar), 0.0062)
    length = np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1)
    to_edge = (1 - rows[None]) * length[:, None]
    ahead = np.linalg.norm(points - points[-1:], axis=-1)
    distance = np.minimum(to_edge, ahead)
    one = sheet(points, uv=grid_uv(points), fabric=Fabric.COTTON, edge=distance)
    return [one, mirrored(one)]


def _rolled(torso: Torso, points: Array, rows: Array, collar: Collar) -> Array:
    """The leaf bulges out after the fold, then lies down."""
    outward = np.stack([points[..., 0], np.zeros(points.shape[:2]), points[..., 2] + 0.02], axis=-1)
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True).clip(1e-6)
    bulge = 0.0045 * np.sin(np.pi * np.clip(rows / 0.62, 0, 1)) ** 0.75 * (1 - rows)
    points = points + outward * bulge[None, :, None]
    top = np.exp(-rows / 0.05)[None, :, None] * np.array([0.0, 0.0006, 0.0])
    return points + top


def _open_edges(torso: Torso, collar: Collar) -> list[Cloth]:
    """The turned edges of the shirt's opening: a facing that rolls in."""
    line = resampled(np.array(collar.opening), 70)
    across = np.linspace(0, 1, 12)
    inward = np.array([-1.0, 0.0])
    x = line[:, None, 0] + (0.014 * across + inward[0] * 0.0)[None]
    y = np.broadcast_to(line[:, None, 1], x.shape)
    off = SHIRT_OFF_M + 0.0008 + 0.0042 * np.exp(-across / 0.22) * smooth_rise(line[:, 1], -0.262, -0.20)[:, None]
    points = torso.drape(x, y, off_m=off)
    edge = np.broadcast_to(0.014 * across, x.shape)
    one = sheet(points, uv=np.stack([x, y], -1), fabric=Fabric.COTTON, edge=edge)
    return [one, mirrored(one)]

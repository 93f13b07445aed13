"""A blazer over a shirt: padded shoulders, a collar about the shirt's, lapels that roll from the neck to the button."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from head3d.garments.knit import around, body_ways
from head3d.garments.relief import Folds, arm_crease, fold_height, sleeve_seam
from head3d.garments.sheets import (
    FAR_M,
    Cloth,
    Fabric,
    coons,
    grid_uv,
    joined,
    lengths,
    mirrored,
    resampled,
    sheet,
    without,
)
from head3d.garments.torso import Array, Torso
from head3d.geometry.easing import smooth_rise

OFF_M = 0.0105
"""Of the body of the jacket."""
PAD_M = 0.010
"""Height of the shoulder's pad."""
ROLL = ((0.0600, -0.128), (0.0545, -0.165), (0.0440, -0.235), (0.0230, -0.370), (0.0080, -0.470))
"""x and y of the roll line from the neck down to the button."""
GORGE_AT = -0.160
"""Height where the gorge begins on the roll line."""
NOTCH, COLLAR_TIP, LAPEL_TIP = (0.0895, -0.1835), (0.1040, -0.1665), (0.1175, -0.1925)
BELLY = ((0.1175, -0.1925), (0.1130, -0.235), (0.1010, -0.300), (0.0720, -0.390), (0.0080, -0.475))
"""x and y of the lapel's outer edge."""
UNDER_M = 0.010
"""How far the lapel reaches under the collar."""
PRESSED_M = (-0.012, 0.002)
"""From the roll line in: where what is worn under the jacket begins to lie flat, and where it does."""
ON_SHIRT_M = 0.0125
"""What turns in lies this far off the form at least: on the shirt's collar, not in it."""
INNER_ENDS = (0.5, 0.8)
"""Part of the way from the back to the gorge where the collar's inner side ends: further on it hung as a dark leaf."""
COLLAR_STAND_M, COLLAR_FALL_M = 0.020, (0.020, 0.030)
"""Height of the collar's fold behind, and its edge behind and at the sides, below the neckline."""


def blazer(torso: Torso) -> Cloth:
    """The jacket alone; the shirt under it is a shirt."""
    half = [_collar(torso), _lapel(torso)]
    return joined([_body(torso), *half, *(mirrored(one) for one in half)])


def roll_line(y: Array) -> Array:
    """x (m) of the roll line at heights."""
    x, at = np.array(ROLL)[::-1].T
    return np.interp(y, at, x)


def pad(places: Array) -> Array:
    """How far (m) shoulder pads and sleeve heads lift the cloth."""
    x, y, _ = places.T
    side = np.abs(x)
    over = smooth_rise(side, 0.10, 0.178) * np.exp(-((np.maximum(side - 0.186, 0) / 0.014) ** 2))
    top = smooth_rise(y, -0.245, -0.165)
    head = 0.004 * np.exp(-(((sleeve_seam(places) - 0.011) / 0.011) ** 2)) * smooth_rise(y, -0.32, -0.20)
    return PAD_M * over * top + head


def tucked(under: Cloth, torso: Torso) -> Cloth:
    """What is worn under the jacket, pressed flat where lapels and collar lie on it."""
    x, y, z = under.vertices.T
    # so gently that cloth which rises by a centimetre bends and does not break
    how_far = smooth_rise(np.abs(x) - roll_line(y), *PRESSED_M) * smooth_rise(-y, 0.106, 0.136)
    how_far *= smooth_rise(z, -0.03, 0.0)
    covered = how_far > 0
    x, y = x[covered], y[covered]
    # by the chest's own depth: between neck and chest the nearest place of the form jumps
    chest = torso.drape(x, y)
    ahead = torso.drape(x, y, off_m=1.0) - chest
    over = (z[covered] - chest[:, 2]) * ahead[:, 2] - (OFF_M - 0.0020)
    down = (over + np.hypot(over, 0.001)) / 2 * how_far[covered]
    pressed = under.vertices.copy()
    pressed[covered] -= ahead * down[:, None]
    return replace(under, vertices=pressed)


def _body(torso: Torso) -> Cloth:
    azimuth = around()
    ways = body_ways(np.full(len(azimuth), 0.001))
    angles = np.broadcast_to(azimuth[:, None], ways.shape)
    flat = torso.at(angles, ways).reshape(-1, 3)
    folds = fold_height(flat, Folds(0.0026, 0.0005, 11)) * smooth_rise(-flat[:, 1], 0.17, 0.26)
    rise = OFF_M + pad(flat) + folds + arm_crease(flat, 0.009)
    near = smooth_rise(ways.reshape(-1), 0.0, 0.03)
    points = torso.at(angles, ways, off_m=(0.010 + (rise - 0.010) * near).reshape(ways.shape))
    uv = np.stack([points[..., 0], lengths(points, 1)], axis=-1)
    one = sheet(points, uv=uv, fabric=Fabric.WOOL, seam=sleeve_seam(flat).reshape(ways.shape), closed=True)
    x, y, z = flat.T
    inside = (np.abs(x) < roll_line(y) + 0.010) & (z > -0.02) & (y < -0.125)
    return without(one, inside)


def _on_chest(torso: Torso, xy: Array, off: Array) -> Array:
    return torso.drape(xy[..., 0], xy[..., 1], off_m=off)


def _lapel(torso: Torso) -> Cloth:
    """From the roll line out; its first rows are the roll itself, which turns in to the chest."""
    count, wide = 120, 40
    ys = np.linspace(GORGE_AT, -0.470, count)
    left = np.stack([roll_line(ys), ys], axis=-1)
    right = resampled(np.array(BELLY), count)
    right = _smooth_line(right)
    # under the collar the lapel goes on: the gorge is the collar's edge on it
    x, y = left[0]
    top = [(x + 0.004, y + UNDER_M), (NOTCH[0] + 0.002, NOTCH[1] + UNDER_M), NOTCH, LAPEL_TIP]
    top = resampled(np.array(top), wide)
    top[0] = left[0]
    bottom = resampled(np.stack([left[-1], right[-1]]), wide)
    left, right = left.copy(), right.copy()
    flat = coons(top, bottom, left, right)
    u = np.linspace(0, 1, wide)
    # what stands off: a roll at the line, then nearly flat on the jacket
    off = OFF_M + 0.0042 + 0.0055 * np.exp(-u / 0.22)
    points = _on_chest(torso, flat, np.broadcast_to(off, flat.shape[:2]))
    points += pad(points.reshape(-1, 3)).reshape(*points.shape[:2], 1) * 0.8 * np.array([0, 0.5, 0.5])
    away = np.array([(-0.0005, 0.0106), (-0.0026, 0.0080), (-0.0026, 0.0050), (0.0010, 0.0026)])[::-1]
    rows = [_on_chest(torso, left + np.array([dx, 0.0]), np.full(count, 0.0062 + dz)) for dx, dz in away]
    points = np.concatenate([np.stack(rows, axis=1), points], axis=1)
    steps = lengths(points, 1)
    outer = steps[:, -1:] - steps
    to_top = np.concatenate(
        [np.full((count, len(away)), FAR_M), _to_curve(points[:, len(away) :], points[0, len(away) :])], axis=1
    )
    edge = np.minimum(outer, to_top)
    uv = np.stack([points[..., 0] * 0.9 + points[..., 1] * 0.35, points[..., 1] * 0.9 - points[..., 0] * 0.35], -1)
    return sheet(points, uv=uv, fabric=Fabric.WOOL, edge=edge)


def _to_curve(points: Array, curve: Array) -> Array:
    """Distance (m) of a grid of places to a polyline's places."""
    return np.linalg.norm(points[:, :, None] - curve[None, None], axis=-1).min(-1)


def _smooth_line(line: Array) -> Array:
    return ndimage.gaussian_filter1d(line, 4.0, axis=0, mode="nearest")


def _collar(torso: Torso) -> Cloth:
    """From the middle of the back over the shoulder to the gorge and the notch."""
    count, wide = 140, 36

    def knot(xy: tuple[float, float], off: float) -> tuple[float, float, float]:
        azimuth, way, _ = torso.locate(torso.drape(*xy))
        return float(np.degrees(azimuth)), float(way), off

    start = (float(roll_line(np.array(GORGE_AT))), GORGE_AT)
    above = (float(roll_line(np.array(-0.138))) + 0.0005, -0.138)
    fold = torso.guided(
        [
            (180.0, -COLLAR_STAND_M, 0.0165),
            (120.0, -COLLAR_STAND_M + 0.002, 0.0170),
            (84.0, -COLLAR_STAND_M + 0.012, 0.0185),
            knot(above, 0.0195),
            knot(start, OFF_M + 0.0097),
        ],
        count,
    )
    edge = torso.guided(
        [
            (180.0, COLLAR_FALL_M[0], OFF_M + 0.0014),
            (120.0, COLLAR_FALL_M[0] + 0.003, OFF_M + 0.0014),
            (84.0, COLLAR_FALL_M[1], OFF_M + 0.0014),
            knot((0.0985, -0.1500), OFF_M + 0.0045),
            knot(COLLAR_TIP, OFF_M + 0.0060),
        ],
        count,
    )
    gorge = _on_chest(torso, resampled(np.array([start, NOTCH, COLLAR_TIP]), wide), np.full(wide, OFF_M + 0.0062))
    gorge[0], gorge[-1] = fold[-1], edge[-1]
    back = fold[0] + (edge[0] - fold[0]) * np.linspace(0, 1, wide)[:, None]
    points = coons(back, gorge, fold, edge)
    u = np.linspace(0, 1, wide)
    outward = np.stack([points[..., 0], 0 * points[..., 0] + 0.03, points[..., 2] + 0.03], -1)
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    points = points + outward * (0.0035 * np.sin(np.pi * np.clip(u / 0.7, 0, 1)) * (1 - u))[None, :, None]
    points = torso.lifted(points, OFF_M + 0.0014)
    points[0, :, 0] = 0.0  # both halves meet in the middle of the back
    # the fold turns in to the shirt's collar, and lies on it; towards the gorge it comes to its end
    ways = ((0.007, -0.016), (0.0055, -0.006), (0.0035, -0.0012), (0.0013, 0.0))
    deep = 1 - smooth_rise(np.linspace(0, 1, count), *INNER_ENDS)[:, None, None]
    inner = [points[:, :1] - (outward[:, :1] * a - np.array([0, b, 0])) * deep for a, b in ways]
    points = np.concatenate([torso.lifted(np.concatenate(inner, axis=1), ON_SHIRT_M), points], axis=1)
    points[0, :, 0] = 0.0
    steps = lengths(points, 1)
    outer = steps[:, -1:] - steps
    front = np.concatenate([np.full((count, 4), FAR_M), _to_curve(points[:, 4:], points[-1, 4:])], axis=1)
    return sheet(points, uv=grid_uv(points), fabric=Fabric.WOOL, edge=np.minimum(outer, front))

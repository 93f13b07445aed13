"""Does a picture's face agree with the other pictures of its set? They show one head under one light.

Each is warped into it through the depth that they were rendered with. Whole pictures agree to a few levels, colours
and brightness included; a picture that was broken disagrees with all others. It must not accuse them: of three
comparisons the middle one counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.geometry.reproject import backproject, reproject
from head3d.quality.photo_match import (
    FARTHEST_DEG,
    LEAST_SEEN,
    NEAREST,
    SeenPhoto,
    angle_deg,
    blur,
    displaced,
    fine_structure,
    structure,
    tint_of,
)
from head3d.shapes import shaped

SHARP = ("fine", "mid", "quiet", "quiet_mid", "weakest")
SET_SIGNS = (
    "matched", "match_angle", "same_light", "mean", "low", "worst", *SHARP, "away", "away_most", "cast", "slope",
    "uneven", "apart", "spots", "hue", "hidden", "in_the_way", "missing",
)  # fmt: skip
"""Names of the numbers, in order."""
LIT = ("cast", "slope", "uneven", "apart", "spots")
"""Those that only a picture under the same light can tell."""
FAVOURABLE = ("hue", "away", "away_most", "hidden", "in_the_way", "missing")
"""Of these and of those of light the middle one of three counts, the less of two: one broken picture accuses none."""
SAME_LIGHT = 0.02
"""Relative difference of harmonics up to which a light is the same."""
ABOUT_PX, BEHIND_M = 2, 0.02
"""A place is seen through where nothing nearer than so far behind it is within so many pixels."""
TOLERANCE = 0.008
"""Of depths of one surface, relative."""
SMOOTH, BROAD = 2.0, 8.0
"""Standard deviations, px: of what is a spot, and of what is a difference of light."""


@shaped
@dataclass(frozen=True)
class SeenPicture:
    """What others of its set compare a picture with.

    Attributes:
        face: The window on the face, with the depth it was rendered with.
        depth_m: Of the window on the head: infinite where the backdrop is seen, 0 where nothing is sure.
        camera: Of the window on the head.
        light: Harmonics of the light, head frame.
    """

    face: SeenPhoto
    depth_m: Float[Tensor, "H W"]
    camera: Cameras
    light: Float[Tensor, "9 3"]


def match_set(picture: SeenPicture, others: Sequence[SeenPicture]) -> dict[str, float]:
    """Compare a picture with the nearest of the others of its set; empty if none shows enough of its face.

    Args:
        picture: The picture.
        others: Other views. Light is compared only with those under the same one, seen from the head.

    Returns:
        ``SET_SIGNS``. Logarithms of brightness, or of ratios of spreads; ``away`` in px of the window.
    """
    found: list[dict[str, float]] = []
    window, used = picture.face, []
    for other in sorted(others, key=lambda one: angle_deg(one.face.camera, window.camera))[:NEAREST]:
        angle = angle_deg(other.face.camera, window.camera)
        if angle > FARTHEST_DEG:
            break
        moved, seen = _carried(other.face, window)
        if seen.mean() < LEAST_SEEN:
            continue
        used.append(other)
        there = float((window.depth_m > 0).sum())
        found.append(
            {
                "matched": 1.0,
                "same_light": float(_same_light(picture, other)),
                "match_angle": angle / FARTHEST_DEG,
                "hidden": 1 - float(seen.sum()) / max(there, 1.0),
                "in_the_way": math.log(before(picture, other) + 1e-4),
                "missing": math.log(before(other, picture) + 1e-4),
                **_compare(_straight(window), moved, seen),
            }
        )
    if not found:
        return {}
    place = int(np.argmax([one["mean"] for one in found]))
    best = found[place] | _sharpness(window, used[place].face)
    lit = [one for one in found if one["same_light"]]
    best["same_light"] = float(bool(lit))
    for names, among in ((FAVOURABLE, found), (LIT, lit or found)):
        for name in names:
            best[name] = sorted(one[name] for one in among)[(len(among) - 1) // 2]
    return best


def _same_light(first: SeenPicture, second: SeenPicture) -> bool:
    scale = float(first.light.abs().max())
    return float((first.light - second.light).abs().max()) <= SAME_LIGHT * scale


def before(picture: SeenPicture, other: SeenPicture) -> float:
    """Part of a picture's head that stands where another one sees through: what both show cannot both be there."""
    solid = (picture.depth_m > 0) & picture.depth_m.isfinite()
    if not bool(solid.any()):
        return 0.0
    points = backproject(torch.where(solid, picture.depth_m, 1.0), picture.camera)[solid]
    pixels, depth = project(points, other.camera.c2w[0].to(points), other.camera.K[0].to(points))
    # the nearest surface about each place: outlines are off by a pixel or two
    nearest = cv2.erode(other.depth_m.numpy(), np.ones((2 * ABOUT_PX + 1,) * 2, np.uint8), borderValue=0.0)
    height, width = nearest.shape
    at = pixels.floor().nan_to_num(-1, -1, -1).clamp(-1, max(height, width)).long()
    inside = (at >= 0).all(1) & (at[:, 0] < width) & (at[:, 1] < height)
    seen = torch.zeros(len(points))
    seen[inside] = torch.from_numpy(nearest)[at[inside, 1], at[inside, 0]]
    return float((seen > depth + BEHIND_M).float().mean())


def _straight(window: SeenPhoto) -> Float32[np.ndarray, "S S 3"]:
    return window.rgb_srgb.astype(np.float32) / 255


def _carried(source: SeenPhoto, target: SeenPhoto) -> tuple[Float32[np.ndarray, "S S 3"], Bool[np.ndarray, "S S"]]:
    """A picture as another one's camera sees it, and where it does."""
    moved = reproject(
        torch.from_numpy(_straight(source)),
        source.depth_m,
        source.camera,
        target_depth_m=target.depth_m,
        target_camera=target.camera,
        tolerance=TOLERANCE,
    )
    return moved.values.numpy(), cv2.erode(moved.visible.numpy().astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _sharpness(window: SeenPhoto, other: SeenPhoto) -> dict[str, float]:
    """How much more fine structure a picture has than another: the mean of both ways, each in the other's frame.

    What is carried loses some, and the more the more aslant it was seen; so either way alone is biased, and both are
    by about as much.
    """
    told = []
    for source, target, sign in ((other, window, 1.0), (window, other, -1.0)):
        moved, seen = _carried(source, target)
        inner = cv2.erode(seen.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        if inner.mean() < LEAST_SEEN / 2:
            continue
        first, second = (np.log(one.mean(-1) + 0.03).astype(np.float32) for one in (_straight(target), moved))
        second = np.where(seen, second, first).astype(np.float32)
        pair = (first, second) if sign > 0 else (second, first)
        told.append(fine_structure(*pair, inner))
    return {name: float(np.mean([one[name] for one in told])) for name in told[0]} if told else {}


def _compare(
    ours: Float32[np.ndarray, "S S 3"], other: Float32[np.ndarray, "S S 3"], seen: Bool[np.ndarray, "S S"]
) -> dict[str, float]:
    levels = [np.log(one.mean(-1) + 0.03).astype(np.float32) for one in (ours, other)]
    fill = float(np.median(levels[1][seen]))
    level, theirs = (np.where(seen, one, fill).astype(np.float32) for one in levels)
    correlation, weight = structure(level, theirs, seen)
    told = seen & (weight > np.quantile(weight[seen], 0.5))
    gap = _filled(levels[0] - levels[1], seen)
    gap = gap - np.median(gap[seen])
    broad, spot = _mean_seen(gap, seen, BROAD), _mean_seen(gap, seen, SMOOTH)
    away = displaced(level, theirs, told)
    tints = [_filled(tint_of(ours, channel) - tint_of(other, channel), seen) for channel in (0, 2)]
    tint = np.maximum(*(np.abs(_mean_seen(one - np.median(one[seen]), seen, SMOOTH)) for one in tints))
    return {
        "mean": float((correlation * weight).sum() / max(weight.sum(), 1e-6)),
        "low": float(np.quantile(correlation[told], 0.1)),
        "worst": float(np.quantile(correlation[told], 0.02)),
        **dict.fromkeys(SHARP, 0.0),
        "away": float(away.mean()),
        "away_most": float(np.quantile(away, 0.9)),
        "cast": math.log(max(abs(float(np.median(one[seen]))) for one in tints) + 1e-2),
        "slope": math.log(_slope(gap, seen) + 1e-2),
        "uneven": math.log(float(np.quantile(np.abs(broad[seen]), 0.9)) + 1e-2),
        "apart": math.log(float(np.subtract(*np.quantile(broad[seen], (0.95, 0.05)))) + 1e-2),
        "spots": math.log(float(np.quantile(np.abs(spot - broad)[seen], 0.98)) + 1e-2),
        "hue": math.log(float(np.quantile(tint[seen], 0.95)) + 1e-2),
    }


def _filled(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.where(seen, values, 0).astype(np.float32)


def _mean_seen(values: np.ndarray, seen: np.ndarray, sigma: float) -> np.ndarray:
    """Mean about each place over what is seen."""
    share = blur(seen.astype(np.float32), sigma)
    return blur(values * seen, sigma) / np.maximum(share, 1e-3)


def _slope(gap: np.ndarray, seen: np.ndarray) -> float:
    """By how much one side is brighter than the other, over half the window."""
    y, x = np.nonzero(seen)
    half = gap.shape[0] / 2
    basis = np.stack([x / half - 1, y / half - 1, np.ones(len(x))], axis=1)
    slope = np.linalg.lstsq(basis, gap[seen], rcond=None)[0]
    return float(np.hypot(slope[0], slope[1]))

"""What a finished picture shows of what passport offices look at, as numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from head3d.finish.marks import HeadMarks
from head3d.imaging.color import lab_from_linear, linear_from_levels, srgb_from_linear

RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
"""MediaPipe: the lids' edges, from the outer corner."""
EYE_SPANS = ((33, 133, 159, 145), (263, 362, 386, 374))
"""Outer corner, inner corner, upper lid, lower lid; right, left."""
LIPS = (13, 14)
"""Inner edges of the upper and the lower lip."""
ZONES = {"forehead": 151, "right cheek": 50, "left cheek": 280, "chin": 199}
"""Where ISO/IEC 39794-5 measures how evenly a face is lit."""
ZONE_RADIUS = 0.12
"""Of a zone, in distances between the eyes."""
CLIPPED, CRUSHED = 253, 4
"""Levels: at or above, at or below."""
MIDDLE_GREY = 0.35
"""Linear reflectance that evenness is judged at where the skin's own is divided out: that of light skin."""


@dataclass(frozen=True)
class PassportFacts:
    """Measured on one picture; places are parts of its height, or of its width where said.

    Attributes:
        skull: Top of the skull below the upper edge.
        hair: Top of the hair below the upper edge; negative if it is cut off.
        chin: Chin below the upper edge.
        eyes: Eye line above the lower edge.
        centre: Middle between the eyes from the left edge, of the width.
        sides: Room left and right of the bare head, of the width; negative if it is cut off.
        yaw_deg: Turn of the head to its own left.
        pitch_deg: Turn up.
        roll_deg: Tilt of the eye line.
        eye_open: Opening of the right and left eye over its width.
        mouth_gap: Between the lips, in distances between the eyes.
        units: Weights of the units of expression, as far as they are known.
        eye_contrast: Standard deviation of L* within the right and left eye.
        background_lightness: Mean L*; -1 where there is no background to see.
        background_spread: Standard deviation of L*, and difference between the sides if that is more.
        background_chroma: Mean chroma.
        clipped: Part of the face with a channel at its end.
        crushed: Part of the skin that is black.
        lightness: Median L* of the face.
        levels: Levels between the darkest and the lightest half percent of the face.
        zones: Mean level of forehead, cheeks and chin, the least over the greatest, in the worst channel.
    """

    skull: float
    hair: float
    chin: float
    eyes: float
    centre: float
    sides: tuple[float, float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    eye_open: tuple[float, float]
    mouth_gap: float
    units: Mapping[str, float]
    eye_contrast: tuple[float, float]
    background_lightness: float
    background_spread: float
    background_chroma: float
    clipped: float
    crushed: float
    lightness: float
    levels: int
    zones: float


def passport_facts(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    alpha: Float[Tensor, "H W"],
    marks: HeadMarks,
    *,
    yaw_deg: float,
    pitch_deg: float,
    units: Mapping[str, float],
    albedo: Float[Tensor, "H W 3"] | None = None,
) -> PassportFacts:
    """Measure a finished picture.

    Args:
        rgb_srgb: The picture.
        alpha: Where the person is in it.
        marks: Where the head is in it.
        yaw_deg: Turn of the head to its own left, as the camera sees it.
        pitch_deg: Turn up.
        units: Weights of the units of expression; empty if nothing is known.
        albedo: Linear RGB of the person. With it, evenness is that of the light: a beard is no shadow.
    """
    height, width = rgb_srgb.shape[:2]
    points = marks.landmarks_px.detach().cpu().numpy()
    right, left = marks.eyes_px.detach().cpu().numpy()
    apart = max(float(np.linalg.norm(left - right)), 1e-6)
    linear = linear_from_levels(rgb_srgb)
    lab = lab_from_linear(linear).numpy()
    solid = (alpha > 0.95).cpu().numpy()
    face = _inside(points[:468], (height, width)) & solid
    lightness, spread, chroma = _background(lab, alpha.cpu().numpy())
    face_levels = rgb_srgb[face] if face.any() else np.zeros((1, 3), np.uint8)
    grey = np.percentile(face_levels.astype(np.float32).mean(1), (0.5, 99.5))
    eyes = [_inside(points[list(ring)], (height, width)) for ring in (RIGHT_EYE, LEFT_EYE)]
    skin = face & ~eyes[0] & ~eyes[1]
    return PassportFacts(
        skull=marks.skull_y / height,
        hair=marks.hair_y / height,
        chin=marks.chin_y / height,
        eyes=1 - marks.eye_y / height,
        centre=float(right[0] + left[0]) / 2 / width,
        sides=(marks.left_x / width, 1 - marks.right_x / width),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        roll_deg=float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0]))) if abs(yaw_deg) < 90 else 0.0,
        eye_open=(_openness(points, 0), _openness(points, 1)),
        mouth_gap=float(np.linalg.norm(points[LIPS[0]] - points[LIPS[1]])) / apart,
        units=dict(units),
        eye_contrast=(_spread(lab, eyes[0] & solid), _spread(lab, eyes[1] & solid)),
        background_lightness=lightness,
        background_spread=spread,
        background_chroma=chroma,
        clipped=float((face_levels.max(1) >= CLIPPED).mean()),
        crushed=float((rgb_srgb[skin].max(1) <= CRUSHED).mean()) if skin.any() else 1.0,
        lightness=float(np.median(lab[..., 0][face])) if face.any() else 0.0,
        levels=int(grey[1] - grey[0]),
        zones=_evenness(linear, points, solid, apart, albedo),
    )


def _inside(points: np.ndarray, size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Pixels within the convex hull of points."""
    mask = np.zeros(size, np.uint8)
    hull = cv2.convexHull(np.round(points - 0.5).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    return mask.astype(bool)


def _openness(points: np.ndarray, side: int) -> float:
    outer, inner, upper, lower = EYE_SPANS[side]
    across = max(float(np.linalg.norm(points[outer] - points[inner])), 1e-6)
    return float(np.linalg.norm(points[upper] - points[lower])) / across


def _spread(lab: np.ndarray, mask: np.ndarray) -> float:
    return float(lab[..., 0][mask].std()) if mask.sum() >= 8 else 0.0


def _background(lab: np.ndarray, alpha: np.ndarray) -> tuple[float, float, float]:
    """Mean L*, spread of L* (with the difference of the sides), mean chroma of what is surely no person."""
    reach = max(round(alpha.shape[0] * 0.01), 1)
    person = cv2.dilate((alpha > 0.02).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    behind = person == 0
    if behind.mean() < 0.01:
        return -1.0, 0.0, 0.0
    level = lab[..., 0]
    middle = alpha.shape[1] // 2
    halves = [level[:, part][behind[:, part]] for part in (slice(None, middle), slice(middle, None))]
    apart = abs(float(halves[0].mean() - halves[1].mean())) if all(len(one) > 8 for one in halves) else 0.0
    chroma = np.hypot(lab[..., 1], lab[..., 2])[behind].mean()
    return float(level[behind].mean()), max(float(level[behind].std()), apart), float(chroma)


def _evenness(
    linear: Float[Tensor, "H W 3"], points: np.ndarray, solid: np.ndarray, apart: float, albedo: Tensor | None
) -> float:
    """Least over greatest mean level of the zones in the worst channel; 1 where no two zones are to be seen."""
    y, x = np.mgrid[: solid.shape[0], : solid.shape[1]] + 0.5
    means = []
    for index in ZONES.values():
        near = (x - points[index, 0]) ** 2 + (y - points[index, 1]) ** 2 <= (ZONE_RADIUS * apart) ** 2
        mask = torch.from_numpy(near & solid)
        if int(mask.sum()) < 8:
            continue
        color = linear[mask].mean(0)
        if albedo is not None:
            color = color / albedo.cpu()[mask].mean(0).clamp_min(0.01)
        means.append(color)
    if len(means) < 2:
        return 1.0
    stacked = torch.stack(means)
    stacked = stacked / stacked.amax().clamp_min(1e-6) * MIDDLE_GREY if albedo is not None else stacked
    levels = srgb_from_linear(stacked)
    return float((levels.amin(0) / levels.amax(0).clamp_min(1e-6)).min())

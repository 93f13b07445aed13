"""Decides which photos show the subject well enough, each in words for a person."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from head3d.capture.types import Photo
from head3d.perception import topology
from head3d.perception.identity import distance
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.nets import Crop


@dataclass(frozen=True)
class JudgeConfig:
    """What a usable photo is."""

    min_eye_distance_px: float = 45.0
    """Outer eye corners closer than this (in a frontal view) refuse a photo, px."""
    good_eye_distance_px: float = 90.0
    """Below this a photo is used with a warning, px."""
    min_score: float = 0.5
    """Face score of the landmark net below which a find is no face, in [0, 1]."""
    min_sharpness: float = 12.0
    """Variance of the Laplacian of the face at 160 px below which it is blurred."""
    max_clipped: float = 0.35
    """Share of burnt-out or black skin above which a photo is refused, in [0, 1]."""
    same_person: float = 0.6
    """dlib distance up to which two faces are one person."""
    identity_yaw_deg: float = 35.0
    """Beyond this estimated yaw the identity net is not asked, degrees."""


@dataclass(frozen=True)
class Candidate:
    """A face in a photo that may be the subject."""

    photo: Photo
    index: int
    face: FacePoints
    descriptor: np.ndarray


def eye_distance(face: FacePoints) -> float:
    """Distance of the outer eye corners in a frontal view of this face, px (in space, so that yaw does not matter)."""
    across = np.linalg.norm(face.points[topology.RIGHT_EYE_CORNERS[0]] - face.points[topology.LEFT_EYE_CORNERS[0]])
    return max(float(across), 0.75 * face_size(face.points) * 0.9)


def face_problems(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], face: FacePoints, *, config: JudgeConfig = JudgeConfig()
) -> tuple[list[str], list[str]]:
    """Reasons against one face, and warnings."""
    reasons, notes = [], []
    apart = eye_distance(face)
    if apart < config.min_eye_distance_px:
        reasons.append(f"the face is too small: {apart:.0f} px between the eyes; 100 and more are good")
    elif apart < config.good_eye_distance_px:
        notes.append(f"the face is small ({apart:.0f} px between the eyes): few details")
    pixels = _skin_pixels(rgb_srgb, face)
    burnt, black = float((pixels.min(1) > 250).mean()), float((pixels.max(1) < 18).mean())
    if burnt > config.max_clipped:
        reasons.append(f"the face is over-exposed: {burnt:.0%} of it is white")
    elif burnt > 0.08:
        notes.append(f"{burnt:.0%} of the face is burnt out")
    if black > config.max_clipped:
        reasons.append(f"the face is too dark: {black:.0%} of it is black")
    if not reasons and (value := _sharpness(rgb_srgb, face)) < config.min_sharpness:
        reasons.append(f"the face is blurred (sharpness {value:.0f}; sharp photos have 50 and more)")
    yaw = abs(np.degrees(face.pose[0]))
    if yaw > 50.0:
        notes.append("a profile: its landmarks are rough, it helps by its outline")
    return reasons, notes


def _skin_pixels(rgb_srgb: np.ndarray, face: FacePoints) -> UInt8[np.ndarray, "P 3"]:
    mask = np.zeros(rgb_srgb.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(face.points[list(topology.OVAL), :2]).astype(np.int32)], 1)
    pixels = rgb_srgb[mask > 0]
    return pixels if len(pixels) else np.full((1, 3), 128, np.uint8)


def _sharpness(rgb_srgb: np.ndarray, face: FacePoints) -> float:
    centre, side = face.points[:, :2].mean(0), face_size(face.points) * 1.6
    chip = Crop((float(centre[0]), float(centre[1])), side).cut(rgb_srgb, 160)
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY).astype(np.float32)
    contrast = max(float(grey.std()), 8.0) / 50.0  # a dim face is not a blurred one
    return float(cv2.Laplacian(grey / contrast, cv2.CV_32F).var())


def choose_subject(
    groups: Sequence[Sequence[Candidate]], *, face: int | None = None, config: JudgeConfig = JudgeConfig()
) -> list[int | None]:
    """Pick in every photo the face of the subject.

    The subject is the person whose face agrees with faces in the most other photos (dlib distance); of equals, the one
    with the larger faces.

    Args:
        groups: Per photo its faces, largest first.
        face: Choose this face (0 = largest) of the first photo with several; None = by agreement.
        config: Thresholds.

    Returns:
        Per photo the index of the face, or None if none of them is the subject.
    """
    everyone = [(photo, item) for photo, group in enumerate(groups) for item in group]
    asked = [entry for entry in everyone if abs(np.degrees(entry[1].face.pose[0])) < config.identity_yaw_deg]
    if face is not None:
        several = [group for group in groups if len(group) > face and len(group) > 1]
        anchor = several[0][face] if several else (groups[0][0] if groups and groups[0] else None)
    else:
        anchor = max((item for _, item in asked), key=lambda item: _support(item, asked, config), default=None)
    chosen: list[int | None] = []
    for group in groups:
        chosen.append(_closest(group, anchor, asked, config) if group else None)
    return chosen


def _support(item: Candidate, asked: Sequence[tuple[int, Candidate]], config: JudgeConfig) -> tuple[int, float]:
    photos = {photo for photo, other in asked if distance(item.descriptor, other.descriptor) < config.same_person}
    return len(photos), face_size(item.face.points)


def _closest(
    group: Sequence[Candidate],
    anchor: Candidate | None,
    asked: Sequence[tuple[int, Candidate]],
    config: JudgeConfig,
) -> int | None:
    """The face of a photo that is the anchor's person; steep faces cannot be asked and pass."""
    if anchor is None:
        return 0
    family = [
        other.descriptor for _, other in asked if distance(anchor.descriptor, other.descriptor) < config.same_person
    ] or [anchor.descriptor]
    best, best_value = None, config.same_person
    for index, item in enumerate(group):
        value = min(float(np.median([distance(item.descriptor, other) for other in family])), 9.0)
        if value < best_value:
            best, best_value = index, value
    if best is None:
        steep = [
            index for index, item in enumerate(group) if abs(np.degrees(item.face.pose[0])) >= config.identity_yaw_deg
        ]
        return steep[0] if steep else None
    return best

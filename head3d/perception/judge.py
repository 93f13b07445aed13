"""Says whether a face is good enough to use, in words for a person."""

import cv2
import numpy as np
from jaxtyping import UInt8

from head3d.perception import topology
from head3d.perception.config import JudgeConfig
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.nets import Crop
from head3d.perception.occlusion import measure_cover


def is_face(face: FacePoints, *, config: JudgeConfig = JudgeConfig()) -> bool:
    """True if the landmark net sees a face, and the same one wherever it is asked from."""
    return face.score >= config.min_score and face.wobble <= config.max_wobble


def eye_distance(face: FacePoints) -> float:
    """Distance of the outer eye corners if this face looked at the camera, px."""
    across = np.linalg.norm(face.points[topology.RIGHT_EYE_CORNERS[0]] - face.points[topology.LEFT_EYE_CORNERS[0]])
    # The net's depth is flat, so a turned face measures short; brow to chin does not (1.5 times less on average).
    return max(float(across), face_size(face.points) / 1.5)


def face_problems(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], face: FacePoints, *, config: JudgeConfig = JudgeConfig()
) -> tuple[list[str], list[str]]:
    """Reasons against a face, and warnings."""
    reasons: list[str] = []
    notes: list[str] = []
    apart = eye_distance(face)
    if apart < config.min_eye_distance_px:
        reasons.append(f"the face is too small: {apart:.0f} px between the eyes; 100 and more are good")
        return reasons, notes
    if apart < config.good_eye_distance_px:
        notes.append(f"the face is small ({apart:.0f} px between the eyes): little detail")
    pixels = _face_pixels(rgb_srgb, face)
    burnt, black = float((pixels.min(1) > 250).mean()), float((pixels.max(1) < 14).mean())
    if burnt > config.max_clipped:
        reasons.append(f"over-exposed: {burnt:.0%} of the face is white")
    elif burnt > 0.08:
        notes.append(f"{burnt:.0%} of the face is burnt out")
    if black > config.max_clipped:
        reasons.append(f"too dark: {black:.0%} of the face is black")
    value = sharpness(rgb_srgb, face)
    if not reasons and value < config.min_sharpness:
        reasons.append(f"the face is blurred (sharpness {value:.0f}; good photos have 60 and more)")
    elif value < config.good_sharpness:
        notes.append(f"the face is a little blurred (sharpness {value:.0f}; good photos have 60 and more)")
    if not reasons:
        reasons += _covered(rgb_srgb, face, config)
    if abs(np.degrees(face.pose[0])) > config.profile_deg:
        notes.append("a profile: it helps by its outline, its landmarks are rough")
    return reasons, notes


def _covered(rgb_srgb: np.ndarray, face: FacePoints, config: JudgeConfig) -> list[str]:
    cover = measure_cover(rgb_srgb, face)
    if cover.eye_shade < config.min_eye_shade:
        return ["sunglasses hide the eyes"]
    if cover.lip_contrast < config.min_lip_contrast:
        return ["a hand or mask covers the mouth"]
    if cover.eye_contrast < config.min_eye_contrast:
        return ["something covers an eye"]
    return []


def _face_pixels(rgb_srgb: np.ndarray, face: FacePoints) -> UInt8[np.ndarray, "P 3"]:
    mask = np.zeros(rgb_srgb.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(face.points[list(topology.OVAL), :2]).astype(np.int32)], 1)
    pixels = rgb_srgb[mask > 0]
    return pixels if len(pixels) else np.full((1, 3), 128, np.uint8)


def sharpness(rgb_srgb: UInt8[np.ndarray, "H W 3"], face: FacePoints) -> float:
    """Variance of the Laplacian of a face at 160 px and normal contrast: sharp ones have 80 and more."""
    centre, side = face.points[:, :2].mean(0), face_size(face.points) * 1.6
    chip = Crop((float(centre[0]), float(centre[1])), side).cut(rgb_srgb, 160)
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY).astype(np.float32)
    contrast = max(float(grey.std()), 8.0) / 50.0  # a dim face is not a blurred one
    return float(cv2.Laplacian(grey / contrast, cv2.CV_32F).var())

"""Tells sunglasses, masks and hands over a face by what should be there and is not."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from head3d.imaging.color import luminance
from head3d.perception import topology
from head3d.perception.face_frame import FaceFrame, frame_in_window, sure_skin
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.nets import Crop

_SIDE = 160
USUAL_SKIN = 0.3
"""Luminance of skin at which the contrast of lips is measured."""


@dataclass(frozen=True)
class Cover:
    """How much eyes and mouth stand out from the skin round them.

    Attributes:
        eye_shade: Lightness of the darker-lidded eye's surroundings (lids, under the eye) over that of cheeks and nose:
            near 1; sunglasses measure below 0.5.
        eye_contrast: Spread of lightness in the less clear eye over the skin's: lashes and irises give 0.5 and more.
        lip_contrast: Colour difference (CIELAB) of lips and skin round the mouth, skin brought to a usual lightness:
            6 and more; under a hand 0 to 3.
    """

    eye_shade: float
    eye_contrast: float
    lip_contrast: float


def measure_cover(rgb_srgb: UInt8[np.ndarray, "H W 3"], face: FacePoints) -> Cover:
    """Look at the eyes and the mouth of a face; eyes and lips turned away by more than 50 degrees are not judged."""
    centre, side = face.points[:, :2].mean(0), face_size(face.points) * 1.9
    window = Crop((float(centre[0]), float(centre[1])), side, face.pose[2])
    frame = frame_in_window(face, window, _SIDE)
    lab = cv2.cvtColor(window.cut(rgb_srgb, _SIDE).astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    skin = sure_skin(frame, _SIDE)
    if skin.sum() < 50:
        return Cover(1.0, 9.0, 99.0)
    shades, contrasts = [], []
    for ring, away in ((topology.RIGHT_EYE, -frame.axes[0, 2]), (topology.LEFT_EYE, frame.axes[0, 2])):
        if away > 0.75:
            continue
        eye, around = _eye_masks(frame, ring)
        shades.append(float(np.median(lab[around, 0]) / max(np.median(lab[skin, 0]), 1.0)))
        contrasts.append(float(lab[eye, 0].std() / max(lab[skin, 0].std(), 2.0)))
    return Cover(
        max(shades, default=1.0), min(contrasts, default=9.0), _lip_contrast(frame, _evenly_exposed(lab, skin))
    )


def _eye_masks(frame: FaceFrame, ring: tuple[int, ...]) -> tuple[Bool[np.ndarray, "S S"], Bool[np.ndarray, "S S"]]:
    """The eye with its lashes, and lids and skin right round it."""
    points = frame.points[list(ring), :2]
    middle = points.mean(0)
    masks = []
    for grow in (1.25, 2.2):
        mask = np.zeros((_SIDE, _SIDE), np.uint8)
        # Round, not almond-shaped: closed eyes too need room above and below.
        radius = np.linalg.norm(points - middle, axis=1).max() * grow
        axes = (max(int(radius), 2), max(int(radius * 0.62), 2))
        cv2.ellipse(mask, (int(middle[0]), int(middle[1])), axes, 0.0, 0.0, 360.0, 1, -1)
        masks.append(mask > 0)
    return masks[0], masks[1] & ~masks[0]


def _evenly_exposed(lab: Float32[np.ndarray, "S S 3"], skin: Bool[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S 3"]:
    """The picture as bright as it were if the skin had a usual lightness: dark skin's lips differ as much as pale's."""
    linear = cv2.cvtColor(lab, cv2.COLOR_LAB2LRGB).clip(0, 1)
    gain = USUAL_SKIN / max(float(np.median(luminance(torch.from_numpy(linear[skin])).numpy())), 1e-3)
    return cv2.cvtColor((linear * gain).clip(0, 1), cv2.COLOR_LRGB2LAB)


def _lip_contrast(frame: FaceFrame, lab: Float32[np.ndarray, "S S 3"]) -> float:
    if np.linalg.norm(frame.axes[2, :2]) > 0.77:  # in profile the lips are an edge
        return 99.0
    lips = frame.mask(topology.LIPS_OUTER, _SIDE)
    reach = max(2, int(frame.size * 0.06))
    ring = cv2.dilate(lips, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    gap = cv2.dilate(lips, np.ones((3, 3), np.uint8)) > 0
    around = ring & ~gap
    if not around.any() or not lips.any():
        return 99.0
    return float(np.linalg.norm(np.median(lab[lips > 0], axis=0) - np.median(lab[around], axis=0)))

"""Draws what was perceived over a photo, for the report."""

import cv2
import numpy as np
from jaxtyping import UInt8

from head3d.perception.nets import Crop, apply_affine
from head3d.perception.types import Landmarks, Observation, Region

# sRGB. Muted enough to see the picture through, far enough apart for colour-blind eyes (after Okabe & Ito 2008).
REGION_COLOURS: dict[Region, tuple[int, int, int]] = {
    Region.BACKGROUND: (40, 40, 40),
    Region.SKIN: (230, 159, 0),
    Region.BROWS: (0, 114, 178),
    Region.EYES: (255, 255, 255),
    Region.LIPS: (213, 94, 0),
    Region.MOUTH: (120, 20, 60),
    Region.EARS: (240, 228, 66),
    Region.HAIR: (86, 180, 233),
    Region.NECK: (204, 121, 167),
    Region.CLOTH: (0, 158, 115),
    Region.GLASSES: (90, 60, 200),
}
_VISIBLE, _HIDDEN, _IRIS, _HAIRLINE, _EAR = (60, 255, 60), (255, 60, 60), (255, 255, 0), (0, 255, 255), (255, 128, 255)


def _head_crop(observation: Observation, scale: float = 2.6) -> Crop:
    """An upright square round the head."""
    points = observation.landmarks.points_px[:468]
    low, high = points.min(0), points.max(0)
    centre, side = (low + high) / 2.0, float((high - low).max())
    return Crop((float(centre[0]), float(centre[1] - 0.12 * side)), side * scale)


def draw_points(picture: UInt8[np.ndarray, "H W 3"], landmarks: Landmarks, crop: Crop) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of a square crop's pixels with its landmarks: green seen, red hidden, yellow irises."""
    drawn = picture.copy()
    size = drawn.shape[0]
    placed = apply_affine(cv2.invertAffineTransform(crop.to_picture(size)), landmarks.points_px)
    radius = max(1, size // 400)
    for index, ((x, y), seen) in enumerate(zip(placed, landmarks.visible, strict=True)):
        colour = _IRIS if index >= 468 else _VISIBLE if seen else _HIDDEN
        cv2.circle(drawn, (round(x), round(y)), radius, colour, -1, cv2.LINE_AA)
    return drawn


def draw_regions(
    picture: UInt8[np.ndarray, "H W 3"], labels: UInt8[np.ndarray, "H W"], *, strength: float = 0.5
) -> UInt8[np.ndarray, "H W 3"]:
    """Regions as colours over a picture of the same size."""
    table = np.zeros((256, 3), np.float32)
    for region, colour in REGION_COLOURS.items():
        table[region] = colour
    return (picture * (1.0 - strength) + table[labels] * strength).astype(np.uint8)


def draw_overlay(observation: Observation, *, size: int = 512) -> UInt8[np.ndarray, "S S4 3"]:
    """Four squares side by side: landmarks, matte over grey, regions, hairline and ears."""
    crop = _head_crop(observation)
    photo, parsing = observation.photo, observation.parsing
    pixels = crop.cut(photo.rgb_srgb, size)
    matte = crop.cut(parsing.matte, size)[..., None]
    cut_out = (pixels * matte + np.array([255, 0, 255], np.float32) * (1.0 - matte)).astype(np.uint8)
    inverse = cv2.invertAffineTransform(crop.to_picture(size))
    inverse[:, 2] -= 0.5
    nearest = cv2.warpAffine(parsing.labels, inverse, (size, size), flags=cv2.INTER_NEAREST)
    lines = pixels.copy()
    for points, colour in (
        (parsing.hairline_px, _HAIRLINE),
        *[(points, _EAR) for points in parsing.ears_px.values()],
    ):
        placed = apply_affine(cv2.invertAffineTransform(crop.to_picture(size)), np.asarray(points).reshape(-1, 2))
        for x, y in placed:
            cv2.circle(lines, (round(x), round(y)), max(1, size // 300), colour, -1, cv2.LINE_AA)
    shown = [draw_points(pixels, observation.landmarks, crop), cut_out, draw_regions(pixels, nearest), lines]
    return np.concatenate(shown, axis=1)

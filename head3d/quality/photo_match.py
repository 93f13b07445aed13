"""Does a picture's face show what the photos show? The nearest photo is laid over the fitted head and compared.

Light and exposure differ between the two, so what is compared is fine structure: band-passed logarithms, whose
correlation within small windows says whether brows, lids, nostrils and lips are where the photo has them, once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.geometry.draw import draw_mesh
from head3d.geometry.reproject import reproject
from head3d.shapes import shaped

SIDE_PX = 160
"""Of the window on the face: about a pixel a millimetre."""
FARTHEST_DEG = 55.0
"""Photos from farther aside show another side of the face."""
FINE, COARSE, WINDOW = 0.8, 4.0, 5.0
"""Standard deviations, px: of the band that is compared, and of the windows it is compared in."""
SHIFTS = (-2, 0, 2)
"""A fit is off by a millimetre or two: the best of these shifts (px) counts."""
NEAREST = 3
"""Photos that are tried."""
LEAST_SEEN = 0.12
"""Part of the window that the photo must show."""
OUTLIER = 0.3
"""Difference of logarithms from which a place has another colour than the photo's."""
MATCH_SIGNS = (
    "matched", "match_angle", "match_mean", "match_low", "match_worst", "match_fine", "match_mid", "match_hue",
    "match_spots", "match_shift",
)  # fmt: skip
"""Names of the numbers, in order."""


@shaped
@dataclass(frozen=True)
class SeenPhoto:
    """The face of one photo, small, with the depth of the fitted head.

    Attributes:
        rgb_srgb: Of the window.
        depth_m: z-depth of the fitted head, 0 where it is not.
        camera: Of the window.
    """

    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    depth_m: Float[Tensor, "H W"]
    camera: Cameras


def face_camera(camera: Cameras, window: tuple[tuple[float, float, float], float]) -> Cameras:
    """A camera whose picture is a square window on the head (place in the head frame, side in metres)."""
    px, depth = project(torch.tensor([window[0]]), camera.c2w[0], camera.K[0])
    side = max(round(window[1] * float(camera.K[0, 0, 0] / depth[0])), 8)
    left, top = (float(px[0, k]) - side / 2 for k in (0, 1))
    return camera.cropped(round(left), round(top), (side, side))


def cut(picture: np.ndarray, camera: Cameras, whole: Cameras) -> np.ndarray:
    """The window of a picture that a camera of :func:`face_camera` sees, at its size; borders are repeated."""
    left = round(float(whole.K[0, 0, 2] - camera.K[0, 0, 2]))
    top = round(float(whole.K[0, 1, 2] - camera.K[0, 1, 2]))
    height, width = camera.size
    rows = np.arange(top, top + height).clip(0, picture.shape[0] - 1)
    columns = np.arange(left, left + width).clip(0, picture.shape[1] - 1)
    return picture[rows][:, columns]


def see_photo(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    camera: Cameras,
    vertices: Float[Tensor, "V 3"],
    faces: Tensor,
    *,
    window: tuple[tuple[float, float, float], float],
) -> SeenPhoto:
    """Keep what matters of a photo: its face at the working size, and where the fitted head is in it."""
    near = face_camera(camera, window)
    small = near.resized((SIDE_PX, SIDE_PX))
    pixels = cv2.resize(cut(rgb_srgb, near, camera), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return SeenPhoto(pixels, draw_mesh(vertices, faces, small).depth, small)


def match_photo(
    pixels: UInt8[np.ndarray, "S S 3"],
    depth_m: Float[Tensor, "S S"],
    camera: Cameras,
    photos: Sequence[SeenPhoto],
) -> dict[str, float]:
    """Compare a window of a finished picture with the best of the photos from the nearest sides; empty without one.

    Args:
        pixels: The window on the face at the working size.
        depth_m: Of the fitted head in it.
        camera: Of the window.
        photos: Of the person.
    """
    nearest = sorted(photos, key=lambda one: _angle_deg(one.camera, camera))
    found: list[dict[str, float]] = []
    for photo in nearest[:NEAREST]:
        angle = _angle_deg(photo.camera, camera)
        if angle > FARTHEST_DEG:
            break
        source = torch.from_numpy(photo.rgb_srgb).float() / 255
        moved = reproject(
            source, photo.depth_m, photo.camera, target_depth_m=depth_m, target_camera=camera, tolerance=0.02
        )
        seen = cv2.erode(moved.visible.numpy().astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if seen.mean() >= LEAST_SEEN:
            told = _compare(pixels.astype(np.float32) / 255, moved.values.numpy(), seen)
            found.append({"matched": 1.0, "match_angle": angle / FARTHEST_DEG, **told})
    return max(found, key=lambda one: one["match_mean"]) if found else {}  # one may smile, or be blurred


def _angle_deg(first: Cameras, second: Cameras) -> float:
    a, b = (torch.nn.functional.normalize(one.centre[0], dim=0) for one in (first, second))
    return math.degrees(math.acos(float((a @ b).clamp(-1, 1))))


def _blur(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma)


def _compare(ours: np.ndarray, photo: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    level = [np.log(one.mean(-1) + 0.03).astype(np.float32) for one in (ours, photo)]
    fill = float(np.median(level[1][seen]))
    level[1] = np.where(seen, level[1], fill).astype(np.float32)
    bands = [_blur(one, FINE) - _blur(one, COARSE) for one in level]
    best, where, correlation = -2.0, (0, 0), None
    weight = np.sqrt(_blur(bands[1] ** 2, WINDOW)) * seen
    for dy in SHIFTS:
        for dx in SHIFTS:
            moved = np.roll(bands[0], (dy, dx), (0, 1))
            local = _local_correlation(moved, bands[1])
            mean = float((local * weight).sum() / max(weight.sum(), 1e-6))
            if mean > best:
                best, where, correlation = mean, (dy, dx), local
    assert correlation is not None
    told = seen & (weight > np.quantile(weight[seen], 0.5))
    fine, mid = (_energy(level, seen, low, high) for low, high in ((0.0, 1.2), (1.2, 3.0)))
    hue = []
    for channel in (0, 2):
        ratio = [np.log((one[..., channel] + 0.03) / (one[..., 1] + 0.03)) for one in (ours, photo)]
        gap = _blur((ratio[0] - ratio[1]).astype(np.float32), 1.5)
        hue.append(np.abs(gap - np.median(gap[seen])))
    brightness = _blur(level[0] - level[1], 2.0)
    spots = np.abs(brightness - _blur(brightness, 14.0))
    return {
        "match_mean": best,
        "match_low": float(np.quantile(correlation[told], 0.1)),
        "match_worst": float(np.quantile(correlation[told], 0.02)),
        "match_fine": fine,
        "match_mid": mid,
        "match_hue": math.log(float((np.maximum(*hue)[seen] > OUTLIER).mean()) + 1e-3),
        "match_spots": math.log(float((spots[seen] > OUTLIER).mean()) + 1e-3),
        "match_shift": math.hypot(*where) / 2,
    }


def _local_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation within Gaussian windows; what has no structure correlates with nothing."""
    both = _blur(a * b, WINDOW)
    return both / (np.sqrt(_blur(a * a, WINDOW) * _blur(b * b, WINDOW)) + 4e-4)


def _energy(level: Sequence[np.ndarray], seen: np.ndarray, low: float, high: float) -> float:
    """How much stronger a band is in the picture than in the photo: logarithm of the ratio of spreads."""
    spreads = []
    for one in level:
        band = (one if low == 0 else _blur(one, low)) - _blur(one, high)
        spreads.append(float(band[seen].std()) + 1e-3)
    return math.log(spreads[0] / spreads[1])


def small_window(picture: np.ndarray, camera: Cameras, whole: Cameras) -> np.ndarray:
    """A window of a picture at the working size."""
    near = cut(picture, camera, whole)
    shrinks = near.shape[0] > SIDE_PX
    return cv2.resize(near, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


__all__ = ["MATCH_SIGNS", "SeenPhoto", "face_camera", "match_photo", "see_photo", "small_window"]

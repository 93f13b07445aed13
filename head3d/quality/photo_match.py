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
from jaxtyping import Bool, Float, Float32, UInt8
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
FARTHEST_PX, DISPLACED_WINDOW, STAYS = 5, 4.0, 0.12
"""Half pixels in which displaced features are looked for, windows they are compared in, and how much more alike another
place must be than its own."""
LEAST_SEEN = 0.12
"""Part of the window that the photo must show."""
OUTLIER = 0.3
"""Difference of logarithms from which a place has another colour than the photo's."""
MATCH_SIGNS = (
    "matched", "match_angle", "match_mean", "match_low", "match_worst", "match_fine", "match_mid", "match_quiet",
    "match_quiet_mid", "match_weakest", "match_away", "match_away_most", "match_hue", "match_spots", "match_shift",
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


def cut(picture: np.ndarray, camera: Cameras, whole: Cameras, *, beyond: float | None = None) -> np.ndarray:
    """The window of a picture that a camera of :func:`face_camera` sees, at its size; ``beyond`` the picture, or its
    borders repeated."""
    left = round(float(whole.K[0, 0, 2] - camera.K[0, 0, 2]))
    top = round(float(whole.K[0, 1, 2] - camera.K[0, 1, 2]))
    height, width = camera.size
    rows, columns = np.arange(top, top + height), np.arange(left, left + width)
    found = picture[rows.clip(0, picture.shape[0] - 1)][:, columns.clip(0, picture.shape[1] - 1)]
    if beyond is not None:
        found[(rows < 0) | (rows >= picture.shape[0])] = beyond
        found[:, (columns < 0) | (columns >= picture.shape[1])] = beyond
    return found


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
    nearest = sorted(photos, key=lambda one: angle_deg(one.camera, camera))
    found: list[dict[str, float]] = []
    for photo in nearest[:NEAREST]:
        angle = angle_deg(photo.camera, camera)
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


def angle_deg(first: Cameras, second: Cameras) -> float:
    a, b = (torch.nn.functional.normalize(one.centre[0], dim=0) for one in (first, second))
    return math.degrees(math.acos(float((a @ b).clamp(-1, 1))))


def blur(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma)


def _compare(ours: np.ndarray, photo: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    level = [np.log(one.mean(-1) + 0.03).astype(np.float32) for one in (ours, photo)]
    fill = float(np.median(level[1][seen]))
    level[1] = np.where(seen, level[1], fill).astype(np.float32)
    best, where, correlation, weight = -2.0, (0, 0), None, seen.astype(np.float32)
    for dy in SHIFTS:
        for dx in SHIFTS:
            local, weight = structure(np.roll(level[0], (dy, dx), (0, 1)), level[1], seen)
            mean = float((local * weight).sum() / max(weight.sum(), 1e-6))
            if mean > best:
                best, where, correlation = mean, (dy, dx), local
    assert correlation is not None
    told = seen & (weight > np.quantile(weight[seen], 0.5))
    sharp = fine_structure(level[0], level[1], seen)
    away = displaced(np.roll(level[0], where, (0, 1)), level[1], told)
    hue = []
    for channel in (0, 2):
        gap = blur((tint_of(ours, channel) - tint_of(photo, channel)).astype(np.float32), 1.5)
        hue.append(np.abs(gap - np.median(gap[seen])))
    brightness = blur(level[0] - level[1], 2.0)
    spots = np.abs(brightness - blur(brightness, 14.0))
    return {
        "match_mean": best,
        "match_low": float(np.quantile(correlation[told], 0.1)),
        "match_worst": float(np.quantile(correlation[told], 0.02)),
        "match_fine": sharp["fine"],
        "match_mid": sharp["mid"],
        "match_quiet": sharp["quiet"],
        "match_quiet_mid": sharp["quiet_mid"],
        "match_weakest": sharp["weakest"],
        "match_away": float(away.mean()),
        "match_away_most": float(np.quantile(away, 0.9)),
        "match_hue": math.log(float((np.maximum(*hue)[seen] > OUTLIER).mean()) + 1e-3),
        "match_spots": math.log(float((spots[seen] > OUTLIER).mean()) + 1e-3),
        "match_shift": math.hypot(*where) / 2,
    }


def tint_of(rgb_srgb: Float32[np.ndarray, "S S 3"], channel: int) -> Float32[np.ndarray, "S S"]:
    """Logarithm of a channel over green."""
    return np.log((rgb_srgb[..., channel] + 0.03) / (rgb_srgb[..., 1] + 0.03))


def structure(
    ours: Float32[np.ndarray, "S S"], other: Float32[np.ndarray, "S S"], seen: Bool[np.ndarray, "S S"]
) -> tuple[Float32[np.ndarray, "S S"], Float32[np.ndarray, "S S"]]:
    """How alike the fine structure of two pictures is about each place, and how much of it the second has there."""
    bands = [blur(one, FINE) - blur(one, COARSE) for one in (ours, other)]
    return local_correlation(*bands), np.sqrt(blur(bands[1] ** 2, WINDOW)) * seen


def displaced(
    ours: Float32[np.ndarray, "S S"], other: Float32[np.ndarray, "S S"], told: Bool[np.ndarray, "S S"]
) -> Float32[np.ndarray, "N"]:
    """By how many pixels what is told at each place lies elsewhere in ours: the shift with which it is found there."""
    half = (ours.shape[1] // 2, ours.shape[0] // 2)
    a, b = (
        cv2.resize(blur(one, FINE) - blur(one, COARSE), half, interpolation=cv2.INTER_AREA) for one in (ours, other)
    )
    energy, theirs = (blur(one * one, DISPLACED_WINDOW) for one in (a, b))

    def alike(shift: tuple[int, int]) -> np.ndarray:
        both = blur(np.roll(a, shift, (0, 1)) * b, DISPLACED_WINDOW)
        return both / (np.sqrt(np.roll(energy, shift, (0, 1)) * theirs) + 4e-4)

    best = alike((0, 0)) + STAYS
    found = np.zeros_like(best)
    for dy in range(-FARTHEST_PX, FARTHEST_PX + 1):
        for dx in range(-FARTHEST_PX, FARTHEST_PX + 1):
            there = alike((dy, dx))
            better = there > best
            best, found = np.where(better, there, best), np.where(better, math.hypot(dx, dy), found)
    places = cv2.resize(told.astype(np.float32), half, interpolation=cv2.INTER_AREA) > 0.5
    return 2 * found[places].astype(np.float32) if places.any() else np.zeros(1, np.float32)


def fine_structure(
    ours: Float32[np.ndarray, "S S"], other: Float32[np.ndarray, "S S"], seen: Bool[np.ndarray, "S S"]
) -> dict[str, float]:
    """How much stronger fine structure is in ours, logarithms of ratios: overall (``fine``; ``mid`` of the band below),
    where the other has little of it (``quiet``: skin wiped smooth keeps its edges), and across the direction in which
    ours has least for what the other has (``weakest``: a camera that moved blurs along its way)."""
    bands = [one - blur(one, 1.2) for one in (ours, other)]
    middle = [blur(one, 1.2) - blur(one, 3.0) for one in (ours, other)]
    local, broader = ([np.sqrt(blur(one * one, 3.0)) + 1e-3 for one in pair] for pair in (bands, middle))
    quiet = seen & (local[1] + broader[1] < np.quantile((local[1] + broader[1])[seen], 0.5))
    ways = []
    for dy, dx in ((0, 1), (1, 1), (1, 0), (1, -1)):
        spread = [float((one - np.roll(one, (dy, dx), (0, 1)))[seen].std()) + 1e-3 for one in bands]
        ways.append(math.log(spread[0] / spread[1]))
    fine, mid = ([float(one[seen].std()) + 1e-3 for one in pair] for pair in (bands, middle))
    return {
        "fine": math.log(fine[0] / fine[1]),
        "mid": math.log(mid[0] / mid[1]),
        "quiet": float(np.median(np.log(local[0] / local[1])[quiet])) if quiet.any() else 0.0,
        "quiet_mid": float(np.median(np.log(broader[0] / broader[1])[quiet])) if quiet.any() else 0.0,
        "weakest": min(ways),
    }


def local_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation within Gaussian windows; what has no structure correlates with nothing."""
    both = blur(a * b, WINDOW)
    return both / (np.sqrt(blur(a * a, WINDOW) * blur(b * b, WINDOW)) + 4e-4)


def small_window(picture: np.ndarray, camera: Cameras, whole: Cameras) -> np.ndarray:
    """A window of a picture at the working size."""
    near = cut(picture, camera, whole)
    shrinks = near.shape[0] > SIDE_PX
    return cv2.resize(near, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


__all__ = ["MATCH_SIGNS", "SeenPhoto", "face_camera", "match_photo", "see_photo", "small_window"]

"""Every photo cut to its head and scaled to one working size: what silhouette, flow and texture look at."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from head3d.geometry.cameras import Cameras
from head3d.perception.types import Observation
from head3d.shapes import shaped

WINDOW_PX = 448
"""Side of a working picture: at this size a face is about 200 px wide and 1 mm is about 1.4 px."""


@shaped
@dataclass(frozen=True)
class Window:
    """The head of one photo. A place p (px of the photo) lies at (p - origin) * scale.

    Attributes:
        rgb_linear: Colours.
        contrast: Grey, local mean removed, local deviation divided out: comparable across lights. About [-2, 2].
        labels: Regions.
        matte: Person.
        origin_px: Left and top of the window in the photo.
        scale: Window px per photo px.
        inside: False where the window reaches beyond the photo.
    """

    rgb_linear: Float32[np.ndarray, "S S 3"]
    contrast: Float32[np.ndarray, "S S"]
    labels: UInt8[np.ndarray, "S S"]
    matte: Float32[np.ndarray, "S S"]
    origin_px: tuple[float, float]
    scale: float
    inside: UInt8[np.ndarray, "S S"]

    def camera(self, camera: Cameras) -> Cameras:
        """The photo's camera as it sees the window."""
        side = WINDOW_PX / self.scale
        cropped = camera.cropped(*self.origin_px, (round(side), round(side)))
        K = cropped.K.clone()
        K[:, :2] *= self.scale
        return Cameras(cropped.c2w, K, (WINDOW_PX, WINDOW_PX))

    def to_photo(self, points_px: np.ndarray) -> np.ndarray:
        """Window px to photo px."""
        return points_px / self.scale + np.asarray(self.origin_px, dtype=points_px.dtype)


def cut_window(observation: Observation) -> Window:
    """Cut a square around the face that also holds hair, ears and neck."""
    points = observation.landmarks.points_px
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    face = float(max(high - low))
    centre[1] -= 0.1 * face  # the hair reaches further up than the chin down
    side = 2.1 * face
    scale = WINDOW_PX / side
    origin = (float(centre[0] - side / 2), float(centre[1] - side / 2))

    def warp(picture: np.ndarray, *, nearest: bool = False, outside: float = 0.0) -> np.ndarray:
        # cv2 puts pixel centres at integers; ours are at +0.5: shift by half a pixel on both sides
        matrix = np.array(
            [[scale, 0, -origin[0] * scale + 0.5 * scale - 0.5], [0, scale, -origin[1] * scale + 0.5 * scale - 0.5]]
        )
        if nearest:
            flags = cv2.INTER_NEAREST
        else:
            flags = cv2.INTER_LINEAR
            if scale < 0.7:  # a linear look-up would alias: blur first by the pixels it would skip
                picture = cv2.GaussianBlur(picture, (0, 0), 0.45 / scale)
        return cv2.warpAffine(picture, matrix, (WINDOW_PX, WINDOW_PX), flags=flags, borderValue=(outside,) * 4)

    srgb = warp(observation.photo.rgb_srgb).astype(np.float32) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return Window(
        rgb_linear=linear,
        contrast=local_contrast(srgb.mean(-1)),
        labels=warp(observation.parsing.labels, nearest=True),
        matte=warp(observation.parsing.matte),
        origin_px=origin,
        scale=scale,
        inside=warp(np.ones(observation.photo.size, np.uint8), nearest=True),
    )


def local_contrast(grey: Float32[np.ndarray, "S S"]) -> Float32[np.ndarray, "S S"]:
    """Remove the local mean and divide by the local deviation, so that shading and exposure drop out."""
    mean = cv2.GaussianBlur(grey, (0, 0), 9)
    deviation = np.sqrt(cv2.GaussianBlur((grey - mean) ** 2, (0, 0), 18))
    return ((grey - mean) / (deviation + 0.02)).clip(-3, 3).astype(np.float32)


def look_up(picture: Float32[np.ndarray, "S S *C"], px: Float32[np.ndarray, "K 2"]) -> Float32[np.ndarray, "K *C"]:
    """Bilinear values of a window at places in px; the border repeats."""
    columns = 1024  # cv2.remap takes pictures of up to 32767 rows, not longer lists
    rows = -(-len(px) // columns)
    where = np.zeros((rows * columns, 2), np.float32)
    where[: len(px)] = np.nan_to_num(px - 0.5)
    x, y = where.reshape(rows, columns, 2).transpose(2, 0, 1)
    found = cv2.remap(
        picture, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return found.reshape(rows * columns, *picture.shape[2:])[: len(px)]

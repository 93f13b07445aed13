"""Cuts the person out: MediaPipe's selfie net (256 px) around the head, sharpened against the picture's own colours."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from head3d.perception.nets import Crop, FaceNets

# Working resolution of the refinement: long side of the head-and-shoulders window, px.
WINDOW_SIDE = 768


def person_matte(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    nets: FaceNets,
    window: Crop,
    *,
    alpha: UInt8[np.ndarray, "H W"] | None = None,
) -> Float32[np.ndarray, "H W"]:
    """Person against background, in [0, 1], at the picture's resolution.

    Args:
        rgb_srgb: The picture.
        nets: Loaded nets.
        window: Upright square round head and shoulders, where the edge matters.
        alpha: The file's own transparency; if there is one, it is the matte.
    """
    if alpha is not None:
        return alpha.astype(np.float32) / 255.0
    height, width = rgb_srgb.shape[:2]
    whole = _look(rgb_srgb, nets, Crop((width / 2.0, height / 2.0), float(max(height, width))), (width, height))
    close = _look(rgb_srgb, nets, window, (width, height))
    inside = _inside(window, (width, height))
    soft = close * inside + whole * (1.0 - inside)
    return refine(rgb_srgb, soft, window)


def _look(rgb_srgb: np.ndarray, nets: FaceNets, crop: Crop, size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """The net's opinion of a square of the picture, back in the picture; 0 outside of the square."""
    side = nets.matte.size[0]
    found = nets.matte(crop.cut(rgb_srgb, side, border=cv2.BORDER_REPLICATE))[0][..., 0]
    return to_picture(found, crop, size)


def to_picture(values: np.ndarray, crop: Crop, size: tuple[int, int]) -> np.ndarray:
    """Resample a square crop's values into a picture of ``size`` (width, height); 0 outside."""
    centred = crop.to_picture(values.shape[0])
    centred[:, 2] += centred[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(values, centred, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _inside(window: Crop, size: tuple[int, int]) -> Float32[np.ndarray, "H W"]:
    """1 inside the window, falling to 0 over a tenth of its side, so that two opinions meet without a step."""
    ramp = np.minimum(np.linspace(0.0, 10.0, 64), np.linspace(10.0, 0.0, 64)).clip(0.0, 1.0)
    return to_picture(np.outer(ramp, ramp).astype(np.float32), window, size)


def refine(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], soft: Float32[np.ndarray, "H W"], window: Crop
) -> Float32[np.ndarray, "H W"]:
    """Sharpen a soft matte to the edges of the picture."""
    scale = min(1.0, WINDOW_SIDE / window.side_px)
    guide = cv2.resize(rgb_srgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    small = cv2.resize(soft, guide.shape[1::-1], interpolation=cv2.INTER_AREA)
    sharp = guided_filter(guide, small, radius=8, epsilon=1e-4)
    return cv2.resize(np.clip(sharp, 0.0, 1.0), soft.shape[::-1], interpolation=cv2.INTER_LINEAR)


def guided_filter(
    guide: Float32[np.ndarray, "H W 3"], values: Float32[np.ndarray, "H W"], *, radius: int, epsilon: float
) -> Float32[np.ndarray, "H W"]:
    """Fit ``values`` locally by a linear function of colour (He et al. 2013, colour guide)."""

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    centre, level = mean(guide), mean(values)
    covariance = np.empty((*values.shape, 3, 3), np.float32)
    for row in range(3):
        for column in range(row, 3):
            moment = mean(guide[..., row] * guide[..., column]) - centre[..., row] * centre[..., column]
            covariance[..., row, column] = covariance[..., column, row] = moment
    covariance += np.eye(3, dtype=np.float32) * epsilon
    cross = mean(guide * values[..., None]) - centre * level[..., None]
    slope = np.linalg.solve(covariance, cross[..., None])[..., 0]
    offset = level - (slope * centre).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)

"""Outlines of what a photo shows, looked up from places in space."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.geometry.cameras import Cameras

OUTLINE_PX = 360
"""Long side of the pictures that outlines are taken from: about a millimetre and a half a pixel."""
MOST_M = 0.06
"""The largest distance that is told."""


def small_size(size: tuple[int, ...]) -> tuple[int, int]:
    times = min(1.0, OUTLINE_PX / max(size))
    return max(int(size[0] * times), 8), max(int(size[1] * times), 8)


def within(
    mask: Bool[np.ndarray, "H W"],
    camera: Cameras,
    px: Float[Tensor, "M 2"],
    depth_m: Float[Tensor, "M"],
    *,
    unseen: float,
) -> Float[Tensor, "M"]:
    """How far (m, across the view) places lie within the outline of a mask; ``unseen`` where the photo ends."""
    small = cv2.resize(mask.astype(np.uint8), (camera.size[1], camera.size[0]))
    inward, outward = (cv2.distanceTransform(part, cv2.DIST_L2, 3) for part in (small, 1 - small))
    found = looked_up(torch.from_numpy(inward - outward), px, mode="bilinear")
    metres = (found * depth_m / camera.K[0, 0, 0]).clamp(-MOST_M, MOST_M)
    return torch.where(within_picture(px, depth_m, camera), metres, unseen)


def within_picture(px: Float[Tensor, "M 2"], depth_m: Float[Tensor, "M"], camera: Cameras) -> Bool[Tensor, "M"]:
    return ((px > 0) & (px < px.new_tensor([camera.size[1], camera.size[0]]))).all(-1) & (depth_m > 0)


def looked_up(picture: Float[Tensor, "H W"], px: Float[Tensor, "M 2"], *, mode: str) -> Float[Tensor, "M"]:
    place = px / px.new_tensor([picture.shape[1], picture.shape[0]]) * 2 - 1
    return torch.nn.functional.grid_sample(
        picture[None, None].float(), place[None, None].float(), mode=mode, align_corners=False, padding_mode="border"
    )[0, 0, 0]

"""Depth behind the head: how blurred a backdrop is through a lens, and how it moves when the camera walks."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.render.lens import FULL_FRAME_HEIGHT_MM, HEAD_HEIGHT_M, HEAD_SHARE

USUAL_M = 1.5
"""From the camera to the head, where no camera is given."""
LEAST_PX = 0.6
"""A disc of a smaller radius is a pixel."""


@dataclass(frozen=True)
class Depth:
    """A place behind the head as one camera sees it; lengths in the picture are parts of its height.

    Attributes:
        blur: Diameter of the disc that a point of the place becomes.
        shift: How far the place moves to the right, against the head.
        walked_rad: How far the camera walked round the head, to its right.
    """

    blur: float
    shift: float
    walked_rad: float


def depth_behind(camera: Cameras | None, *, far_m: float, f_number: float, walk: float) -> Depth:
    """How a camera sees a place behind the head.

    A lens of focal length f and aperture f / N that is focused at the distance d shows a point at d + b as a disc of
    f^2 / N / (d - f) * b / (d + b) on the sensor (the thin lens). Who walks by the angle w round the head sees what
    stood b behind it aside by b sin w, at the distance d + b cos w.

    Args:
        camera: One camera; None: the usual lens straight in front.
        far_m: From the head to the place.
        f_number: Of the lens; 0: everything is sharp.
        walk: Which part of a turn is the camera's walk; the rest is the person turning, who leaves the place alone.
    """
    focal, distance, yaw = HEAD_SHARE * USUAL_M / HEAD_HEIGHT_M, USUAL_M, 0.0
    if camera is not None:
        focal, distance = float(camera.K[0, 1, 1]) / camera.size[0], float(camera.centre[0].norm())
        yaw = float(camera.yaw_pitch[0, 0])
    focal_m = focal * FULL_FRAME_HEIGHT_MM / 1000
    blur = 0.0
    if f_number > 0:
        disc_m = focal_m**2 / f_number / max(distance - focal_m, focal_m) * far_m / (distance + far_m)
        blur = disc_m * 1000 / FULL_FRAME_HEIGHT_MM
    walked = walk * max(-math.pi / 2, min(math.pi / 2, yaw))  # the place is behind the person in every picture
    shift = -focal * far_m * math.sin(walked) / (distance + far_m * math.cos(walked))
    return Depth(blur, shift, walked)


def out_of_focus(picture: Float[Tensor, "H W 3"], *, radius_px: float) -> Float[Tensor, "H W 3"]:
    """Every point as an even disc, in linear light, so that lamps become the discs that lenses make of them."""
    if radius_px < LEAST_PX:
        return picture
    reach = math.ceil(radius_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)  # half a pixel of edge: no steps
    blurred = cv2.filter2D(picture.cpu().numpy(), -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(blurred).to(picture)

"""The photos a head was made of, as the page puts them beside the head: where each camera stood, and what it saw."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from head3d.looks import Look
from head3d.studio import Studio

BEYOND_SRGB = (58, 62, 68)
"""Where a photo ends."""
BASE_PX = 512
"""Height (px) that cameras are told for; the page scales."""


def photo_views(studio: Studio) -> list[dict[str, Any]]:
    """The cameras of all photos as the page draws them.

    Pose and intrinsics are those of the square window about the head, in heights of the picture; angles (degrees) and
    distance (m) are the nearest of a look.
    """
    return [_view(studio, name) for name in studio.photos]


def through_window(
    studio: Studio, look: Look, height_px: int, photo: np.ndarray, *, beyond: tuple[int, ...] | float = BEYOND_SRGB
) -> np.ndarray:
    """A photo, or what belongs to its pixels, through the window of a look that is seen from its camera.

    Args:
        studio: The subject.
        look: ``seen_from`` names the photo.
        height_px: Of the picture.
        photo: (H, W) or (H, W, 3) of any type OpenCV takes.
        beyond: What stands where the photo ends.
    """
    window = studio.view(look, height_px).camera
    own = studio.photo_camera(look.seen_from.removeprefix("photo:"))
    onto = window.K[0].double().numpy() @ np.linalg.inv(own.K[0].double().numpy())
    # the matte may be kept smaller than the photo; large ones are averaged first: looking them up would flicker
    scale = min(float(np.sqrt(abs(np.linalg.det(onto[:2, :2])))), 1.0)
    size = (max(round(own.size[1] * scale), 1), max(round(own.size[0] * scale), 1))
    source = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if photo.shape[:2] != size[::-1] else photo
    back = np.diag([own.size[1] / size[0], own.size[0] / size[1], 1.0])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # our pixel centres lie at +0.5, OpenCV's at 0
    affine = (np.linalg.inv(half) @ onto @ back @ half)[:2]
    how: dict[str, Any] = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": beyond}
    return cv2.warpAffine(source, affine, window.size[::-1], **how)


def _view(studio: Studio, name: str) -> dict[str, Any]:
    camera = studio.view(replace(Look(), seen_from=f"photo:{name}"), BASE_PX).camera
    c2w, K = camera.c2w[0].double(), camera.K[0].double() / BASE_PX
    yaw, pitch = np.degrees(camera.yaw_pitch[0].double().numpy()).tolist()
    return {
        "value": name, "rotation": c2w[:3, :3].flatten().tolist(), "centre": c2w[:3, 3].tolist(),
        "focal": float(K[1, 1]), "cx": float(K[0, 2]), "cy": float(K[1, 2]), "yaw_deg": round(yaw, 2),
        "pitch_deg": round(pitch, 2), "distance_m": round(float(camera.centre[0].double().norm()), 3),
    }  # fmt: skip

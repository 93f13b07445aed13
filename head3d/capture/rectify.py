"""Pictures of a known lens as a pinhole camera with square pixels would have taken them."""

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float

from head3d.capture.known_cameras import KnownCamera
from head3d.capture.types import Photo
from head3d.errors import PhotoUnusable

SAME_SHAPE = 0.01
"""A picture scaled differently along x and y by more than this is not the one its camera is for."""


def rectified(photo: Photo, camera: KnownCamera) -> Photo:
    """The photo without its lens' distortion, knowing its camera.

    Args:
        photo: As decoded: perhaps smaller than what the camera was found on.
        camera: Of the file.

    Raises:
        PhotoUnusable: The camera is for a picture of another shape; the message is the reason.
    """
    K = scaled(camera, photo.size)
    focal = float(np.sqrt(K[0, 0] * K[1, 1]))
    pinhole = np.array([[focal, 0.0, K[0, 2]], [0.0, focal, K[1, 2]], [0.0, 0.0, 1.0]])
    known = {"c2w": camera.c2w, "K": pinhole}
    if not camera.lens and abs(K[0, 0] / K[1, 1] - 1) < 1e-4:
        return replace(photo, focal_px=focal, **known)
    height, width = photo.size
    # OpenCV counts from the middle of the first pixel, head3d from its corner
    shift = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    source, target = K - shift, pinhole - shift
    lens = np.array(camera.lens or (0.0, 0.0, 0.0, 0.0), dtype=np.float64)
    make = cv2.fisheye.initUndistortRectifyMap if camera.fisheye else cv2.initUndistortRectifyMap
    x, y = make(source, lens, np.eye(3), target, (width, height), cv2.CV_32FC1)
    fill = cv2.BORDER_REPLICATE  # black corners would look like hair
    rgb = cv2.remap(photo.rgb_srgb, x, y, cv2.INTER_CUBIC, borderMode=fill)
    alpha = None if photo.alpha is None else cv2.remap(photo.alpha, x, y, cv2.INTER_LINEAR, borderMode=fill)
    return replace(photo, rgb_srgb=rgb, alpha=alpha, focal_px=focal, **known)


def scaled(camera: KnownCamera, size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """K (px) of the camera for the same picture at another size (height, width)."""
    down, across = size[0] / camera.size[0], size[1] / camera.size[1]
    if abs(across / down - 1) > SAME_SHAPE:
        height, width = camera.size
        raise PhotoUnusable(f"its camera is for {width} x {height} px, a picture of another shape")
    (fx, fy), (cx, cy) = camera.focal_px, camera.principal_px
    return np.array([[fx * across, 0.0, cx * across], [0.0, fy * down, cy * down], [0.0, 0.0, 1.0]])

"""What capture hands on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class Photo:
    """One upright sRGB picture without metadata.

    Attributes:
        name: What the user knows it by: the file's name, or ``video.mp4@3.2s``.
        rgb_srgb: Pixels.
        focal_px: Focal length in px of this picture from EXIF, or None.
        sha256: Of the original file (with the time of the frame for video).
        camera: Identifies the physical camera and lens ("Apple iPhone 13 26mm"), so that photos can share a focal length; "" if unknown.
    """

    name: str
    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    focal_px: float | None
    sha256: str
    camera: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px."""
        return self.rgb_srgb.shape[0], self.rgb_srgb.shape[1]

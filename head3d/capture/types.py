"""What capture hands on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class Photo:
    """One upright sRGB picture without metadata.

    Attributes:
        name: What the user knows it by: the file's name, or ``video.mp4@3.2s``.
        rgb_srgb: Pixels; where the file had transparency, composited (in sRGB) on mid-grey.
        focal_px: Focal length in px of this picture from EXIF, or None.
        sha256: Of the original file (with the time of the frame for video).
        camera: Identifies the physical camera and lens ("Apple iPhone 13 26mm"), so that photos can share a focal
            length; "" if unknown.
        alpha: Coverage of a file with transparency (a render, a cut-out), 255 = opaque; None for plain photos.
        video: Name of the video (or capture) this is a frame of, "" for photos. Perception thins frames out by head
            pose.
        c2w: Pose in the world of the capture it comes from (OpenCV axes, any unit), None if nobody knows it.
        K: Intrinsics that go with the pose, px.
    """

    name: str
    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    focal_px: float | None
    sha256: str
    camera: str = ""
    alpha: UInt8[np.ndarray, "H W"] | None = None
    video: str = ""
    c2w: Float[np.ndarray, "4 4"] | None = None
    K: Float[np.ndarray, "3 3"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px."""
        return self.rgb_srgb.shape[0], self.rgb_srgb.shape[1]


@dataclass(frozen=True)
class Verdict:
    """What was decided about one file, in words for a person.

    Attributes:
        name: Of the photo or file.
        accepted: False if it is not used.
        reasons: Why it is not used.
        warnings: What is not ideal about it although it is used.
        rivals: How many people are on it, if nothing tells which of them is meant; else 0.
        faces: Where they are if there are several, the largest first: left, top, right, bottom as fractions of the
            photo's width and height.
        face: Which of them is the subject; None if that is none of them, or not known.
    """

    name: str
    accepted: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rivals: int = 0
    faces: tuple[tuple[float, float, float, float], ...] = ()
    face: int | None = None


def refused(name: str, reason: str) -> Verdict:
    """A verdict against a file."""
    return Verdict(name, accepted=False, reasons=(reason,))

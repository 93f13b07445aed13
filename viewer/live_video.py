"""A video file or a webcam in, the head doing the same out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from head3d.errors import InputError
from head3d.export.certificate import Identity
from head3d.export.provenance import COMPOSITE_SOURCE_TYPE, DIGITAL_SOURCE_TYPE
from head3d.export.video import write_video

from .follow import Follower
from .puppet import Pose, Puppet

MOST_PX = 640
"""Longer side of a picture in which a face is followed: more tells the net nothing, it sees 192 px."""
USUAL_FPS = 25


@dataclass
class Pace:
    """How fast it goes, seconds of a clock."""

    pictures: int = 0
    lost: int = 0
    following_s: float = 0.0
    drawing_s: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def fps(self) -> float:
        """Pictures a second so far, reading and writing included."""
        return self.pictures / max(time.monotonic() - self.started, 1e-6)

    @property
    def words(self) -> str:
        """For a person."""
        each = 1000 / max(self.pictures, 1)
        lost = f"; no face in {self.lost}" if self.lost else ""
        return (
            f"{self.pictures} pictures, {self.fps:.1f} a second "
            f"(following {self.following_s * each:.0f} ms, drawing {self.drawing_s * each:.0f} ms each){lost}"
        )


def pictures_of(source: str) -> tuple[Iterator[UInt8[np.ndarray, "H W 3"]], float]:
    """Pictures of a video file, or of the webcam with that number, and how many there are a second."""
    webcam = source.isdigit()
    if not webcam and not Path(source).is_file():
        raise InputError(f"{source}: no such video.", hint="Give a file, or the number of a webcam: 0.")
    capture = cv2.VideoCapture(int(source) if webcam else source)
    if not capture.isOpened():
        capture.release()
        what = f"Webcam {source} cannot be opened." if webcam else f"{source}: this video cannot be read."
        raise InputError(what, hint="Is another program using it?" if webcam else "Convert it to MP4 (H.264).")

    def reading() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        try:
            while True:
                good, frame = capture.read()
                if not good:
                    return
                if frame is None:  # broken inside: OpenCV's own reader calls it good
                    continue
                yield small(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        finally:
            capture.release()

    rate = float(capture.get(cv2.CAP_PROP_FPS)) or USUAL_FPS
    return reading(), rate if 1 <= rate <= 120 else USUAL_FPS


def small(rgb: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """A picture as large as a face is followed in."""
    scale = MOST_PX / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def played(
    puppet: Puppet,
    follower: Follower,
    pictures: Iterator[UInt8[np.ndarray, "H W 3"]],
    pace: Pace,
    *,
    beside: bool = False,
    seconds: float = 0.0,
    tell: Callable[[Pace], None] = lambda pace: None,
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The head in every picture's pose; where no face is found it keeps the last one.

    Args:
        puppet: The head.
        follower: Of the face.
        pictures: sRGB.
        pace: Is counted up.
        beside: Show the picture that was followed on the left.
        seconds: Stop after so long; 0 for never.
        tell: Hears the pace after every picture.
    """
    pose: Pose | None = None
    for rgb in pictures:
        began = time.monotonic()
        found = follower.read(rgb)
        followed = time.monotonic()
        pose = found or pose
        if pose is None:
            continue  # nobody came yet
        drawn = puppet.draw(pose)
        pace.following_s += followed - began
        pace.drawing_s += time.monotonic() - followed
        pace.pictures += 1
        pace.lost += found is None
        yield _beside(rgb, drawn) if beside else drawn
        tell(pace)
        if seconds and time.monotonic() - pace.started >= seconds:
            return


def write_live(
    path: Path,
    frames: Iterator[UInt8[np.ndarray, "H W 3"]],
    *,
    fps: float,
    light: str,
    signer: Identity | None,
    beside: bool = False,
) -> Path:
    """The played pictures as a video.

    Args:
        path: .mp4 or .webm.
        frames: Of :func:`played`.
        fps: Pictures a second.
        light: Of the look.
        signer: Signs an .mp4, or None.
        beside: Whether the filmed face is in the pictures: then it is marked as a composite.
    """
    even = (frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2] for frame in frames)
    source_type = COMPOSITE_SOURCE_TYPE if beside else DIGITAL_SOURCE_TYPE
    facts = {"view": "live", "light": light}
    return write_video(path, even, fps=max(round(fps), 1), facts=facts, signer=signer, source_type=source_type)


def _beside(rgb: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    height = drawn.shape[0]
    width = round(rgb.shape[1] * height / rgb.shape[0])
    return np.concatenate([cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), drawn], axis=1)

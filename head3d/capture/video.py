"""Takes sharp frames, spread in time, out of a short video."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from head3d.capture.config import VideoConfig
from head3d.capture.types import Photo, Verdict, refused


def sharp_frames(path: Path, name: str, *, config: VideoConfig = VideoConfig()) -> tuple[list[Photo], Verdict]:
    """Split the video into equal pieces and take the sharpest frame of each.

    Returns:
        Frames in order of time (upright, named ``video.mp4@3.2s``), and the verdict on the file.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
        count = min(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), int(config.max_seconds * rate))
        if not capture.isOpened() or count < 1:
            return [], refused(name, "this video cannot be read: convert it to MP4 (H.264)")
        best = _sharpest(capture, count, config)
    finally:
        capture.release()
    if not best:
        return [], refused(name, "no frame of this video can be decoded: convert it to MP4 (H.264)")
    digest = hashlib.sha256(path.read_bytes())
    photos = []
    for index, frame in sorted(best.values(), key=lambda item: item[0]):
        stamped = digest.copy()
        stamped.update(str(index).encode())
        photos.append(
            Photo(
                name=f"{name}@{index / rate:.1f}s",
                rgb_srgb=np.ascontiguousarray(frame[:, :, ::-1]),
                focal_px=None,
                sha256=stamped.hexdigest(),
                camera=f"video {name}",
                video=name,
            )
        )
    return photos, Verdict(name, accepted=True)


def _sharpest(capture: cv2.VideoCapture, count: int, config: VideoConfig) -> dict[int, tuple[int, np.ndarray]]:
    """Per piece of the video the index and BGR pixels of its sharpest frame."""
    pieces = min(config.candidates, count)
    best: dict[int, tuple[int, np.ndarray]] = {}
    sharpness: dict[int, float] = {}
    for index in range(count):
        if not capture.grab():
            break
        # Looking at every third frame of a long piece is enough to dodge motion blur, and saves most of the decoding.
        if count > 6 * pieces and index % 3:
            continue
        good, frame = capture.retrieve()
        if not good or frame is None:  # OpenCV's own reader calls a broken frame good, and hands over none
            continue
        piece = index * pieces // count
        value = _focus(frame)
        if value > sharpness.get(piece, -1.0):
            sharpness[piece] = value
            best[piece] = (index, _fit(frame, config.max_side_px))
    return best


def _focus(frame: np.ndarray) -> float:
    """Variance of the Laplacian of a copy 480 px high: comparable between frames of one video."""
    scale = 480.0 / max(frame.shape[:2])
    grey = cv2.cvtColor(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def _fit(frame: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(frame.shape[:2])
    if scale >= 1.0:
        return frame.copy()
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

"""Runs the small TFLite nets of MediaPipe on the CPU."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float, Float32, UInt8

from head3d import weights


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Silence the C++ side: LiteRT announces its XNNPACK delegate on stderr and has no switch for it."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


class Net:
    """One TFLite net with one input picture."""

    def __init__(self, path: Path, *, signed: bool) -> None:
        """Load a net.

        Args:
            path: The .tflite file.
            signed: True if the net wants pixels in [-1, 1], False for [0, 1].
        """
        with _quiet_stderr():
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        entry = self._interpreter.get_input_details()[0]
        self._input = entry["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self._signed = signed
        self.size = (int(entry["shape"][1]), int(entry["shape"][2]))

    def __call__(self, rgb_srgb: UInt8[np.ndarray, "H W 3"]) -> list[Float32[np.ndarray, "..."]]:
        """Outputs for a picture of exactly ``size`` (height, width)."""
        pixels = rgb_srgb.astype(np.float32) / 255.0
        if self._signed:
            pixels = pixels * 2.0 - 1.0
        self._interpreter.set_tensor(self._input, pixels[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


@dataclass(frozen=True)
class FaceNets:
    """The nets that find a face and its points, loaded once per run."""

    short_range: Net
    full_range: Net
    mesh: Net
    iris: Net
    matte: Net


def load_face_nets() -> FaceNets:
    """Load the nets, fetching their files the first time."""
    return FaceNets(
        short_range=Net(weights.get("face_detection_short_range"), signed=True),
        full_range=Net(weights.get("face_detection_full_range"), signed=True),
        mesh=Net(weights.get("face_landmark"), signed=False),
        iris=Net(weights.get("iris_landmark"), signed=False),
        matte=Net(weights.get("selfie_segmentation"), signed=False),
    )


@dataclass(frozen=True)
class Crop:
    """A turned square of a picture, resampled for a net.

    Attributes:
        centre_px: x, y in the picture.
        side_px: Length of its side in the picture.
        angle: By which the square is turned, radians, clockwise on screen.
        flipped: True if the content is mirrored left to right.
    """

    centre_px: tuple[float, float]
    side_px: float
    angle: float = 0.0
    flipped: bool = False

    def to_picture(self, size: int) -> Float[np.ndarray, "2 3"]:
        """Affine map from crop px (a crop of size x size) to picture px; pixel centres at +0.5."""
        scale = self.side_px / size
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        linear = np.array([[cos, -sin], [sin, cos]])
        if self.flipped:
            linear[:, 0] *= -1.0
        offset = np.array(self.centre_px) - linear @ np.array([size / 2.0, size / 2.0])
        return np.concatenate([linear, offset[:, None]], axis=1)

    def cut(self, rgb_srgb: np.ndarray, size: int, *, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        """Pixels of the crop, size x size, without aliasing."""
        picture = rgb_srgb
        matrix = self.to_picture(size)
        shrink = self.side_px / size
        if shrink > 2.0:
            # Bilinear sampling skips pixels beyond a factor of two: shrink the neighbourhood by area first.
            picture, matrix = _shrunk(rgb_srgb, matrix, self, shrink / 1.5)
        centred = matrix.copy()  # OpenCV has pixel centres at integers
        centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
        return cv2.warpAffine(
            picture, centred, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border
        )


def _shrunk(picture: np.ndarray, matrix: np.ndarray, crop: Crop, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture around a crop, scaled down, and the crop's map into it."""
    height, width = picture.shape[:2]
    reach = crop.side_px * 0.75  # half a diagonal and a little
    left, top = (max(int(value - reach), 0) for value in crop.centre_px)
    right = min(int(crop.centre_px[0] + reach) + 1, width)
    bottom = min(int(crop.centre_px[1] + reach) + 1, height)
    if right - left < 2 or bottom - top < 2:
        return picture, matrix
    part = picture[top:bottom, left:right]
    target = max(round((right - left) / factor), 1), max(round((bottom - top) / factor), 1)
    small = cv2.resize(part, target, interpolation=cv2.INTER_AREA)
    ratio = np.array([target[0] / (right - left), target[1] / (bottom - top)])
    moved = matrix.copy()
    moved[:, 2] -= (left, top)
    return small, moved * ratio[:, None]


def apply_affine(matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
    """Points through an affine map."""
    return points @ matrix[:, :2].T + matrix[:, 2]

"""What perception hands on: numpy, in pixels of the photo."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from head3d.capture.types import Photo
from head3d.shapes import shaped


class Region(IntEnum):
    """Values of ``FaceParsing.labels``."""

    BACKGROUND = 0
    SKIN = 1
    BROWS = 2
    EYES = 3
    LIPS = 4
    MOUTH = 5
    EARS = 6
    HAIR = 7
    NECK = 8
    CLOTH = 9
    GLASSES = 10


@shaped
@dataclass(frozen=True)
class Detection:
    """A face in a photo.

    Attributes:
        box_px: left, top, right, bottom.
        keypoints_px: right eye, left eye, nose tip, mouth, right ear, left ear (the subject's right and left).
        score: In [0, 1].
    """

    box_px: Float[np.ndarray, "4"]
    keypoints_px: Float[np.ndarray, "6 2"]
    score: float


@shaped
@dataclass(frozen=True)
class Landmarks:
    """Dense landmarks of one face.

    Attributes:
        scheme: ``mediapipe478`` (468 mesh points, then 5 right-iris and 5 left-iris points: centre, and the rim at
            image right, top, left, bottom) or ``ibug68``.
        points_px: Positions.
        visible: False where the head itself hides the point.
        sigma_px: Standard deviation over jittered and flipped crops: how sure the net is of each point.
        score: The net's face score in [0, 1].
        iris_px: [right, left] x [centre, 4 rim points], or None.
    """

    scheme: Literal["mediapipe478", "ibug68"]
    points_px: Float[np.ndarray, "L 2"]
    visible: Bool[np.ndarray, "L"]
    sigma_px: Float[np.ndarray, "L"]
    score: float
    iris_px: Float[np.ndarray, "2 5 2"] | None = None


@shaped
@dataclass(frozen=True)
class FaceParsing:
    """Regions of a photo (see :class:`Region`).

    Attributes:
        labels: Region per pixel.
        matte: Person against background, in [0, 1].
        hairline_px: Border between forehead and hair, left to right in the picture.
        ears_px: Outline points of the subject's left and right ear; empty if hidden.
    """

    labels: UInt8[np.ndarray, "H W"]
    matte: Float32[np.ndarray, "H W"]
    hairline_px: Float[np.ndarray, "K 2"]
    ears_px: dict[str, np.ndarray]


@shaped
@dataclass(frozen=True)
class Observation:
    """A photo and everything perceived in it.

    ``embedding`` is dlib's 128-D descriptor as the net gives it (its length is near 1.5, not 1): Euclidean distances of
    two of them mean what dlib says, one person below 0.6. It says little about faces beyond some 35 degrees of yaw.
    """

    photo: Photo
    detection: Detection
    landmarks: Landmarks
    parsing: FaceParsing
    embedding: Float32[np.ndarray, "D"]

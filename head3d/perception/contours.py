"""Hairline and ear outlines, read off the regions."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from head3d.perception import topology
from head3d.perception.face_frame import FaceFrame, ear_outlines
from head3d.perception.landmarks import FacePoints, face_size
from head3d.perception.types import Region

_RAYS = 61
_FAN_DEG = 78.0
_EAR_POINTS = 48


def hairline(labels: UInt8[np.ndarray, "H W"], face: FacePoints) -> Float[np.ndarray, "K 2"]:
    """Where rays from between the brows, fanning out upwards, pass from skin to hair; left to right in the picture.

    A ray that leaves the head before it meets hair (a bald head, the front of a profile) gives no point.
    """
    size = face_size(face.points)
    up = topology.head_axes(face.points)[1, :2]
    up = up / (np.linalg.norm(up) + 1e-9)
    right = np.array([-up[1], up[0]])
    start = face.points[topology.GLABELLA, :2]
    reach = np.arange(0.12 * size, 1.2 * size, 0.5)
    found = []
    for angle in np.radians(np.linspace(-_FAN_DEG, _FAN_DEG, _RAYS)):
        ray = start + reach[:, None] * (np.cos(angle) * up + np.sin(angle) * right)
        column, row = np.floor(ray).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < labels.shape[1]) & (row < labels.shape[0])
        seen = labels[row[inside], column[inside]]
        hair = np.flatnonzero(seen == Region.HAIR)
        gone = np.flatnonzero(np.isin(seen, (Region.BACKGROUND, Region.CLOTH)))
        if len(hair) and hair[0] > 0 and (not len(gone) or hair[0] < gone[0]):
            found.append(ray[inside][hair[0]])
    return np.array(found).reshape(-1, 2)


def ears(labels: UInt8[np.ndarray, "H W"], face: FacePoints) -> dict[str, Float[np.ndarray, "M 2"]]:
    """Outline of the visible part of the subject's left and right ear; empty where hidden."""
    frame = FaceFrame(face.points, face_size(face.points), topology.head_axes(face.points))
    outlines = {"left": np.zeros((0, 2)), "right": np.zeros((0, 2))}
    for name, ring in ear_outlines(frame).items():
        place = np.zeros(labels.shape, np.uint8)
        cv2.fillPoly(place, [np.round(ring).astype(np.int32)], 1)
        expected = int(place.sum())
        contours, _ = cv2.findContours(
            ((labels == Region.EARS) & (place > 0)).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        if not contours:
            continue
        largest = max(contours, key=cv2.contourArea)
        if cv2.contourArea(largest) < 0.2 * max(expected, 60):  # a speck between strands is no ear
            continue
        points = largest[:, 0].astype(np.float64) + 0.5
        outlines[name] = points[np.linspace(0, len(points) - 1, min(_EAR_POINTS, len(points))).astype(int)]
    return outlines

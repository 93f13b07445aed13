"""Which mesh points the head itself hides."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from head3d.perception import topology

_SIDE = 192
# Neighbours on a steep cheek lie in front of a point by this much of the face's size without hiding it.
_SLACK = 0.08
# Points whose surface turns away by more than this still count if nothing is in front: the outline is drawn by them.
_MIN_FACING = -0.15


def visible_points(points: Float[np.ndarray, "468 3"]) -> Bool[np.ndarray, "468"]:
    """True where the surface faces the camera and no other part of the face is in front (weak perspective)."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    scale = (_SIDE - 4) / float((high - low).max() + 1e-6)
    scaled = np.concatenate([(points[:, :2] - low) * scale + 2.0, points[:, 2:] * scale], axis=1)
    corners = scaled[topology.TRIANGLES]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    depth = _depth_map(corners)
    facing = np.zeros((len(points), 3))
    for column in range(3):
        np.add.at(facing, topology.TRIANGLES[:, column], normals)
    # z grows away from the camera, so a surface that faces it has a normal with negative z.
    facing = -facing[:, 2] / (np.linalg.norm(facing, axis=1) + 1e-9)
    x, y = (np.clip(np.round(scaled[:, axis]).astype(int), 0, _SIDE - 1) for axis in (0, 1))
    in_front = scaled[:, 2] <= depth[y, x] + _SLACK * _SIDE
    return (facing > _MIN_FACING) & in_front


def _depth_map(corners: Float[np.ndarray, "T 3 3"]) -> Float[np.ndarray, "S S"]:
    """Painter's algorithm: far triangles first, each filled with its mean depth."""
    depth = np.full((_SIDE, _SIDE), np.inf, np.float32)
    for triangle in corners[np.argsort(-corners[:, :, 2].mean(1))]:
        cv2.fillConvexPoly(depth, np.round(triangle[:, :2]).astype(np.int32), float(triangle[:, 2].mean()))
    return depth

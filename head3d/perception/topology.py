"""Index lists over MediaPipe's 468 face-mesh points (and the 10 iris points behind them), and what follows from them.

``face_mesh.npz`` beside this file holds ``triangles`` (852, 3), read from the list of edges that mediapipe 0.10.21
(Apache-2.0) ships as source, counter-clockwise on screen for a face that looks at the camera, and ``mirror`` (468),
measured: the nearest mirrored point of the mean over many frontal faces.
"""

from importlib import resources

import numpy as np
from jaxtyping import Float, Int


def _load(name: str) -> Int[np.ndarray, "..."]:
    with resources.files(__package__ or "head3d.perception").joinpath("face_mesh.npz").open("rb") as file:
        return np.load(file, allow_pickle=False)[name].astype(np.int64)


TRIANGLES = _load("triangles")
MIRROR = _load("mirror")

CHIN = 152
GLABELLA = 9
FOREHEAD_TOP = 10
NOSE_TIP = 1
# Corners: outer, inner. Right and left are the subject's.
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (263, 362)
# Closed rings, clockwise on screen from the outer corner (right eye) and its mirror image (left eye).
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
# Closed ring from the top of the forehead, clockwise on screen.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)
OVAL += (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
# Where the cheek meets the ear: tragus level, then along the lobe.
RIGHT_EAR_ROOT = (127, 234, 93, 132)
LEFT_EAR_ROOT = (356, 454, 323, 361)
# iBUG-68 order: jaw from the subject's right ear to the left one, brows, nose, eyes, lips.
IBUG_68 = (127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356)
IBUG_68 += (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
IBUG_68 += (168, 197, 5, 4, 75, 97, 2, 326, 305)
IBUG_68 += (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
IBUG_68 += (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
IBUG_68 += (78, 82, 13, 312, 308, 317, 14, 87)
# Bone under thin skin: what does not move with the expression.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 9, 8, 10, 151, 67, 297, 109, 338, 127, 356, 234, 454)


def head_axes(points: Float[np.ndarray, "468 3"]) -> Float[np.ndarray, "3 3"]:
    """Rows: the head's own left, up and forward as unit vectors of (image x, image y, depth away from the camera)."""
    left = points[:, :] - points[MIRROR]
    left = (left * np.sign(_REFERENCE_X)[:, None]).sum(0)
    left = left / (np.linalg.norm(left) + 1e-9)
    up = points[GLABELLA] - points[CHIN]
    up = up - left * float(up @ left)
    up = up / (np.linalg.norm(up) + 1e-9)
    return np.stack([left, up, np.cross(left, up)])


def head_angles(points: Float[np.ndarray, "468 3"]) -> tuple[float, float, float]:
    """Yaw (> 0: to the subject's left), pitch (> 0: up) and roll (> 0: clockwise on screen), radians, of mesh points.

    Weak perspective, and the net's depth is only about right: good to some 10 degrees; for choosing, not for fitting.
    """
    left, up, forward = head_axes(points)
    yaw = float(np.arctan2(forward[0], -forward[2]))
    pitch = float(np.arcsin(np.clip(-forward[1], -1.0, 1.0))) + _LEVEL_PITCH
    roll = float(np.arctan2(left[1], left[0])) if abs(yaw) < 1.0 else float(np.arctan2(up[0], -up[1]))
    return yaw, pitch, roll


# The net puts the chin in front of the brows: level faces measure 12 degrees down.
_LEVEL_PITCH = np.radians(12.0)


# +1 for points on the subject's left, -1 on the right, 0 on the midline: by comparing indices with their mirror through
# the left eye's side of the triangulation, computed once.
def _sides() -> Float[np.ndarray, "468"]:
    """Walk the mesh from the left eye without crossing the midline."""
    middle = MIRROR == np.arange(len(MIRROR))
    side = np.zeros(len(MIRROR))
    side[LEFT_EYE_CORNERS[0]] = 1.0
    for _ in range(64):
        touched = np.zeros(len(MIRROR), bool)
        hit = (side[TRIANGLES] > 0).any(1)
        touched[TRIANGLES[hit].reshape(-1)] = True
        grown = np.where(touched & ~middle, 1.0, 0.0)
        if (grown == side).all():
            break
        side = grown
    return side - side[MIRROR]


_REFERENCE_X = _sides()

"""Follows a face from picture to picture: its landmarks tell the turn of the head and 52 units of expression.

The mesh net looks once a picture, where the face was in the last one; the detector is asked only when it is lost. The
head's turn is PnP on the subject's own landmarks; expression is a bounded ridge regression of what PnP leaves over. A
face is never exactly the subject's: what is left over in the first second, at rest, is taken off from then on.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from head3d.morphable.expressions import moving_share
from head3d.morphable.head_model import expression_ridge
from head3d.morphable.types import HeadFit
from head3d.perception.detector import detect_faces, face_crop
from head3d.perception.landmarks import crop_of_points, track_points
from head3d.perception.nets import Crop, FaceNets

from .puppet import Pose

LEAST_SCORE = 0.5
"""Of the mesh net: below it the face is lost."""
FOCAL_SHARE = 1.2
"""Focal length of a webcam, in widths of its picture; a wrong one changes the distance, hardly the turn."""
POINT_SD_M = 0.007
"""Of a landmark, as if all were independent: they are not, so it is larger than the 2 to 3 mm of one."""
FIRM_SHARE = 0.4
"""Of the landmarks tell the turn."""
REST_FRAMES = 15
KEEP = 0.45
"""Of the last picture's units and turn in this one's: takes the net's tremble away, at the cost of 30 ms."""
SWEEPS = 12


@dataclass(frozen=True)
class _Landmarks:
    rest: Float[np.ndarray, "P 3"]
    units: Float[np.ndarray, "E P 3"]
    chosen: np.ndarray
    firm: np.ndarray
    """Those that no unit moves far: brow bones, nose, temples. They tell the turn, whatever the mouth does."""


class Follower:
    """Follows one face; ``read`` is given one picture after the other."""

    def __init__(self, fit: HeadFit, nets: FaceNets) -> None:
        self.nets = nets
        model = fit.model
        ok = model.landmark_ok.numpy()[:468]
        corners, weights = model.landmark_triangles[:468][ok], model.landmark_barycentrics[:468][ok][..., None]
        rest = (fit.vertices().detach().float()[corners] * weights).sum(1)
        basis = model.expression_basis * moving_share(model)[None, :, None]
        units = (basis[:, corners] * weights).sum(2)
        reach = units.norm(dim=-1).amax(0).numpy()
        firm = reach <= np.quantile(reach, FIRM_SHARE)
        self._points = _Landmarks(rest.double().numpy(), units.double().numpy(), np.nonzero(ok)[0], firm)
        free = np.array([not name.startswith("eyeLook") for name in model.expression_names])  # no landmark tells
        self._most = free.astype(np.float64)
        self._ridge = expression_ridge(model).double().numpy()
        self._crop: Crop | None = None
        self._turn: np.ndarray | None = None
        self._units = np.zeros(len(model.expression_names))
        self._resting: list[np.ndarray] = []
        self._offset = np.zeros((len(rest), 2))

    @property
    def at_rest(self) -> bool:
        """Whether it still learns what the face is like at rest."""
        return len(self._resting) < REST_FRAMES

    def forget(self) -> None:
        """Learn the face at rest anew: another person, or one who was not at rest."""
        self._resting, self._turn, self._crop = [], None, None

    def read(self, rgb_srgb: UInt8[np.ndarray, "H W 3"]) -> Pose | None:
        """What the face does in a picture; None where there is none."""
        points = self._find(rgb_srgb)
        if points is None:
            self._crop = None
            return None
        height, width = rgb_srgb.shape[:2]
        K = np.array([[FOCAL_SHARE * width, 0, width / 2], [0, FOCAL_SHARE * width, height / 2], [0, 0, 1.0]])
        pixels = points[self._points.chosen, :2]
        shape = self._points.rest + np.einsum("e,epc->pc", self._units, self._points.units)
        firm = self._points.firm
        done, axis, shift = cv2.solvePnP(shape[firm], pixels[firm], K, None, flags=cv2.SOLVEPNP_SQPNP)
        if not done or shift[2, 0] <= 0:
            return None
        rotation = cv2.Rodrigues(axis)[0]
        # what the rigid head leaves over, in metres of the plane through the head, in the camera's axes
        moved = self._points.rest @ rotation.T + shift[:, 0]
        left = (pixels - (moved[:, :2] / moved[:, 2:] * K[0, 0] + K[:2, 2])) * moved[:, 2:] / K[0, 0]
        if self.at_rest:
            self._resting.append(left)
            self._offset = np.mean(self._resting, axis=0)
        found = self._expression(left - self._offset, rotation)
        self._units = KEEP * self._units + (1 - KEEP) * found
        turn = np.diag([1.0, -1.0, -1.0]) @ rotation  # the camera's axes lie the other way round than the head's
        self._turn = turn if self._turn is None else _mixed(self._turn, turn, KEEP)
        return Pose(torch.from_numpy(self._turn).float(), torch.from_numpy(self._units).float())

    def _find(self, rgb_srgb: np.ndarray) -> np.ndarray | None:
        if self._crop is not None:
            points, score = track_points(rgb_srgb, self.nets, self._crop)
            if score >= LEAST_SCORE:
                self._crop = crop_of_points(points)
                return points
        faces = detect_faces(rgb_srgb, self.nets)
        if not faces:
            return None
        points, score = track_points(rgb_srgb, self.nets, face_crop(faces[0]), rounds=2)
        if score < LEAST_SCORE:
            return None
        self._crop = crop_of_points(points)
        return points

    def _expression(self, left_m: Float[np.ndarray, "P 2"], rotation: np.ndarray) -> Float[np.ndarray, "E"]:
        """min |left - sum e_i u_i|^2 / sd^2 + sum ridge_i e_i^2 over 0 <= e <= 1, by coordinate descent."""
        seen = (self._points.units @ rotation.T)[..., :2].reshape(len(self._units), -1)
        normal = seen @ seen.T / POINT_SD_M**2 + np.diag(self._ridge)
        aim = seen @ left_m.reshape(-1) / POINT_SD_M**2
        units = self._units.copy()
        for _ in range(SWEEPS):
            for i in np.nonzero(self._most)[0]:
                rest = aim[i] - normal[i] @ units + normal[i, i] * units[i]
                units[i] = min(max(rest / normal[i, i], 0.0), self._most[i])
        return units


def _mixed(last: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    """The rotation nearest to a mean of two."""
    u, _, v = np.linalg.svd(share * last + (1 - share) * new)
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v

"""Bringing our head frame and a truth's world together: by the input cameras, then by the surface.

Pictures, depth and pose are compared under the first alignment: the similarity that puts the points of our surface on
the pixels of the input photos where our own cameras put them. Meshes are compared after an ICP over the similarity, as
the literature does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from head3d.errors import FitFailed
from head3d.geometry.cameras import Cameras


@dataclass(frozen=True)
class Similarity:
    """truth = scale * rotation @ head + translation (float64)."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]

    def to_truth(self, points: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "P 3"]:
        """Points of the head frame (m) in the truth world (units)."""
        return self.scale * points @ self.rotation.T + self.translation

    def to_head(self, points: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "P 3"]:
        """Points of the truth world (units) in the head frame (m)."""
        return (points - self.translation) @ self.rotation / self.scale

    def camera_to_head(self, camera: Cameras) -> Cameras:
        """A truth camera, looking at our head."""
        pose = camera.c2w[0].double().numpy()
        moved = np.eye(4)
        moved[:3, :3] = self.rotation.T @ pose[:3, :3]
        moved[:3, 3] = self.to_head(pose[None, :3, 3])[0]
        return replace(camera, c2w=torch.from_numpy(moved).float()[None])


def align_by_cameras(
    ours: Sequence[Cameras], truth: Sequence[Cameras], *, surface_m: Sequence[Float[Tensor, "P 3"]]
) -> Similarity:
    """The similarity under which truth cameras see our surface where our own cameras see it.

    With one camera its scale (about the camera's centre) is free: see :func:`scaled_about_camera`.

    Args:
        ours: Cameras of the inputs in the head frame.
        truth: The same in the truth world.
        surface_m: Points of our surface that each of our cameras sees, head frame.
    """
    a, b = (np.stack([camera.c2w[0].double().numpy() for camera in cameras]) for cameras in (ours, truth))
    # the average of R_truth R_ours^T, projected on the rotations
    u, _, vt = np.linalg.svd(np.einsum("nij,nkj->ik", b[:, :3, :3], a[:, :3, :3]))
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    if len(ours) > 1:
        spread_a, spread_b = (np.linalg.norm(x[:, :3, 3] - x[:, :3, 3].mean(0)) for x in (a, b))
    else:  # the head is about at the origin of both
        spread_a, spread_b = np.linalg.norm(a[0, :3, 3]), np.linalg.norm(b[0, :3, 3])
    scale = float(spread_b / max(spread_a, 1e-9))
    translation = (b[:, :3, 3] - scale * a[:, :3, 3] @ rotation.T).mean(0)
    start = Similarity(scale, rotation, translation)
    views = [
        (points.double().numpy(), _pixels(points.double().numpy(), mine), other)
        for points, mine, other in zip(surface_m, ours, truth, strict=True)
        if len(points)
    ]
    if not views:
        return start

    def moved(x: np.ndarray) -> Similarity:
        return Similarity(
            start.scale * float(np.exp(x[3])),
            Rotation.from_rotvec(x[:3]).as_matrix() @ start.rotation,
            start.translation + x[4:] * start.scale,
        )

    def residuals(x: np.ndarray) -> np.ndarray:
        at = moved(x)
        return np.concatenate([(_pixels(at.to_truth(points), other) - seen).ravel() for points, seen, other in views])

    solved = least_squares(residuals, np.zeros(7), loss="soft_l1", f_scale=2.0, x_scale=[0.01] * 3 + [0.01] * 4)
    return moved(solved.x)


def scaled_about_camera(similarity: Similarity, camera: Cameras, *, factor: float) -> Similarity:
    """Scale our head about a truth camera's centre: nothing moves in that camera's picture."""
    centre = camera.c2w[0, :3, 3].double().numpy()
    return Similarity(
        similarity.scale * factor, similarity.rotation, centre + factor * (similarity.translation - centre)
    )


def rotation_errors_deg(ours: Sequence[Cameras], truth: Sequence[Cameras], similarity: Similarity) -> list[float]:
    """Angle between each input camera as found and as it is, after alignment, degrees."""
    errors = []
    for mine, other in zip(ours, truth, strict=True):
        found = similarity.rotation @ mine.c2w[0, :3, :3].double().numpy()
        errors.append(
            float(Rotation.from_matrix(found.T @ other.c2w[0, :3, :3].double().numpy()).magnitude() * 180 / np.pi)
        )
    return errors


@dataclass(frozen=True)
class SurfaceMatch:
    """Truth points against our surface.

    Attributes:
        similarity: After ICP.
        distance_m: Of each truth point to our surface, head-frame metres (divide out the scale for truth units).
    """

    similarity: Similarity
    distance_m: Float[np.ndarray, "P"]


def match_surface(
    truth_points: Float[np.ndarray, "P 3"],
    our_points_m: Float[np.ndarray, "Q 3"],
    our_normals: Float[np.ndarray, "Q 3"],
    *,
    start: Similarity,
    rounds: int = 30,
    keep: float = 0.9,
) -> SurfaceMatch:
    """ICP over the similarity, truth points to the planes of our surface; then the distances.

    Args:
        truth_points: Points of the truth surface, truth world.
        our_points_m: A dense cloud of our surface, head frame.
        our_normals: Their unit normals.
        keep: Part of the points, the nearest, that the ICP looks at: hair or clothes of one side must not pull.
    """
    if len(our_points_m) < 100 or len(truth_points) < 100:
        raise FitFailed("Too little surface to compare with the truth.", hint="Look at the fit in the report.")
    tree = KDTree(our_points_m)
    at = start
    for _ in range(rounds):
        points = at.to_head(truth_points)
        nearest, index = tree.query(points)
        close = nearest <= np.quantile(nearest, keep)
        chosen = np.asarray(index)[close]
        p, q, n = points[close], our_points_m[chosen], our_normals[chosen]
        residual = ((p - q) * n).sum(1)
        centre = p.mean(0)
        jacobian = np.concatenate(
            [np.cross(p - centre, n), ((p - centre) * n).sum(1, keepdims=True), n], axis=1
        )  # turn, log scale, shift
        weight = 1 / (1 + (residual / (3 * np.median(np.abs(residual)) + 1e-6)) ** 2)
        step = np.linalg.lstsq(jacobian * weight[:, None], -residual * weight, rcond=None)[0]
        turn, grow, shift = Rotation.from_rotvec(step[:3]).as_matrix(), float(np.exp(step[3])), step[4:]
        # points' = grow * turn (points - centre) + centre + shift, written as a change of the similarity
        scale, rotation = at.scale / grow, at.rotation @ turn.T
        translation = at.translation - scale * rotation @ (centre + shift - grow * turn @ centre)
        at = Similarity(scale, rotation, translation)
        if np.abs(step).max() < 1e-7:
            break
    points = at.to_head(truth_points)
    nearest, index = tree.query(points)
    along = np.abs(((points - our_points_m[index]) * our_normals[index]).sum(1))
    probes = tree.query(our_points_m[:: max(len(our_points_m) // 2000, 1)], k=2)[0][:, 1]
    spacing = 3 * float(np.median(probes))
    # between samples of our surface the distance to its plane counts; beyond its border the distance to it
    return SurfaceMatch(at, np.where(nearest < along + spacing, along, nearest))


def _pixels(points: Float[np.ndarray, "P 3"], camera: Cameras) -> Float[np.ndarray, "P 2"]:
    pose, K = camera.c2w[0].double().numpy(), camera.K[0].double().numpy()
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    return local[:, :2] / np.maximum(local[:, 2:], 1e-6) * np.diag(K)[:2] + K[:2, 2]

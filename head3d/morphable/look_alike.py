"""What two heads of different meshes have in common, seen with the same eyes: landmarks, lids and what is visible.

Used when the default model is made. Errors of the landmark nets cancel, since both heads are drawn and read alike.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from head3d.geometry.cameras import intrinsics, look_at_head, project
from head3d.geometry.mesh import vertex_normals
from head3d.geometry.sh import ambient, irradiance_basis, project_directional
from head3d.imaging.color import levels_from_linear
from head3d.kernels.raster import RasterOutput, interpolate, rasterize
from head3d.morphable.correspondence import SurfacePoints
from head3d.morphable.skin_albedo import SKIN, eye_albedo
from head3d.perception.detector import detect_faces
from head3d.perception.landmarks import find_points
from head3d.perception.nets import load_face_nets

FAR_M = 6.0
"""Distance of the camera: practically parallel rays."""

LID_POINTS = 24
AGREE_M = 0.006
"""Landmarks that wander further over the surface between views are left out."""


@dataclass(frozen=True)
class EyedHead:
    """A head of any mesh.

    Attributes:
        vertices: Head frame, metres.
        faces: Counter-clockwise from outside.
        eye: Per face: 0 skin and the rest, 1 the right eyeball, 2 the left one.
        eye_centres: Right, left, metres.
    """

    vertices: Float[NDArray, "V 3"]
    faces: Int[NDArray, "F 3"]
    eye: Int[NDArray, "F"]
    eye_centres: Float[NDArray, "2 3"]


def landmark_places(head: EyedHead) -> tuple[SurfacePoints, Bool[NDArray, "468"]]:
    """Where the landmark net sees its 468 points on a head, and which of them agree over three views."""
    nets = load_face_nets()
    albedo = torch.tensor(SKIN).expand(len(head.vertices), 3).clone()
    for side in (0, 1):
        index = torch.from_numpy(np.unique(head.faces[head.eye == side + 1]))
        centre = torch.from_numpy(head.eye_centres[side]).float()
        albedo[index] = eye_albedo(torch.from_numpy(head.vertices).float()[index] - centre)
    corners, weights, places = [], [], []
    for yaw in (0.0, -20.0, 20.0):
        seen = _draw(head, yaw_deg=yaw, target=np.array([0.0, 0.005, 0.05]), half_m=0.14, size=640)
        normals = vertex_normals(torch.from_numpy(head.vertices).float(), torch.from_numpy(head.faces))
        drawn = interpolate(torch.cat([albedo, normals], dim=1), torch.from_numpy(head.faces), seen)
        lamp = project_directional(torch.tensor([0.25, 0.35, 0.9]), torch.full((3,), 1.9))
        light = irradiance_basis(drawn[..., 3:].reshape(-1, 3)) @ (lamp + ambient(torch.full((3,), 0.35)))
        shaded = drawn[..., :3] * light.reshape(*drawn.shape[:2], 3).clamp_min(0)
        picture = levels_from_linear(torch.where(seen.triangle[..., None] >= 0, shaded, torch.tensor(0.3)))
        found = find_points(picture, detect_faces(picture, nets)[0], nets).points[:, :2]
        at = np.clip(found.astype(int), 0, 639)
        triangle = seen.triangle.numpy()[at[:, 1], at[:, 0]]
        corners.append(head.faces[np.maximum(triangle, 0)])
        weights.append(seen.barycentrics.numpy()[at[:, 1], at[:, 0]])
        place = (head.vertices[corners[-1]] * weights[-1][..., None]).sum(1)
        places.append(np.where((triangle >= 0)[:, None], place, np.nan))
    middle = np.median(np.stack(places), axis=0)
    wander = np.linalg.norm(np.stack(places) - middle, axis=-1).max(0)
    best = np.nan_to_num(np.linalg.norm(np.stack(places) - middle, axis=-1), nan=1.0).argmin(0)
    rows = np.arange(468)
    chosen = SurfacePoints(
        np.stack(corners)[best, rows], np.stack(weights)[best, rows].astype(np.float64), np.zeros(468)
    )
    return chosen, np.nan_to_num(wander, nan=1.0) < AGREE_M


def lid_rims(head: EyedHead) -> list[SurfacePoints]:
    """Rims of the lids seen from the front: right upper, right lower, left upper, left lower; inner corner first."""
    rims = []
    for side in (0, 1):
        seen = _draw(head, yaw_deg=0.0, target=head.eye_centres[side], half_m=0.028, size=900)
        triangle = seen.triangle.numpy()
        ball = (triangle >= 0) & (head.eye[np.maximum(triangle, 0)] == side + 1)
        columns = np.flatnonzero(ball.any(0))
        top = ball[:, columns].argmax(0) - 1
        bottom = len(ball) - ball[::-1, columns].argmax(0)
        for rows in (top, bottom):
            walk = np.concatenate([[0.0], np.cumsum(np.hypot(1.0, np.diff(rows)))])
            stops = np.interp(np.linspace(0, walk[-1], LID_POINTS), walk, np.arange(len(walk))).round().astype(int)
            stops = stops[::-1] if side == 0 else stops  # the inner corner of the right eye is on the picture's right
            at = rows[stops], columns[stops]
            weights = seen.barycentrics.numpy()[at].astype(np.float64)
            rims.append(SurfacePoints(head.faces[triangle[at]], weights, np.zeros(LID_POINTS)))
    return rims


def visible_faces(head: EyedHead) -> Bool[NDArray, "F"]:
    """Faces that can be seen from anywhere round the head."""
    seen = np.zeros(len(head.faces), dtype=bool)
    middle = (head.vertices.max(0) + head.vertices.min(0)) / 2
    half = float(np.linalg.norm(head.vertices - middle, axis=1).max())
    for pitch in (0.0, 35.0, -35.0):
        for yaw in np.arange(-180.0, 180.0, 30.0):
            raster = _draw(head, yaw_deg=yaw, target=middle, half_m=half, size=1400, pitch_deg=pitch)
            triangle = raster.triangle.numpy()
            seen[np.unique(triangle[triangle >= 0])] = True
    return seen


def _draw(
    head: EyedHead, *, yaw_deg: float, target: NDArray, half_m: float, size: int, pitch_deg: float = 0.0
) -> RasterOutput:
    camera = look_at_head(
        yaw_deg=float(yaw_deg),
        pitch_deg=pitch_deg,
        distance_m=FAR_M,
        target_m=torch.from_numpy(np.asarray(target)).float(),
    )
    K = intrinsics(size / 2 * FAR_M / half_m, (size, size))
    pixels, depth = project(torch.from_numpy(head.vertices), camera.double(), K.double())
    faces = torch.from_numpy(head.faces)
    a, b, c = pixels[faces].unbind(1)
    front = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0  # counter-clockwise with y up
    kept = torch.nonzero(front)[:, 0]
    seen = rasterize(torch.cat([pixels, depth[:, None]], dim=1), faces[kept], size=(size, size))
    triangle = torch.where(seen.triangle >= 0, kept[seen.triangle.clamp_min(0)], -1)
    return RasterOutput(triangle, seen.barycentrics, seen.depth)

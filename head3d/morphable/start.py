"""Where the fit starts: focal lengths from EXIF or a prior, head poses from PnP on the mean head."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from head3d.errors import FitFailed
from head3d.geometry.cameras import Cameras
from head3d.morphable.energies import surface_points
from head3d.morphable.state import FitState, reattach
from head3d.morphable.types import HeadModel
from head3d.perception.types import Observation


def start_state(
    model: HeadModel, observations: Sequence[Observation], *, focal_ratio: float, cameras: Sequence[Cameras] | None
) -> tuple[FitState, torch.Tensor]:
    """Poses from landmarks on the mean head; also says which focal lengths are known (bool per lens).

    Args:
        model: Head model.
        observations: All photos.
        focal_ratio: Focal length over the photo's long side where EXIF says nothing.
        cameras: Given cameras, one per photo, or None.
    """
    lens, focal, known = _lenses(observations, focal_ratio=focal_ratio, cameras=cameras)
    if cameras is None:
        principal = [torch.tensor([o.photo.size[1] / 2, o.photo.size[0] / 2]) for o in observations]
    else:
        principal = [camera.K[0, :2, 2].double() for camera in cameras]
    rotations, translations = [], []
    for i, observation in enumerate(observations):
        rotation, translation = head_pose(
            model, observation, focal_px=focal[lens[i]], principal_px=principal[i].numpy()
        )
        rotations.append(rotation)
        translations.append(translation)
    count = len(observations)
    state = FitState(
        identity=torch.zeros(model.identity_basis.shape[0], dtype=torch.float64),
        expression=torch.zeros(count, len(model.expression_names), dtype=torch.float64),
        rotation=torch.stack(rotations),
        translation=torch.stack(translations),
        log_focal=torch.tensor(focal, dtype=torch.float64).log(),
        lens=lens,
        principal_px=torch.stack(principal).double(),
        sizes=tuple(o.photo.size for o in observations),
    )
    return (state if cameras is None else _attach(state, cameras)), torch.tensor(known)


def head_pose(
    model: HeadModel, observation: Observation, *, focal_px: float, principal_px: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotation and translation (head frame to camera, float64) of the mean head from a photo's landmarks."""
    landmarks = observation.landmarks
    ok = model.landmark_ok.numpy().copy()
    ok[468:] = False  # irises follow the gaze
    chosen = ok & landmarks.visible
    if chosen.sum() < 30:
        chosen = ok
    points = surface_points(model.mean[None], model.landmark_triangles, model.landmark_barycentrics)[0].numpy()
    K = np.array([[focal_px, 0, principal_px[0]], [0, focal_px, principal_px[1]], [0, 0, 1.0]])
    world = points[chosen].astype(np.float64)
    pixels = landmarks.points_px[chosen].astype(np.float64)
    found, axis, shift = cv2.solvePnP(world, pixels, K, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found or shift[2, 0] <= 0:
        raise FitFailed(
            f"{observation.photo.name}: the landmarks do not form a head.", hint="leave this photo out and run again."
        )
    axis, shift = cv2.solvePnPRefineLM(world, pixels, K, None, axis, shift)
    return torch.from_numpy(cv2.Rodrigues(axis)[0]), torch.from_numpy(shift[:, 0])


def _lenses(
    observations: Sequence[Observation], *, focal_ratio: float, cameras: Sequence[Cameras] | None
) -> tuple[tuple[int, ...], list[float], list[bool]]:
    """Photos of one camera and size share a focal length; the rest have their own."""
    lens: list[int] = []
    focal: list[float] = []
    known: list[bool] = []
    by_camera: dict[tuple[str, tuple[int, int]], int] = {}
    for i, observation in enumerate(observations):
        photo = observation.photo
        key = (photo.camera, photo.size)
        if photo.camera and key in by_camera:
            lens.append(by_camera[key])
            continue
        if cameras is not None:
            value, sure = float(cameras[i].K[0, 0, 0]), True
        elif photo.focal_px:
            value, sure = float(photo.focal_px), True
        else:
            value, sure = focal_ratio * max(photo.size), False
        by_camera[key] = len(focal)
        lens.append(len(focal))
        focal.append(value)
        known.append(sure)
    return tuple(lens), focal, known


def _attach(state: FitState, cameras: Sequence[Cameras]) -> FitState:
    """Find the similarity that takes the head frame into the given cameras' world, from the PnP poses.

    Each photo votes for the head's orientation (rotations averaged by SVD); the head's place and scale follow by least
    squares from the directions to the head's origin and its apparent size.
    """
    c2w = torch.stack([camera.c2w[0].double() for camera in cameras])
    rig_rotation = c2w[:, :3, :3].transpose(1, 2)
    rig_translation = -(rig_rotation @ c2w[:, :3, 3:])[:, :, 0]
    votes = rig_rotation.transpose(1, 2) @ state.rotation
    median = votes[_medoid(votes)]
    agree = (votes - median).pow(2).sum((1, 2)) < 0.5  # within about 29 degrees of the medoid
    u, _, vt = torch.linalg.svd(votes[agree].sum(0))
    G = u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.det(u @ vt).sign())], dtype=torch.float64)) @ vt
    # rig_R g + rig_t = s t_i for all i: linear in (g, s)
    rows = torch.cat([rig_rotation[agree], -state.translation[agree][:, :, None]], dim=2).reshape(-1, 4)
    solution = torch.linalg.lstsq(rows, -rig_translation[agree].reshape(-1, 1)).solution[:, 0]
    scale = solution[3]
    if float(scale) <= 0:
        raise FitFailed("the given cameras do not see one head from their places.", hint="check their convention.")
    return reattach(
        replace(
            state,
            rig_rotation=rig_rotation,
            rig_translation=rig_translation,
            similarity_rotation=G,
            similarity_translation=solution[:3],
            log_scale=scale.log(),
        )
    )


def _medoid(rotations: torch.Tensor) -> int:
    distance = (rotations[:, None] - rotations[None]).pow(2).sum((2, 3)).sqrt()
    return int(distance.sum(1).argmin())

"""The ICT-FaceKit head (MIT, (c) 2020 USC ICT) behind the same arrays as the default model.

The file is the compact form of the light ICT-FaceKit model: int8 modes with one scale each, centimetres, +Y up, +Z
forward, x < 0 the subject's right, which are the axes of the head frame. Its 478 landmarks are calibrated to what the
detector returns.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from head3d.errors import WeightsMissing
from head3d.morphable.types import HeadModel

ICT_VERSION = "ict-facekit-compact-1"

CM = 0.01
MASK_LEVEL = 127
"""Masks are soft uint8; half counts as inside."""


def load_ict(path: Path) -> HeadModel:
    """Read the compact ICT-FaceKit file as a head model: 100 statistical modes, 53 expressions, head frame, metres."""
    if not path.is_file():
        raise WeightsMissing(
            f"{path}: no ICT-FaceKit head model there.",
            hint="give the path of ict_head_compact_i8.npz, or use the default model",
        )
    with np.load(path, allow_pickle=False) as archive:
        data = {name: archive[name] for name in archive.files}
    origin = ear_root_middle(data)
    mean = (data["mean"] - origin) * CM
    parts = {str(name): (int(a), int(b)) for name, (a, b) in zip(data["parts_name"], data["parts_range"], strict=True)}
    triangles, weights = _detector_points(data)
    ibug = data["lm68"].astype(np.int64)  # vertices: triangles of three times the same
    return HeadModel(
        name="ict",
        version=ICT_VERSION,
        mean=torch.from_numpy(mean.astype(np.float32)),
        identity_basis=torch.from_numpy(_identity_basis(data)),
        identity_ridge=torch.ones(len(data["id_q"])),
        expression_basis=torch.from_numpy(_expression_basis(data, parts)),
        expression_names=tuple(arkit_name(str(name)) for name in data["expr_names"]),
        faces=torch.from_numpy(data["faces"].astype(np.int64)),
        uv=torch.from_numpy(_vertex_uv(data)),
        groups={name: torch.from_numpy(index) for name, index in _groups(data, parts).items()},
        mirror=torch.from_numpy(_mirror(mean)),
        landmark_triangles=torch.from_numpy(triangles),
        landmark_barycentrics=torch.from_numpy(weights),
        landmark_ok=torch.from_numpy(np.concatenate([data["mpdet_ok"], np.ones(10, dtype=bool)])),
        ibug_triangles=torch.from_numpy(np.repeat(ibug[:, None], 3, axis=1)),
        ibug_barycentrics=torch.tensor([1.0, 0.0, 0.0]).repeat(68, 1),
        eye_centres=torch.from_numpy(((data["eye_centres"] - origin) * CM).astype(np.float32)),
    )


def ear_root_middle(data: dict[str, NDArray]) -> NDArray[np.float64]:
    """Middle (cm, file's frame) between the two ear roots: the rings where the ears' masks end on the head."""
    ears = np.zeros(len(data["mean"]), dtype=bool)
    ears[: data["masks"].shape[1]] = data["masks"][list(data["mask_names"]).index("ears")] > MASK_LEVEL
    faces = data["faces"].astype(np.int64)
    partly = faces[ears[faces].any(1) & ~ears[faces].all(1)]
    ring = np.unique(partly[ears[partly]])
    points: NDArray[np.float64] = data["mean"][ring].astype(np.float64)
    left = points[:, 0] > 0
    middle = (points[left].mean(0) + points[~left].mean(0)) / 2
    middle[0] = 0.0  # the mean is symmetric but for rounding
    return middle


def arkit_name(name: str) -> str:
    """ARKit's name of an ICT expression.

    >>> arkit_name("mouthSmile_L")
    'mouthSmileLeft'
    """
    return (
        name.removesuffix("_L") + "Left"
        if name.endswith("_L")
        else name.removesuffix("_R") + "Right"
        if name.endswith("_R")
        else name
    )


def _identity_basis(data: dict[str, NDArray]) -> NDArray[np.float32]:
    outer = data["id_q"].astype(np.float32) * (data["id_scale"] * CM)[:, None, None]
    inner = data["idin_q"].astype(np.float32) * (data["idin_scale"] * CM)[:, None, None]
    mixed = data["idin_mix"] @ inner.reshape(len(inner), -1)
    return np.concatenate([outer, mixed.reshape(len(mixed), -1, 3)], axis=1).astype(np.float32)


def _expression_basis(data: dict[str, NDArray], parts: dict[str, tuple[int, int]]) -> NDArray[np.float32]:
    basis = (data["expr_q"].astype(np.float32) * (data["expr_scale"] * CM)[:, None, None]).astype(np.float32)
    for side in ("eye_l", "eye_r"):
        basis[:, slice(*parts[side])] = 0  # quantisation dust: eyeballs turn, they do not deform
    return basis


def _detector_points(data: dict[str, NDArray]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Triangles and barycentrics of the 468 calibrated points and the 10 iris vertices."""
    iris = np.repeat(data["mp_iris10"].astype(np.int64)[:, None], 3, axis=1)
    triangles = np.concatenate([data["mpdet_tri"].astype(np.int64), iris])
    weights = data["mpdet_bary"].astype(np.float32)
    weights /= weights.sum(1, keepdims=True)  # float16 rounding
    corner = np.tile(np.array([1, 0, 0], dtype=np.float32), (10, 1))
    return triangles, np.concatenate([weights, corner])


def _vertex_uv(data: dict[str, NDArray]) -> NDArray[np.float32]:
    """One texture coordinate per vertex: the four UDIM tiles side by side; at seams the last corner wins."""
    uv = np.zeros((len(data["mean"]), 2), dtype=np.float32)
    uv[data["faces"].reshape(-1)] = data["uv"].astype(np.float32)[data["faces_uv"].reshape(-1)]
    return (uv * np.array([0.25, 1.0])).astype(np.float32)


def _mirror(mean: NDArray) -> NDArray[np.int64]:
    _, index = KDTree(mean).query(mean * np.array([-1.0, 1.0, 1.0]))
    return np.asarray(index, dtype=np.int64)


def _groups(data: dict[str, NDArray], parts: dict[str, tuple[int, int]]) -> dict[str, NDArray[np.int64]]:
    count = data["masks"].shape[1]
    masks = {str(name): row > MASK_LEVEL for name, row in zip(data["mask_names"], data["masks"], strict=True)}
    x, y, _ = data["mean"][:count].T
    rest = ~(masks["face_soft"] | masks["ears"] | masks["scalp"])
    masks["shoulders"] = rest & (y < -14.0) & (np.abs(x) > 8.0)  # cm: the flare of the cut-off bust
    masks["neck"] = rest & (y < -5.0) & ~masks["shoulders"]  # cm: below the ear lobes
    groups = {name: np.flatnonzero(mask) for name, mask in masks.items()}
    groups["face"] = groups.pop("face_soft")
    groups["skin"] = np.arange(count)
    ranges = {name: np.arange(*bounds) for name, bounds in parts.items()}
    groups["mouth_inner"] = np.concatenate([ranges["mouth_socket"], ranges["gums_tongue"]])
    groups["sockets"] = np.concatenate([ranges["eye_socket_r"], ranges["eye_socket_l"]])
    groups["teeth"] = ranges["teeth"]
    groups["eye_right"] = ranges["eye_r"]
    groups["eye_left"] = ranges["eye_l"]
    return groups

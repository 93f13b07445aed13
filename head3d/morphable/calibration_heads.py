"""Makes the detector's calibration: draws random heads of the default model and looks at them with the landmark nets.

``python -m head3d.morphable.calibration_heads ROWS.npz --count 600`` writes one row per head that was found;
``python -m head3d.morphable.calibration ROWS.npz`` turns the rows into the committed table.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.geometry.cameras import intrinsics, look_at_head, project
from head3d.geometry.mesh import vertex_normals
from head3d.geometry.sh import ambient, irradiance_basis, project_directional
from head3d.imaging.color import levels_from_linear
from head3d.kernels.raster import interpolate, rasterize
from head3d.morphable.head_model import expression_ridge, load_head_model
from head3d.morphable.skin_albedo import SKIN, default_albedo, eye_albedo
from head3d.morphable.types import HeadModel
from head3d.perception.detector import detect_faces
from head3d.perception.landmarks import find_irises, find_points, landmarks_of
from head3d.perception.nets import FaceNets, load_face_nets

SIZE = 512
MAX_YAW_DEG = 85.0
MAX_PITCH_DEG = 32.0
LOST_M = 0.02
"""A head whose landmarks are off by more than this (median) was not found but guessed."""


@dataclass(frozen=True)
class RandomHead:
    """A posed head before a camera."""

    vertices: Float[Tensor, "V 3"]
    c2w: Float[Tensor, "4 4"]
    K: Float[Tensor, "3 3"]
    yaw_deg: float
    pitch_deg: float


def random_head(model: HeadModel, *, generator: torch.Generator) -> RandomHead:
    """Somebody, somehow, seen from somewhere in front: identity from the prior, a mild expression, upright camera."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=generator))

    count, units = len(model.identity_ridge), len(model.expression_names)
    identity = torch.randn(count, generator=generator).clamp(-2.0, 2.0) / model.identity_ridge
    active = torch.rand(units, generator=generator) < 0.12
    expression = active * torch.rand(units, generator=generator) / expression_ridge(model).clamp_min(1.0)
    gaze = torch.tensor([uniform(-0.15, 0.15), uniform(-0.25, 0.25), 0.0]).expand(2, 3)
    yaw, pitch = uniform(-MAX_YAW_DEG, MAX_YAW_DEG), uniform(-MAX_PITCH_DEG, MAX_PITCH_DEG)
    distance = uniform(0.45, 1.6)
    target = torch.tensor([uniform(-0.02, 0.02), uniform(-0.03, 0.02), 0.05])
    return RandomHead(
        vertices=model.vertices(identity, expression, gaze),
        c2w=look_at_head(yaw_deg=yaw, pitch_deg=pitch, distance_m=distance, target_m=target),
        K=intrinsics(SIZE * distance / uniform(0.38, 0.5), (SIZE, SIZE)),
        yaw_deg=yaw,
        pitch_deg=pitch,
    )


def draw_head(model: HeadModel, head: RandomHead, *, generator: torch.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Plainly shaded picture of a head: random tone of skin and irises, one lamp and a sky, plain background."""
    tone = torch.tensor(SKIN) * torch.exp(torch.randn(1, generator=generator) * 0.45 - 0.1)
    albedo = default_albedo(model, skin=tone.clamp(0.02, 0.75))
    pixels, depth = project(head.vertices, head.c2w, head.K)
    seen = rasterize(torch.cat([pixels, depth[:, None]], dim=1), model.faces, size=(SIZE, SIZE))
    sky = 0.35 + 0.3 * float(torch.rand(1, generator=generator))
    lamp = torch.nn.functional.normalize(torch.randn(3, generator=generator) + torch.tensor([0.0, 0.8, 1.5]), dim=0)
    light = ambient(torch.full((3,), sky)) + project_directional(lamp, torch.full((3,), 2.4 * (1.2 - sky)))
    values = torch.cat([albedo, vertex_normals(head.vertices, model.faces), model.mean], dim=1)
    drawn = interpolate(values, model.faces, seen)
    color, normal, place = drawn[..., :3], torch.nn.functional.normalize(drawn[..., 3:6], dim=-1), drawn[..., 6:]
    iris = torch.tensor([0.08, 0.05, 0.03]) * (0.4 + 3.0 * torch.rand(1, generator=generator))
    for side, group in enumerate(("eye_right", "eye_left")):
        inside = torch.zeros(len(model.mean), dtype=torch.bool)
        inside[model.groups[group]] = True
        ball = (seen.triangle >= 0) & inside[model.faces].all(1)[seen.triangle]
        color[ball] = eye_albedo(place[ball] - model.eye_centres[side], iris=iris)  # per pixel: the ball is coarse
    shaded = color * (irradiance_basis(normal.reshape(-1, 3)) @ light).reshape(SIZE, SIZE, 3).clamp_min(0)
    backdrop = torch.rand(3, generator=generator) * 0.5 + 0.1
    return levels_from_linear(torch.where(seen.triangle[..., None] >= 0, shaded, backdrop))


def measure(model: HeadModel, nets: FaceNets, *, generator: torch.Generator) -> dict[str, np.ndarray] | None:
    """One random head: how far, in the camera's plane, the detector's points lie from the model's own; None if lost."""
    head = random_head(model, generator=generator)
    picture = draw_head(model, head, generator=generator)
    faces = detect_faces(picture, nets)
    if not faces:
        return None
    found = find_points(picture, faces[0], nets)
    landmarks = landmarks_of(found, find_irises(picture, found.points, nets))
    true = (head.vertices[model.landmark_triangles] * model.landmark_barycentrics[..., None]).sum(1)
    pixels, depth = project(true, head.c2w, head.K)
    metres = (depth.mean() / head.K[0, 0]).item()
    offset = (landmarks.points_px - pixels.numpy()) * metres
    return {
        "yaw_pitch_deg": np.array([head.yaw_deg, head.pitch_deg]),
        "offset_m": offset.astype(np.float32),
        "visible": landmarks.visible,
        "spread_m": (landmarks.sigma_px * metres).astype(np.float32),
        "score": np.array(landmarks.score),
        "lost": np.array(np.median(np.linalg.norm(offset[landmarks.visible], axis=1)) > LOST_M),
    }


def main(arguments: list[str]) -> None:
    """Draw, look, and write the rows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    model, nets = load_head_model(), load_face_nets()
    rows = []
    for index in range(options.count):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + index)
        if (row := measure(model, nets, generator=generator)) is not None:
            rows.append(row)
    table = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    np.savez_compressed(options.out, allow_pickle=False, **table)


if __name__ == "__main__":
    main(sys.argv[1:])

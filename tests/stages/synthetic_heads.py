"""Photos of heads whose geometry, cameras and light are known exactly: the model's own, with a painted skin."""

from dataclasses import dataclass

import numpy as np
import torch

from head3d.capture.types import Photo
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project
from head3d.geometry.mesh import vertex_normals
from head3d.geometry.sh import ambient, irradiance_basis, project_directional
from head3d.kernels.raster import rasterize
from head3d.morphable.calibration import detector_bias
from head3d.morphable.energies import surface_points
from head3d.morphable.types import HeadModel
from head3d.perception.types import Detection, FaceParsing, Landmarks, Observation, Region

SIZE = 512
FOCAL_PX = 780.0
DISTANCE_M = 0.85


@dataclass(frozen=True)
class SyntheticPerson:
    """What the photos were made from."""

    observations: list[Observation]
    cameras: list[Cameras]
    vertices: torch.Tensor
    albedo: torch.Tensor
    sh: torch.Tensor


def freckled_albedo(vertices: torch.Tensor, seed: int) -> torch.Tensor:
    """Skin with blotches of 3 mm to 5 cm, so that flow has something to hold."""
    g = torch.Generator().manual_seed(seed)
    noise = torch.zeros(len(vertices))
    for frequency, strength in ((60, 0.5), (150, 0.5), (400, 0.6), (900, 0.6)):
        for _ in range(12):
            direction = torch.nn.functional.normalize(torch.randn(3, generator=g), dim=0)
            phase = 6.28 * torch.rand(1, generator=g)
            noise += strength / 12**0.5 * torch.sin(vertices @ direction * frequency + phase)
    tone = torch.tensor([0.42, 0.28, 0.21])
    return (tone * (1 + 0.18 * noise[:, None])).clamp(0.02, 0.9)


def photograph(
    model: HeadModel, identity: torch.Tensor, poses_deg: list[tuple[float, float]], *, seed: int = 0
) -> SyntheticPerson:
    """Render a person and observe it as perception would: landmarks with the detector's bias and noise, exact matte."""
    g = torch.Generator().manual_seed(seed + 1)
    vertices = model.vertices(identity)
    albedo = freckled_albedo(vertices, seed)
    lamp = torch.nn.functional.normalize(torch.tensor([0.5, 0.4, 0.8]), dim=0)
    sh = ambient(torch.full((3,), 0.6)) + project_directional(lamp, torch.full((3,), 0.9))
    normals = vertex_normals(vertices, model.faces)
    colors = albedo * (irradiance_basis(normals) @ sh)
    K = intrinsics(FOCAL_PX, (SIZE, SIZE))
    observations, cameras = [], []
    for number, (yaw, pitch) in enumerate(poses_deg):
        c2w = look_at_head(yaw_deg=yaw, pitch_deg=pitch, distance_m=DISTANCE_M, target_m=torch.tensor([0, 0, 0.02]))
        cameras.append(Cameras(c2w[None], K[None], (SIZE, SIZE)))
        px, depth = project(vertices, c2w, K)
        seen = rasterize(torch.cat([px, depth[:, None]], dim=1), model.faces, size=(SIZE, SIZE))
        mask = seen.triangle >= 0
        corners = model.faces[seen.triangle.clamp(min=0)]
        linear = (colors[corners] * seen.barycentrics[..., None]).sum(2)
        linear[~mask] = 0.2
        srgb = torch.where(linear < 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055)
        points = surface_points(vertices[None], model.landmark_triangles, model.landmark_barycentrics)[0]
        facing = surface_points(normals[None], model.landmark_triangles, model.landmark_barycentrics)[0]
        visible = (facing * torch.nn.functional.normalize(c2w[:3, 3] - points, dim=-1)).sum(-1) > 0.05
        bias, sd = detector_bias(yaw, pitch)
        noise = sd[:, None] * torch.randn(478, 2, generator=g)
        detected = project(points, c2w, K)[0] + (bias + noise) * FOCAL_PX / DISTANCE_M
        name = f"synthetic_{number}.png"
        observations.append(
            Observation(
                photo=Photo(name, (srgb.clamp(0, 1) * 255 + 0.5).byte().numpy(), None, name, camera="one"),
                detection=Detection(np.zeros(4), np.zeros((6, 2)), 1.0),
                landmarks=Landmarks(
                    "mediapipe478",
                    detected.numpy().astype(np.float32),
                    visible.numpy(),
                    np.full(478, 0.5, np.float32),
                    1.0,
                    detected[468:].reshape(2, 5, 2).numpy().astype(np.float32),
                ),
                parsing=FaceParsing(
                    np.where(mask.numpy(), np.uint8(Region.SKIN), np.uint8(0)),
                    mask.numpy().astype(np.float32),
                    np.zeros((0, 2), np.float32),
                    {"left": np.zeros((0, 2), np.float32), "right": np.zeros((0, 2), np.float32)},
                ),
                embedding=np.zeros(128, np.float32),
            )
        )
    return SyntheticPerson(observations, cameras, vertices, albedo, sh)

"""Pictures of a mesh person with exact cameras as a truth folder: what ``head3d bench subject`` measures against."""

import json
from pathlib import Path

import numpy as np
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.conventions import flip_camera_axes
from head3d.geometry.mesh import Mesh, write_ply
from head3d.imaging.color import levels_from_linear
from head3d.imaging.io import write_image
from head3d.prior.light import StudioLight
from head3d.prior.picture import Sitter, pictures
from head3d.store import make_folder, write_png

RINGS = ((0.0, 16), (20.0, 8), (-15.0, 8))
"""Elevation of the camera (degrees) and how many stand round the head at it."""
DISTANCE_M = 1.3
FRAME_M = 0.46
"""What a picture shows of the plane through the head."""
DEPTH_STEP_M = 1e-4

WORLD_FROM_HEAD = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
"""The truth world is Blender's: z up, the face looks along -y."""


def write_truth_folder(
    folder: Path, person: Sitter, light: StudioLight, *, name: str, licence: str, size_px: int = 512
) -> None:
    """Photograph a person from all sides: images (RGBA), albedo, normal, depth, mesh and transforms.json.

    Args:
        folder: Made if it is not there.
        person: Whom.
        light: Distant, in the head frame.
        name: What transforms.json calls it.
        licence: And under which licence it may be used.
        size_px: Height and width.
    """
    for part in ("images", "albedo", "normal", "depth"):
        make_folder(folder / part)
    turn = torch.eye(4)
    turn[:3, :3] = torch.tensor(WORLD_FROM_HEAD)
    focal_px = size_px * DISTANCE_M / FRAME_M
    frames = []
    for elevation, count in RINGS:
        for step in range(count):
            number = f"{len(frames):03d}.png"
            azimuth = 360.0 * step / count
            pose = look_at_head(
                yaw_deg=azimuth, pitch_deg=-elevation, distance_m=DISTANCE_M, target_m=torch.tensor([0.0, -0.01, 0.0])
            )
            camera = Cameras(pose[None], intrinsics(focal_px, (size_px, size_px))[None], (size_px, size_px))
            seen = pictures(person, camera, [light])
            cover = (seen.alpha[0, ..., None] * 255).round().to(torch.uint8).numpy()
            for part, linear in (("images", seen.rgb_linear[0]), ("albedo", seen.albedo[0])):
                levels = levels_from_linear(linear.clamp(0, 1))
                write_image(folder / part / number, np.concatenate([np.asarray(levels), cover], axis=-1))
            world = seen.normal[0] @ turn[:3, :3].T
            coded = ((world * 0.5 + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
            write_image(folder / "normal" / number, coded)
            steps = (seen.depth_m[0] / DEPTH_STEP_M).round().clamp(0, 65535).to(torch.int32).numpy().astype(np.uint16)
            write_png(folder / "depth" / number, steps)
            frames.append(
                {
                    "file_path": f"images/{number}",
                    "albedo_path": f"albedo/{number}",
                    "normal_path": f"normal/{number}",
                    "depth_file_path": f"depth/{number}",
                    "transform_matrix": flip_camera_axes(turn @ pose).tolist(),
                }
            )
    scene = person.scene
    write_ply(folder / "mesh_gt.ply", Mesh(scene.vertices @ turn[:3, :3].T, scene.faces))
    meta = {
        "name": name,
        "licence": licence,
        "unit_m": 1.0,
        "camera_model": "OPENCV",
        "w": size_px,
        "h": size_px,
        "fl_x": focal_px,
        "fl_y": focal_px,
        "cx": size_px / 2,
        "cy": size_px / 2,
        "depth_unit_scale_factor": DEPTH_STEP_M,
        "frames": frames,
    }
    (folder / "transforms.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")

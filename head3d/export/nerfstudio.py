"""A folder of pictures with known cameras in nerfstudio's convention: transforms.json, images, masks, depth."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d import store
from head3d.errors import ConfigError
from head3d.export.certificate import Identity
from head3d.export.provenance import NOTE, write_with_provenance
from head3d.geometry.conventions import flip_camera_axes
from head3d.geometry.mesh import Mesh, write_ply
from head3d.render.types import RenderOutput, View

DEPTH_STEP_M = 1e-4
"""16 bits of it reach 6.5 m."""
OPAQUE = 0.5
PITCHES_DEG = (0.0, -18.0, 18.0)
"""Rings of cameras, turned against each other."""


@dataclass(frozen=True)
class CaptureFrame:
    """One picture of the set, and what is known about it."""

    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    output: RenderOutput
    view: View
    facts: dict[str, str]


def ring_angles(count: int) -> list[tuple[float, float]]:
    """Yaw and pitch (degrees) of ``count`` cameras on rings round the head."""
    if count < 3:
        raise ConfigError(f"A set of {count} views is none.", hint="Use at least 3.")
    rings = [count // 3 + (count % 3 > 2 - k) for k in (2, 1, 0)]
    return [
        (-180.0 + 360.0 * (k + ring / 3) / of_ring, pitch)
        for ring, (pitch, of_ring) in enumerate(zip(PITCHES_DEG, rings, strict=True))
        for k in range(of_ring)
    ]


def write_capture(
    folder: Path,
    frames: Sequence[CaptureFrame],
    points: Mesh,
    colors: Float[Tensor, "V 3"],
    *,
    signer: Identity | None = None,
) -> Path:
    """Write the set; returns the path of transforms.json, which is written last.

    Args:
        folder: Made if it is not there.
        frames: Head frame; cameras are written in OpenGL axes, the world is the head frame (m, Y up, face along +Z).
        points: Points of the surface, for methods that start from a point cloud; as sparse_pc.ply.
        colors: Of each of them, sRGB in [0, 1].
        signer: Signs the pictures.
    """
    entries: list[dict[str, Any]] = []
    for number, frame in enumerate(frames):
        name = f"frame_{number:05d}.png"
        write_with_provenance(_in(folder, "images", name), frame.rgb_srgb, facts=frame.facts, signer=signer)
        alpha = frame.output.alpha.numpy()
        store.write_png(_in(folder, "masks", name), (alpha > OPAQUE).astype(np.uint8) * 255)
        depth = np.where(alpha > OPAQUE, frame.output.depth_m.numpy(), 0.0)
        store.write_png(_in(folder, "depth", name), np.rint(depth / DEPTH_STEP_M).clip(0, 65535).astype(np.uint16))
        camera = frame.view.camera
        K = camera.K[0].double()
        entries.append(
            {
                "file_path": f"images/{name}",
                "mask_path": f"masks/{name}",
                "depth_file_path": f"depth/{name}",
                "fl_x": float(K[0, 0]),
                "fl_y": float(K[1, 1]),
                "cx": float(K[0, 2]),
                "cy": float(K[1, 2]),
                "w": camera.size[1],
                "h": camera.size[0],
                "transform_matrix": flip_camera_axes(camera.c2w[0].double()).tolist(),
            }
        )
    draft = _in(folder, ".", "sparse_pc.ply")
    with store.atomic(draft) as temporary:
        write_ply(temporary, points, colors=colors)
    payload = {
        "camera_model": "OPENCV",
        "k1": 0.0,
        "k2": 0.0,
        "p1": 0.0,
        "p2": 0.0,
        "unit_m": 1.0,
        "depth_unit_scale_factor": DEPTH_STEP_M,
        "ply_file_path": "sparse_pc.ply",
        "comment": NOTE,
        "frames": entries,
    }
    path = folder / "transforms.json"
    store.write_bytes(path, (json.dumps(payload, indent=1, allow_nan=False) + "\n").encode())
    return path


def scattered(mesh: Mesh, *, count: int, generator: torch.Generator) -> Mesh:
    """Some vertices of a mesh, without faces."""
    pick = torch.randperm(len(mesh.vertices), generator=generator)[:count]
    return Mesh(mesh.vertices[pick], torch.zeros(0, 3, dtype=torch.long))


def _in(folder: Path, part: str, name: str) -> Path:
    return store.make_folder(folder / part) / name

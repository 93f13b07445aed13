"""Triangle meshes: areas, normals, reading and writing PLY."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the head frame.

    Attributes:
        vertices: metres.
        faces: vertex indices, counter-clockwise seen from outside.
        uv: texture coordinates in [0, 1] per vertex, v up, or None.
    """

    vertices: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "V 2"] | None = None


def face_normals(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "F 3"]:
    """Outward normals, length = twice the triangle's area (m^2)."""
    a, b, c = vertices[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a)


def vertex_normals(vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "V 3"]:
    """Unit outward normals, area-weighted."""
    weighted = face_normals(vertices, faces)
    summed = torch.zeros_like(vertices)
    for corner in range(3):
        summed = summed.index_add(0, faces[:, corner], weighted)
    return torch.nn.functional.normalize(summed, dim=-1, eps=1e-20)


def write_ply(
    path: Path,
    mesh: Mesh,
    *,
    colors: Float[Tensor, "V 3"] | None = None,
    normals: Float[Tensor, "V 3"] | None = None,
    uv: bool = False,
) -> None:
    """Write a binary PLY.

    Args:
        path: The file.
        mesh: m.
        colors: sRGB in [0, 1].
        normals: Unit, outwards.
        uv: Write the mesh's texture coordinates, too.
    """
    columns = {"xyz": mesh.vertices, ("nx", "ny", "nz"): normals, "uv": mesh.uv if uv else None}
    given = {names: values.detach().cpu().numpy() for names, values in columns.items() if values is not None}
    fields = [(name, "<f4") for names in given for name in names]
    if colors is not None:
        fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
    table = np.zeros(len(mesh.vertices), dtype=fields)
    for names, values in given.items():
        for axis, name in enumerate(names):
            table[name] = values[:, axis]
    if colors is not None:
        levels = (colors.detach().cpu().numpy().clip(0, 1) * 255 + 0.5).astype(np.uint8)
        for channel, name in enumerate(("red", "green", "blue")):
            table[name] = levels[:, channel]
    faces = np.zeros(mesh.faces.shape[0], dtype=[("n", "u1"), ("v", "<i4", 3)])
    faces["n"] = 3
    faces["v"] = mesh.faces.cpu().numpy()
    names = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    header += [f"property {names[kind]} {name}" for name, kind in fields]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header\n"]
    path.write_bytes("\n".join(header).encode() + table.tobytes() + faces.tobytes())

"""Finer triangles on the smooth surface that a coarse mesh stands for."""

import torch
from jaxtyping import Int
from torch import Tensor

from head3d.geometry.mesh import Mesh, vertex_normals

SHARP = 0.5
"""Cosine between the normals of an edge's ends below which it is a crease, which stays straight."""
MOST_BULGE = 0.15
"""An edge's middle moves by no more than this part of its length."""


def subdivide(mesh: Mesh, *, rounds: int = 1) -> Mesh:
    """Split every triangle into four whose new corners lie on a curved surface through the old ones.

    The middle of an edge is moved halfway to the mean of its projections onto the tangent planes of its ends: Phong
    tessellation (Boubekeur and Alexa 2008) at the strength that finds the middle of a circle's arc. Old vertices stay,
    so that what was fitted to the photos stays.
    """
    vertices, faces, uv = mesh.vertices, mesh.faces, mesh.uv
    for _ in range(rounds):
        ends, of_face = face_edges(faces)
        normals = vertex_normals(vertices, faces)
        a, b = vertices[ends].unbind(1)
        na, nb = normals[ends].unbind(1)
        middle = 0.5 * (a + b)
        onto_a = ((a - middle) * na).sum(-1, keepdim=True) * na
        onto_b = ((b - middle) * nb).sum(-1, keepdim=True) * nb
        bulge = 0.25 * (onto_a + onto_b)
        most = MOST_BULGE * (b - a).norm(dim=-1, keepdim=True)
        bulge = bulge * (most / bulge.norm(dim=-1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0)
        smooth = ((na * nb).sum(-1, keepdim=True) > SHARP).to(bulge)
        x, y, z = (of_face + len(vertices)).unbind(1)  # middles of the edges 01, 12, 20
        i, j, k = faces.unbind(1)
        vertices = torch.cat([vertices, middle + bulge * smooth])
        uv = None if uv is None else torch.cat([uv, uv[ends].mean(1)])
        parts = [[i, x, z], [x, j, y], [z, y, k], [x, y, z]]
        faces = torch.cat([torch.stack(part, dim=1) for part in parts])
    return Mesh(vertices, faces, uv)


def face_edges(faces: Int[Tensor, "F 3"]) -> tuple[Int[Tensor, "E 2"], Int[Tensor, "F 3"]]:
    """Every edge once (its ends), and of each triangle the edges from corner 0 to 1, 1 to 2 and 2 to 0."""
    pairs = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).reshape(-1, 2).sort(dim=1).values
    ends, index = torch.unique(pairs, dim=0, return_inverse=True)
    return ends, index.reshape(-1, 3)

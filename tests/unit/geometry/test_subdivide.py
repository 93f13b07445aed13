"""Finer triangles: on the surface the coarse ones stand for, closed as before, creases straight."""

import torch

from head3d.geometry.mesh import Mesh
from head3d.geometry.subdivide import face_edges, subdivide

CORNERS = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
OCTAHEDRON = torch.tensor([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])


def ball(rounds: int) -> Mesh:
    """A ball of triangles with corners on the unit sphere."""
    vertices, faces = CORNERS, OCTAHEDRON
    for _ in range(rounds):
        ends, of_face = face_edges(faces)
        middle = torch.nn.functional.normalize(vertices[ends].mean(1), dim=-1)
        x, y, z = (of_face + len(vertices)).unbind(1)
        i, j, k = faces.unbind(1)
        vertices = torch.cat([vertices, middle])
        faces = torch.cat([torch.stack(part, 1) for part in ([i, x, z], [x, j, y], [z, y, k], [x, y, z])])
    return Mesh(vertices, faces)


def test_middles_lie_on_the_sphere_that_the_corners_lie_on():
    coarse = ball(3)
    fine = subdivide(coarse)
    new = fine.vertices[len(coarse.vertices) :]
    ends, _ = face_edges(coarse.faces)
    flat = 1 - coarse.vertices[ends].mean(1).norm(dim=-1)
    off = (new.norm(dim=-1) - 1).abs() / flat
    assert off.max() < 0.35 and off.mean() < 0.12  # flat triangles are off by 1
    assert torch.equal(fine.vertices[: len(coarse.vertices)], coarse.vertices)


def test_a_closed_surface_stays_closed_and_faces_outwards():
    fine = subdivide(ball(1), rounds=2)
    directed = torch.cat([fine.faces[:, [0, 1]], fine.faces[:, [1, 2]], fine.faces[:, [2, 0]]])
    there, back = {tuple(e) for e in directed.tolist()}, {tuple(e[::-1]) for e in directed.tolist()}
    assert there == back and len(there) == len(directed)
    a, b, c = fine.vertices[fine.faces].unbind(1)
    assert ((torch.linalg.cross(b - a, c - a) * a).sum(-1) > 0).all()


def test_creases_stay_straight_and_texture_goes_along():
    uv = torch.rand(6, 2, generator=torch.Generator().manual_seed(0))
    fine = subdivide(Mesh(CORNERS, OCTAHEDRON, uv))  # normals of an octahedron's ends are square to each other
    ends, _ = face_edges(OCTAHEDRON)
    assert torch.allclose(fine.vertices[6:], CORNERS[ends].mean(1))
    assert fine.uv is not None and torch.allclose(fine.uv[6:], uv[ends].mean(1))

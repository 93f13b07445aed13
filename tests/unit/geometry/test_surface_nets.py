"""Surface nets of solids that are known."""

import math

import torch
from torch import Tensor

from head3d.geometry.mesh import Mesh
from head3d.geometry.surface_nets import surface_nets


def grid(count: int = 33) -> tuple[Tensor, Tensor, Tensor, float]:
    g = torch.linspace(-1.0, 1.0, count)
    z, y, x = torch.meshgrid(g, g, g, indexing="ij")
    return x, y, z, 2 / (count - 1)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum(-1).sum() / 6)


def test_a_ball_is_closed_round_and_faces_outwards():
    x, y, z, cell = grid()
    mesh = surface_nets((x * x + y * y + z * z).sqrt() - 0.6, torch.full((3,), -1.0), cell)
    assert (mesh.vertices.norm(dim=-1) - 0.6).abs().max() < 0.1 * cell
    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    assert len(mesh.vertices) - len(edges) // 2 + len(mesh.faces) == 2  # Euler: a sphere
    # every edge is walked once in each direction: closed, and all triangles turn the same way
    both = {(a, b) for a, b in edges.tolist()}
    assert len(both) == len(edges) and all((b, a) in both for a, b in both)
    assert abs(volume(mesh) - 4 / 3 * math.pi * 0.6**3) < 0.02  # chords lie inside the ball


def test_a_moved_box_keeps_its_place_and_size():
    x, y, z, cell = grid()
    away = torch.stack([(x - 0.1).abs() - 0.4, (y + 0.2).abs() - 0.3, z.abs() - 0.5]).amax(0)
    mesh = surface_nets(away, torch.tensor([-1.0, -1.0, -1.0]), cell)
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    assert torch.allclose(low, torch.tensor([-0.3, -0.5, -0.5]), atol=cell)
    assert torch.allclose(high, torch.tensor([0.5, 0.1, 0.5]), atol=cell)


def test_nothing_inside_is_no_mesh():
    assert len(surface_nets(torch.ones(4, 4, 4), torch.zeros(3), 1.0).faces) == 0

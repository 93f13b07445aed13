"""Meshes whose truth is known."""

import itertools

import torch


def sphere(radius: float = 1.0, *, steps: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """A closed ball of triangles (2 steps columns), corners on the sphere."""
    columns = 2 * steps
    theta = torch.arange(1, steps, dtype=torch.float64) * torch.pi / steps
    phi = torch.arange(columns, dtype=torch.float64) * torch.pi / steps
    t, p = torch.meshgrid(theta, phi, indexing="ij")
    ring = torch.stack([t.sin() * p.cos(), t.cos(), t.sin() * p.sin()], -1).view(-1, 3)
    poles = torch.tensor([[0.0, 1, 0], [0, -1, 0]], dtype=torch.float64)
    top, bottom = len(ring), len(ring) + 1
    faces = []
    for i, j in itertools.product(range(steps - 2), range(columns)):
        a, b = i * columns + j, i * columns + (j + 1) % columns
        faces += [[a, b, a + columns], [b, b + columns, a + columns]]
    last = (steps - 2) * columns
    for j in range(columns):
        faces += [[top, (j + 1) % columns, j], [bottom, last + j, last + (j + 1) % columns]]
    return (radius * torch.cat([ring, poles])).float(), torch.tensor(faces)

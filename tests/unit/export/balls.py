"""A ball as a mesh, and a field whose surface is a ball: what exports can be checked against by hand."""

import torch

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.geometry.mesh import Mesh

RADIUS_M = 0.1


def ball(radius_m: float = RADIUS_M, *, rings: int = 16) -> Mesh:
    """A closed ball about the origin."""
    rows, columns = rings, 2 * rings
    polar = torch.pi * torch.arange(1, rows).float() / rows
    azimuth = 2 * torch.pi * torch.arange(columns).float() / columns
    x = polar.sin()[:, None] * azimuth.cos()
    z = polar.sin()[:, None] * azimuth.sin()
    y = polar.cos()[:, None].expand_as(x)
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    vertices = torch.cat([torch.stack([x, y, z], dim=-1).reshape(-1, 3), poles]) * radius_m
    faces = []
    top, bottom = len(vertices) - 2, len(vertices) - 1
    for k in range(columns):
        after = (k + 1) % columns
        faces += [(top, after, k)]
        faces += [(bottom, (rows - 2) * columns + k, (rows - 2) * columns + after)]
        for r in range(rows - 2):
            a, b, c, d = r * columns + k, r * columns + after, (r + 1) * columns + k, (r + 1) * columns + after
            faces += [(a, b, c), (b, d, c)]
    return Mesh(vertices, torch.tensor(faces))


def ball_field(radius_m: float = RADIUS_M) -> RadianceField:
    """An untrained field: signed distance to a ball, red where x > 0 and green elsewhere, seen everywhere."""
    cell, count = 0.005, 65
    origin = torch.full((3,), -0.5 * cell * (count - 1))
    volume = Volume(torch.zeros(1, count, count, count), origin, cell)
    nodes = volume.nodes()
    sdf = (nodes.norm(dim=-1) - radius_m).reshape(1, count, count, count)
    small = GridConfig(levels=2, coarsest_cells=4, finest_cells=8, table_log2=8)
    red = (nodes[:, 0] > 0).float().reshape(count, count, count)
    logits = torch.stack([4 * red - 2, 2 - 4 * red, torch.full_like(red, -2), torch.zeros_like(red)])
    traits = torch.stack([torch.full((count,) * 3, 1e-4), torch.ones((count,) * 3)])
    field = RadianceField(
        FieldConfig(geometry=small, color=small, hidden=16),
        shape=Volume(sdf, origin, cell),
        traits=Volume(traits, origin, cell),
        paint=Volume(logits, origin, cell),
        sh=torch.zeros(1, 9, 3),
        generator=torch.Generator().manual_seed(0),
    )
    return field.requires_grad_(False)

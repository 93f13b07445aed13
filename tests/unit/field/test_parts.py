"""Encodings, volumes, expressions."""

import pytest
import torch

from head3d.field.config import GridConfig
from head3d.field.deform import Deformation, expression_volume
from head3d.field.encodings import make_encoding
from head3d.field.from_mesh import base_volume, cloak_volume
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.mesh import Mesh
from tests.stages.ball import ball


@pytest.mark.parametrize("kind", ["hash", "triplane"])
def test_an_encoding_passes_gradients_to_table_and_points(kind, generator):
    made = make_encoding(GridConfig(kind=kind, levels=2, finest_cells=40, table_log2=10), generator=generator)
    points = (torch.rand(20, 3, generator=generator) * 0.4 - 0.2).requires_grad_()
    features = made(points)
    assert features.shape == (20, made.width)
    features.sum().backward()
    assert points.grad is not None and points.grad.abs().max() > 0
    assert all(value.grad is not None for value in made.parameters())


def test_a_volume_gives_back_linear_functions(generator):
    origin, cell = torch.tensor([-0.1, 0.0, 0.1]), 0.01
    nodes = Volume(torch.zeros(1, 5, 6, 7), origin, cell).nodes()
    values = (nodes @ torch.tensor([1.0, -2.0, 3.0])).reshape(1, 5, 6, 7)
    points = origin + torch.rand(30, 3, generator=generator) * torch.tensor([0.06, 0.05, 0.04])
    found = sample_values(values, origin, cell, points)[:, 0]
    torch.testing.assert_close(found, points @ torch.tensor([1.0, -2.0, 3.0]), rtol=1e-4, atol=1e-6)


def test_the_base_of_a_ball_is_its_distance_and_hair_moves_it_out(generator):
    mesh = ball(0.09, rings=32)
    points = torch.nn.functional.normalize(torch.randn(200, 3, generator=generator), dim=-1) * 0.093
    shape = base_volume(mesh)
    bare = sample_values(shape.values, shape.origin, shape.cell_m, points)[:, 0]
    assert (bare - 0.003).abs().max() < 1e-3
    cloak = cloak_volume(mesh, torch.full((len(mesh.vertices),), 0.02))
    assert cloak is not None
    grown = base_volume(mesh, cloak=cloak)
    hairy = sample_values(grown.values, grown.origin, grown.cell_m, points)[:, 0]
    assert (hairy + 0.017).abs().max() < 1e-3
    assert cloak_volume(mesh, torch.zeros(len(mesh.vertices))) is None


def test_a_photos_expression_is_undone():
    neutral = ball(0.09, rings=24)
    lifted = neutral.vertices + torch.tensor([0.0, 0.004, 0.0]) * (neutral.vertices[:, 2:] > 0.05)
    photo = Mesh(lifted, neutral.faces)
    undo = Deformation([None, expression_volume(neutral, photo)])
    front = lifted[neutral.vertices[:, 2] > 0.075]
    ones = torch.ones(len(front), dtype=torch.long)
    back = undo.to_canonical(front, ones)
    assert (back - neutral.vertices[neutral.vertices[:, 2] > 0.075]).norm(dim=-1).max() < 5e-4
    assert torch.equal(undo.to_canonical(front, ones * 0), front)
    assert expression_volume(neutral, neutral) is None

"""What is left at the border of what photos show: crests run out gently, specks and film leave the air."""

import torch

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.occupancy import ShellCache
from head3d.field.volumes import Volume, box_grid, grid_nodes
from head3d.train.clear import clear_air, cleared
from head3d.train.ease import ease_unseen
from tests.stages.ball import RADIUS_M, untrained

GRID = GridConfig(levels=4, coarsest_cells=12, finest_cells=48, table_log2=12)
CELL_M = 0.0025
TALLER_M = 0.004


def radius_at(field, height_m: float) -> float:
    """Mean radius (m) of the surface about the z axis' circle of that height."""
    around = torch.arange(64) * 2 * torch.pi / 64
    flat = (RADIUS_M**2 - height_m**2) ** 0.5
    way = torch.stack([flat * around.cos(), flat * around.sin(), torch.full((64,), height_m)], dim=-1) / RADIUS_M
    radii = torch.linspace(RADIUS_M - 0.002, RADIUS_M + 0.008, 101)
    with torch.no_grad():
        distance = field.sdf((way[:, None] * radii[:, None]).reshape(-1, 3)).reshape(64, 101)
    return float(radii[(distance < 0).sum(1).clamp(max=100)].mean())


def crested():
    """A ball that training made taller where z > 0, though photos show only what lies above 1 cm."""
    field = untrained(FieldConfig(geometry=GRID, color=GRID, hidden=8), seen=lambda p: (p[:, 2] > 0.01).float())
    with torch.no_grad():
        field.geometry_decoder.bias_in.fill_(1.0)
        field.geometry_decoder.weight_out.fill_(-TALLER_M / 0.01 / 8)
        nodes = Volume(field.traits, field.traits_origin, field.cells["traits"]).nodes()
        field.traits[0] = torch.where(nodes[:, 2] > 0, 0.02, 1e-4).reshape(field.traits.shape[1:])
    return field


def test_what_stands_out_at_the_border_of_the_seen_runs_out_over_centimetres():
    field = crested()
    cache = ShellCache(field)
    cache.refresh(field)
    before = {height: radius_at(field, height) for height in (-0.08, -0.02, 0.05)}
    surface = cache.surface_points(20000, generator=torch.Generator().manual_seed(0))
    ease_unseen(field, cache, surface[surface[:, 2] > 0.01])
    after = {height: radius_at(field, height) for height in before}
    assert before[-0.02] < RADIUS_M + 0.3 * TALLER_M, "there the surface could hardly move"
    assert after[-0.02] > before[-0.02] + 0.2 * TALLER_M, "what was seen goes on a little"
    assert abs(after[-0.08] - before[-0.08]) < 0.25 * TALLER_M, "and fades"
    assert abs(after[0.05] - before[0.05]) < 0.05 * TALLER_M, "what photos show stays"


def grid_of_ball():
    shape, origin = box_grid(torch.full((3,), -0.13), torch.full((3,), 0.13), CELL_M)
    nodes = grid_nodes(shape, origin, CELL_M)
    return nodes, (nodes.norm(dim=-1) - RADIUS_M).reshape(shape)


def test_specks_vanish_and_a_hat_stays():
    nodes, ball = grid_of_ball()
    speck = (nodes - torch.tensor([0.0, 0.0, 0.11])).norm(dim=-1).reshape(ball.shape) - 0.004
    hat = (nodes - torch.tensor([0.0, 0.117, 0.0])).norm(dim=-1).reshape(ball.shape) - 0.022
    hat = torch.where(ball < CELL_M, ball.abs() + 0.001, hat)
    made = cleared(torch.minimum(torch.minimum(ball, speck), hat), cell_m=CELL_M)
    assert not ((made < 0) & (speck < 0)).any()
    assert (made[speck < 0] > 0.7 * 0.008).all(), "nor is there film where it was"
    assert torch.equal(made < 0, torch.minimum(ball, hat) < 0)


def test_film_is_lifted_and_true_distances_stay():
    nodes, ball = grid_of_ball()
    film = (ball > 0.006) & (ball < 0.012) & (nodes[:, 2].reshape(ball.shape) > 0.03)
    made = cleared(torch.where(film, 0.001, ball), cell_m=CELL_M)
    assert (made[film] > 0.7 * ball[film] - 0.002).all()
    torch.testing.assert_close(made[~film], ball[~film])


def test_a_field_is_changed_by_its_shell_alone():
    field = crested()
    with torch.no_grad():
        base = Volume(field.shape, field.shape_origin, field.cells["shape"])
        apart = (base.nodes() - torch.tensor([0.0, -RADIUS_M - 0.015, 0.0])).norm(dim=-1) - 0.005
        field.shape.copy_(torch.minimum(field.shape, apart.reshape(field.shape.shape)))
    cache = ShellCache(field)
    cache.refresh(field)
    learned = {name: value.clone() for name, value in field.named_parameters()}
    assert clear_air(field, cache) > 100
    once = field.shape.clone()
    cache = ShellCache(field)
    cache.refresh(field)
    clear_air(field, cache)
    assert float((field.shape - once).abs().max()) < 3e-4, "once is enough"
    assert all(torch.equal(value, learned[name]) for name, value in field.named_parameters())
    with torch.no_grad():
        assert float(field.sdf(torch.tensor([[0.0, -RADIUS_M - 0.015, 0.0]]))) > 0.005

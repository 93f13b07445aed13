"""A ball with a bump on the side that photos saw gets the same bump on the other."""

import pytest
import torch

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.geometry.conventions import other_side
from head3d.train import symmetry
from head3d.train.config import TrainConfig
from head3d.train.state import TrainState
from head3d.train.symmetry import Mirror, mirror_unseen, sight_of
from tests.stages.ball import RADIUS_M, untrained

BUMP_M = 0.006
GRID = GridConfig(levels=6, coarsest_cells=12, finest_cells=128, table_log2=14)


def bumpy(seen) -> TrainState:
    """A ball with a bump at +x, whose surface may move by a centimetre there and hardly at all elsewhere."""
    field = untrained(FieldConfig(geometry=GRID, color=GRID, hidden=32), seen=seen)
    with torch.no_grad():
        base = Volume(field.shape, field.shape_origin, field.cells["shape"])
        nodes = base.nodes()
        apart = (nodes - torch.tensor([RADIUS_M, 0.0, 0.0])).norm(dim=-1)
        field.shape -= (BUMP_M * torch.exp(-((apart / 0.025) ** 2))).reshape(1, *base.shape)
        nodes = Volume(field.traits, field.traits_origin, field.cells["traits"]).nodes()
        field.traits[0] = torch.where(nodes[:, 0] > 0, 0.012, 1e-4).reshape(field.traits.shape[1:])
    made = TrainState(field, config=TrainConfig())
    made.cache.refresh(field)
    return made


@pytest.fixture
def state() -> TrainState:
    return bumpy(lambda places: places[:, 0] > 0)


def sdf_at(field: RadianceField, points: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return field.sdf(points)


def test_the_bump_is_on_both_sides_and_the_seen_one_stays(state):
    side = torch.linspace(-0.4, 0.4, 9)
    ways = torch.nn.functional.normalize(torch.stack([torch.ones(9), side, side.flip(0) / 2], dim=-1), dim=-1)
    right = ways * (RADIUS_M + 0.5 * BUMP_M)
    was_right, was_left = sdf_at(state.field, right), sdf_at(state.field, other_side(right))
    assert float((was_left - was_right).abs().max()) > 0.8 * BUMP_M
    mirror_unseen(state, steps=150)
    left = sdf_at(state.field, other_side(right))
    assert float((left - was_right).abs().mean()) < 0.12 * BUMP_M
    assert float((sdf_at(state.field, right) - was_right).abs().mean()) < 0.08 * BUMP_M
    on_new = state.cache.sdf(other_side(right)) - sdf_at(state.field, other_side(right))
    assert float(on_new.abs().max()) < 1e-3, "the cache shows the new surface"


@pytest.mark.parametrize("seen", [lambda p: torch.ones(len(p)), lambda p: torch.zeros(len(p))])
def test_what_both_or_no_sides_were_seen_of_stays(seen):
    state = bumpy(seen)
    before = {name: value.clone() for name, value in state.field.state_dict().items()}
    mirror_unseen(state, steps=20)
    assert all(torch.equal(before[name], value) for name, value in state.field.state_dict().items())


def test_only_the_unseen_side_is_to_be_other_side(state):
    mirror = Mirror(state.field)
    right = torch.tensor([[RADIUS_M, 0.0, 0.0], [0.05, 0.05, 0.05]])
    assert mirror.share(right).max() == 0 and mirror.share(other_side(right)).min() == 1


def test_a_glance_at_an_ear_has_no_word_where_a_photo_shows_the_other_squarely():
    ear, cheek, nose, crown = (
        torch.tensor([place]) for place in ((0.08, 0, 0), (0.05, -0.04, 0.09), (0.01, 0, 0.1), (0, 0.1, 0.0))
    )
    places = torch.cat([ear, other_side(ear), cheek, other_side(cheek), nose, crown])
    points = places.repeat_interleave(200, 0)
    facing = torch.tensor([0.95, 0.3, 0.95, 0.8, 0.35, 0.12]).repeat_interleave(200)
    photo = torch.zeros(len(points), dtype=torch.long)
    word = sight_of(points, photo, facing, torch.ones(len(points)), nodes_m=places).word
    assert word[0] == 1 and word[1] == 0, "a rim seen along its edge"
    assert word[2] == 1 and word[3] == 1, "a cheek that turns away is still seen"
    assert word[4] == 1, "the mirror was not seen better"
    assert word[5] == 0, "the very outline is half the wall"
    nowhere = torch.tensor([[0.0, 0.15, 0.0]])
    assert sight_of(points, photo, facing, torch.ones(len(points)), nodes_m=nowhere).word == 0


@pytest.mark.parametrize(("least", "crisp"), [(symmetry.LEAST_SLOPE, True), (1.0, False)])
def test_between_two_shapes_the_surface_is_as_crisp_as_elsewhere(least, crisp, monkeypatch):
    monkeypatch.setattr(symmetry, "LEAST_SLOPE", least)
    state = bumpy(lambda places: places[:, 0] > -0.07)  # what was seen ends on the slope of the mirrored bump
    with torch.no_grad():
        base = Volume(state.field.shape, state.field.shape_origin, state.field.cells["shape"])
        apart = (base.nodes() - torch.tensor([0.06, 0.0, 0.07])).norm(dim=-1)
        state.field.shape -= (0.012 * torch.exp(-((apart / 0.02) ** 2))).reshape(1, *base.shape)
        state.field.traits[0] = 0.03
    state.cache.refresh(state.field)
    mirror_unseen(state, steps=150)
    points = state.cache.surface_points(8000, generator=torch.Generator().manual_seed(0))
    there = points[(points - torch.tensor([-0.06, 0.0, 0.07])).norm(dim=-1) < 0.04]
    slope = state.field.surface(there, step_m=1e-3).gradient.norm(dim=-1).detach()
    assert (float(slope.quantile(0.02)) > 0.73) == crisp

"""A ball with two locks, seen from its left: what is told of it, and what a network's answer does to its shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from head3d.field.volumes import Volume, box_grid, grid_nodes
from head3d.geometry.cameras import Cameras
from head3d.train.grown import Grown
from head3d.train.lift import (
    CELL_M,
    GRID,
    INPUTS,
    OUTPUTS,
    PARTS,
    UNIT_M,
    Lifted,
    evidence,
    lift_nodes,
    lifted,
    make_lift_net,
    mirrored,
    where_lifted,
)
from head3d.train.rays import TrainPhoto
from tests.unit.train.test_curtain import BALL_M, ball, photo, shell

GROWN = Grown(torch.zeros(3000), None, shell(), None)


def mirror_photo(one: TrainPhoto) -> TrainPhoto:
    """What a mirrored camera sees of the mirrored scene."""
    sides = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    c2w = one.camera.c2w.clone()
    c2w[0, :3, :3] = sides @ c2w[0, :3, :3] @ sides
    c2w[0, :3, 3] = sides @ c2w[0, :3, 3]
    pictures = {
        name: np.ascontiguousarray(value[:, ::-1]) for name, value in vars(one).items() if isinstance(value, np.ndarray)
    }
    return replace(one, **pictures, camera=Cameras(c2w, one.camera.K, one.camera.size))


class TestEvidence:
    def test_tells_what_is_within_the_outline_and_before_the_head(self):
        told = evidence(ball(), GROWN, [photo(0.0)])
        nodes = lift_nodes()

        def at(x: float, y: float, z: float) -> torch.Tensor:
            return told.reshape(INPUTS, -1)[:, int((nodes - torch.tensor([x, y, z])).norm(dim=1).argmin())]

        near, far, person_near, person_far = range(4)
        before = PARTS - 1
        front, behind, aside = at(0.0, 0.0, 0.1), at(0.0, 0.0, -0.1), at(0.14, 0.1, 0.1)
        assert (front[near], front[far]) == (1, 0) and (behind[near], behind[far]) == (0, 1)
        assert front[person_near] > 0.9 and aside[person_near] < -0.2, "in units of the outline's distance"
        assert behind[person_far] > 0.9
        assert front[before] > 0.2 and behind[before] < -0.9
        lock = at(0.085, -0.05, 0.02)
        assert lock[4] > 0.2 and front[4] < 0, "hair is told apart"

    def test_of_the_mirrored_scene_is_the_mirrored_evidence(self):
        photos = [photo(35.0), photo(-5.0)]
        own = evidence(ball(), GROWN, photos)
        other = evidence(ball(), GROWN, [mirror_photo(one) for one in photos])
        apart = (mirrored(own) - other).abs()
        assert float(apart.mean()) < 0.01
        assert float((own - other).abs().mean()) > 0.03, "the photos are not symmetric by themselves"
        torch.testing.assert_close(mirrored(mirrored(own)), own)

    def test_places_without_a_word_are_told_as_unseen(self):
        silent = replace(photo(0.0), alpha_weight=np.zeros_like(photo(0.0).alpha_weight))
        assert float(evidence(ball(), GROWN, [silent])[:2].sum()) == 0


class Answer(nn.Module):
    """A network that answers always the same."""

    def __init__(self, change_m: float) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.tensor(change_m / UNIT_M))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(len(seen), OUTPUTS, *GRID)
        out[:, 0] = self.change
        out[:, 2] = 3.0
        return out


def told(change_m: float) -> Lifted:
    return lifted(Answer(change_m), evidence(ball(), GROWN, [photo(0.0)]))  # type: ignore[arg-type]


class TestLifted:
    def test_moves_the_surface_where_no_photo_looks_and_nowhere_else(self):
        grid, origin = box_grid(torch.full((3,), -0.13), torch.full((3,), 0.13), 0.005)
        nodes = grid_nodes(grid, origin, 0.005)
        shape = Volume((nodes.norm(dim=-1) - BALL_M).reshape(1, *grid), origin, 0.005)
        blind = Volume((lift_nodes()[:, 2] < 0).float().reshape(1, *GRID), *where_lifted())
        made = told(-0.02).moved(shape, blind).values.reshape(-1)
        behind, front = nodes[:, 2] < -CELL_M, nodes[:, 2] > CELL_M
        assert torch.equal(made[front], shape.values.reshape(-1)[front])
        within = nodes[:, :2].norm(dim=-1) < 0.05  # beside the ball the photo shows wall
        skin = behind & within & (nodes.norm(dim=-1) < BALL_M + 0.04) & (nodes.norm(dim=-1) > BALL_M)
        wanted = nodes[skin].norm(dim=-1) - BALL_M - 0.02
        assert float((made[skin] - wanted).abs().quantile(0.98)) < 2e-3

    def test_small_changes_are_noise(self):
        assert float(told(0.004).change.values.abs().amax()) == 0
        torch.testing.assert_close(told(-0.02).change.values, torch.full((1, *GRID), -0.02))

    def test_a_blend_keeps_the_slope_of_a_distance(self):
        grid, origin = box_grid(torch.full((3,), -0.13), torch.full((3,), 0.13), 0.005)
        nodes = grid_nodes(grid, origin, 0.005)
        flat = Volume((0.4 * (nodes.norm(dim=-1) - BALL_M)).reshape(1, *grid), origin, 0.005)  # as means are
        blind = Volume(torch.ones(1, *GRID), *where_lifted())
        made = told(0.0).moved(flat, blind).values[0]
        slope = torch.stack(torch.gradient(made, spacing=0.005)).norm(dim=0)
        surface = made.abs() < 0.01
        assert 0.9 < float(slope[surface].median()) < 1.1

    def test_rays_never_step_through_a_surface_that_stays(self):
        grid, origin = box_grid(torch.full((3,), -0.16), torch.full((3,), 0.16), 0.005)
        nodes = grid_nodes(grid, origin, 0.005)
        shape = Volume((nodes.norm(dim=-1) - BALL_M).reshape(1, *grid), origin, 0.005)
        away = Volume((lift_nodes().norm(dim=-1) > BALL_M + 0.02).float().reshape(1, *GRID), *where_lifted())
        made = told(0.04).moved(shape, away).values.reshape(-1)  # the network is sure that the air is emptier still
        assert float((made - shape.values.reshape(-1)).amax()) < 0.011, "two nodes"
        assert torch.equal(made < 0, shape.values.reshape(-1) < 0)

    def test_knows_kinds_and_how_far_it_reaches(self):
        assert told(0.0).likely(torch.zeros(2, 3)).argmax(-1).tolist() == [1, 1]
        assert told(0.0).hairless().likely(torch.zeros(2, 3)).argmax(-1).tolist() == [0, 0]
        reached = told(-0.02).inside().norm(dim=-1)
        assert float(reached.amax()) == pytest.approx(BALL_M + 0.02, abs=2 * CELL_M)

    def test_answers_for_both_sides_alike(self):
        torch.manual_seed(0)
        net = make_lift_net().eval()
        seen = evidence(ball(), GROWN, [photo(30.0)])
        own, other = lifted(net, seen), lifted(net, mirrored(seen))
        torch.testing.assert_close(own.change.values, other.change.values.flip(-1), rtol=1e-4, atol=1e-6)

    def test_adds_nothing_where_a_photo_shows_wall(self):
        grid, origin = box_grid(torch.full((3,), -0.16), torch.full((3,), 0.16), 0.005)
        nodes = grid_nodes(grid, origin, 0.005)
        shape = Volume((nodes.norm(dim=-1) - BALL_M).reshape(1, *grid), origin, 0.005)
        everywhere = Volume(torch.ones(1, *GRID), *where_lifted())
        grown = nodes[(told(-0.04).moved(shape, everywhere).values.reshape(-1) < 0)]
        assert float(grown[:, 2].amin()) < -BALL_M - 0.02, "behind the head nothing speaks against it"
        assert float(grown[:, 1].amax()) < BALL_M + 0.015, "above it the photo shows wall"

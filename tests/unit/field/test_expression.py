"""Expressions and gaze of the field against meshes and eyeballs whose motion is known."""

import math
from itertools import pairwise

import pytest
import torch

from head3d.field.expression import displaced, expression_map, folds, jacobians, lattice_of_faces
from head3d.field.eye_range import EASY_RAD, LIMIT_RAD
from head3d.field.gaze import (
    STRAIGHT,
    Eyeball,
    eased,
    gaze_map,
    grown,
    limited,
    turn_towards,
    turned_aside,
)
from head3d.field.lattice_fit import Lattice, fit_lattice
from head3d.field.volumes import Volume
from head3d.geometry.mesh import Mesh
from head3d.geometry.rotations import matrix_from_axis_angle
from tests.stages.ball import ball

EYE = Eyeball(torch.tensor([0.03, 0.025, 0.074]), torch.tensor([0.0, 0.0, 1.0]), 0.0155, math.radians(22))


def points_of(mesh: Mesh, vertices: torch.Tensor) -> torch.Tensor:
    corners, weights = lattice_of_faces(mesh.vertices, mesh.faces, step_m=0.004)
    return (vertices[corners] * weights[..., None]).sum(1)


def slit(open_m: float) -> Mesh:
    """Two flat lips, one above the other, ``open_m`` apart in the middle and joined at the corners."""
    x = torch.linspace(-0.025, 0.025, 21)
    parts, faces = [], []
    for side in (1.0, -1.0):
        edge = side * 0.5 * open_m * (1 - (x / 0.025) ** 2).clamp(min=0)
        rows = [torch.stack([x, edge + side * 0.002 * k, torch.full_like(x, 0.1)], dim=-1) for k in range(8)]
        first = sum(len(part) for part in parts)
        parts += rows
        for k in range(7):
            for i in range(20):
                a, b = first + 21 * k + i, first + 21 * (k + 1) + i
                faces += [(a, a + 1, b + 1), (a, b + 1, b)] if side > 0 else [(a, b + 1, a + 1), (a, b, b + 1)]
    return Mesh(torch.cat(parts), torch.tensor(faces))


def lids(height_m: float = 0.006, width_m: float = 0.014) -> torch.Tensor:
    """Skin about ``EYE``: a shell 1 mm before the eyeball with an opening of the size of an eye's."""
    i = torch.arange(6000) + 0.5
    z, azimuth = 1 - i / 6000, 2.399963 * i
    rays = torch.stack([(1 - z * z).sqrt() * azimuth.cos(), (1 - z * z).sqrt() * azimuth.sin(), z], dim=-1)
    shell = rays * (EYE.radius_m + 0.001)
    outside = (shell[:, 0] / width_m) ** 2 + (shell[:, 1] / height_m) ** 2 > 1
    return shell[outside] + EYE.centre


class TestFitLattice:
    def test_linear_displacement_comes_back_inside(self, generator):
        points = torch.rand(4000, 3, generator=generator) * 0.06 - 0.03
        values = points @ torch.tensor([[0.1, 0.0, 0.0], [0.0, -0.2, 0.1], [0.0, 0.0, 0.1]])
        lattice = Lattice(torch.full((3,), -0.05), torch.full((3,), 0.05), 0.004)
        found = fit_lattice(lattice, points, values, torch.ones(len(points)))
        inner = points[points.abs().amax(-1) < 0.02]
        wanted = inner + values[points.abs().amax(-1) < 0.02]
        assert (displaced(found, inner) - wanted).norm(dim=-1).max() < 1e-4

    def test_the_border_stays(self):
        lattice = Lattice(torch.full((3,), -0.02), torch.full((3,), 0.02), 0.004)
        found = fit_lattice(lattice, torch.zeros(1, 3), torch.ones(1, 3), torch.ones(1)).values
        assert found.abs().max() > 0.3
        assert all(found.select(axis, end).abs().max() == 0 for axis in (1, 2, 3) for end in (0, -1))


class TestExpressionMap:
    def test_nothing_moves_without_an_expression(self):
        assert expression_map(ball(), ball()) is None

    def test_a_bulge_is_carried_back_and_space_keeps_its_order(self):
        neutral = ball(0.09, rings=40)
        away = (neutral.vertices - torch.tensor([0.02, -0.03, 0.08])).norm(dim=-1)
        push = 0.008 * torch.exp(-((away / 0.03) ** 2))[:, None] * torch.tensor([0.6, 0.7, 0.4])
        posed = Mesh(neutral.vertices + push, neutral.faces)
        found = expression_map(neutral, posed)
        assert found is not None
        start, end = points_of(neutral, posed.vertices), points_of(neutral, neutral.vertices)
        error = (displaced(found, start) - end).norm(dim=-1)[start[:, 2] > 0]
        assert error.median() < 3e-4 and error.quantile(0.95) < 1e-3
        assert not folds(found).any()

    def test_parted_lips_go_back_to_their_own_side_and_the_gap_to_where_they_met(self):
        closed, parted = slit(0.0), slit(0.008)
        found = expression_map(closed, parted)
        assert found is not None
        start, end = points_of(parted, parted.vertices), points_of(parted, closed.vertices)
        error = (displaced(found, start) - end).norm(dim=-1)
        assert error.median() < 3e-4 and error.quantile(0.95) < 1e-3
        gap = torch.stack([torch.zeros(9), torch.linspace(-0.003, 0.003, 9), torch.full((9,), 0.1)], dim=-1)
        assert displaced(found, gap)[:, 1].abs().max() < 1e-3
        assert float((torch.linalg.det(jacobians(found)) <= 0).float().mean()) < 1e-3

    def test_determinants_of_a_stretch_are_what_they_should_be(self):
        nodes = Volume(torch.zeros(3, 4, 5, 6), torch.zeros(3), 0.01).nodes()
        values = (nodes @ torch.diag(torch.tensor([0.5, 0.0, -0.2]))).T.reshape(3, 4, 5, 6)
        det = torch.linalg.det(jacobians(Volume(values, torch.zeros(3), 0.01)))
        torch.testing.assert_close(det, torch.full((60,), 1.2), rtol=1e-4, atol=1e-5)


class TestGaze:
    @pytest.mark.parametrize("yaw_deg", [-20.0, -10.0, 10.0, 20.0])
    def test_the_iris_turns_by_the_angle_and_the_lids_stay(self, yaw_deg):
        turn, skin = torch.tensor([0.0, math.radians(yaw_deg), 0.0]), lids()
        found = gaze_map(None, [EYE], [turn], skin=skin)
        assert found is not None
        iris = EYE.centre + EYE.radius_m * (matrix_from_axis_angle(turn) @ EYE.forward)
        back = displaced(found, iris[None])[0] - EYE.centre
        assert abs(math.degrees(math.atan2(float(back[0]), float(back[2])))) < 1.0
        assert (displaced(found, skin) - skin).norm(dim=-1).quantile(0.9) < 3e-4
        assert float(folds(found).float().mean()) < 1e-3

    def test_it_adds_to_an_expression(self):
        base = Volume(torch.zeros(3, 20, 20, 20), EYE.centre - 0.02, 0.002)
        base.values[:, 8:12, 8:12, 1:3] = 1e-3
        found = gaze_map(base, [EYE], [torch.tensor([0.0, 0.2, 0.0])], skin=lids())
        assert found is not None and found.cell_m == base.cell_m
        corner = EYE.centre - 0.02 + torch.tensor([0.0, 0.016, 0.016])
        assert gaze_map(base, [EYE], [torch.zeros(3)], skin=lids()) is base
        assert displaced(found, corner[None] + 0.001).isfinite().all()

    def test_eyes_meet_the_point_or_stop_at_their_limit(self):
        near = EYE.centre + torch.tensor([0.1, 0.0, 1.0])
        turned = matrix_from_axis_angle(turn_towards(EYE, near)) @ EYE.forward
        wanted = torch.nn.functional.normalize(near - EYE.centre, dim=0)
        assert float(turned @ wanted) > 1 - 1e-6
        aside = turn_towards(EYE, EYE.centre + torch.tensor([1.0, 0.0, 0.2]))
        assert EASY_RAD < float(aside.norm()) <= LIMIT_RAD + 1e-6

    @pytest.mark.parametrize("aside_deg", [(10.0, 0.0), (-10.0, 0.0), (0.0, 8.0), (6.0, -9.0)])
    def test_eyes_turned_aside_look_there(self, aside_deg):
        looks = matrix_from_axis_angle(turned_aside(torch.zeros(3), aside_deg)) @ torch.tensor([0.0, 0.0, 1.0])
        left, up = math.degrees(math.atan2(float(looks[0]), float(looks[2]))), math.degrees(math.asin(float(looks[1])))
        assert (left, up) == pytest.approx(aside_deg, abs=1e-3)

    def test_turns_aside_add_up_and_end_where_eyes_end(self):
        first = turned_aside(torch.zeros(3), (5.0, 0.0))
        torch.testing.assert_close(turned_aside(first, (6.0, 0.0)), turned_aside(torch.zeros(3), (11.0, 0.0)))
        torch.testing.assert_close(turned_aside(first, (-5.0, 0.0)), torch.zeros(3), atol=1e-6, rtol=0.0)
        assert turned_aside(first, STRAIGHT) is first
        far = turned_aside(turned_aside(torch.zeros(3), (20.0, 0.0)), (20.0, 20.0))
        assert EASY_RAD < float(far.norm()) <= LIMIT_RAD + 1e-6

    def test_the_limit_is_smooth_and_never_exceeded(self):
        angles = [eased(k * 0.01) for k in range(150)]
        assert all(0 <= b - a <= 0.0101 for a, b in pairwise(angles))
        assert float(limited(torch.tensor([0.0, 0.7, 0.0])).norm()) <= LIMIT_RAD + 1e-6

    def test_a_grown_volume_keeps_its_values_in_place(self):
        small = Volume(torch.rand(3, 3, 4, 5), torch.zeros(3), 0.01)
        large = grown(small, torch.full((3,), -0.025), torch.tensor([0.03, 0.085, 0.01]))
        points = small.nodes() * 0.9 + 0.001
        torch.testing.assert_close(displaced(large, points), displaced(small, points))
        assert (large.origin <= -0.025).all() and large.shape[1] == 13

"""The joint fit's normal equations, on heads with exact truth."""

import math
from dataclasses import replace

import pytest
import torch

from head3d.geometry.cameras import look_at_head
from head3d.geometry.rotations import angle_between
from head3d.morphable.energies import (
    PointTargets,
    Priors,
    SurfaceTarget,
    add_points,
    empty_equations,
    point_term,
    project_points,
    surface_points,
)
from head3d.morphable.solve import minimise
from head3d.morphable.state import FitState, layout_of, moved, reattach
from head3d.morphable.types import HeadModel


def small_model(seed: int = 0) -> HeadModel:
    """A lumpy ellipsoid of 300 vertices with 6 identity and 4 expression directions."""
    g = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(300, 3, generator=g), dim=-1)
    vertices = direction * torch.tensor([0.07, 0.11, 0.09])
    faces = torch.randint(0, 300, (100, 3), generator=g)
    barycentrics = torch.rand(478, 3, generator=g)
    empty = torch.zeros(1, dtype=torch.long)
    return HeadModel(
        name="test",
        version="1",
        mean=vertices,
        identity_basis=0.003 * torch.randn(6, 300, 3, generator=g),
        identity_ridge=torch.ones(6),
        expression_basis=0.004 * torch.randn(4, 300, 3, generator=g),
        expression_names=("jawOpen", "smileLeft", "smileRight", "blink"),
        faces=faces,
        uv=torch.zeros(300, 2),
        groups={name: empty for name in ("eye_left", "eye_right", "skin", "face")},
        mirror=torch.arange(300),
        landmark_triangles=torch.randint(0, 300, (478, 3), generator=g),
        landmark_barycentrics=barycentrics / barycentrics.sum(1, keepdim=True),
        landmark_ok=torch.ones(478, dtype=torch.bool),
        ibug_triangles=torch.randint(0, 300, (68, 3), generator=g),
        ibug_barycentrics=torch.ones(68, 3) / 3,
        eye_centres=torch.zeros(2, 3),
    )


def true_state(model: HeadModel, *, given: bool) -> FitState:
    g = torch.Generator().manual_seed(3)
    poses = torch.stack([look_at_head(yaw_deg=y, pitch_deg=p, distance_m=0.8) for y, p in ((0, 0), (40, 5), (-35, -8))])
    rotation = poses[:, :3, :3].transpose(1, 2).double()
    translation = -(rotation @ poses[:, :3, 3:].double())[:, :, 0]
    state = FitState(
        identity=torch.randn(6, generator=g).double(),
        expression=torch.rand(3, 4, generator=g).double() * 0.8,
        rotation=rotation,
        translation=translation,
        log_focal=torch.tensor([math.log(700.0)]).double(),
        lens=(0, 0, 0),
        principal_px=torch.tensor([[256.0, 256.0]]).double().expand(3, 2).clone(),
        sizes=((512, 512),) * 3,
    )
    if not given:
        return state
    # a world that is twice as large, turned and shifted
    G = torch.linalg.qr(torch.randn(3, 3, generator=g).double()).Q
    G = G * torch.det(G).sign()
    shift, scale = torch.tensor([0.3, -0.2, 0.5]).double(), torch.tensor(2.0).double()
    rig_rotation = rotation @ G.T
    return reattach(
        replace(
            state,
            rig_rotation=rig_rotation,
            rig_translation=translation * scale - rig_rotation @ shift,
            similarity_rotation=G,
            similarity_translation=shift,
            log_scale=scale.log(),
        )
    )


def exact_targets(model: HeadModel, state: FitState) -> list[PointTargets]:
    targets = []
    for photo in range(state.photos):
        vertices = model.mean.double() + torch.einsum("i,ivc->vc", state.identity, model.identity_basis.double())
        vertices = vertices + torch.einsum("e,evc->vc", state.expression[photo], model.expression_basis.double())
        points = surface_points(vertices[None], model.landmark_triangles, model.landmark_barycentrics)[0]
        seen = project_points(state, photo, points)
        targets.append(
            PointTargets(
                photo=photo,
                triangles=model.landmark_triangles,
                barycentrics=model.landmark_barycentrics,
                target_px=seen.float(),
                sigma_px=torch.ones(len(seen)),
            )
        )
    return targets


class TestMinimise:
    def test_planes_of_a_scan_give_back_the_identity(self) -> None:
        model = small_model()
        truth = true_state(model, given=False)
        places = model.mean.double() + torch.einsum("i,ivc->vc", truth.identity, model.identity_basis.double())
        normals = torch.nn.functional.normalize(torch.randn(300, 3, generator=torch.Generator().manual_seed(5)), dim=-1)
        surface = SurfaceTarget(torch.arange(300), places, normals.double(), torch.full((300,), 1e-4).double())
        solved = minimise(
            model,
            replace(truth, identity=torch.zeros(6).double()),
            targets=[],
            priors=Priors(),
            expression_ridge=torch.ones(4),
            start_log_focal=truth.log_focal,
            known_focal=torch.tensor([True]),
            rounds=4,
            surface=surface,
        )
        assert torch.allclose(solved.identity, truth.identity, atol=1e-3)

    @pytest.mark.parametrize("given", [False, True])
    def test_exact_landmarks_give_back_the_head_and_its_poses(self, given: bool) -> None:
        model = small_model()
        truth = true_state(model, given=given)
        layout = layout_of(truth)
        g = torch.Generator().manual_seed(9)
        kick = torch.zeros(layout.size, dtype=torch.float64)
        kick[layout.identity + layout.lenses :] = 0.02 * torch.randn(
            layout.size - layout.identity - layout.lenses, generator=g
        )
        start = replace(moved(truth, kick), identity=torch.zeros(6).double())
        weak = Priors(identity=1e-6, expression=1e-6, negative=0.0, symmetry=0.0)
        found = minimise(
            model,
            start,
            targets=exact_targets(model, truth),
            priors=weak,
            expression_ridge=torch.ones(4),
            start_log_focal=truth.log_focal,
            known_focal=torch.ones(1, dtype=torch.bool),
            rounds=25,
        )
        assert torch.rad2deg(angle_between(found.rotation, truth.rotation)).max() < 0.01
        assert (found.identity - truth.identity).abs().max() < 0.02
        assert (found.expression - truth.expression).abs().max() < 0.02

    def test_focal_length_does_not_run_away_from_one_photo(self) -> None:
        model = small_model()
        truth = true_state(model, given=False)
        wrong = replace(truth, log_focal=truth.log_focal + 0.3)
        found = minimise(
            model,
            wrong,
            targets=exact_targets(model, truth)[:1],
            priors=Priors(),
            expression_ridge=torch.ones(4),
            start_log_focal=wrong.log_focal,
            known_focal=torch.zeros(1, dtype=torch.bool),
            rounds=10,
        )
        assert abs(float(found.log_focal[0] - wrong.log_focal[0])) < 1e-3


class TestAddPoints:
    @pytest.mark.parametrize("given", [False, True])
    @pytest.mark.parametrize("contour", [False, True])
    def test_gradient_equals_finite_differences_of_the_cost(self, given: bool, contour: bool) -> None:
        model = small_model()
        state = true_state(model, given=given)
        target = exact_targets(model, state)[1]
        normal = torch.nn.functional.normalize(torch.randn(478, 2, generator=torch.Generator().manual_seed(1)), dim=-1)
        # residuals of 0.3 px stay inside Huber's quadratic part, where the cost is smooth
        target = replace(target, target_px=target.target_px + 0.3, normal_px=normal if contour else None)
        term = point_term(model, target)

        def cost(step: torch.Tensor) -> float:
            equations = empty_equations(layout_of(state))
            add_points(equations, moved(state, step), term)
            return equations.cost

        equations = empty_equations(layout_of(state))
        add_points(equations, state, term)
        size = layout_of(state).size
        for unknown in range(size):
            step = torch.zeros(size, dtype=torch.float64)
            step[unknown] = 1e-6
            slope = (cost(step) - cost(-step)) / 2e-6
            assert slope == pytest.approx(-2 * float(equations.vector[unknown]), rel=1e-4, abs=1e-3)

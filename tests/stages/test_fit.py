"""The joint fit on synthetic people whose truth is exact."""

import numpy as np
import pytest
import torch

from head3d.geometry.mesh import vertex_normals
from head3d.geometry.rotations import angle_between
from head3d.geometry.sh import irradiance_basis
from head3d.morphable.config import FitConfig
from head3d.morphable.fit import fit_head
from head3d.morphable.head_model import load_head_model
from head3d.morphable.types import HeadFit, HeadModel
from tests.stages.synthetic_heads import SyntheticPerson, photograph

pytestmark = pytest.mark.weights

POSES = [(0.0, 0.0), (32.0, 5.0), (-36.0, -6.0), (58.0, 2.0)]


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def person(model: HeadModel) -> SyntheticPerson:
    identity = torch.zeros(model.identity_basis.shape[0])
    modes = model.identity_ridge <= 1.0
    identity[modes] = 0.9 * torch.randn(int(modes.sum()), generator=torch.Generator().manual_seed(5))
    return photograph(model, identity, POSES)


@pytest.fixture(scope="module")
def fitted(model: HeadModel, person: SyntheticPerson) -> HeadFit:
    return fit_head(person.observations, config=FitConfig(), model=model)


def surface_error_mm(found: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
    """Distance between corresponding vertices after the best similarity: the scale of photos is unknowable."""
    a, b = found.double().numpy(), truth.double().numpy()
    ma, mb = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - mb).T @ (a - ma))
    scale = s.sum() / ((a - ma) ** 2).sum()
    return np.linalg.norm(scale * (a - ma) @ (u @ vt).T + mb - b, axis=1) * 1000


class TestFitHead:
    def test_poses_are_found_within_a_degree(self, fitted: HeadFit, person: SyntheticPerson) -> None:
        found = torch.stack([camera.c2w[0, :3, :3] for camera in fitted.cameras])
        truth = torch.stack([camera.c2w[0, :3, :3] for camera in person.cameras])
        assert torch.rad2deg(angle_between(found, truth)).median() < 1.0

    def test_face_is_nearer_to_the_truth_than_the_mean_face(
        self, fitted: HeadFit, person: SyntheticPerson, model: HeadModel
    ) -> None:
        face = model.groups["face"]
        error = surface_error_mm(fitted.vertices()[face], person.vertices[face])
        mean = surface_error_mm(model.mean[face], person.vertices[face])
        assert np.median(error) < 1.2
        assert np.median(error) < 0.6 * np.median(mean)

    def test_light_shades_the_head_as_the_true_light_does(
        self, fitted: HeadFit, person: SyntheticPerson, model: HeadModel
    ) -> None:
        face = model.groups["face"]
        normals = vertex_normals(person.vertices, model.faces)[face]
        truth = (irradiance_basis(normals) @ person.sh).mean(1)
        found = (irradiance_basis(normals) @ fitted.sh[0]).mean(1)
        ratio = found / truth  # the scale belongs to the albedo
        assert float(ratio.std() / ratio.mean()) < 0.12

    def test_given_cameras_keep_their_relative_poses(self, model: HeadModel, person: SyntheticPerson) -> None:
        fit = fit_head(
            person.observations,
            config=FitConfig(flow_rounds=0, silhouette_rounds=2),
            model=model,
            cameras=person.cameras,
        )
        found = torch.stack([camera.c2w[0, :3, :3] for camera in fit.cameras])
        truth = torch.stack([camera.c2w[0, :3, :3] for camera in person.cameras])
        relative = angle_between(found[:1].transpose(1, 2) @ found, truth[:1].transpose(1, 2) @ truth)
        assert torch.rad2deg(relative).max() < 0.05

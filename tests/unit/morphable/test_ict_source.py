"""The ICT-FaceKit head in the head frame (needs the shared data)."""

import os
from pathlib import Path

import pytest
import torch

from head3d.errors import WeightsMissing
from head3d.geometry.mesh import vertex_normals
from head3d.morphable.ict_source import load_ict
from head3d.morphable.shell import boundary_loops, shell_faces
from head3d.morphable.types import HeadModel

DATA = Path(os.environ.get("HEAD3D_DATA", Path(__file__).parents[4] / "shared" / "data"))
ICT = DATA / "head_models" / "ict_head_compact_i8.npz"


@pytest.fixture(scope="module")
def ict() -> HeadModel:
    if not ICT.is_file():
        pytest.skip("needs head_models/ict_head_compact_i8.npz under HEAD3D_DATA")
    return load_ict(ICT)


def test_the_nose_points_forward_and_the_left_eye_is_on_the_subjects_left(ict: HeadModel) -> None:
    landmarks = (ict.mean[ict.landmark_triangles] * ict.landmark_barycentrics[..., None]).sum(1)
    nose, chin = landmarks[1], landmarks[152]
    assert nose[2] > chin[2] > 0
    assert nose[1] > chin[1]
    assert ict.eye_centres[1, 0] > 0 > ict.eye_centres[0, 0]
    left_smile = ict.expression_basis[ict.expression_names.index("mouthSmileLeft")].norm(dim=-1).argmax()
    assert ict.mean[left_smile, 0] > 0


def test_is_an_adult_in_metres(ict: HeadModel) -> None:
    irises = (ict.mean[ict.landmark_triangles] * ict.landmark_barycentrics[..., None]).sum(1)[[468, 473]]
    assert 0.058 < (irises[0] - irises[1]).norm() < 0.068


def test_skin_normals_point_outwards(ict: HeadModel) -> None:
    normals = vertex_normals(ict.mean, ict.faces)
    scalp = ict.groups["scalp"]
    outwards = torch.nn.functional.normalize(ict.mean[scalp] - torch.tensor([0.0, 0.03, 0.0]), dim=-1)
    assert ((normals[scalp] * outwards).sum(-1) > 0).float().mean() > 0.98


def test_mirroring_twice_changes_nothing_and_keeps_the_mean(ict: HeadModel) -> None:
    assert (ict.mirror[ict.mirror] == torch.arange(len(ict.mirror))).float().mean() > 0.999
    flipped = ict.mean[ict.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert (flipped - ict.mean).norm(dim=-1).max() < 5e-4  # m; int8 rounding of the file


def test_an_eye_turns_about_its_centre(ict: HeadModel) -> None:
    looking = ict.vertices(torch.zeros(100), eyes=torch.tensor([[0.0, 0.3, 0.0], [0.0, 0.0, 0.0]]))
    index = ict.groups["eye_right"]
    radius = (ict.mean[index] - ict.eye_centres[0]).norm(dim=-1)
    assert torch.allclose((looking[index] - ict.eye_centres[0]).norm(dim=-1), radius, atol=1e-6)
    assert torch.equal(looking[ict.groups["eye_left"]], ict.mean[ict.groups["eye_left"]])


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="ict_head_compact"):
        load_ict(tmp_path / "absent.npz")


def test_its_outer_shell_is_closed_too(ict: HeadModel) -> None:
    assert boundary_loops(shell_faces(ict)) == []

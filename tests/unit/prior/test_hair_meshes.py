import pytest
import torch

from head3d.perception.types import Region
from head3d.prior.hair_meshes import load_hair_meshes, mesh_layer


class TestLoadHairMeshes:
    def test_there_are_none_where_there_is_no_file(self, casting, tmp_path):
        assert load_hair_meshes(tmp_path, casting.model) == ()

    def test_hair_lies_outside_the_skin(self, casting, data_folder):
        meshes = load_hair_meshes(data_folder / "head_models", casting.model)
        if not meshes:
            pytest.skip("no hair meshes in the data folder")
        for hair in meshes:
            layer = mesh_layer(hair, casting.model.mean)
            assert (layer.label == int(Region.HAIR)).all()
            inner = torch.tensor([0.0, 0.05, 0.0])
            near = (layer.vertices[layer.faces].mean(1) - inner).norm(dim=1)
            assert near.min() > 0.055 and near.max() < 0.45, hair.name
            assert (hair.uv >= 0).all() and (hair.uv <= 1).all()
            torch.testing.assert_close(hair.mix.sum(1), torch.ones(len(hair.mix)))

import torch

from head3d.perception.types import Region
from head3d.prior.glasses import make_glasses


class TestMakeGlasses:
    def test_rims_stand_before_the_eyes_and_temples_reach_the_ears(self, casting):
        model = casting.model
        for seed in range(5):
            layer = make_glasses(
                model.mean, model, torch.Generator().manual_seed(seed), color=torch.tensor([0.1, 0.1, 0.1])
            )
            assert (layer.label == int(Region.GLASSES)).all() and torch.isfinite(layer.vertices).all()
            eyes = model.mean[torch.cat([model.groups["eye_right"], model.groups["eye_left"]])]
            near = layer.vertices[layer.vertices[:, 0].abs() < 0.045]
            assert near[:, 2].min() > eyes[:, 2].max()
            ears = model.mean[model.groups["ears"]]
            assert torch.cdist(layer.vertices, ears).min() < 0.01

import numpy as np
import pytest
import torch

from head3d.refine.generator import TILE, Refiner, refine
from head3d.refine.lessons import degraded


@pytest.fixture(scope="module")
def net() -> Refiner:
    torch.manual_seed(0)
    made = Refiner().eval()
    torch.nn.init.normal_(made.net.head.weight, std=0.02)
    return made


class TestRefine:
    @pytest.mark.parametrize("factor", [1, 2, 4])
    def test_enlarges(self, net, factor):
        assert refine(net, torch.rand(40, 56, 3), factor=factor).shape == (40 * factor, 56 * factor, 3)

    def test_before_training_it_enlarges_smoothly(self):
        picture = torch.rand(32, 32, 3)
        plain = torch.nn.functional.interpolate(
            picture.permute(2, 0, 1)[None], scale_factor=4, mode="bicubic", align_corners=False
        )[0].permute(1, 2, 0)
        made = refine(Refiner(), picture, factor=4)
        assert float((made - plain.clamp(0, 1)).abs().mean()) < 0.02

    def test_local_means_of_colours_stay(self, net):
        picture = 0.3 + 0.4 * torch.rand(64, 64, 3)
        made = refine(net, picture, factor=2)
        small = made.reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert float((small - picture).reshape(4, 16, 4, 16, 3).mean((1, 3)).abs().max()) < 0.03
        assert float((small - picture).mean().abs()) < 0.004

    def test_tiles_leave_no_seam(self, net):
        picture = torch.rand(8, TILE + 60, 3)
        whole = refine(net, picture, factor=1)
        window = refine(net, picture[:, TILE - 60 :], factor=1)
        torch.testing.assert_close(whole[:, TILE + 10 :], window[:, 70:], rtol=0, atol=0.04)


class TestDegraded:
    @pytest.mark.parametrize("factor", [1, 2, 4])
    def test_is_smaller_and_keeps_the_mean(self, factor):
        sharp = np.random.default_rng(0).integers(60, 200, (64, 64, 3)).astype(np.uint8)
        made = degraded(sharp, np.random.default_rng(1), factor=factor)
        assert made.shape == (64 // factor, 64 // factor, 3)
        assert abs(made.mean() - sharp.mean()) < 2.0
        assert made.std() < sharp.std()

import pytest
import torch
from torch.nn import functional

from head3d.imaging.color import linear_from_srgb
from head3d.refine.generator import KEPT_PX, TILE, NetName, Refiner, enlarge, refine, with_means

NAMES: tuple[NetName, ...] = ("refiner", "enlarger")


@pytest.fixture(scope="module", params=NAMES)
def net(request) -> Refiner:
    torch.manual_seed(0)
    made = Refiner(request.param).eval()
    torch.nn.init.normal_(made.net.head.weight, std=0.02)
    return made


def means(rgb_srgb: torch.Tensor, cell: int) -> torch.Tensor:
    return functional.avg_pool2d(linear_from_srgb(rgb_srgb).permute(2, 0, 1)[None], cell)


class TestWithMeans:
    def test_scaled_down_it_is_the_picture_that_was_given(self):
        given, made = torch.rand(2, 3, 5, 6), torch.rand(2, 3, 20, 24)
        found = with_means(made, given)
        torch.testing.assert_close(functional.avg_pool2d(found, 4), given, rtol=0, atol=1e-6)
        assert -1e-6 <= float(found.min()) and float(found.max()) <= 1 + 1e-6

    def test_a_picture_with_the_right_means_stays(self):
        made = torch.rand(1, 3, 8, 8)
        torch.testing.assert_close(with_means(made, functional.avg_pool2d(made, 2)), made, rtol=0, atol=1e-6)

    def test_what_is_brighter_than_white_gets_no_detail(self):
        found = with_means(torch.rand(1, 3, 4, 4), torch.full((1, 3, 2, 2), 1.5))
        assert torch.equal(found, torch.full((1, 3, 4, 4), 1.5))


class TestRefine:
    def test_size(self, net):
        assert refine(net, torch.rand(38, 57, 3)).shape == (38 * net.factor, 57 * net.factor, 3)

    def test_whatever_the_net_says_scaling_down_gives_the_picture_back(self, net):
        picture = torch.rand(48, 64, 3)
        made = refine(net, picture)
        plain = picture.repeat_interleave(net.factor, 0).repeat_interleave(net.factor, 1)
        assert float((made - plain).abs().mean()) > 0.01
        cell = KEPT_PX if net.factor == 1 else 1
        torch.testing.assert_close(means(made, cell * net.factor), means(picture, cell), rtol=0, atol=1e-4)

    def test_before_training_pictures_stay(self):
        picture = torch.rand(32, 32, 3)
        torch.testing.assert_close(refine(Refiner("refiner"), picture), picture, rtol=0, atol=1e-4)

    def test_tiles_leave_no_seam(self, net):
        picture = torch.rand(8, TILE + 60, 3)
        whole = refine(net, picture)
        window = refine(net, picture[:, TILE - 64 :])
        a, b = net.factor * (TILE + 12), net.factor * 76
        torch.testing.assert_close(whole[:, a:], window[:, b:], rtol=0, atol=0.04)

    def test_four_times_is_twice_twice(self):
        torch.manual_seed(1)
        net, picture = Refiner("enlarger"), torch.rand(12, 16, 3)
        assert torch.equal(enlarge(net, picture, factor=4), refine(net, refine(net, picture)))
        assert enlarge(net, picture, factor=1) is picture

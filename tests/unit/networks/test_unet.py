import pytest
import torch

from head3d.networks.unet import GlobalAttention, ResidualBlock, UNet


def small(**options):
    return UNet(3, 2, widths=(8, 12, 16), depths=(1, 1, 1), **options)


class TestUNet:
    @pytest.mark.parametrize("size", [(32, 32), (33, 47), (16, 90)])
    def test_answers_are_as_large_as_the_picture(self, size):
        assert small()(torch.rand(2, 3, *size)).shape == (2, 2, *size)

    @pytest.mark.parametrize("fold", [1, 2])
    def test_unfold_enlarges(self, fold):
        assert small(fold=fold, unfold=4)(torch.rand(1, 3, 20, 28)).shape == (1, 2, 80, 112)

    def test_shifting_the_picture_by_the_coarsest_cell_shifts_the_answer(self):
        torch.manual_seed(0)
        net = small().eval()
        picture = torch.rand(1, 3, 192, 192)
        moved = net(picture.roll(net.factor, -1))[..., 80:112, 80:112]
        stayed = net(picture).roll(net.factor, -1)[..., 80:112, 80:112]
        torch.testing.assert_close(moved, stayed, rtol=1e-3, atol=1e-4)

    def test_every_parameter_learns(self):
        net = small(attention=True)
        net(torch.rand(1, 3, 32, 32)).square().sum().backward()
        idle = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.any()]
        assert idle == []


class TestBlocks:
    def test_no_gain_is_the_identity(self):
        block, x = ResidualBlock(4), torch.randn(1, 4, 8, 8)
        block.gain.data.zero_()
        assert torch.equal(block(x), x)

    def test_attention_minds_no_order_of_places(self):
        torch.manual_seed(0)
        attention, x = GlobalAttention(8), torch.randn(1, 8, 4, 4)
        turned = attention(x.flip(-1)).flip(-1)
        torch.testing.assert_close(turned, attention(x), rtol=1e-4, atol=1e-5)

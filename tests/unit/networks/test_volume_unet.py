import torch
from torch import nn

from head3d.networks.volume_unet import VolumeUNet


def small() -> VolumeUNet:
    torch.manual_seed(0)
    return VolumeUNet(3, 2, widths=(8, 16), depths=(1, 1))


class Corners(nn.Module):
    """Channels that tell which corner of a cube they are."""

    def forward(self, x):
        corners = torch.arange(8.0).repeat(2)[None, :, None, None, None]
        return corners.expand(len(x), -1, *x.shape[2:])


class TestVolumeUNet:
    def test_answers_at_the_nodes_of_its_input(self):
        assert small()(torch.randn(2, 3, 8, 12, 16)).shape == (2, 2, 8, 12, 16)

    def test_cubes_lie_as_the_stem_took_them(self):
        net = small()
        net.head = Corners()  # pyright: ignore[reportAttributeAccessIssue]
        out = net(torch.zeros(1, 3, 4, 8, 8))[0, 1]
        z, y, x = torch.meshgrid(*(torch.arange(n) % 2 for n in out.shape), indexing="ij")
        assert torch.equal(out, (4 * z + 2 * y + x).float())

    def test_every_place_hears_of_every_other(self):
        net, x = small(), torch.zeros(2, 3, 8, 16, 16)
        touched = x.clone()
        touched[:, :, 0, 0, 0] = 1.0
        with torch.no_grad():
            apart = (net(touched) - net(x)).abs()
        assert float(apart[0, :, -1, -1, -1].amax()) > 0

"""The U-Net of ``unet.py`` for volumes: residual blocks without normalisation, attention at the coarsest level."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from head3d.networks.unet import GAIN, GlobalAttention


class VolumeBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def forward(self, x: Float[Tensor, "N C D H W"]) -> Float[Tensor, "N C D H W"]:
        """x + gain * f(x)."""
        inner = nn.functional.leaky_relu(self.first(nn.functional.leaky_relu(x, 0.1)), 0.1)
        return x + self.gain.to(x.dtype) * self.second(inner)


class VolumeUNet(nn.Module):
    """Volumes to volumes of the same size, whose sides are multiples of ``factor``.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        widths: Channels of each level, finest first; that one works on cubes of two nodes a side, each level is half
            as large as the one before, and every place of the coarsest looks at every other.
        depths: Residual blocks of each level, going down; going up there is one a level.
    """

    def __init__(self, inputs: int, outputs: int, *, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.factor = 2 ** len(widths)
        self.stem = nn.Conv3d(inputs, widths[0], 2, stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(*(VolumeBlock(width) for _ in range(depth)))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv3d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.attention = GlobalAttention(widths[-1])
        self.widen = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(VolumeBlock(width) for width in widths[:-1])
        self.head = nn.Conv3d(widths[0], 8 * outputs, 3, padding=1)

    def forward(self, x: Float[Tensor, "N C D H W"]) -> Float[Tensor, "N O D H W"]:
        """Outputs at the nodes of the inputs."""
        x = self.stem(x)
        kept = []
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        flat = self.attention(x.flatten(2)[..., None])  # a picture of one column: its places are the volume's
        x = flat[..., 0].reshape(x.shape)
        for level in reversed(range(len(self.widen))):
            coarse = nn.functional.interpolate(self.widen[level](x), scale_factor=2, mode="nearest")
            x = self.up[level](kept[level] + coarse)
        made = self.head(x)
        count, channels, depth, height, width = made.shape
        cubes = made.reshape(count, channels // 8, 2, 2, 2, depth, height, width)
        return cubes.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(count, channels // 8, 2 * depth, 2 * height, 2 * width)

"""A residual U-Net without normalisation: what parses photos, completes heads and refines pictures.

Plain 3 x 3 convolutions only: matrix units (AMX, tensor cores) run them ten times faster than depthwise ones with
normalisation between. What a block adds to its input is scaled by a learned gain (after Bachlechner et al. 2021,
"ReZero"; begun at a part of one, for zero takes Adam a thousand steps to leave), which lets stacks train without it.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

GAIN = 0.4
"""Of what a block adds, at first."""


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """x + gain * f(x)."""
        inner = nn.functional.leaky_relu(self.first(nn.functional.leaky_relu(x, 0.1)), 0.1)
        bias = self.second.bias
        assert bias is not None
        # the weights scaled, not the pictures: cheaper
        return x + nn.functional.conv2d(inner, self.second.weight * self.gain, bias * self.gain, padding=1)


class GlobalAttention(nn.Module):
    """Every place looks at every other (multi-head self-attention); for the coarsest level only."""

    def __init__(self, width: int, *, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.tell = nn.Conv2d(width, width, 1)
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """x + gain * attention(x)."""
        count, width, height, length = x.shape
        parts = self.ask(x).reshape(count, 3, self.heads, width // self.heads, height * length)
        query, key, value = (part.transpose(-1, -2) for part in parts.unbind(1))
        query, key = (nn.functional.normalize(part.float(), dim=-1).to(x.dtype) * 4.0 for part in (query, key))
        seen = nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        seen = seen.transpose(-1, -2).reshape(count, width, height, length)
        return x + self.gain.to(x.dtype) * self.tell(seen)


class UNet(nn.Module):
    """Pictures to pictures of the same size.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        widths: Channels of each level, finest first; each level is half as large as the one before.
        depths: Residual blocks of each level, going down; going up there is one a level.
        fold: The finest level works on squares of so many pixels at once (a strided convolution).
        attention: Global attention at the coarsest level.
        unfold: Output pixels along an input pixel's side; > 1 enlarges.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        widths: Sequence[int],
        depths: Sequence[int],
        fold: int = 2,
        attention: bool = False,
        unfold: int = 1,
    ) -> None:
        super().__init__()
        self.fold, self.factor = fold, fold * 2 ** (len(widths) - 1)
        self.stem = nn.Conv2d(inputs, widths[0], 2 * fold + fold % 2, stride=fold, padding=(fold + 1) // 2)
        self.down = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(depth)))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.attention = GlobalAttention(widths[-1]) if attention else None
        self.widen = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], outputs * (fold * unfold) ** 2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(fold * unfold)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D H2 W2"]:
        """Outputs for pictures of any size; borders are mirrored up to a multiple of ``factor``."""
        height, width = x.shape[-2:]
        low, right = -height % self.factor, -width % self.factor
        if low or right:
            x = nn.functional.pad(x, (0, right, 0, low), mode="replicate")
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        kept = []
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        if self.attention is not None:
            x = self.attention(x)
        for level in reversed(range(len(self.widen))):
            coarse = nn.functional.interpolate(self.widen[level](x), scale_factor=2, mode="nearest")
            x = self.up[level](kept[level] + coarse)
        made = self.shuffle(self.head(x))
        times = made.shape[-1] // (width + right)
        return made[..., : height * times, : width * times]


Net = TypeVar("Net", bound=nn.Module)


def channels_last(net: Net) -> Net:
    """The net with its weights laid out as matrix units want them, in place."""
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies it (AMX, AVX-512 BF16, tensor cores), else float32."""
    return torch.bfloat16 if device.type == "cuda" or _has_bfloat16() else torch.float32


def _has_bfloat16() -> bool:
    checks = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(check is not None and check() for check in checks)

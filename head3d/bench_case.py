"""One measurement of ``head3d bench kernels``: what is called, with what, and what a sample costs at least."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

Arithmetic = Literal["fma", "matrix"]
"""Which peak counts: float32 multiply-adds, or bfloat16 on matrix units (AMX tiles, tensor cores)."""


@dataclass(frozen=True)
class Work:
    """What one sample costs at least. Zeros are not counted; ``formula`` says in words what is."""

    formula: str
    bytes: float = 0.0
    """That have to come from or go to memory."""
    flops: float = 0.0
    """A multiply-add is two."""
    gathers: float = 0.0
    """Reads of entries at random places; adding to an entry counts as one."""
    table_bytes: int = 1 << 20
    """Size of what is read at random at a time: one level of a hash grid, a whole dense grid."""
    arithmetic: Arithmetic = "fma"


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        name: Of the op, and which direction.
        unit: Of what rates count.
        samples: How many a call does.
        inputs: Makes what a call needs, for a device and a number of samples; called once for either way.
        ours: The call.
        work: What a sample costs at least, given the inputs.
        reference: What it is compared with; ``ours`` with ``HEAD3D_KERNELS=torch`` if None.
        reference_samples: For the reference, where the whole would take too long; rates are per sample.
        params: That the result depends on.
        devices: Where the op runs.
    """

    name: str
    unit: str
    samples: int
    inputs: Callable[[torch.device, int], Any]
    ours: Callable[[Any], Any]
    work: Callable[[Any], Work]
    reference: Callable[[Any], Any] | None = None
    reference_samples: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[str, ...] = ("cpu", "cuda")


def noise(*shape: int, device: torch.device | None = None, seed: int = 0) -> Tensor:
    """Uniform in [0, 1), drawn on the CPU so that devices see the same."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).to(device or "cpu")


def retained(x: tuple[Tensor, Tensor, Tensor]) -> Any:
    """The way back of an op whose way forward was made once: inputs are output, leaves, cotangent."""
    out, leaf, g_out = x
    return torch.autograd.grad(out, leaf, g_out, retain_graph=True)

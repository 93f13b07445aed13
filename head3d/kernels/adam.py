"""Adam for tables of which a step touches few entries."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.kernels.library import call, library, require


@dataclass(frozen=True)
class AdamConfig:
    """Settings of Adam (Kingma & Ba 2015); the paper of the hash grid uses these."""

    learning_rate: float = 1e-2
    """Step size."""
    beta1: float = 0.9
    """Memory of the mean gradient."""
    beta2: float = 0.99
    """Memory of its square."""
    epsilon: float = 1e-15
    """Added to the root; tiny, so that rarely touched entries move as far as others."""


@dataclass(frozen=True)
class AdamState:
    """Moments of a table; they are updated in place."""

    first: Float[Tensor, "E F"]
    second: Float[Tensor, "E F"]

    @staticmethod
    def of(table: Float[Tensor, "E F"]) -> "AdamState":
        """Moments of a table that was never stepped."""
        return AdamState(torch.zeros_like(table), torch.zeros_like(table))


@torch.no_grad()
def adam_step_touched(
    table: Float[Tensor, "E F"], gradient: Float[Tensor, "E F"], *, state: AdamState, step: int, config: AdamConfig
) -> None:
    """Step in place the numbers whose gradient is not zero; the others keep their value and moments.

    Args:
        table: The parameters.
        gradient: Of the loss, same shape.
        state: Moments, from ``AdamState.of(table)``.
        step: Number of this step, from 1.
        config: Settings.
    """
    require("table", table, (None, None))
    require("gradient", gradient, (table.shape[0], table.shape[1]))
    rate = config.learning_rate / (1 - config.beta1**step)
    correction2 = 1 / (1 - config.beta2**step)
    settings = rate, config.beta1, config.beta2, correction2, config.epsilon
    tensors = table, gradient, state.first, state.second
    compiled = all(t.dtype == torch.float32 and t.is_contiguous() for t in tensors)
    lib = library(table.device.type) if compiled else None
    if lib is not None:
        call(lib, "adam_touched", table, *table.shape, *tensors[1:], *map(float, settings))
        return
    touched = gradient != 0
    g = gradient[touched].to(table.dtype)
    first = state.first[touched].lerp(g, 1 - config.beta1)
    second = state.second[touched].lerp(g * g, 1 - config.beta2)
    state.first[touched], state.second[touched] = first, second
    table[touched] -= rate * first / ((second * correction2).sqrt() + config.epsilon)

"""The optimiser of fields, and how its rates fall."""

from typing import Any

import torch
from torch import Tensor

BETA1, BETA2 = 0.9, 0.99
"""Memory of the mean gradient and of its square; the paper of the hash grid uses these."""
EPSILON = 1e-15
"""Added to the root; tiny, so that rarely touched entries of the tables move as far as others."""


class Adam:
    """``torch.optim.Adam(fused=True)``, to the bit.

    That one imports torch's compiler when it is made: more than a second of every run, and nothing here uses it.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups = [{**group, "params": list(group["params"])} for group in groups]
        """``params``, and their learning rate ``lr``."""
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        """Of each parameter that was stepped: ``step`` (their number), ``exp_avg``, ``exp_avg_sq``."""

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Step every parameter that has a gradient."""
        for group in self.param_groups:
            stepped = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not stepped:
                continue
            kept = [self._moments(parameter) for parameter in stepped]
            counts, means, squares = ([one[key] for one in kept] for key in ("step", "exp_avg", "exp_avg_sq"))
            for count in counts:
                count += 1
            torch.ops.aten._fused_adam_(
                stepped,
                [parameter.grad for parameter in stepped],
                means,
                squares,
                [],
                counts,
                lr=group["lr"],
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=0.0,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def _moments(self, parameter: Tensor) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
        return self.state[parameter]


class Falling:
    """Learning rates that fall to a twentieth in so many steps: ``step()`` it after each of the optimiser's."""

    def __init__(self, optimiser: Adam, *, steps: int) -> None:
        self._groups = [(group, float(group["lr"])) for group in optimiser.param_groups]
        self._steps, self._step = steps, 0

    def step(self) -> None:
        """One step further."""
        self._step += 1
        for group, first in self._groups:
            group["lr"] = first * (0.05 + 0.95 * (1 - self._step / self._steps))

"""The detector of broken pictures: a net that looks at small places, one that decides, and the thresholds of its use.

The first says of each place of a picture, from what AlexNet sees there, how it may be broken: many places, so it learns
from few people. The second weighs its strongest finds with the signs of the whole. Weights and card come from
``head3d train-gate``: the card says on whom they were trained, the thresholds, and what was let through.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from head3d.errors import FormatError
from head3d.networks.files import card, load_network, shipped
from head3d.quality.picture_signs import CHANNELS, SIGNS, Signs

NAME = "gate"
Fault = Literal["blur", "floaters", "light", "misfit"]
FAULTS: tuple[Fault, ...] = ("blur", "floaters", "light", "misfit")
PATCH_FAULTS: tuple[Fault, ...] = ("blur", "floaters", "misfit")
"""What shows in one place; wrong light does not."""
PATCH_HIDDEN, HIDDEN = 24, 24
STRONGEST = 4
"""So many places of a window tell the most."""
FINDS = 2 * 2 * len(PATCH_FAULTS)
"""Numbers that the places of a picture come down to: two windows, the strongest and the mean, of each fault."""


class PatchNet(nn.Module):
    """Features of places to log odds of each fault that shows in one place."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("scale", torch.ones(CHANNELS))
        self.hidden = nn.Linear(CHANNELS, PATCH_HIDDEN)
        self.tell = nn.Linear(PATCH_HIDDEN, len(PATCH_FAULTS))

    def forward(self, patches: Float[Tensor, "*B C"]) -> Float[Tensor, "*B K"]:
        """Log odds of each place."""
        seen = ((patches - self.get_buffer("mean")) / self.get_buffer("scale")).clamp(-5, 5)
        return self.tell(nn.functional.leaky_relu(self.hidden(seen), 0.1))

    def finds(self, patches: Float[Tensor, "N 2 P C"]) -> Float[Tensor, "N D"]:
        """The strongest places and the mean of each window and fault."""
        odds = self(patches)
        strong = odds.topk(STRONGEST, dim=2).values.mean(2)
        return torch.cat([strong, odds.mean(2)], dim=1).flatten(1)


class DecisionNet(nn.Module):
    """Signs and finds to log odds: broken at all, then of each fault."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(SIGNS) + FINDS))
        self.register_buffer("scale", torch.ones(len(SIGNS) + FINDS))
        self.hidden = nn.Linear(len(SIGNS) + FINDS, HIDDEN)
        self.tell = nn.Linear(HIDDEN, 1 + len(FAULTS))
        self.drop = nn.Dropout(0.2)

    def forward(self, facts: Float[Tensor, "N S"]) -> Float[Tensor, "N 5"]:
        """Log odds; facts far outside of what was trained on are held at its border."""
        near = ((facts - self.get_buffer("mean")) / self.get_buffer("scale")).clamp(-4, 4)
        return self.tell(self.drop(nn.functional.leaky_relu(self.hidden(near), 0.1)))


class GateNet(nn.Module):
    """Both nets."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.decision = PatchNet(), DecisionNet()

    def forward(self, signs: Float[Tensor, "N S"], patches: Float[Tensor, "N 2 P C"]) -> Float[Tensor, "N 5"]:
        """Log odds of pictures: broken at all, then of each fault."""
        return self.decision(torch.cat([signs, self.patches.finds(patches)], dim=1))


@dataclass(frozen=True)
class Thresholds:
    """From where on a picture is warned about, and refused; from the card of the weights.

    Attributes:
        broken_warn: Log odds of being broken.
        broken_refuse: The same.
        identity_warn: Mean descriptor distance to the photos.
        identity_refuse: The same.
    """

    broken_warn: float
    broken_refuse: float
    identity_warn: float
    identity_refuse: float


@dataclass(frozen=True)
class Finding:
    """What the net says of one picture.

    Attributes:
        broken: Log odds of being broken.
        fault: The likeliest one.
        odds: Log odds of each fault.
    """

    broken: float
    fault: Fault
    odds: tuple[float, ...]

    @property
    def probability(self) -> float:
        """Of being broken, as trained: half of the pictures it saw were."""
        return 1 / (1 + math.exp(-max(min(self.broken, 30.0), -30.0)))


@functools.lru_cache(maxsize=1)
def load_gate() -> GateNet | None:
    """The net, or None if this installation has none."""
    path = shipped(NAME)
    net = load_network(GateNet(), path) if path else None
    assert net is None or isinstance(net, GateNet)
    return net


def gate_card() -> dict[str, Any]:
    """What is known of the weights: people, thresholds, what they let through; empty without weights."""
    return card(NAME) if shipped(NAME) else {}


def load_thresholds() -> Thresholds:
    """The calibrated thresholds."""
    try:
        return Thresholds(**gate_card()["thresholds"]["values"])
    except (KeyError, TypeError) as error:
        raise FormatError(
            f"The gate's card has no thresholds ({error!r}).", hint="Reinstall head3d, or run head3d train-gate."
        ) from error


@torch.no_grad()
def find_faults(net: GateNet, signs: list[Signs]) -> list[Finding]:
    """Findings for pictures."""
    found = []
    for one in signs:
        row = net(torch.from_numpy(one.values)[None], torch.from_numpy(one.patches)[None])[0].double().numpy()
        odds = tuple(float(value) for value in row[1:])
        found.append(Finding(float(row[0]), FAULTS[int(np.argmax(odds))], odds))
    return found

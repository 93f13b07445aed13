"""The detector of broken pictures: evidence added up, and the thresholds it is used with.

Every sign of a picture is compared with what whole pictures show, and with the median of the picture's own set: what
lies beyond nine tenths of them is evidence, and evidence only ever adds (a logistic model with weights that are not
negative). Few people are enough to learn that, and a fault of a new kind still lies outside of what is usual. Weights
and card come from ``head3d train-gate``: the card says on whom they were trained, the thresholds, what was let through.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from head3d.errors import FormatError
from head3d.networks.files import card, load_network, shipped
from head3d.quality.picture_signs import NEAR, SIGNS, Signs
from head3d.quality.set_match import LIT

NAME = "gate"
Fault = Literal["blur", "floaters", "light", "misfit"]
FAULTS: tuple[Fault, ...] = ("blur", "floaters", "light", "misfit")
CONTEXT = (
    "px_per_mm",
    "turn",
    "away",
    "level",
    "face_seen",
    "matched",
    "match_angle",
    "lit",
    NEAR + "matched",
    NEAR + "match_angle",
    NEAR + "same_light",
)
"""Signs that say where one looks from, not what is wrong."""
FACTS = 2 * len(SIGNS)
"""Signs, and how far they are from the set's median."""
ALIKE = 0.3
"""Difference of 1 - cos(yaw) up to which two views show about the same of a head: all of the front, not a profile."""
GROUPS = {
    "matched": ("match_",),
    NEAR + "matched": (NEAR,),
    NEAR + "same_light": tuple(NEAR + name for name in LIT),
    "face_seen": ("face_", "points_"),
    "lit": ("level", "shade_", "cast_", "albedo_"),
}
"""Signs that a picture may lack, by the sign that says whether it has them: beginnings of their names."""
MOST = 6.0
"""Evidence of one sign, in spreads of whole pictures, counts no more."""


SETS = 2
"""Kinds of pictures: one that nothing of its set can be compared with, and one of a set."""


class GateNet(nn.Module):
    """Facts to log odds of each fault; pictures without others to compare them with have weights of their own."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(FACTS))
        self.register_buffer("scale", torch.ones(FACTS))
        self.weight = nn.Parameter(torch.zeros(SETS, len(FAULTS), 2 * FACTS))
        self.bias = nn.Parameter(torch.zeros(SETS, len(FAULTS)))

    def evidence(self, facts: Float[Tensor, "N S"]) -> Float[Tensor, "N E"]:
        """How far facts lie above, then below, what whole pictures show; at most ``MOST``; 0 of what is not known."""
        scale = self.get_buffer("scale")
        above, below = (facts - self.get_buffer("high")) / scale, (self.get_buffer("low") - facts) / scale
        return torch.cat([above, below], dim=1).nan_to_num(0.0).clamp(0, MOST)

    def forward(self, facts: Float[Tensor, "N S"]) -> Float[Tensor, "N K"]:
        """Log odds of each fault."""
        odds = torch.einsum("ne,ske->nsk", self.evidence(facts), self.weight.clamp_min(0)) + self.bias
        return odds[torch.arange(len(facts)), in_set(facts).long()]


def facts_of(
    signs: Sequence[Float32[np.ndarray, "S"]], usual: Float32[np.ndarray, "S"] | None
) -> Float32[np.ndarray, "N F"]:
    """What the net looks at: signs, and their distance from what is usual in the set; NaN where a picture lacks a sign,
    or its set does."""
    values = np.stack(signs).astype(np.float32)
    gaps = np.full_like(values, np.nan) if usual is None else values - usual
    for has, beginnings in GROUPS.items():
        mine = np.array([name.startswith(beginnings) and name not in CONTEXT for name in SIGNS])
        there = values[:, SIGNS.index(has)] > 0.5
        values[np.ix_(~there, mine)] = np.nan
        if usual is not None and usual[SIGNS.index(has)] < 0.5:
            there = np.zeros_like(there)
        gaps[np.ix_(~there, mine)] = np.nan
    return np.concatenate([values, gaps], axis=1)


def in_set(facts: Float[Tensor, "N F"]) -> Bool[Tensor, "N"]:
    """Which pictures others of their set were compared with."""
    return facts[:, SIGNS.index(NEAR + "matched")] > 0.5


def alone(facts: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N F"]:
    """The facts of pictures as if each were the only one."""
    found = facts.copy()
    found[:, len(SIGNS) :] = np.nan
    found[:, [place for place, name in enumerate(SIGNS) if name.startswith(NEAR)]] = np.nan
    found[:, [SIGNS.index(NEAR + name) for name in ("matched", "same_light")]] = 0.0
    return found


def usual_signs(
    own: Float32[np.ndarray, "S"], others: Sequence[Float32[np.ndarray, "S"]]
) -> Float32[np.ndarray, "S"] | None:
    """The median of the pictures of a set that look from about as far aside as this one; None for fewer than two."""
    place = SIGNS.index("away")
    alike = [one for one in others if abs(float(one[place] - own[place])) < ALIKE]
    return np.median(np.stack(alike), axis=0).astype(np.float32) if len(alike) >= 2 else None


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
        fault: The likeliest one.
        odds: Log odds of each fault.
    """

    fault: Fault
    odds: tuple[float, ...]

    @property
    def broken(self) -> float:
        """Log odds of the likeliest fault."""
        return max(self.odds)

    @property
    def probability(self) -> float:
        """Of that fault, as trained: half of the pictures it saw were broken."""
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
def find_faults(net: GateNet, signs: Sequence[Signs]) -> list[Finding]:
    """Findings for the pictures of one set, each against the others."""
    found = []
    for index, one in enumerate(signs):
        others = [other.values for place, other in enumerate(signs) if place != index]
        row = net(torch.from_numpy(facts_of([one.values], usual_signs(one.values, others))))[0].double().numpy()
        found.append(Finding(FAULTS[int(np.argmax(row))], tuple(float(value) for value in row)))
    return found

"""Training and calibration of the gate: on people none of whom it is tried on afterwards.

People are divided into parts; the scores that thresholds are calibrated on come from nets that have not seen the part.
The net that is kept is trained on all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from head3d.perception.identity import distance
from head3d.quality.gate_net import (
    CONTEXT,
    FACTS,
    FAULTS,
    SETS,
    GateNet,
    Thresholds,
    alone,
    facts_of,
    in_set,
    usual_signs,
)
from head3d.quality.picture_signs import SIGNS
from head3d.trials.lessons import Row

PARTS = 5
STEPS, RATE, RIDGE = 400, 0.03, 1e-2
FORGOTTEN = 0.5
"""Share of the evidence that is hidden at every step: no sign may count on another one, which a fault of a new kind
may not show."""
QUIET = 0.1
"""Share of whole pictures beyond each end from which a sign is evidence."""
LEAST_SCALE, LEAST_LOG_SCALE = 0.05, 0.4
"""Spreads of signs are no less, those of logarithms of rare things: what never varies in few people will in many."""
LOGARITHMS = (
    "haze",
    "soft_rim",
    "stray",
    "pieces",
    "gaps",
    "steps",
    "hue",
    "spots",
    "rms",
    "wobble",
    "points_worst",
    "cast",
    "slope",
    "uneven",
    "apart",
    "uncovered",
    "in_the_way",
    "missing",
)
"""Ends of their names."""
FALSE_REFUSALS, WARNED = 0.05, 0.12
"""Of whole pictures of people kept aside: those that may be refused, and those that may be refused or warned about."""
LET_THROUGH = 0.01
"""Of photos of other people: those whose face may pass."""
DRAWN = "drawn "
"""Begins the name of a person who was rasterised; others are trained fields."""


@dataclass(frozen=True)
class Trained:
    """The net, and what nets that had not seen a picture's person say of it.

    Attributes:
        net: Trained on all.
        aside: Log odds of every picture as if it were the only one, and in its set.
    """

    net: GateNet
    aside: Float[np.ndarray, "2 N K"]


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they were found on.

    Attributes:
        thresholds: See :class:`Thresholds`.
        offsets: What is taken off the log odds of each fault (see :func:`calibrated`).
        facts: For the card.
    """

    thresholds: Thresholds
    offsets: Float[np.ndarray, "2 K"]
    facts: dict[str, Any]


def facts_in_sets(rows: Sequence[Row]) -> Float[np.ndarray, "N F"]:
    """Facts of every picture as if it stood in a set whose other views are whole."""
    found = np.zeros((len(rows), FACTS), np.float32)
    for index, row in enumerate(rows):
        others = [
            one.signs.values
            for one in rows
            if (one.person, one.light) == (row.person, row.light) and not one.fault and one.view != row.view
        ]
        found[index] = facts_of([row.signs.values], usual_signs(row.signs.values, others))[0]
    return found


def train_gate(rows: Sequence[Row], *, seed: int) -> Trained:
    """A net from measured pictures; whole and broken ones weigh alike, and so do drawn people and fields."""
    facts, part = facts_in_sets(rows), _parts(rows, seed)
    scores = np.zeros((SETS, len(rows), len(FAULTS)))
    for number in range(PARTS):
        aside = part == number
        net = _train(rows, facts, ~aside)
        for kind, known in enumerate((alone(facts), facts)):
            scores[kind, aside] = net(torch.from_numpy(known[aside])).detach().double().numpy()
    return Trained(_train(rows, facts, np.ones(len(rows), bool)), scores)


def _parts(rows: Sequence[Row], seed: int) -> np.ndarray:
    """Part of each picture's person; fields and drawn people are spread evenly over the parts."""
    people = sorted({row.person for row in rows}, key=lambda name: (name.startswith(DRAWN), name))
    order = np.random.default_rng(seed).permutation(PARTS)
    part = {name: int(order[number % PARTS]) for number, name in enumerate(people)}
    return np.array([part[row.person] for row in rows])


def _train(rows: Sequence[Row], facts: Float[np.ndarray, "N F"], learned: Bool[np.ndarray, "N"]) -> GateNet:
    """Penalised logistic regression with weights that are not negative: one fault against whole pictures at a time."""
    net = GateNet()
    fault = np.array([row.fault for row in rows])
    drawn = np.array([row.person.startswith(DRAWN) for row in rows])
    _measure_whole(net, facts, learned & (fault == ""), drawn)
    known = (alone(facts), facts)
    evidence = torch.stack([net.evidence(torch.from_numpy(one)) for one in known])
    evidence[..., ~_usable()] = 0
    optimizer = torch.optim.Adam([net.weight, net.bias], lr=RATE)
    weights, targets = [], []
    for name in FAULTS:
        weight = np.zeros(len(rows))
        for mine in (fault == "", fault == name):
            for source in (drawn, ~drawn):
                chosen = mine & source & learned
                weight[chosen] = 1 / max(chosen.sum(), 1)
        weights.append(weight / weight.sum())
        targets.append(fault == name)
    weight, target = (torch.from_numpy(np.stack(one)).float().T for one in (weights, targets))
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        kept = torch.rand(evidence.shape, generator=generator) > FORGOTTEN
        shown = evidence * kept / (1 - FORGOTTEN)
        odds = torch.einsum("sne,ske->snk", shown, net.weight.clamp_min(0)) + net.bias[:, None]
        every = target.expand_as(odds)
        loss = (nn.functional.binary_cross_entropy_with_logits(odds, every, reduction="none") * weight).sum()
        loss = loss + RIDGE * net.weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            net.weight.clamp_(min=0)
    with torch.no_grad():
        net.weight[..., ~_usable()] = 0
    return net.eval().requires_grad_(False)


def _measure_whole(
    net: GateNet, facts: Float[np.ndarray, "N F"], whole: Bool[np.ndarray, "N"], drawn: Bool[np.ndarray, "N"]
) -> None:
    """What is usual: the wider of what drawn people and fields show."""
    ends = []
    for source in (drawn, ~drawn):
        if (whole & source).any():
            ends.append(_quantiles(facts[whole & source]))
    low, high = np.min([one[0] for one in ends], axis=0), np.max([one[2] for one in ends], axis=0)
    net.get_buffer("low").copy_(torch.from_numpy(low))
    net.get_buffer("high").copy_(torch.from_numpy(high))
    rare = np.array([name.endswith(LOGARITHMS) for name in SIGNS])
    floor = np.tile(np.where(rare, LEAST_LOG_SCALE, LEAST_SCALE), 2)
    net.get_buffer("scale").copy_(torch.from_numpy(np.maximum((high - low) / 2, floor)))


def _quantiles(facts: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "3 F"]:
    """The ends and the middle of what is known of each fact; 0 where nothing is."""
    known = ~np.isnan(facts).all(0)
    found = np.zeros((3, facts.shape[1]))
    found[:, known] = np.nanquantile(facts[:, known], (QUIET, 0.5, 1 - QUIET), axis=0)
    return found


def _usable() -> Bool[np.ndarray, "E"]:
    """Evidence that may count: not where one looks from."""
    one = np.array([name not in CONTEXT for name in SIGNS])
    return np.tile(one, 4)


@torch.no_grad()
def odds_of(net: GateNet, rows: Sequence[Row], *, each_alone: bool = False) -> Float[np.ndarray, "N K"]:
    """The net's log odds of pictures whose set is whole, or of each as if it were the only one."""
    facts = facts_in_sets(rows)
    return net(torch.from_numpy(alone(facts) if each_alone else facts)).double().numpy()


def pair_distances(
    rows: Sequence[Row], references: Mapping[str, Sequence[np.ndarray]]
) -> tuple[Float[np.ndarray, "A"], Float[np.ndarray, "B"]]:
    """Mean descriptor distances of whole pictures to their own person's photos, and to everybody else's."""
    own, others = [], []
    for row in rows:
        if row.fault or row.signs.descriptor is None or row.person not in references:
            continue
        for person, descriptors in references.items():
            far = float(np.mean([distance(row.signs.descriptor, one) for one in descriptors]))
            (own if person == row.person else others).append(far)
    return np.array(own), np.array(others)


def calibrate(
    rows: Sequence[Row],
    scores: Float[np.ndarray, "2 N K"],
    *,
    own: Float[np.ndarray, "A"],
    others: Float[np.ndarray, "B"],
) -> Calibration:
    """Thresholds that refuse and warn about as many whole pictures as they may.

    Args:
        rows: Pictures.
        scores: Of nets that had not seen their people: of each picture alone, and in its set.
        own: Descriptor distances of pictures to their own person's photos.
        others: Of photos of real people to other people's photos.
    """
    whole = np.array([not row.fault for row in rows])
    compared = in_set(torch.from_numpy(facts_in_sets(rows))).numpy()
    offsets = np.stack([_offsets(scores[0][whole]), _offsets(scores[1][whole & compared])])
    lone, worst = (scores - offsets[:, None]).max(2)
    worst = np.where(compared, worst, lone)
    refuse, warn = 0.0, float(np.quantile(worst[whole], 1 - WARNED))
    stranger = min(float(np.quantile(others, LET_THROUGH)), float(np.quantile(own, 1 - FALSE_REFUSALS)))
    values = Thresholds(
        round(min(warn, refuse), 3),
        round(refuse, 3),
        round(min(float(np.quantile(own, 1 - WARNED)), stranger), 4),
        round(stranger, 4),
    )
    facts = {
        "whole_pictures": int(whole.sum()),
        "people": len({row.person for row in rows}),
        "pairs_same": len(own),
        "pairs_different": len(others),
        "false_refusals_aside": float((worst[whole] > refuse).mean()),
        "false_refusals_alone": float((lone[whole] > refuse).mean()),
        "own_faces_refused": float((own > stranger).mean()),
        "refused_aside": {
            fault: float((worst[np.array([row.fault == fault for row in rows])] > refuse).mean()) for fault in FAULTS
        },
    }
    return Calibration(values, offsets, facts)


def _offsets(whole: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "K"]:
    """Log odds of each fault from which whole pictures are refused: equally often for each, ``FALSE_REFUSALS`` in all.

    One for each: the few whole pictures that look wrongly lit must not hide what is blurred.
    """
    for share in np.linspace(FALSE_REFUSALS, 0, 41):
        offsets = np.quantile(whole, 1 - share, axis=0)
        if ((whole > offsets).any(1)).mean() <= FALSE_REFUSALS:
            break
    return offsets


def calibrated(net: GateNet, offsets: Float[np.ndarray, "2 K"]) -> GateNet:
    """The net with its refusals at log odds of 0 for every fault."""
    net.bias.data -= torch.from_numpy(offsets).float()
    return net

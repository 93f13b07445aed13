"""Training and calibration of the gate: on people none of whom it is tried on afterwards.

People are divided into parts. The net for places is trained once for each part that is kept aside, and what it finds in
those is what the deciding net learns from: never finds on people that were learned by heart. The same is done for the
deciding net to calibrate the thresholds. The nets that are kept are trained on all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from head3d.perception.identity import distance
from head3d.quality.gate_net import FAULTS, PATCH_FAULTS, DecisionNet, GateNet, PatchNet, Thresholds
from head3d.trials.lessons import Row, fault_index

PARTS = 4
PATCH_STEPS, PICTURES, PLACES, PATCH_RATE = 500, 48, 24, 3e-3
STEPS, BATCH, RATE, DECAY = 600, 128, 4e-3, 5e-2
SOFT = 0.03
"""Labels are so much less than sure: a picture may look whole where it was broken a little."""
JITTER = 0.1
"""Noise on the standardised facts while training, so that no one number decides."""
SPOILED, UNTOUCHED = 0.3, 0.02
"""Share of a place that breaking changed from which it is broken, and up to which it is whole."""
FALSE_REFUSALS, WARNED = 0.04, 0.12
"""Of whole pictures of people kept aside: those that may be refused, and those that may be refused or warned about."""
DRAWN = "drawn "
"""Begins the name of a person who was rasterised; others are trained fields."""


@dataclass(frozen=True)
class Trained:
    """The net, and what nets that had not seen a picture's person say of it.

    Attributes:
        net: Trained on all.
        aside: Log odds of every picture.
    """

    net: GateNet
    aside: Float[np.ndarray, "N 5"]


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they were found on.

    Attributes:
        thresholds: See :class:`Thresholds`.
        facts: For the card.
    """

    thresholds: Thresholds
    facts: dict[str, Any]


def train_gate(rows: Sequence[Row], *, seed: int) -> Trained:
    """Both nets from measured pictures; whole and broken ones weigh alike, and so do drawn people and fields."""
    patches = torch.from_numpy(np.stack([row.signs.patches for row in rows]).astype(np.float16))
    signs = torch.from_numpy(np.stack([row.signs.values for row in rows]))
    part, chance = _parts(rows, seed), _chances(rows)
    finds = torch.zeros(len(rows), 0)
    for number in range(PARTS):
        aside = part == number
        net = _train_patches(rows, patches, ~aside, chance, seed=seed + number)
        found = _finds(net, patches, aside)
        finds = finds if finds.shape[1] else torch.zeros(len(rows), found.shape[1])
        finds[torch.from_numpy(aside)] = found
    facts = torch.cat([signs, finds], dim=1)
    scores = np.zeros((len(rows), 1 + len(FAULTS)))
    for number in range(PARTS):
        aside = part == number
        decision = _train_decision(rows, facts, ~aside, chance, seed=seed + number)
        with torch.no_grad():
            scores[aside] = decision(facts[torch.from_numpy(aside)]).double().numpy()
    kept = GateNet()
    everybody = np.ones(len(rows), bool)
    kept.patches = _train_patches(rows, patches, everybody, chance, seed=seed)
    kept.decision = _train_decision(rows, facts, everybody, chance, seed=seed)
    return Trained(kept.eval().requires_grad_(False), scores)


def _parts(rows: Sequence[Row], seed: int) -> np.ndarray:
    """Part of each picture's person; fields and drawn people are spread evenly over the parts."""
    people = sorted({row.person for row in rows}, key=lambda name: (name.startswith(DRAWN), name))
    order = np.random.default_rng(seed).permutation(PARTS)
    part = {name: int(order[number % PARTS]) for number, name in enumerate(people)}
    return np.array([part[row.person] for row in rows])


def _chances(rows: Sequence[Row]) -> Float[np.ndarray, "N"]:
    """How often each picture is shown: half of them whole, half of them of fields if there are any."""
    drawn = np.array([row.person.startswith(DRAWN) for row in rows])
    whole = np.array([not row.fault for row in rows])
    chance = np.zeros(len(rows))
    for source in (False, True):
        for kind in (False, True):
            mine = (drawn == source) & (whole == kind)
            chance[mine] = 1 / max(mine.sum(), 1)
    return chance


def _train_patches(
    rows: Sequence[Row], patches: Tensor, learned: Bool[np.ndarray, "N"], chance: np.ndarray, *, seed: int
) -> PatchNet:
    torch.manual_seed(seed)
    net = PatchNet()
    some = patches[torch.from_numpy(learned)][::3].float().flatten(0, 2)
    net.get_buffer("mean").copy_(some.mean(0))
    net.get_buffer("scale").copy_(some.std(0).clamp_min(1e-2))
    changed = torch.from_numpy(np.stack([row.changed for row in rows]))
    which = torch.tensor([PATCH_FAULTS.index(row.fault) if row.fault in PATCH_FAULTS else -1 for row in rows])
    whole = torch.tensor([not row.fault or row.fault not in PATCH_FAULTS for row in rows])
    optimizer = torch.optim.AdamW(net.parameters(), lr=PATCH_RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PATCH_RATE, total_steps=PATCH_STEPS)
    generator = torch.Generator().manual_seed(seed)
    odds_of_rows = torch.from_numpy(chance * learned)
    for _ in range(PATCH_STEPS):
        pick = torch.multinomial(odds_of_rows, PICTURES, replacement=True, generator=generator)
        window = torch.randint(2, (PICTURES, PLACES), generator=generator)
        place = torch.randint(patches.shape[2], (PICTURES, PLACES), generator=generator)
        seen = patches[pick[:, None], window, place].float()
        share = changed[pick[:, None], window, place]
        share = torch.where(whole[pick][:, None], torch.zeros_like(share), share)
        target = torch.zeros(PICTURES, PLACES, len(PATCH_FAULTS))
        mine = which[pick].clamp_min(0)[:, None, None].expand(-1, PLACES, 1)
        target.scatter_(2, mine, (share > SPOILED).float()[..., None])
        sure = ((share > SPOILED) | (share <= UNTOUCHED)).float()[..., None].expand_as(target)
        loss = nn.functional.binary_cross_entropy_with_logits(net(seen), target * (1 - 2 * SOFT) + SOFT, weight=sure)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval().requires_grad_(False)


def _finds(net: PatchNet, patches: Tensor, wanted: Bool[np.ndarray, "N"]) -> Tensor:
    index = np.nonzero(wanted)[0]
    return torch.cat([net.finds(patches[index[i : i + 32]].float()) for i in range(0, len(index), 32)])


def _train_decision(
    rows: Sequence[Row], facts: Float[Tensor, "N S"], learned: Bool[np.ndarray, "N"], chance: np.ndarray, *, seed: int
) -> DecisionNet:
    torch.manual_seed(seed)
    net = DecisionNet()
    known = facts[torch.from_numpy(learned)]
    net.get_buffer("mean").copy_(known.mean(0))
    net.get_buffer("scale").copy_(known.std(0).clamp_min(1e-2))
    label = torch.tensor([fault_index(row.fault) for row in rows])
    target = torch.cat([(label > 0)[:, None], nn.functional.one_hot(label, 1 + len(FAULTS))[:, 1:]], 1).float()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    generator = torch.Generator().manual_seed(seed)
    odds_of_rows = torch.from_numpy(chance * learned)
    net.train()
    for _ in range(STEPS):
        pick = torch.multinomial(odds_of_rows, BATCH, replacement=True, generator=generator)
        noise = JITTER * torch.randn(BATCH, facts.shape[1], generator=generator) * net.get_buffer("scale")
        loss = nn.functional.binary_cross_entropy_with_logits(
            net(facts[pick] + noise), target[pick] * (1 - 2 * SOFT) + SOFT
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval().requires_grad_(False)


@torch.no_grad()
def odds_of(net: GateNet, rows: Sequence[Row]) -> Float[np.ndarray, "N 5"]:
    """The net's log odds."""
    found = []
    for i in range(0, len(rows), 32):
        part = [row.signs for row in rows[i : i + 32]]
        signs, patches = (
            torch.from_numpy(np.stack([getattr(one, name) for one in part])) for name in ("values", "patches")
        )
        found.append(net(signs, patches).double().numpy())
    return np.concatenate(found)


def pair_distances(
    rows: Sequence[Row], references: dict[str, list[np.ndarray]]
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
    scores: Float[np.ndarray, "N 5"],
    *,
    own: Float[np.ndarray, "A"],
    others: Float[np.ndarray, "B"],
) -> Calibration:
    """Thresholds that refuse and warn about as many whole pictures as they may.

    Args:
        rows: Pictures. Where there are fields among them, the thresholds are theirs: fields are what is delivered.
        scores: Of nets that had not seen their people.
        own: Descriptor distances of pictures to their own person's photos.
        others: To other people's.
    """
    fields = np.array([not row.person.startswith(DRAWN) for row in rows])
    fields = fields if fields.any() else ~fields
    whole = np.array([not row.fault for row in rows]) & fields
    refuse, warn = (float(np.quantile(scores[whole, 0], 1 - share)) for share in (FALSE_REFUSALS, WARNED))
    # where the two kinds of mistake are equally frequent, between the same and others
    grid = np.linspace(0.2, 1.0, 801)
    missed, wrong = (np.array([mistake(t) for t in grid]) for mistake in (
        lambda t: float((others <= t).mean()), lambda t: float((own > t).mean())
    ))  # fmt: skip
    at = int(np.argmin(np.abs(missed - wrong)))
    equal = float(grid[at])
    values = Thresholds(
        round(min(warn, refuse), 3),
        round(refuse, 3),
        round(min(float(np.quantile(own, 1 - WARNED)), equal), 4),
        round(equal, 4),
    )
    facts = {
        "whole_pictures": int(whole.sum()),
        "people": len({row.person for row, mine in zip(rows, fields, strict=True) if mine}),
        "pairs_same": len(own),
        "pairs_different": len(others),
        "false_refusals_aside": float((scores[whole, 0] > refuse).mean()),
        "equal_error_rate_identity": float((missed[at] + wrong[at]) / 2),
        "refused_aside": {
            fault: float((scores[np.array([row.fault == fault for row in rows]) & fields, 0] > refuse).mean())
            for fault in FAULTS
        },
    }
    return Calibration(values, facts)

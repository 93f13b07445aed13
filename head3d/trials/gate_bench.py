"""How good the gate is on people it has never seen: shares refused by fault and by way of breaking, and ROC curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from head3d.perception.identity import distance
from head3d.quality.gate_net import FAULTS, GateNet, Thresholds
from head3d.trials.gate_training import odds_of
from head3d.trials.lessons import Row

POINTS = 41
"""Of a curve in the report."""


def roc(good: Float[np.ndarray, "A"], bad: Float[np.ndarray, "B"]) -> tuple[list[list[float]], float]:
    """Curve of (good ones refused, bad ones refused) over all thresholds, and the area under it (Mann and Whitney)."""
    levels = np.concatenate([[np.inf], np.sort(np.concatenate([good, bad]))[::-1], [-np.inf]])
    wrong = np.array([(good > level).mean() for level in levels])
    right = np.array([(bad > level).mean() for level in levels])
    grid = np.linspace(0, 1, POINTS)
    curve = [[float(x), float(right[wrong <= x + 1e-12].max())] for x in grid]
    ranks = np.searchsorted(np.sort(good), bad, side="left") + np.searchsorted(np.sort(good), bad, side="right")
    return curve, float(ranks.mean() / (2 * len(good)))


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if total == 0:
        return 0.0, 1.0
    z, share = 1.96, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return float(middle - half), float(middle + half)


def bench_gate(
    net: GateNet, rows: Sequence[Row], references: Mapping[str, Sequence[np.ndarray]], *, limits: Thresholds
) -> dict[str, Any]:
    """Try the gate.

    Args:
        net: Trained on other people.
        rows: Whole and broken pictures.
        references: Descriptors of photos by person; of those without, identity is not judged.
        limits: Thresholds, calibrated on other people.
    """
    scores = odds_of(net, rows).max(1)
    whole = np.array([not row.fault for row in rows])
    own = [row.signs.identity(references.get(row.person, ())) for row in rows]
    by_face = np.array([one is not None and one > limits.identity_refuse for one in own])
    refused = (scores > limits.broken_refuse) | by_face
    found: dict[str, Any] = {
        "people": sorted({row.person for row in rows}),
        "whole": _share(refused[whole]) | {"by_faults": _share((scores > limits.broken_refuse)[whole])},
        "warned_whole": _share(((scores > limits.broken_warn) & ~refused)[whole]),
        "faults": {},
    }
    for fault in FAULTS:
        mine = np.array([row.fault == fault for row in rows])
        entry: dict[str, Any] = {}
        for kind in ("taught", "untaught"):
            these = mine & np.array([row.way.startswith(f"{kind}.") for row in rows])
            if these.any():
                entry[kind] = _share(refused[these])
                entry[kind]["roc"], entry[kind]["area"] = roc(scores[whole], scores[these])
        entry["ways"] = {
            way: _share(refused[[i for i, row in enumerate(rows) if row.way == way]])
            for way in sorted({row.way for row in rows if row.fault == fault})
        }
        found["faults"][fault] = entry
    lone = odds_of(net, rows, each_alone=True).max(1) > limits.broken_refuse
    found["alone"] = {"whole": _share(lone[whole])} | {
        fault: {
            kind: _share(lone[[i for i, row in enumerate(rows) if row.fault == fault and row.way.startswith(kind)]])
            for kind in ("taught.", "untaught.")
        }
        for fault in FAULTS
    }
    found["swapped"] = _swapped(rows, references, limits)
    return found


def _swapped(rows: Sequence[Row], references: Mapping[str, Sequence[np.ndarray]], limits: Thresholds) -> dict[str, Any]:
    """Whole pictures of one person held against the photos of another."""
    same, other = [], []
    for row in rows:
        if row.fault or row.signs.descriptor is None:
            continue
        for person, descriptors in references.items():
            far = float(np.mean([distance(row.signs.descriptor, one) for one in descriptors]))
            (same if person == row.person else other).append(far)
    if not same or not other:
        return {}
    good, bad = np.array(same), np.array(other)
    curve, area = roc(good, bad)
    return {
        **_share(bad > limits.identity_refuse),
        "same_person": _share(good > limits.identity_refuse),
        "roc": curve,
        "area": area,
    }


def _share(refused: np.ndarray) -> dict[str, Any]:
    count, total = int(np.sum(refused)), len(refused)
    return {"refused": count / max(total, 1), "interval": list(wilson(count, total)), "pictures": total}

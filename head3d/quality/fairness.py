"""Is it as good for everybody? Metrics by group, with bootstrap intervals, and the worst gap.

People of a panel are twins: sets of the same face, hair and light that differ in one thing only. Whole sets are drawn
in the bootstrap, so that a gap between groups is not the chance of who was in them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
LEAST_IN_GROUP = 3
"""Smaller groups are listed and not compared."""


@dataclass(frozen=True)
class Metric:
    """What is measured of a person; less is better.

    Attributes:
        name: In words.
        unit: Of its values.
        floor: Values below this do not matter: gaps are relative to no less.
    """

    name: str
    unit: str
    floor: float


@dataclass(frozen=True)
class Measured:
    """A person of the panel.

    Attributes:
        person: Name.
        twins: Which set of twins; bootstrap draws whole sets.
        groups: Group by axis ("skin tone": "Monk 6").
        values: By metric; what could not be measured is missing.
    """

    person: str
    twins: str
    groups: Mapping[str, str]
    values: Mapping[str, float]


@dataclass(frozen=True)
class GroupValue:
    """A metric of one group.

    Attributes:
        group: Which.
        count: People.
        mean: Over them.
        low: Of its 95 % interval.
        high: Of it.
        gap: How much worse than everybody else on the mean, relative; < 0 is better. None for too small a group.
        gap_low: Of its 95 % interval.
        gap_high: Of it.
    """

    group: str
    count: int
    mean: float
    low: float
    high: float
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One metric along one axis.

    Attributes:
        metric: Which.
        axis: "skin tone", "sex", ...
        overall: Mean over all.
        groups: In their order.
    """

    metric: Metric
    axis: str
    overall: float
    groups: tuple[GroupValue, ...]

    @property
    def worst(self) -> GroupValue | None:
        """The group with the largest gap."""
        known = [one for one in self.groups if one.gap is not None]
        return max(known, key=lambda one: one.gap or 0.0) if known else None

    def fails(self, bound: float) -> bool:
        """Whether the worst gap is surely above a bound: with all of its interval."""
        worst = self.worst
        return worst is not None and (worst.gap_low or 0.0) > bound

    def exceeds(self, bound: float) -> bool:
        """Whether the worst gap is above a bound, surely or not."""
        worst = self.worst
        return worst is not None and (worst.gap or 0.0) > bound


def compare(
    people: Sequence[Measured], metrics: Sequence[Metric], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Comparison]:
    """Every metric along every axis that has two groups."""
    axes = list(dict.fromkeys(axis for one in people for axis in one.groups))
    found = []
    for metric in metrics:
        for axis in axes:
            known = [one for one in people if metric.name in one.values and axis in one.groups]
            if len({one.groups[axis] for one in known}) > 1:
                found.append(_compare(known, metric, axis, np.random.default_rng(seed), resamples))
    return found


def _compare(
    people: Sequence[Measured], metric: Metric, axis: str, draw: np.random.Generator, resamples: int
) -> Comparison:
    values = np.array([one.values[metric.name] for one in people], dtype=np.float64)
    names = sorted({one.groups[axis] for one in people})
    group = np.array([names.index(one.groups[axis]) for one in people])
    sets = sorted({one.twins for one in people})
    member = np.array([sets.index(one.twins) for one in people])
    weights = [np.ones(len(people))]
    for _ in range(resamples):
        times = np.bincount(draw.integers(0, len(sets), len(sets)), minlength=len(sets))
        weights.append(times[member].astype(np.float64))
    weight = np.stack(weights)
    rows = []
    for number, name in enumerate(names):
        mine, others = weight * (group == number), weight * (group != number)
        mean, rest = _means(mine, values), _means(others, values)
        gap = (mean - rest) / np.maximum(rest, metric.floor)
        count = int((group == number).sum())
        low, high = _interval(mean[1:])
        value = GroupValue(name, count, float(mean[0]), low, high)
        if count >= LEAST_IN_GROUP:
            value = GroupValue(name, count, float(mean[0]), low, high, float(gap[0]), *_interval(gap[1:]))
        rows.append(value)
    return Comparison(metric, axis, float(values.mean()), tuple(rows))


def _means(weight: Float[np.ndarray, "B N"], values: Float[np.ndarray, "N"]) -> Float[np.ndarray, "B"]:
    total = weight.sum(1)
    return np.where(total > 0, (weight @ values) / np.maximum(total, 1), np.nan)


def _interval(drawn: Float[np.ndarray, "B"]) -> tuple[float, float]:
    fine = drawn[np.isfinite(drawn)]
    if not len(fine):
        return float("nan"), float("nan")
    low, high = np.percentile(fine, INTERVAL)
    return float(low), float(high)


def worst_of(
    comparisons: Sequence[Comparison], bound: float, *, axis: str = "", test: Callable[[Comparison, float], bool]
) -> list[Comparison]:
    """Comparisons that break a bound, the worst first."""
    broken = [one for one in comparisons if (not axis or one.axis == axis) and test(one, bound)]
    return sorted(broken, key=lambda one: -((one.worst and one.worst.gap) or 0.0))

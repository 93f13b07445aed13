"""What raters like, as a number for every picture: Bradley-Terry over metrics and an embedding, trained in a second.

P(a better than b) = sigmoid(w . (x_a - x_b)), x the standardised features of a picture (Bradley and Terry 1952, with
covariates as in Springall 1973). The weights have a Gaussian prior, whose width is chosen by the likelihood of votes
that were left out; Newton's method finds the one optimum. Raters of a trade (a photographer, say) may weigh more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from head3d import store
from head3d.errors import ConfigError
from head3d.quality.ratings import BY_CHECKLIST, Axis
from head3d.records import from_plain, to_plain
from head3d.shapes import shaped

PREFERENCE_VERSION = 1
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Prior precisions that are tried."""
FOLDS = 5
CHECKLIST_WEIGHT = 3.0
"""A comparison that a photographer's checklist made counts as so many glances."""
LEAST_VOTES = 8
"""Fewer cannot be divided into votes to learn from and votes to test on."""
Pair = tuple[str, str, float, str]
"""First picture, second picture, share of the win that is the first's, rater."""


@shaped
@dataclass(frozen=True)
class PreferenceModel:
    """A reward for pictures.

    Attributes:
        axis: What it is about.
        names: Of the features.
        mean: Of the features over the rated pictures.
        scale: Their spread.
        weights: Per standardised feature.
        ridge: Prior precision that was chosen.
        votes: How many it was trained on.
        held_out: Share of votes it foretells that it was not trained on (ties left out).
        interval: Its 95 % Wilson interval.
    """

    axis: Axis
    names: tuple[str, ...]
    mean: Float[np.ndarray, "F"]
    scale: Float[np.ndarray, "F"]
    weights: Float[np.ndarray, "F"]
    ridge: float
    votes: int
    held_out: float
    interval: tuple[float, float]

    def reward(self, features: Mapping[str, float]) -> float:
        """How much raters would like a picture; differences are log odds. Features it lacks count as average."""
        x = np.array([features.get(name, mean) for name, mean in zip(self.names, self.mean, strict=True)])
        return float(((x - self.mean) / self.scale) @ self.weights)

    def ranked(self, pictures: Mapping[str, Mapping[str, float]]) -> list[str]:
        """Names of pictures, the best first; equals in their order."""
        return sorted(pictures, key=lambda name: -self.reward(pictures[name]))


def features_of(metrics: Mapping[str, float], embedding: Float[np.ndarray, "D"] | None = None) -> dict[str, float]:
    """Features of a picture: its metrics by name, and the coordinates of an embedding."""
    found = {name: float(value) for name, value in metrics.items()}
    if embedding is not None:
        found |= {f"embedding.{i}": float(value) for i, value in enumerate(embedding)}
    return found


def _weight(rater: str, given: Mapping[str, float]) -> float:
    """How much a rater's comparisons count: what was asked for, times more by checklist."""
    name = rater.removesuffix(BY_CHECKLIST)
    return given.get(name, 1.0) * (CHECKLIST_WEIGHT if name != rater else 1.0)


def fit_preference(
    pairs: Sequence[Pair],
    features: Mapping[str, Mapping[str, float]],
    *,
    axis: Axis,
    rater_weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> PreferenceModel:
    """Learn what raters like.

    Args:
        pairs: See :func:`head3d.quality.ratings.pairs_of`; those of unknown pictures are left out.
        features: Per picture; see :func:`features_of`. What one lacks counts as average.
        axis: What the votes are about.
        rater_weights: By rater, 1 if not named; a photographer's may be 3.
        seed: Of the division into folds.

    Raises:
        ConfigError: Too few votes about these pictures.
    """
    known = [pair for pair in pairs if pair[0] in features and pair[1] in features]
    if len(known) < LEAST_VOTES:
        raise ConfigError(
            f"{len(known)} votes on {axis} are too few to learn from.",
            hint=f"Give at least {LEAST_VOTES}: head3d rate.",
        )
    rated = sorted({name for pair in known for name in pair[:2]})
    names = tuple(sorted(set.union(*(set(features[name]) for name in rated))))
    table = np.array([[features[name].get(key, np.nan) for key in names] for name in rated], dtype=np.float64)
    mean = np.nanmean(table, 0)
    table = np.where(np.isnan(table), mean, table)  # what was not measured speaks neither for a picture nor against it
    scale = table.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    row = {name: (table[i] - mean) / scale for i, name in enumerate(rated)}
    x = np.stack([row[a] - row[b] for a, b, _, _ in known])
    y = np.array([share for _, _, share, _ in known])
    weight = np.array([_weight(rater, rater_weights or {}) for *_, rater in known])
    fold = _folds(known, np.random.default_rng(seed))
    losses = {ridge: _held_out(x, y, weight, fold, ridge) for ridge in RIDGES}
    ridge = min(losses, key=lambda one: losses[one][0])
    _, right, judged = losses[ridge]
    return PreferenceModel(
        axis=axis,
        names=names,
        mean=mean,
        scale=scale,
        weights=_newton(x, y, weight, ridge),
        ridge=ridge,
        votes=len(known),
        held_out=right / max(judged, 1),
        interval=wilson(right, judged),
    )


def wilson(successes: int, trials: int, *, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share (Wilson 1927): right for few trials and for shares near 0 and 1; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    p = successes / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def write_model(path: Path, model: PreferenceModel) -> None:
    """Write a model as json."""
    store.write_json(path, {"model": to_plain(model)}, kind="head3d.preference", version=PREFERENCE_VERSION)


def read_model(path: Path) -> PreferenceModel:
    """Read what :func:`write_model` wrote."""
    payload = store.read_json(path, kind="head3d.preference", version=PREFERENCE_VERSION)
    return from_plain(PreferenceModel, payload.get("model"), where=str(path))


def _folds(pairs: Sequence[Pair], draw: np.random.Generator) -> np.ndarray:
    """Fold of each vote; repeated votes on the same two pictures stay together, else they would be known beforehand."""
    keys = [frozenset(pair[:2]) for pair in pairs]
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    place = draw.permutation(len(order)) % min(FOLDS, len(order))
    return np.array([place[order[key]] for key in keys])


def _held_out(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, fold: np.ndarray, ridge: float
) -> tuple[float, int, int]:
    """Mean loss on votes left out, how many of them were foretold, and how many were no ties."""
    loss, right, judged = 0.0, 0, 0
    for one in np.unique(fold):
        out = fold == one
        if out.all():
            continue
        score = x[out] @ _newton(x[~out], y[~out], weight[~out], ridge)
        loss += float((weight[out] * (np.logaddexp(0, score) - y[out] * score)).sum())
        clear = y[out] != 0.5
        right += int(((score > 0) == (y[out] > 0.5))[clear].sum())
        judged += int(clear.sum())
    return loss / weight.sum(), right, judged


def _newton(x: np.ndarray, y: np.ndarray, weight: np.ndarray, ridge: float) -> np.ndarray:
    """Weights of the penalised logistic likelihood: convex, so damped Newton steps end at its one optimum."""

    def value(w: np.ndarray) -> float:
        score = x @ w
        return float((weight * (np.logaddexp(0, score) - y * score)).sum() + 0.5 * ridge * w @ w)

    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -40, 40)))
        slope = x.T @ (weight * (p - y)) + ridge * w
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + ridge * np.eye(len(w))
        step = np.linalg.solve(curve, slope)
        size, now = 1.0, value(w)
        while value(w - size * step) > now and size > 1e-6:
            size /= 2
        w = w - size * step
        if np.abs(size * step).max() < 1e-8:
            break
    return w

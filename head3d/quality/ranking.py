"""A subject's pictures in the order that its votes teach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from head3d import store
from head3d.imaging.io import read_photo
from head3d.quality.picture_features import picture_embedding, picture_metrics
from head3d.quality.picture_numbers import PictureNumbers
from head3d.quality.preference import LEAST_VOTES, PreferenceModel, features_of, fit_preference, write_model
from head3d.quality.ratings import RATINGS, Axis, pairs_of, read_ratings

MEASURED = ("identity", *PictureNumbers.__dataclass_fields__)
"""Numbers of a picture that a preference may go by."""


@dataclass(frozen=True)
class Ranking:
    """What the votes on one axis teach.

    Attributes:
        comparisons: Votes that compare two of the pictures; ``LEAST_VOTES`` are needed for the rest.
        rewards: Pictures with what the model gives them, the best first; empty while votes are too few.
        model: The model; None while votes are too few.
    """

    comparisons: int
    rewards: list[tuple[str, float]] = field(default_factory=list)
    model: PreferenceModel | None = None


def known_numbers(folder: Path) -> dict[str, dict[str, float]]:
    """What was measured of a subject's pictures when they were made, by their path within its folder.

    Args:
        folder: Of the subject; headshots.json tells of the run, numbers.json of each set that has one.
    """
    found: dict[str, dict[str, float]] = {}
    path = folder / "headshots" / "headshots.json"
    if path.is_file():
        payload = store.read_json(path, kind="head3d.headshots", version=1)
        verdicts = payload.get("pictures", {})
        for view, file in payload.get("headshots", {}).items():
            verdict = verdicts.get(view, {})
            found[f"headshots/{file}"] = _measured({**verdict, **(verdict.get("numbers") or {})})
    for path in sorted((folder / "exports").rglob("numbers.json")):
        for row in store.read_json(path, kind="head3d.set_numbers", version=1).get("pictures", []):
            found[(path.parent / row["file"]).relative_to(folder).as_posix()] = _measured(row)
    return found


def _measured(row: Mapping[str, Any]) -> dict[str, float]:
    return {f"measured.{name}": row[name] for name in MEASURED if isinstance(row.get(name), float)}


def rank(folder: Path, pictures: Mapping[str, Path], *, axis: Axis, weights: Mapping[str, float]) -> Ranking:
    """Rank a subject's pictures; writes the model beside the votes.

    Args:
        folder: Of the subject.
        pictures: By name.
        axis: What was asked.
        weights: Of raters whose votes count more or less than 1.
    """
    pairs = pairs_of(read_ratings(folder / RATINGS)[0], axis)
    known = [pair for pair in pairs if pair[0] in pictures and pair[1] in pictures]
    if len(known) < LEAST_VOTES:
        return Ranking(len(known))
    features, measured = {}, known_numbers(folder)
    for name, path in pictures.items():
        pixels = read_photo(path)
        metrics = {**picture_metrics(pixels), **measured.get(name, {})}
        features[name] = features_of(metrics, picture_embedding(pixels))
    model = fit_preference(known, features, axis=axis, rater_weights=dict(weights))
    write_model(folder / f"preference_{axis}.json", model)
    return Ranking(len(known), [(name, model.reward(features[name])) for name in model.ranked(features)], model)

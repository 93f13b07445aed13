"""What people think of pictures: votes as JSON lines, one appended and synced at a time, so that no crash takes them.

``ratings.jsonl`` lies in a subject folder; the terminal and the viewer write the same lines::

    {"time": "2026-01-02T10:00:00+00:00", "rater": "ada", "kind": "pairwise", "axis": "likeness",
     "items": ["headshots/soft-front/front.png", "headshots/rim/front.png"], "choice": 0}

(each on one line). ``choice`` is the index of the better item of a pair (null for a tie), 1 to 5 (stars, one item), or
what of a photographer's checklist one picture passes: the sum of 2^i over the points of ``CHECKLIST`` that are right.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from head3d.errors import ConfigError, StorageError

Axis = Literal["likeness", "professionalism", "appeal"]
Kind = Literal["pairwise", "stars", "checklist"]
AXES: tuple[Axis, ...] = get_args(Axis)
RATINGS = "ratings.jsonl"
"""In the subject folder."""
MOST_STARS = 5
CHECKLIST = (
    "eyes: sharp, open, looking where they should",
    "light: shapes the face, nothing burnt out or lost in black",
    "skin: natural in colour and texture",
    "outline: hair and shoulders clean against the backdrop",
    "clothes: sit right, collar straight",
    "posture and frame: upright, room about the head",
    "expression: one the person would choose",
)
"""What a photographer looks for; new points go to the end, so that older votes keep their meaning."""
BY_CHECKLIST = " (checklist)"
"""Ends the rater's name in comparisons that a checklist made: they weigh more."""


@dataclass(frozen=True)
class Rating:
    """One vote.

    Attributes:
        time: ISO 8601 with zone.
        rater: Who; any name.
        kind: ``pairwise``, ``stars`` or ``checklist``.
        axis: What was asked.
        items: Names of the pictures: two for a pair, else one.
        choice: Index of the better one, None for a tie; 1 to 5 for stars; bits of the points passed for a checklist.
    """

    time: str
    rater: str
    kind: Kind
    axis: Axis
    items: tuple[str, ...]
    choice: int | None


def new_rating(*, rater: str, kind: Kind, axis: Axis, items: Sequence[str], choice: int | None) -> Rating:
    """A vote of now; ConfigError if it cannot be one."""
    rating = Rating(datetime.now(UTC).isoformat(timespec="seconds"), rater, kind, axis, tuple(items), choice)
    if (fault := _fault(asdict(rating))) is not None:
        raise ConfigError(f"This is no rating: {fault}.", hint="See head3d/quality/ratings.py for the format.")
    return rating


def append_rating(path: Path, rating: Rating) -> None:
    """Append one vote: a single write of a whole line, on the disk when this returns.

    A line that a crash cut short is closed first, so that it spoils no other.
    """
    line = json.dumps(asdict(rating), ensure_ascii=False, sort_keys=True).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(file, line)
            if written != len(line):
                raise StorageError(f"{path}: the vote was not written whole.", hint="Is the disk full?")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror or error}.", hint="Choose a folder that can be written."
        ) from error


def read_ratings(path: Path) -> tuple[list[Rating], int]:
    """All votes in their order, and how many lines were none (cut short, or edited); no file is no votes."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], 0
    ratings, spoiled = [], 0
    for line in lines:
        if not line.strip():
            continue
        try:
            payload = json.loads(line)
        except ValueError:
            spoiled += 1
            continue
        if _fault(payload) is not None:
            spoiled += 1
            continue
        wanted = {key: payload[key] for key in Rating.__dataclass_fields__}
        ratings.append(Rating(**{**wanted, "items": tuple(payload["items"])}))
    return ratings, spoiled


def pairs_of(ratings: Iterable[Rating], axis: Axis) -> list[tuple[str, str, float, str]]:
    """Votes as comparisons (first, second, share of the win that is the first's, rater).

    Stars, or points of a checklist, of one rater on one axis compare every two pictures they gave different numbers to.
    """
    pairs: list[tuple[str, str, float, str]] = []
    given_by: dict[str, dict[str, int]] = {}
    for one in ratings:
        if one.axis != axis:
            continue
        if one.kind == "pairwise":
            share = 0.5 if one.choice is None else 1.0 - one.choice
            pairs.append((one.items[0], one.items[1], share, one.rater))
        elif one.choice is not None:
            points = one.choice.bit_count() if one.kind == "checklist" else one.choice
            rater = one.rater + (BY_CHECKLIST if one.kind == "checklist" else "")
            given_by.setdefault(rater, {})[one.items[0]] = points  # a later vote replaces an earlier one
    for rater, given in given_by.items():
        names = sorted(given)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                if given[first] != given[second]:
                    pairs.append((first, second, float(given[first] > given[second]), rater))
    return pairs


def _fault(payload: Any) -> str | None:
    """What is wrong with a line; None if nothing is."""
    if not isinstance(payload, dict) or not set(Rating.__dataclass_fields__) <= set(payload):
        return "fields are missing"
    items, choice, kind = payload["items"], payload["choice"], payload["kind"]
    if payload["axis"] not in AXES or kind not in get_args(Kind):
        return f"there is no {kind!r} on {payload['axis']!r}"
    if not isinstance(payload["rater"], str) or not isinstance(payload["time"], str):
        return "rater and time are texts"
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        return "items are names"
    if choice is not None and (isinstance(choice, bool) or not isinstance(choice, int)):
        return "choice is a whole number"
    if kind == "pairwise":
        return None if len(set(items)) == len(items) == 2 and choice in (0, 1, None) else "a pair has two items"
    if kind == "checklist":
        most = 2 ** len(CHECKLIST)
        return None if len(items) == 1 and choice in range(most) else f"a checklist of one item is below {most}"
    return None if len(items) == 1 and choice in range(1, MOST_STARS + 1) else "stars are 1 to 5 for one item"

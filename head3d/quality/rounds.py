"""What is put before people who vote: a subject's pictures, in pairs or singly, those with the fewest votes first."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from head3d.errors import InputError
from head3d.quality.ratings import Axis, Kind, Rating

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
PLACES = ("headshots", "exports/renders", "exports/sets")
"""Of a subject folder, that hold finished pictures."""
NEAREST = 3
"""The second of a pair is drawn from so many of the least seen, so that the same two do not meet for ever."""


def rated_pictures(folder: Path) -> dict[str, Path]:
    """Pictures that were delivered, by their path within the subject folder."""
    found = {}
    for place in PLACES:
        for path in sorted((folder / place).rglob("*")):
            inner = path.relative_to(folder)
            refused = "refused" in inner.parts or path.name.startswith("refused-")
            shown = path.suffix.lower() in SUFFIXES and path.stem != "contact_sheet" and not refused
            if shown and not path.stem.endswith("_confidence"):
                found[inner.as_posix()] = path
    if len(found) < 2:
        raise InputError(f"{folder}: has no headshots to compare.", hint="Make some: head3d run, head3d render.")
    return found


def rounds(
    pictures: Mapping[str, Path], before: Sequence[Rating], *, kind: Kind, axis: Axis
) -> Iterator[tuple[str, ...]]:
    """What to ask next, and next after that, given the votes so far; pairs never end."""
    return _pairs(pictures, before, axis) if kind == "pairwise" else _singly(pictures, before, kind, axis)


def _pairs(pictures: Mapping[str, Path], before: Sequence[Rating], axis: Axis) -> Iterator[tuple[str, str]]:
    """Pairs of the pictures with the fewest votes, in a random order that votes before do not repeat."""
    draw = np.random.default_rng(len(before))
    seen = {name: 0 for name in pictures}
    for one in before:
        for item in one.items:
            if one.axis == axis and item in seen:
                seen[item] += 1
    while True:
        order = sorted(seen, key=lambda name: (seen[name], draw.random()))
        first, second = order[0], order[1 + int(draw.integers(min(NEAREST, len(order) - 1)))]
        for name in (first, second):
            seen[name] += 1
        yield (first, second) if draw.random() < 0.5 else (second, first)


def _singly(
    pictures: Mapping[str, Path], before: Sequence[Rating], kind: Kind, axis: Axis
) -> Iterator[tuple[str, ...]]:
    done = {one.items[0] for one in before if one.kind == kind and one.axis == axis}
    yield from ((name,) for name in sorted(pictures, key=lambda name: (name in done, name)))

"""What was made and judged after a run, for its report: sets, passport checks, votes, the blind test, an audit."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import FormatError, InputError
from head3d.finish.passport import read_checks
from head3d.quality.preference import read_model
from head3d.quality.ratings import AXES, RATINGS, read_ratings
from head3d.quality.report import ReportTable

NUMBERS: Mapping[str, str] = {
    "skin_delta_e": "skin ΔE",
    "identity": "identity",
    "landmarks": "landmarks",
    "consistency": "agreement",
    "lpips_photo": "LPIPS to photo",
    "eye_contact_deg": "eyes, °",
}
"""Columns of a set, by the name in its numbers.json."""
EXPORTS, BLIND, AUDIT = "exports", "blind.json", "audit.json"


def extra_files(folder: Path) -> list[Path]:
    """Everything that is read here, in order."""
    found = [folder / name for name in (RATINGS, BLIND, AUDIT, *(f"preference_{axis}.json" for axis in AXES))]
    for place, pattern in ((folder / EXPORTS, "numbers.json"), (folder / EXPORTS, "*_checks.json")):
        found += sorted(place.rglob(pattern))
    return [path for path in found if path.is_file()]


def read_extras(folder: Path) -> list[ReportTable]:
    """A small table for each that is there; a file that cannot be read is left out, since the report must not fail."""
    found: list[ReportTable] = []
    for read in READERS:
        try:
            found += read(folder)
        except (FormatError, InputError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return [one for one in found if one.rows]


def _sets(folder: Path) -> Iterator[ReportTable]:
    rows = []
    for path in sorted((folder / EXPORTS).rglob("numbers.json")):
        told = store.read_json(path, kind="head3d.set_numbers", version=1)["summary"]
        levels = told["levels"]
        rows.append(
            (
                _inner(path.parent, folder),
                f"{told['pictures']}",
                f"{levels['good']} / {levels['warned']} / {levels['refused']}",
                *(_mean(told.get(name)) for name in NUMBERS),
            )
        )
    head = ("set", "pictures", "delivered / warned / refused", *NUMBERS.values())
    yield ReportTable("Sets that were rendered later: means and their 95 % intervals", head, tuple(rows))


def _checks(folder: Path) -> Iterator[ReportTable]:
    rows = []
    for path in sorted((folder / EXPORTS).rglob("*_checks.json")):
        picture = path.with_name(path.name.removesuffix("_checks.json") + ".png")
        checks = read_checks(picture)
        failed = [one for one in checks if not one.passed]
        why = "; ".join(f"{one.name}: {one.found}, wanted {one.wanted}" for one in failed)
        refused = " (refused)" if "refused" in path.parts or path.name.startswith("refused-") else ""
        passed = f"{len(checks) - len(failed)} of {len(checks)}"
        rows.append((f"{_inner(picture, folder)}{refused}", passed, why or "all rules kept"))
    yield ReportTable("Passport checks", ("picture", "passed", "what is wrong"), tuple(rows))


def _votes(folder: Path) -> Iterator[ReportTable]:
    votes, _ = read_ratings(folder / RATINGS)
    rows = []
    for axis in AXES:
        ones = [one for one in votes if one.axis == axis]
        path = folder / f"preference_{axis}.json"
        learned = "too few votes for a ranking"
        if path.is_file():
            model = read_model(path)
            low, high = model.interval
            learned = f"{model.held_out:.0%} ({low:.0%} to {high:.0%})"
        if ones:
            rows.append((axis, f"{len(ones)}", f"{len({one.rater for one in ones})}", learned))
    head = ("asked", "votes", "raters", "ranking foretells of votes it was not shown (guessing is 50 %)")
    yield ReportTable("Ratings and ranking", head, tuple(rows))


def _blind(folder: Path) -> Iterator[ReportTable]:
    path = folder / BLIND
    if path.is_file():
        told = store.read_json(path, kind="head3d.blind", version=1)
        low, high = told["interval"]
        share = f"{told['share']:.0%} ({low:.0%} to {high:.0%})"
        row = (
            str(told["rater"]),
            f"{told['right']} of {told['judged']}",
            share,
            f"{told['renders_taken_for_photos']:.0%}",
        )
        head = ("rater", "told rightly", "share (guessing is 50 %)", "renders taken for photos")
        yield ReportTable("Blind test: photo or render?", head, (row,))


def _audit(folder: Path) -> Iterator[ReportTable]:
    path = folder / AUDIT
    if path.is_file():
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = [(one["metric"], one["group"], f"{one['gap']:+.0%}", _range(one["interval"])) for one in told["above"]]
        caption = f"Audit of {told['people']} people: gaps between skin tones above {told['bound']:.0%}"
        empty = ("none", "", "", "")
        yield ReportTable(caption, ("metric", "group", "gap", "95 % interval"), tuple(rows) or (empty,))


READERS: tuple[Callable[[Path], Iterator[ReportTable]], ...] = (_sets, _checks, _votes, _blind, _audit)


def _inner(path: Path, folder: Path) -> str:
    return path.relative_to(folder / EXPORTS).as_posix()


def _mean(found: Any) -> str:
    if not isinstance(found, dict):
        return "–"
    low, high = found.get("interval", (found["mean"], found["mean"]))
    return f"{found['mean']:.3g} ({low:.3g} to {high:.3g})"


def _range(interval: Any) -> str:
    return f"{interval[0]:+.0%} to {interval[1]:+.0%}"

"""``head3d bench studio SUBJECT...``: a whole set of each subject, with the numbers of its pictures and their time."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from head3d import store
from head3d.bench_timing import machine, origin
from head3d.console import listen
from head3d.errors import ConfigError
from head3d.events import Emit, ignore
from head3d.look_sets import looks_of, read_set
from head3d.render_looks import render_looks
from head3d.set_record import NUMBERS_KIND, NUMBERS_VERSION, RecordOptions
from head3d.subject import Subject

KIND, VERSION = "head3d.bench.studio", 1
SET: Mapping[str, Any] = {
    "views": [
        "front", "left-20", "right-20", "three-quarter-left", "three-quarter-right", "profile-left", "profile-right",
    ],
    "crop": ["linkedin", "passport-eu"],
    "garment": ["own", "blazer"],
    "backdrop": ["studio-grey", "white"],
}  # fmt: skip
"""56 pictures."""


@dataclass(frozen=True)
class StudioBench:
    """Make a set of each subject, contact sheets with it, and tell skin, outline, identity and time of its pictures."""

    subjects: tyro.conf.Positional[tuple[Path, ...]]
    """Finished subjects."""
    set: Path | None = None
    """A .yaml as for `head3d render --views`: 7 angles, 2 frames, 2 garments, 2 backdrops if not given."""
    size: int = 1024
    """Longer side of the pictures, px."""
    pictures: Path | None = None
    """Folder for the pictures, one in it for each subject; exports/studio of the subjects if not given."""
    out: Path | None = None
    """Also write the JSON to this file."""


def main(words: Sequence[str]) -> int:
    """``head3d bench studio SUBJECT...``; returns the exit code."""
    options = tyro.cli(
        StudioBench, args=list(words), prog="head3d bench studio", config=(tyro.conf.FlagCreatePairsOff,)
    )
    names = [path.resolve().name for path in options.subjects]
    if not names or len(set(names)) < len(names):
        raise ConfigError("Name one or more subjects.", hint="No two of them may have the same name.")
    with listen("auto") as emit:
        report = bench_studio(options, emit=emit)
    report = {"format": KIND, "version": VERSION, **origin(f"head3d bench studio {' '.join(words)}"), **report}
    text = json.dumps(report, indent=1, allow_nan=False)
    if options.out is not None:
        store.write_bytes(options.out, (text + "\n").encode())
    sys.stdout.write(text + "\n")
    return 0


def bench_studio(options: StudioBench, *, emit: Emit = ignore) -> dict[str, Any]:
    """The numbers of all subjects, by the names of their folders."""
    looks = looks_of(SET, where="the usual set") if options.set is None else read_set(options.set)
    found = {}
    for path in options.subjects:
        subject = Subject(path).require()
        place = path / "exports" / "studio" if options.pictures is None else options.pictures / path.resolve().name
        before = os.getloadavg()[0]
        record = RecordOptions(contact_sheet=True, numbers=True)
        render_looks(subject, looks, size=options.size, record=record, out=place, emit=emit)
        numbers = store.read_json(place / "numbers.json", kind=NUMBERS_KIND, version=NUMBERS_VERSION)
        found[path.resolve().name] = _told(numbers, load=(before, os.getloadavg()[0]))
    return {"machine": machine(), "size_px": options.size, "subjects": found}


def _told(numbers: Mapping[str, Any], *, load: tuple[float, float]) -> dict[str, Any]:
    """The numbers of one subject, with seconds per picture beside the load of the machine they were measured at."""
    count = numbers["summary"]["pictures"]
    each = {
        clock: round(sum(value for what, value in seconds.items() if what != "record") / count, 2)
        for clock, seconds in numbers["seconds"].items()
    }
    return {
        "seconds_per_picture": each,
        "load_before_and_after": [round(one, 1) for one in load],
        **{key: numbers[key] for key in ("summary", "seconds", "pictures")},
    }

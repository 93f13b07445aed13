"""The worker of a batch, with two kinds of poison and a clock: ``python -m tests.end_to_end.poisoned JOB.json PARENT``.

It is head3d's own worker on real photos. But a subject called ``segfault-...`` reads address 0 in the middle of its
fit, and one called ``hang-...`` sleeps there. CPU seconds are written to OUT/cpu/NAME-PID.json, one file a try.
"""

import ctypes
import importlib
import json
import os
import pkgutil
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CLOCK_PLACE = "cpu"
PACKAGES = ("capture", "perception", "morphable", "field", "render", "train", "refine", "finish", "quality")
"""All that the stages import: it is imported beforehand, so that what they cost is their own work."""


def command(spec: Path, parent: int) -> Sequence[str]:
    """Start it for a job's file, as a child of a process."""
    return [sys.executable, "-m", "tests.end_to_end.poisoned", str(spec), str(parent)]


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _poison(kind: str) -> None:
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "hang":
        time.sleep(3600)


def _timed(run: Callable[..., Any], note: Path, kind: str) -> Callable[..., Any]:
    """A pipeline that notes what its stages cost, and is poisoned after the first step of the fit."""

    def timed(*args: Any, emit: Callable[[Any], None], **options: Any) -> Any:
        started = cpu_seconds()

        def write() -> None:
            told = {"before": round(started, 3), "stages": round(cpu_seconds() - started, 3)}
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(told))

        def heard(event: Any) -> None:
            emit(event)
            if kind in ("segfault", "hang") and type(event).__name__ == "Progress" and event.stage == "fit":
                write()
                _poison(kind)

        made = run(*args, emit=heard, **options)
        write()
        return made

    return timed


def main() -> int:
    """Do the job."""
    spec, parent = Path(sys.argv[1]), sys.argv[2]
    import head3d.pipeline
    import head3d.reporting
    from head3d.jobs import worker

    for package in PACKAGES:
        for one in pkgutil.iter_modules(importlib.import_module(f"head3d.{package}").__path__, f"head3d.{package}."):
            importlib.import_module(one.name)

    note = spec.parents[1] / CLOCK_PLACE / f"{spec.stem}-{os.getpid()}.json"
    head3d.pipeline.run = _timed(head3d.pipeline.run, note, spec.stem.split("-")[0])
    sys.argv = ["head3d.jobs.worker", str(spec), "--parent", parent]
    return worker.main()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as head3d's own ends

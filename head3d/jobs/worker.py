"""The process that does one job: ``python -m head3d.jobs.worker JOB.json --parent PID``.

Events go to standard output as JSON lines, everything else to standard error. The last line is ``Result`` with the
checksums of what was made, or ``Failure`` with the message and the hint; the exit code is that of the error.
"""

import argparse
import ctypes
import dataclasses
import hashlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from head3d.console import write_json_line
from head3d.errors import Head3DError, NothingDelivered
from head3d.events import Emit, Event, Notice
from head3d.jobs.spec import JobSpec, Picture, read_spec

PR_SET_PDEATHSIG = 1
"""Of prctl(2), <sys/prctl.h>."""
UNTIMED = frozenset({"report"})
"""Stages whose files tell how long things took: no two runs write the same."""


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends; and be the first to go without memory.

    Args:
        parent: Process id. If it is no longer the parent, it has ended already.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:  # a container may forbid it
        pass


def work(spec: JobSpec, *, emit: Emit) -> dict[str, Any]:
    """Do a job.

    Returns:
        ``files``: by path below the subject folder, the checksum of each file that a repetition makes again: that of
        the pixels for headshots (signing a picture changes its bytes, not its pixels), else that of the file.
        ``pictures``: paths of the further pictures.
    """
    from head3d.config import load_config
    from head3d.jobs import remote
    from head3d.pipeline import run
    from head3d.subject import Subject

    subject = Subject(Path(spec.subject))
    cache = Path(spec.cache) if spec.cache else subject.path / "fetched"
    if spec.stages is not None:
        config = load_config(spec.preset, *spec.options)
        photos = remote.fetch(spec.photos, cache)
        run(photos, subject.path, config=config, consent=spec.consent, stages=spec.stages, emit=emit)
        _tell_refusals(subject.path / "headshots", emit)
    pictures = [path for one in spec.pictures for path in _render(subject.path, one, emit)]
    files: dict[str, dict[str, str]] = {}
    for stage, record in subject.require().ledger().stages.items():
        if stage not in UNTIMED:
            files |= {name: _checksum(subject.path / name, sha) for name, sha in record.files.items()}
    files |= {path.relative_to(subject.path).as_posix(): _checksum(path, "") for path in pictures}
    if spec.results:
        remote.send(subject.path, files, spec.results)
    remote.forget(cache)
    return {"files": files, "pictures": [path.relative_to(subject.path).as_posix() for path in pictures]}


def _render(subject: Path, picture: Picture, emit: Emit) -> list[Path]:
    from head3d.pictures import render_asked

    out = subject / "exports" / "renders" / picture.folder if picture.folder else None
    return render_asked(subject, picture.views, picture, out=out, emit=emit)


def _tell_refusals(headshots: Path, emit: Emit) -> None:
    """Warn if nothing is delivered: the head is made all the same, so the job has not failed."""
    from head3d.parts_views import check_delivered

    try:
        if (headshots / "headshots.json").is_file():
            check_delivered(headshots)
    except NothingDelivered as error:
        emit(Notice(str(error), "warning"))


def _checksum(path: Path, sha256: str) -> dict[str, str]:
    if path.parts[-1] != "contact_sheet.jpg" and not ({"headshots", "renders"} & set(path.parts)):
        return {"sha256": sha256}
    if path.suffix not in (".png", ".jpg"):
        return {"sha256": sha256}
    return {"pixels_sha256": pixels_sha256(path)}


def pixels_sha256(path: Path) -> str:
    """sha256 of a picture's shape, type and pixels (BGR order, row by row), whatever else is in the file."""
    import cv2
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, path
    head = f"{pixels.dtype.str} {'x'.join(map(str, pixels.shape))}\n"
    return hashlib.sha256(head.encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def main() -> int:
    """Do the job named on the command line."""
    parser = argparse.ArgumentParser(prog="head3d.jobs.worker", description="Does one job and ends.")
    parser.add_argument("spec", type=Path)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    die_with(options.parent)

    def emit(event: Event) -> None:
        write_json_line(sys.stdout, type(event).__name__, dataclasses.asdict(event))

    try:
        write_json_line(sys.stdout, "Result", work(read_spec(options.spec), emit=emit))
    except Head3DError as error:
        facts = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        write_json_line(sys.stdout, "Failure", facts)
        return error.exit_code
    except Exception as error:  # the edge of this process: the log has the traceback, the pool the sentence
        traceback.print_exc()
        facts = {"kind": type(error).__name__, "message": f"unexpected {type(error).__name__}: {error}", "hint": ""}
        write_json_line(sys.stdout, "Failure", facts)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking PyTorch down object by object costs a second and serves nobody

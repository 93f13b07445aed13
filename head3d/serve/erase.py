"""Deleting a subject so that nothing is left, and looking whether that is so."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from head3d import store
from head3d.serve.ledger import Ledger
from head3d.serve.rows import SubjectRow
from head3d.serve.settings import Settings

TRIES = 20
"""Times the write-ahead log is asked to be emptied; a reader keeps it for milliseconds."""
CHUNK = 1 << 22


@dataclass(frozen=True)
class Erased:
    """What was deleted: files, their bytes, and whether a search of all that is left found nothing."""

    files: int
    bytes: int
    verified: bool


def erase(subject: SubjectRow, ledger: Ledger, settings: Settings) -> Erased:
    """Delete a subject's files and rows. No process may be working on it.

    Interrupted, it is finished by :func:`finish_deletions`. The names of a subject, its photos and its jobs are random:
    afterwards none of them may be found in any file of the server, free pages of the ledger included.
    """
    ledger.mark_deleting(subject.id)
    needles = [subject.id, *(one.id for one in ledger.photos(subject.id))]
    needles += [one.id for one in ledger.jobs(subject.tenant, subject=subject.id, limit=1000)]
    home = settings.home(subject.tenant, subject.id)
    files = [one for one in home.rglob("*") if one.is_file()] if home.is_dir() else []
    total = sum(one.stat().st_size for one in files)
    with store.disk_errors(home):
        if home.is_dir():
            shutil.rmtree(home)
            _sync(home.parent)
    emptied = ledger.forget(subject.id)
    for _ in range(TRIES):
        if emptied:
            break
        time.sleep(0.05)
        emptied = ledger.forget(subject.id)
    return Erased(len(files), total, emptied and not found_in(settings, needles))


def found_in(settings: Settings, needles: Sequence[str]) -> list[Path]:
    """Files of the server, other subjects' aside, whose name or content has one of some names."""
    wanted = [needle.encode() for needle in needles]
    overlap = max(map(len, wanted), default=1) - 1
    found = []
    for path in _files(settings.folder):
        if any(needle in path.name for needle in needles) or _has(path, wanted, overlap):
            found.append(path)
    return found


def finish_deletions(ledger: Ledger, settings: Settings) -> int:
    """Delete what was begun to be deleted and is no longer worked on; how many."""
    rows = [row for row in ledger.to_delete() if not ledger.is_running(row.id)]
    for row in rows:
        erase(row, ledger, settings)
    return len(rows)


def erase_old(ledger: Ledger, settings: Settings) -> int:
    """Delete subjects whose time is over; how many."""
    if not settings.keep_days:
        return 0
    rows = ledger.older_than(time.time() - settings.keep_days * 86400)
    for row in rows:
        erase(row, ledger, settings)
    return len(rows)


def _files(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.iterdir()):
        if one.is_dir() and one.name != "subjects":
            yield from (inner for inner in one.rglob("*") if inner.is_file())
        elif one.is_file():
            yield one


def _has(path: Path, needles: Sequence[bytes], overlap: int) -> bool:
    tail = b""
    try:
        with path.open("rb") as handle:
            while chunk := handle.read(CHUNK):
                window = tail + chunk
                if any(needle in window for needle in needles):
                    return True
                tail = window[-overlap:]
    except FileNotFoundError:
        pass
    return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

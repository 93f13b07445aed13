"""What reading must not do, whatever a file holds: fail in a way nobody caught, take forever, or write somewhere."""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from head3d.errors import Head3DError

LIMIT_S = 10.0
"""CPU seconds of one case, all threads together: enough for what a first call loads, and the same on a busy machine."""
CHANGES = {
    *(
        "os.mkdir",
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.symlink",
        "os.link",
        "os.truncate",
        "os.chmod",
        "os.mkfifo",
    ),
    *("shutil.move", "shutil.rmtree", "shutil.copyfile", "shutil.unpack_archive", "tempfile.mkdtemp"),
}
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_changed: list[str] | None = None
"""Paths that Python is about to change; None while nobody asks."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python has no way to take one off, so it looks only while a case runs."""
    if _changed is None:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = bool(set(mode) & set("wax+")) if mode else bool((flags or 0) & WRITE_FLAGS)
        if writes and isinstance(path, str | bytes | os.PathLike):
            _changed.append(os.fsdecode(path))
    elif event in CHANGES:
        paths = [os.fsdecode(one) for one in arguments if isinstance(one, str | bytes | os.PathLike)]
        # functions that take an open folder name what is in it; they tell its descriptor last, or -1
        opened = (
            arguments[-1] if isinstance(arguments[-1], int) and event in ("os.mkdir", "os.remove", "os.rmdir") else -1
        )
        _changed.extend(str(Path(f"/proc/self/fd/{opened}").resolve() / one) if opened >= 0 else one for one in paths)
    elif event in ("subprocess.Popen", "os.system", "socket.connect"):
        _changed.append(f"{event} {arguments[:2]!r}")


sys.addaudithook(_watch)


class TookTooLong(AssertionError):
    """A case that would hang."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what takes more CPU time; pytest's own limit is of the clock, and of all cases together."""

    def late(*_: object) -> None:
        raise TookTooLong(f"more than {seconds:g} CPU seconds")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def survives(read: Callable[[], Any], *, inside: Path | None = None, runs: str = "") -> None:
    """Only Head3DError comes out, no warning that somebody would have to see, in time, and nothing is written.

    Args:
        inside: The folder in which it may write after all.
        runs: Part of the name of a program that it may start.
    """
    global _changed
    _changed = changed = []
    try:
        with warnings.catch_warnings(), limited(LIMIT_S):
            warnings.simplefilter("error")
            try:
                read()
            except Head3DError as error:
                assert "\n" not in error.message and len(error.message) < 5000
    finally:
        _changed = None
    left = [one for one in changed if not _allowed(one, inside, runs)]
    assert not left, f"it would have changed {left[:3]}"


def _allowed(changed: str, inside: Path | None, runs: str) -> bool:
    if runs and changed.startswith("subprocess.Popen") and runs in changed:
        return True
    path = Path(changed)
    own = path.suffix == ".pyc" or "__pycache__" in path.parts or path == Path(os.devnull)  # a module's first import
    return own or (inside is not None and path.resolve().is_relative_to(inside.resolve()))

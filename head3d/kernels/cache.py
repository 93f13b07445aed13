"""Where compiled kernels are kept: found again, written by one process at a time, failures remembered for a day."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from head3d.errors import KernelBuildError

ROOM_BYTES = 32 * 2**20
"""What compiling takes on the disk, with the objects."""

FAILURE_SECONDS = 24 * 3600
"""So long nobody tries again what failed, unless asked to."""


def home_folder() -> Path:
    """HEAD3D_HOME/kernels, whether it is there or not."""
    return Path(os.environ.get("HEAD3D_HOME") or "~/.cache/head3d").expanduser() / "kernels"


def _own_temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"head3d-{os.getuid()}" / "kernels"


def _is_ours(folder: Path) -> bool:
    """Nobody else can have put a library there."""
    with contextlib.suppress(OSError):
        return folder.parent.lstat().st_uid == os.getuid() and not folder.parent.is_symlink()
    return False


def temporary_folder() -> Path:
    """A cache for machines where the home is read-only; never one that another user could have filled."""
    folder = _own_temporary()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_ours(folder) and os.access(folder, os.W_OK):
            folder.parent.chmod(0o700)
            return folder
    return Path(tempfile.mkdtemp(prefix="head3d-kernels-"))


def _room(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
        return shutil.disk_usage(folder).free >= ROOM_BYTES
    except OSError:
        return False


def writable_folder() -> Path:
    """The home's folder, or else a private temporary one.

    Raises:
        KernelBuildError: Neither can be written, or there is no room on both disks.
    """
    for folder in (home_folder, temporary_folder):
        with contextlib.suppress(OSError):
            if _room(found := folder()):
                return found
    raise KernelBuildError(
        f"There is no room for compiled kernels: {home_folder()} and {tempfile.gettempdir()} are full or read-only.",
        hint=f"Free {ROOM_BYTES // 2**20} MB, set HEAD3D_HOME to another disk, or set HEAD3D_KERNELS=torch.",
    )


def find(name: str) -> Path | None:
    """A file of the home's cache (even where that is read-only now), or of the temporary one."""
    temporary = _own_temporary()
    for folder in [home_folder(), *([temporary] if _is_ours(temporary) else [])]:
        if os.access(folder / name, os.R_OK):
            return folder / name
    return None


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """One process compiles, the others wait and find its library. Without locks, the atomic rename still holds."""
    with target.with_suffix(".lock").open("w") as handle:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def remember_failure(target: Path, message: str) -> None:
    """So that not every process waits for a broken compiler."""
    with contextlib.suppress(OSError):
        target.with_suffix(".failed").write_text(message)


def forget_failure(target: Path) -> None:
    """It works, or somebody asked to try again."""
    with contextlib.suppress(OSError):
        target.with_suffix(".failed").unlink(missing_ok=True)


def failure(target: Path) -> str | None:
    """What went wrong the last time, if that was not long ago."""
    note = target.with_suffix(".failed")
    with contextlib.suppress(OSError):
        if time.time() - note.stat().st_mtime < FAILURE_SECONDS:
            return note.read_text()
    return None

"""Peak memory of this process, per stage."""

import ctypes
import resource
from pathlib import Path

_PROC = Path("/proc/self")
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
"""Of glibc's mallopt."""
ARENAS, MAPPED_BYTES = 2, 1 << 20


def return_memory() -> None:
    """Give memory that was freed back to the system (glibc; elsewhere nothing happens): 1 to 5 ms."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def few_arenas() -> None:
    """For servers of many threads: keep glibc from holding a heap of freed memory for each of them.

    By default every thread may get a heap of its own, and a block that was freed once raises the size up to which
    blocks stay in these heaps to 32 MB: tensors of pictures then lie about in all of them.
    """
    libc = _libc()
    if libc is not None:
        libc.mallopt(_ARENA_MAX, ARENAS)
        libc.mallopt(_MMAP_THRESHOLD, MAPPED_BYTES)


def _libc() -> ctypes.CDLL | None:
    try:
        found = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return found if hasattr(found, "malloc_trim") else None


def reset_peak() -> bool:
    """Forget the peak so far (Linux); False where the system cannot, and peaks are those since the start."""
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_mb() -> float:
    """Peak resident memory since the last reset, MB."""
    try:
        for line in (_PROC / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def current_mb() -> float:
    """Resident memory now, MB; the peak where the system does not tell."""
    try:
        pages = int((_PROC / "statm").read_text().split()[1])
    except OSError:
        return peak_mb()
    return pages * resource.getpagesize() / 2**20

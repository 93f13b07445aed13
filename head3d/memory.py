"""Peak memory of this process, per stage."""

import resource
from pathlib import Path

_PROC = Path("/proc/self")


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

"""How tests start the fake worker beside this file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

FAKE = Path(__file__).with_name("fake.py")


def fake_command(spec: Path) -> Sequence[str]:
    """The fake worker as a child of this process."""
    return fake_worker(spec, os.getpid())


def fake_worker(spec: Path, parent: int) -> Sequence[str]:
    """The fake worker as a child of any process."""
    return [sys.executable, str(FAKE), str(spec), str(parent)]


def alive(pid: int) -> bool:
    """True if a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

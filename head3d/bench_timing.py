"""Time two ways of the same thing by turns, and say on which machine."""

import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from head3d import __version__
from head3d.kernels.build import Choice, cpu_flags
from head3d.kernels.library import status

Clock = Callable[[Callable[[], Any]], float]
"""Runs a function and tells the seconds it took."""

SHORTEST_S = 4e-3
"""A round repeats a function until it takes this long: far above the jitter of a clock or a switch of threads."""

FLAGS = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16")
"""Instruction sets that the kernels or torch's may choose by; those of ARM are listed as they are."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one call over several rounds."""

    median_s: float
    min_s: float
    max_s: float
    rounds: int


def wall_clock(function: Callable[[], Any]) -> float:
    """Seconds on the CPU."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def cuda_clock(function: Callable[[], Any]) -> float:
    """Seconds on the GPU, between two events of its stream."""
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    first.record()
    function()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1e3


def clock_of(device: torch.device) -> Clock:
    """The clock of a device."""
    return cuda_clock if device.type == "cuda" else wall_clock


def alternate(
    functions: Sequence[Callable[[], Any]], *, rounds: int, budget_s: float, clock: Clock = wall_clock
) -> list[Timing]:
    """Call the functions by turns, so that all meet the same moods of the machine.

    The first call of each is not counted; it tells how often a quick one is repeated within a round. A slow function
    takes part in fewer rounds, always in one, so that it takes about ``budget_s``.

    Args:
        functions: Ours, then the reference.
        rounds: At most.
        budget_s: Seconds for each function, about.
        clock: Measures one call.
    """
    times: list[list[float]] = [[] for _ in functions]
    first = [clock(function) for function in functions]
    repeats = [1 if once >= SHORTEST_S else min(64, int(SHORTEST_S / max(once, 1e-7)) + 1) for once in first]
    wanted = [
        max(1, min(rounds, int(budget_s / max(once * count, 1e-9)))) for once, count in zip(first, repeats, strict=True)
    ]
    most = max(wanted)
    for turn in range(most):
        for index, function in enumerate(functions):
            # a function with fewer rounds has them spread over the whole time
            if turn * wanted[index] // most < (turn + 1) * wanted[index] // most:
                times[index].append(clock(_again(function, repeats[index])) / repeats[index])
    return [Timing(statistics.median(taken), min(taken), max(taken), len(taken)) for taken in times]


def _again(function: Callable[[], Any], times: int) -> Callable[[], Any]:
    def run() -> None:
        for _ in range(times):
            function()

    return run if times > 1 else function


class Neighbours:
    """What other processes (and other virtual machines) use of our cores, from the start of this object on."""

    def __init__(self) -> None:
        self._wall, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Cores they kept busy on average; None where the system does not tell."""
        busy, wall = _busy_seconds(), time.monotonic() - self._wall
        if busy is None or self._busy is None or wall <= 0:
            return None
        return max(0.0, (busy - self._busy - (_own_seconds() - self._own)) / wall)


def wait_for_quiet(most_cores: float, *, patience_s: int = 15) -> None:
    """Sleep until neighbours have used less than that for a second, or patience ends."""
    for _ in range(patience_s):
        neighbours = Neighbours()
        time.sleep(1.0)
        if (neighbours.cores() or 0.0) <= most_cores:
            return


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system


def _busy_seconds() -> float | None:
    """Of the cores that we may use, all that was neither idle nor waiting for a disk (Linux)."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are within user
    rows = [list(map(int, line.split()[1:9])) for line in lines if line.partition(" ")[0] in ours]
    return sum(sum(row) - row[3] - row[4] for row in rows) / os.sysconf("SC_CLK_TCK")


@contextmanager
def kernels(choice: Choice) -> Iterator[None]:
    """HEAD3D_KERNELS for a while: ``torch`` makes every op take its plain torch path."""
    before = os.environ.get("HEAD3D_KERNELS")
    os.environ["HEAD3D_KERNELS"] = choice
    try:
        yield
    finally:
        if before is None:
            del os.environ["HEAD3D_KERNELS"]
        else:
            os.environ["HEAD3D_KERNELS"] = before


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Threads of torch and of the CPU kernels for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, Any]:
    """Everything a number depends on: processor, its instruction sets and caches, compiler, torch, GPU."""
    flags = cpu_flags().split()
    known = [flag for flag in FLAGS if flag in flags] or flags
    cpu = _cpu_model()
    cores = len(os.sched_getaffinity(0))
    facts: dict[str, Any] = {
        "name": _slug(f"{cpu} {cores}"),
        "cpu": cpu,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "flags": known,
        "caches": _caches(),
        "load": round(os.getloadavg()[0], 2),
        "compiler": _first_line([os.environ.get("CXX", "g++"), "--version"]),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "head3d": __version__,
        "kernels": {"cpu": status("cpu").path},
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(0)
        facts["cuda"] = torch.version.cuda
        facts["name"] = _slug(f"{facts['gpu']}")
        facts["kernels"]["cuda"] = status("cuda").path
    return facts


def origin(command: str) -> dict[str, str]:
    """When, by which command and from which commit a result comes; no commit outside a checkout."""
    found = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "command": command}
    root = Path(__file__).resolve().parents[1]
    if (root / ".git").exists():
        commit = _first_line(["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"])
        if commit:
            found["commit"] = commit
    return found


def _first_line(command: list[str]) -> str:
    """Of what a program says; empty if there is no such program or it fails."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.partition("\n")[0].strip() if answer.returncode == 0 else ""


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        match = re.search(r"^model name\s*:\s*(.+)$", info.read_text(errors="replace"), re.MULTILINE)
        if match:
            return match[1].strip()
    return platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    """Size of each data cache as Linux gives it: {"L1": "48K", ...}."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _slug(text: str) -> str:
    plain = re.sub(r"\((R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*GHz", " ", text, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")

"""Places where jobs run side by side: so many cores each, or a share of a GPU each."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from head3d.errors import ConfigError

CORES_EACH = 4
"""Without a GPU: the kernels gain little from more cores than this (measured: see the README, Kernels)."""


@dataclass(frozen=True)
class Slot:
    """One place.

    Attributes:
        index: 0, 1, ...
        threads: Cores a job may use.
        gpu: What CUDA_VISIBLE_DEVICES is set to; "" hides all GPUs, None leaves it as it is.
    """

    index: int
    threads: int
    gpu: str | None = None

    def environment(self) -> dict[str, str]:
        """Variables that keep a process to its place."""
        limits = {name: str(self.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        return limits if self.gpu is None else {**limits, "CUDA_VISIBLE_DEVICES": self.gpu}


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name for CUDA_VISIBLE_DEVICES, and its memory in GB."""

    name: str
    memory_gb: float


def local_slots(*, workers: int = 0, threads: int = 0, gpu_memory_gb: float = 0.0) -> list[Slot]:
    """The places of this machine.

    Args:
        workers: How many; 0: one per GPU (more if their memory allows it), or one per ``CORES_EACH`` cores.
        threads: Cores for each; 0: an equal share.
        gpu_memory_gb: What one job needs of a GPU's memory; 0: a whole GPU.
    """
    if workers < 0 or threads < 0 or gpu_memory_gb < 0:
        raise ConfigError("Workers, threads and memory cannot be negative.", hint="0 lets head3d choose.")
    cores = len(os.sched_getaffinity(0))
    places: list[str | None] = list(pack(visible_gpus(), gpu_memory_gb))
    count = workers or len(places) or max(cores // CORES_EACH, 1)
    share = threads or max(cores // count, 1)
    gpus = [places[index % len(places)] for index in range(count)] if places else [None] * count
    return [Slot(index, share, gpu) for index, gpu in enumerate(gpus)]


def pack(gpus: list[Gpu], gpu_memory_gb: float) -> list[str]:
    """GPUs by name, each as often as its memory holds a job; the emptiest first."""
    room = {gpu.name: max(int(gpu.memory_gb // gpu_memory_gb), 0) if gpu_memory_gb else 1 for gpu in gpus}
    if gpus and not any(room.values()):
        most = max(gpu.memory_gb for gpu in gpus)
        raise ConfigError(
            f"No GPU here has {gpu_memory_gb:g} GB of memory; the largest has {most:g}.", hint="Say less, or 0."
        )
    return [name for turn in range(max(room.values(), default=0)) for name, times in room.items() if turn < times]


def visible_gpus() -> list[Gpu]:
    """GPUs this process may use."""
    return installed_gpus(allowed=os.environ.get("CUDA_VISIBLE_DEVICES"))


def installed_gpus(*, allowed: str | None = None) -> list[Gpu]:
    """GPUs of this machine, asked of nvidia-smi: importing PyTorch to count them takes seconds.

    Args:
        allowed: As in CUDA_VISIBLE_DEVICES; all if None.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse_gpus(said.stdout, allowed=allowed)


def parse_gpus(text: str, *, allowed: str | None) -> list[Gpu]:
    """Read nvidia-smi's table of index, UUID and MiB; ``allowed`` is CUDA_VISIBLE_DEVICES (indices or UUIDs)."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.count(",") == 2]
    found = [(index, uuid, float(mib) / 1024) for index, uuid, mib in rows if mib.replace(".", "").isdigit()]
    if allowed is None:
        return [Gpu(index, memory) for index, _, memory in found]
    wanted = [word.strip() for word in allowed.split(",") if word.strip()]
    return [Gpu(word, memory) for word in wanted for index, uuid, memory in found if word in (index, uuid)]

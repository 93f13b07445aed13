"""Jobs on a Ray cluster: a task per job, which starts and watches the same worker process as on one machine.

Photos and results go through a folder that all nodes share; Ray carries nothing but names. Ray itself repeats nothing
(``max_retries=0``): whoever gives jobs out decides that, so nothing is repeated for ever.
"""

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from head3d.console import write_json_line
from head3d.errors import ConfigError, optional_package
from head3d.events import Event
from head3d.jobs.pool import Pool, worker_command
from head3d.jobs.process import Limits, Outcome
from head3d.jobs.slots import Slot, visible_gpus

WorkerOf = Callable[[Path, int], Sequence[str]]
"""From a job's file and the process id of its supervisor to the program that does it."""


def own_worker(spec: Path, parent: int) -> Sequence[str]:
    """The worker of head3d."""
    return worker_command(spec, parent=parent)


def connect(address: str) -> Any:
    """The module ``ray``, connected.

    Args:
        address: ``local`` for a cluster on this machine, else as :func:`ray.init` takes it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    ray = optional_package("ray", "--ray needs one more package.", hint="pip install ray")
    try:
        local = address == "local"
        with _our_sigterm():
            ray.init(
                address=None if local else address, log_to_driver=False, include_dashboard=False if local else None
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        text = str(error).splitlines()[0]
        raise ConfigError(f"No Ray cluster at {address}: {text}.", hint="auto, HOST:6379, or local.") from error
    return ray


@contextmanager
def _our_sigterm() -> Iterator[None]:
    """Keep what SIGTERM does: Ray makes it an exit with code 15, which looks like a failure to whoever watches."""
    if threading.current_thread() is not threading.main_thread():  # only there handlers can be set, by Ray, too
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def job_task(ray: Any, *, threads: int, gpu_memory_gb: float) -> Any:
    """:func:`do_one` as a task that Ray places: so many cores, and its part of a GPU where there are any."""
    return ray.remote(max_retries=0, num_cpus=threads, num_gpus=_share(ray, gpu_memory_gb))(do_one)


def do_one(spec: str, log: str, limits: Limits, threads: int, worker: WorkerOf, events: str = "") -> Outcome:
    """Run one job's process to its end, on whichever node Ray chose; it ends with this task.

    Args:
        spec: The job's file.
        log: Its standard error is added to this file.
        limits: What it may take.
        threads: Cores.
        worker: From the file to the program.
        events: Its events are added to this file as JSON lines; they are dropped if empty.
    """
    pool = Pool([Slot(0, threads)], limits=limits)
    with Path(events).open("a", encoding="utf-8") if events else nullcontext() as handle:

        def write(event: Event) -> None:
            if handle is not None:
                write_json_line(handle, type(event).__name__, dataclasses.asdict(event))

        pool.start("job", worker(Path(spec), os.getpid()), log=Path(log), on_event=write)
        try:
            while True:
                for _, outcome in pool.wait(1.0):
                    return outcome
        finally:
            pool.stop_all()


def outcome_of(ray: Any, reference: Any) -> Outcome:
    """How a task ended, also if its node or its process was lost, or it was cancelled."""
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except errors.TaskCancelledError:
        return Outcome("stopped", "Stopped", "it was stopped")
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError) as error:
        return Outcome("lost", type(error).__name__, "the machine or Ray's worker was lost")
    except errors.RayTaskError as error:  # our own code on that node: a folder that is not shared, a full disk
        return Outcome("crashed", type(error.cause).__name__, f"on its node: {error.cause}")


def places(ray: Any, threads: int) -> int:
    """Jobs of so many cores that run side by side on the nodes there are."""
    return max(int(ray.cluster_resources().get("CPU", 1.0) // threads), 1)


def _share(ray: Any, gpu_memory_gb: float) -> float:
    """The part of a GPU one job takes; 0 on a cluster without."""
    if not ray.cluster_resources().get("GPU"):
        return 0.0
    if not gpu_memory_gb:
        return 1.0
    probe = ray.remote(num_gpus=1)(visible_gpus)
    memory = [gpu.memory_gb for gpu in ray.get(probe.remote())]
    fits = int(min(memory) // gpu_memory_gb) if memory else 1
    if fits < 1:
        raise ConfigError(f"No GPU of the cluster has {gpu_memory_gb:g} GB.", hint="Say less, or 0.")
    return 1.0 / fits

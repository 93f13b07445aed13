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
from head3d.errors import ConfigError, Head3DError, optional_package
from head3d.events import Event
from head3d.jobs.pool import Pool, worker_command
from head3d.jobs.process import Limits, Outcome
from head3d.jobs.ray_nodes import Part
from head3d.jobs.slots import Slot

WorkerOf = Callable[[Path, int], Sequence[str]]
"""From a job's file and the process id of its supervisor to the program that does it."""


class ClusterSilent(Head3DError):
    """The cluster cannot be asked now; that is no failure of any job."""


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
        raise ConfigError(
            f"No Ray cluster at {address}: {_first_line(error)}.", hint="auto, HOST:6379, or local."
        ) from error
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


@contextmanager
def asking(ray: Any) -> Iterator[None]:
    """Whatever Ray raises within, while it is asked for something, becomes ClusterSilent."""
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        hint = "Look at `ray status`. Started again, it goes on where it was."
        raise ClusterSilent(f"The Ray cluster does not answer: {_first_line(error)}.", hint=hint) from error


def job_task(ray: Any, part: Part) -> Any:
    """:func:`do_one` as a task that Ray places where this part of a node is free."""
    memory = {"memory": part.memory} if part.memory else {}
    return ray.remote(max_retries=0, num_cpus=part.cores, num_gpus=part.gpus, **memory)(do_one)


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
    """How a task ended, whatever became of its node, its process, or Ray."""
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except errors.TaskCancelledError:
        return Outcome("stopped", "Stopped", "it was stopped")
    except errors.RayTaskError as error:  # our own code on that node: a folder that is not shared, a full disk
        return Outcome("crashed", type(error.cause).__name__, f"on its node: {error.cause}")
    except (
        errors.WorkerCrashedError,
        errors.NodeDiedError,
        errors.LocalRayletDiedError,
        errors.ObjectLostError,
        ConnectionError,
    ) as error:
        return Outcome("lost", type(error).__name__, "the machine or Ray's worker was lost")
    except errors.OutOfMemoryError as error:  # the largest are ended first: likely it was its own doing
        hint = "Give --memory-mb, so that fewer share a node, or fewer or smaller photos."
        return Outcome("memory", type(error).__name__, "its node ran out of memory", hint)
    except errors.OutOfDiskError as error:
        hint = "Make room where Ray keeps its files (/tmp/ray)."
        return Outcome("crashed", type(error).__name__, "the disk of its node is full", hint)
    except errors.RayError as error:  # a try that failed, for what reason ever
        return Outcome("crashed", type(error).__name__, f"Ray could not do it: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

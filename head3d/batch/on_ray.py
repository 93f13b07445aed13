"""A batch on a Ray cluster: one task per subject, which starts and watches the same worker process as on one machine.

Photos and results go through the batch's folder, which all nodes share; Ray carries nothing but names. A lost node
is no failure of the subjects it had, up to a bound; Ray itself repeats nothing (``max_retries=0``), so nothing is
repeated for ever.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from head3d.batch.drive import PAUSE_S, Policy, Summary, Tell, ended, open_entry, settle
from head3d.batch.ledger import Entry, Ledger
from head3d.batch.plan import Item
from head3d.batch.run import Drive
from head3d.errors import ConfigError, optional_package
from head3d.events import JobEnd, JobStart
from head3d.jobs.pool import Pool, worker_command
from head3d.jobs.process import Limits, Outcome
from head3d.jobs.slots import Slot, visible_gpus
from head3d.jobs.spec import write_spec

WAITING_EACH = 4
"""Tasks in Ray's queue for each that runs: enough that no node waits for the driver, few enough to stop soon."""
WorkerOf = Callable[[Path, int], Sequence[str]]
"""From a job's file and the process id of its supervisor to the program that does it."""


def own_worker(spec: Path, parent: int) -> Sequence[str]:
    """The worker of head3d."""
    return worker_command(spec, parent=parent)


def ray_driver(
    address: str,
    *,
    limits: Limits,
    policy: Policy,
    threads: int = 4,
    gpu_memory_gb: float = 0.0,
    worker: WorkerOf = own_worker,
) -> Drive:
    """Does subjects on a cluster.

    Args:
        address: ``local`` for one on this machine, else as :func:`ray.init` takes it.
        limits: For each subject.
        policy: Tries.
        threads: Cores of each subject.
        gpu_memory_gb: What a subject needs of a GPU's memory: several share one; 0: a whole GPU.
        worker: What a task starts.
    """

    def drive(items: Sequence[Item], ledger: Ledger, tell: Tell, goes_on: Callable[[], bool]) -> Summary:
        ray = _connect(address)
        try:
            gpus = _share(ray, gpu_memory_gb)
            # a task that a node took down with it is counted here and given out anew here
            task = ray.remote(max_retries=0, num_cpus=threads, num_gpus=gpus)(do_one)
            return _Driver(ray, task, items, ledger, limits, policy, threads, worker, tell).run(goes_on)
        finally:
            ray.shutdown()

    return drive


def do_one(spec: str, log: str, limits: Limits, threads: int, worker: WorkerOf) -> Outcome:
    """Run one job's process to its end, on whichever node Ray chose; it ends with this task."""
    pool = Pool([Slot(0, threads)], limits=limits)
    pool.start("job", worker(Path(spec), os.getpid()), log=Path(log))
    try:
        while True:
            for _, outcome in pool.wait(1.0):
                return outcome
    finally:
        pool.stop_all()


class _Driver:
    """Gives out subjects, and notes how each ended."""

    def __init__(
        self,
        ray: Any,
        task: Any,
        items: Sequence[Item],
        ledger: Ledger,
        limits: Limits,
        policy: Policy,
        threads: int,
        worker: WorkerOf,
        tell: Tell,
    ) -> None:
        self._ray, self._task, self._ledger = ray, task, ledger
        self._limits, self._policy, self._threads, self._worker = limits, policy, threads, worker
        self._tell = tell
        self._items = {item.name: item for item in items}
        self._entries: dict[str, Entry] = {}
        self._out: dict[Any, str] = {}
        self._busy_since: dict[str, float] = {}
        self._todo = deque(self._items)
        self._later: list[tuple[float, str]] = []

    def run(self, goes_on: Callable[[], bool]) -> Summary:
        """Until all are done or given up."""
        while self._todo or self._out or self._later:
            now = time.monotonic()
            self._todo.extend(name for at, name in self._later if at <= now)
            self._later = [(at, name) for at, name in self._later if at > now]
            dead = sum(entry.state == "dead" for entry in self._entries.values())
            starting = goes_on() and not (self._policy.most_dead and dead >= self._policy.most_dead)
            while starting and self._todo and len(self._out) < self._most():
                self._give_out(self._todo.popleft())
            if not starting and not self._out:
                break
            ready, _ = self._ray.wait(list(self._out), timeout=0.5) if self._out else ([], [])
            if not self._out:
                time.sleep(0.05)
            for reference in ready:
                self._end(self._out.pop(reference), reference)
        states = {name: entry.state for name, entry in self._entries.items()}
        sorted_out = {state: tuple(n for n in self._items if states.get(n, "waiting") == state) for state in STATES}
        return Summary(sorted_out["done"], sorted_out["dead"], sorted_out["waiting"])

    def _most(self) -> int:
        cores = self._ray.cluster_resources().get("CPU", 1.0)
        return WAITING_EACH * max(int(cores // self._threads), 1)

    def _give_out(self, name: str) -> None:
        item, ledger = self._items[name], self._ledger
        entry = open_entry(item, ledger, self._policy)
        self._entries[name] = entry
        if entry.state != "waiting":
            self._tell(name, JobEnd(name, entry.state, 0.0, why="as before"))
            return
        spec = ledger.job(name)
        write_spec(spec, item.on(ledger.subject(name), cache=ledger.cache(name)))
        self._tell(name, JobStart(name, len(entry.failures) + 1))
        log = str(ledger.log(name).resolve())
        reference = self._task.remote(str(spec.resolve()), log, self._limits, self._threads, self._worker)
        self._out[reference] = name

    def _end(self, name: str, reference: Any) -> None:
        outcome = self._outcome(reference)
        entry = settle(name, self._entries[name], outcome, self._ledger, self._policy, self._busy_since)
        self._entries[name] = entry
        self._tell(name, ended(name, entry, outcome))
        if entry.state == "waiting":
            self._later.append((time.monotonic() + PAUSE_S * max(len(entry.failures), 1), name))

    def _outcome(self, reference: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError) as error:
            return Outcome("lost", type(error).__name__, "the machine or Ray's worker was lost")
        except errors.RayTaskError as error:  # our own code on that node: a folder that is not shared, a full disk
            return Outcome("crashed", type(error.cause).__name__, f"on its node: {error.cause}")


STATES = ("done", "dead", "waiting")


def _connect(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    ray = optional_package("ray", "--ray needs one more package.", hint="pip install ray")
    try:
        local = address == "local"
        ray.init(address=None if local else address, log_to_driver=False, include_dashboard=False if local else None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        text = str(error).splitlines()[0]
        raise ConfigError(f"No Ray cluster at {address}: {text}.", hint="auto, HOST:6379, or local.") from error
    return ray


def _share(ray: Any, gpu_memory_gb: float) -> float:
    """The part of a GPU one subject takes; 0 on a cluster without."""
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

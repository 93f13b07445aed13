"""A batch on a Ray cluster: one task per subject (see :mod:`head3d.jobs.ray_cluster`).

A lost node is no failure of the subjects it had, up to a bound.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from head3d.batch.drive import PAUSE_S, Policy, Summary, Tell, ended, open_entry, settle
from head3d.batch.ledger import Entry, Ledger
from head3d.batch.plan import Item
from head3d.batch.run import Drive
from head3d.events import JobEnd, JobStart
from head3d.jobs.process import Limits
from head3d.jobs.ray_cluster import WorkerOf, connect, job_task, outcome_of, own_worker, places
from head3d.jobs.spec import write_spec

WAITING_EACH = 4
"""Tasks in Ray's queue for each that runs: enough that no node waits for the driver, few enough to stop soon."""


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
        ray = connect(address)
        try:
            # a task that a node took down with it is counted here and given out anew here
            task = job_task(ray, threads=threads, gpu_memory_gb=gpu_memory_gb)
            return _Driver(ray, task, items, ledger, limits, policy, threads, worker, tell).run(goes_on)
        finally:
            ray.shutdown()

    return drive


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
        return WAITING_EACH * places(self._ray, self._threads)

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
        outcome = outcome_of(self._ray, reference)
        entry = settle(name, self._entries[name], outcome, self._ledger, self._policy, self._busy_since)
        self._entries[name] = entry
        self._tell(name, ended(name, entry, outcome))
        if entry.state == "waiting":
            self._later.append((time.monotonic() + PAUSE_S * max(len(entry.failures), 1), name))


STATES = ("done", "dead", "waiting")

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
from head3d.jobs.ray_cluster import ClusterSilent, WorkerOf, asking, connect, job_task, outcome_of, own_worker
from head3d.jobs.ray_nodes import Part, part_of_node, places
from head3d.jobs.spec import write_spec
from head3d.jobs.tail import Tail

WAITING_EACH = 4
"""Tasks in Ray's queue for each that runs: enough that no node waits for the driver, few enough to stop soon."""
LOOK_S = 0.5
"""Between two looks at what the subjects' processes tell."""
SILENCE_S = 120.0
"""A cluster that does not answer is asked again for so long."""


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
            with asking(ray):
                part = part_of_node(ray, threads=threads, gpu_memory_gb=gpu_memory_gb, memory_mb=limits.memory_mb)
            return _Driver(ray, part, items, ledger, limits, policy, worker, tell).run(goes_on)
        finally:
            ray.shutdown()

    return drive


class _Driver:
    """Gives out subjects, and notes how each ended."""

    def __init__(
        self,
        ray: Any,
        part: Part,
        items: Sequence[Item],
        ledger: Ledger,
        limits: Limits,
        policy: Policy,
        worker: WorkerOf,
        tell: Tell,
    ) -> None:
        self._ray, self._part, self._ledger = ray, part, ledger
        self._task = job_task(ray, part)
        self._limits, self._policy, self._worker = limits, policy, worker
        self._tell = tell
        self._items = {item.name: item for item in items}
        self._entries: dict[str, Entry] = {}
        self._out: dict[Any, tuple[str, Tail]] = {}
        self._busy_since: dict[str, float] = {}
        self._todo = deque(self._items)
        self._later: list[tuple[float, str]] = []
        self._looked = 0.0

    def run(self, goes_on: Callable[[], bool]) -> Summary:
        """Until all are done or given up; ClusterSilent if the cluster goes away for good."""
        heard = time.monotonic()
        try:
            while self._todo or self._out or self._later:
                try:
                    if not self._turn(goes_on):
                        break
                    heard = time.monotonic()
                except ClusterSilent:
                    if time.monotonic() - heard > SILENCE_S:
                        raise
                    time.sleep(PAUSE_S)
        finally:
            for _, tail in self._out.values():
                tail.remove()
        states = {name: entry.state for name, entry in self._entries.items()}
        sorted_out = {state: tuple(n for n in self._items if states.get(n, "waiting") == state) for state in STATES}
        return Summary(sorted_out["done"], sorted_out["dead"], sorted_out["waiting"])

    def _turn(self, goes_on: Callable[[], bool]) -> bool:
        """Give out what there is room for, and hear of what is out; False if nothing is left to do."""
        now = time.monotonic()
        self._todo.extend(name for at, name in self._later if at <= now)
        self._later = [(at, name) for at, name in self._later if at > now]
        dead = sum(entry.state == "dead" for entry in self._entries.values())
        starting = goes_on() and not (self._policy.most_dead and dead >= self._policy.most_dead)
        with asking(self._ray):
            most = WAITING_EACH * places(self._ray, self._part) if starting and self._todo else 0
        while self._todo and len(self._out) < most:
            self._give_out(self._todo[0])
            self._todo.popleft()
        if not starting and not self._out:
            return False
        with asking(self._ray):
            ready, _ = self._ray.wait(list(self._out), timeout=LOOK_S) if self._out else ([], [])
        if not self._out:
            time.sleep(0.05)
        self._listen(ready)
        for reference in ready:
            self._end(reference)
        return True

    def _listen(self, ended: Sequence[Any]) -> None:
        """Hear all now and then, since many may be out; and those that ended, once more."""
        everybody = time.monotonic() - self._looked > LOOK_S
        for reference in list(self._out) if everybody else ended:
            self._out[reference][1].read()
        if everybody:
            self._looked = time.monotonic()

    def _give_out(self, name: str) -> None:
        item, ledger = self._items[name], self._ledger
        entry = open_entry(item, ledger, self._policy)
        self._entries[name] = entry
        if entry.state != "waiting":
            self._tell(name, JobEnd(name, entry.state, 0.0, why="as before"))
            return
        spec = ledger.job(name)
        write_spec(spec, item.on(ledger.subject(name), cache=ledger.cache(name)))
        tail = Tail(spec.with_suffix(".events"), lambda event: self._tell(name, event))
        paths = [str(one.resolve()) for one in (spec, ledger.log(name))]
        told = self._limits, self._part.cores, self._worker, str(tail.path.resolve())
        with asking(self._ray):
            reference = self._task.remote(*paths, *told)
        self._out[reference] = name, tail
        self._tell(name, JobStart(name, len(entry.failures) + 1))

    def _end(self, reference: Any) -> None:
        name, tail = self._out.pop(reference)
        tail.remove()
        outcome = outcome_of(self._ray, reference)
        entry = settle(name, self._entries[name], outcome, self._ledger, self._policy, self._busy_since)
        self._entries[name] = entry
        self._tell(name, ended(name, entry, outcome))
        if entry.state == "waiting":
            self._later.append((time.monotonic() + PAUSE_S * max(len(entry.failures), 1), name))


STATES = ("done", "dead", "waiting")

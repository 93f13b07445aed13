"""Where the server's jobs are done: in processes of this machine, or on the nodes of a Ray cluster."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from head3d.jobs.pool import Command, Pool
from head3d.jobs.process import Limits, Outcome
from head3d.jobs.ray_cluster import ClusterSilent, WorkerOf, asking, job_task, outcome_of, own_worker
from head3d.jobs.ray_nodes import part_of_node, places
from head3d.jobs.slots import Slot
from head3d.jobs.tail import Hear, Tail


class Workers(Protocol):
    """Does jobs; used from one thread. The names of jobs are their ids."""

    @property
    def running(self) -> list[str]:
        """Jobs that were given out and have not ended."""
        ...

    def size(self) -> int:
        """Jobs that run side by side."""
        ...

    def free(self) -> int:
        """How many more can start."""
        ...

    def start(self, name: str, spec: Path, *, log: Path, on_event: Hear) -> None:
        """Start a job; its events are heard within ``wait``."""
        ...

    def stop(self, name: str) -> None:
        """Have a job end; its outcome comes from ``wait``."""
        ...

    def stop_all(self) -> list[tuple[str, Outcome]]:
        """Have all jobs end, and wait for it."""
        ...

    def wait(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Pass on events for at most ``seconds``; comes back as soon as a job has ended."""
        ...


class LocalWorkers:
    """Processes of this machine."""

    def __init__(self, slots: Sequence[Slot], *, limits: Limits, command: Command) -> None:
        self._pool, self._size, self._command = Pool(slots, limits=limits), len(slots), command

    @property
    def running(self) -> list[str]:
        return self._pool.running

    def size(self) -> int:
        return self._size

    def free(self) -> int:
        return self._pool.free()

    def start(self, name: str, spec: Path, *, log: Path, on_event: Hear) -> None:
        self._pool.start(name, self._command(spec), log=log, on_event=on_event)

    def stop(self, name: str) -> None:
        self._pool.stop(name)

    def stop_all(self) -> list[tuple[str, Outcome]]:
        return self._pool.stop_all()

    def wait(self, seconds: float) -> list[tuple[str, Outcome]]:
        return self._pool.wait(seconds)


class RayWorkers:
    """Tasks on a cluster whose nodes share the server's folder: events come through a file beside the job's."""

    def __init__(
        self, ray: Any, *, limits: Limits, threads: int, gpu_memory_gb: float = 0.0, worker: WorkerOf = own_worker
    ) -> None:
        """Use a cluster.

        Args:
            ray: The module, connected (see :func:`head3d.jobs.ray_cluster.connect`).
            limits: For each job.
            threads: Cores of each.
            gpu_memory_gb: What each needs of a GPU's memory; 0: a whole one.
            worker: What a task starts.
        """
        self._ray, self._limits, self._threads, self._worker = ray, limits, threads, worker
        with asking(ray):
            self._part = part_of_node(ray, threads=threads, gpu_memory_gb=gpu_memory_gb, memory_mb=limits.memory_mb)
            self._task = job_task(ray, self._part)
        self._out: dict[str, tuple[Any, Tail]] = {}

    @property
    def running(self) -> list[str]:
        return list(self._out)

    def size(self) -> int:
        with asking(self._ray):
            return places(self._ray, self._part)

    def free(self) -> int:
        return max(self.size() - len(self._out), 0)

    def start(self, name: str, spec: Path, *, log: Path, on_event: Hear) -> None:
        events = spec.with_suffix(".events")
        tail = Tail(events, on_event)
        paths = [str(one.resolve()) for one in (spec, log)]
        with asking(self._ray):
            told = self._task.remote(*paths, self._limits, self._threads, self._worker, str(events.resolve()))
        self._out[name] = told, tail

    def stop(self, name: str) -> None:
        if name in self._out:
            with asking(self._ray):
                self._ray.cancel(self._out[name][0], force=False)  # the task ends its process before it goes

    def stop_all(self, *, seconds: float = 15.0) -> list[tuple[str, Outcome]]:
        ended: list[tuple[str, Outcome]] = []
        until = time.monotonic() + seconds
        try:
            for name in self.running:
                self.stop(name)
            while self._out and time.monotonic() < until:
                ended += self.wait(0.2)
        except ClusterSilent:  # what it still does ends with our connection, and begins anew with the next start
            pass
        return ended

    def wait(self, seconds: float) -> list[tuple[str, Outcome]]:
        names = {reference: name for name, (reference, _) in self._out.items()}
        with asking(self._ray):
            ready, _ = self._ray.wait(list(names), num_returns=1, timeout=seconds) if names else ([], [])
        for _, tail in self._out.values():  # those that have ended, too: they had written all before
            tail.read()
        ended = []
        for reference in ready:
            _, tail = self._out.pop(names[reference])
            tail.remove()
            ended.append((names[reference], outcome_of(self._ray, reference)))
        return ended

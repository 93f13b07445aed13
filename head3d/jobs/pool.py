"""A pool of supervised subprocesses: as many at once as there are slots, each watched until it ends."""

import select
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from head3d.events import Event
from head3d.jobs.process import Limits, Outcome, Process
from head3d.jobs.slots import Slot

Command = Callable[[Path], Sequence[str]]
"""From the file of a job to the program that does it."""
LOOK_S = 0.1
"""Between two looks at memory and clock. A process that takes 1 GB within it is seen one look later."""


def worker_command(spec: Path, *, parent: int) -> list[str]:
    """The program that does a job (see :mod:`head3d.jobs.worker`); -P: the current folder is no place of modules."""
    return [sys.executable, "-P", "-m", "head3d.jobs.worker", str(spec), "--parent", str(parent)]


class Pool:
    """Runs jobs in slots. Not thread safe: one thread starts, waits and stops (jobs end with that thread)."""

    def __init__(self, slots: Sequence[Slot], *, limits: Limits = Limits()) -> None:
        self._slots = list(slots)
        self._limits = limits
        self._running: dict[str, tuple[Slot, Process]] = {}

    @property
    def running(self) -> list[str]:
        """Names of the jobs that run now."""
        return list(self._running)

    def free(self) -> int:
        """How many more jobs can start."""
        return len(self._slots) - len(self._running)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        limits: Limits | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Start a job in a free slot."""
        taken = {slot.index for slot, _ in self._running.values()}
        slot = next(one for one in self._slots if one.index not in taken)
        process = Process(
            command,
            log=log,
            limits=limits or self._limits,
            environment=slot.environment(),
            on_event=on_event,
        )
        self._running[name] = slot, process

    def stop(self, name: str) -> None:
        """Have a job end; its outcome comes from ``wait``."""
        if name in self._running:
            self._running[name][1].stop()

    def stop_all(self, *, seconds: float = 10.0) -> list[tuple[str, Outcome]]:
        """Have all jobs end, and wait for it."""
        for name in self.running:
            self.stop(name)
        ended: list[tuple[str, Outcome]] = []
        until = time.monotonic() + seconds
        while self._running and time.monotonic() < until:
            ended += self.wait(LOOK_S)
        return ended

    def wait(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Pass on events for at most ``seconds``; comes back as soon as a job has ended."""
        until = time.monotonic() + seconds
        while True:
            ended = []
            for name, (_, process) in list(self._running.items()):
                outcome = process.poll()
                if outcome is not None:
                    del self._running[name]
                    ended.append((name, outcome))
            left = until - time.monotonic()
            if ended or left <= 0:
                return ended
            started = time.monotonic()
            select.select([process for _, process in self._running.values()], [], [], min(left, LOOK_S))
            if (
                time.monotonic() - started < 0.01
            ):  # a closed pipe is always ready: do not spin until its process is reaped
                time.sleep(min(left, 0.01))

"""Drives a batch on this machine: starts subjects in slots, notes how each ended, tries some again."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from head3d import store
from head3d.batch.ledger import Entry, Failure, Ledger
from head3d.batch.plan import Item
from head3d.console import write_json_line
from head3d.events import Event, JobEnd, JobStart
from head3d.jobs.pool import Command, Pool, worker_command
from head3d.jobs.process import BUSY, Limits, Outcome
from head3d.jobs.slots import Slot
from head3d.jobs.spec import write_spec

PAUSE_S = 2.0
"""Before another try, times the failures so far: what was short (memory, a disk) may be back."""
BUSY_S = 120.0
"""How long a subject is waited for that another process works on."""
LOOK_S = 0.5


class Tell(Protocol):
    """Hears what happens to which subject."""

    def __call__(self, name: str, event: Event, /) -> None: ...


@dataclass(frozen=True)
class Summary:
    """How a batch ended: names by state, of the subjects this supervisor had to do."""

    done: tuple[str, ...]
    dead: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if all are done, else 3."""
        return 3 if self.dead or self.waiting else 0


@dataclass(frozen=True)
class Policy:
    """When to try again, and when to stop.

    Attributes:
        retries: Tries after the first one.
        retry_dead: Take up again what an earlier run gave up.
        verify: Read every file of finished subjects instead of looking at its size.
        most_dead: Start no more subjects once so many were given up; 0: no limit.
    """

    retries: int = 1
    retry_dead: bool = False
    verify: bool = False
    most_dead: int = 0


def own_worker(spec: Path) -> Sequence[str]:
    """The worker as a child of this process."""
    return worker_command(spec, parent=os.getpid())


def drive(
    items: Sequence[Item],
    ledger: Ledger,
    *,
    slots: Sequence[Slot],
    limits: Limits = Limits(),
    policy: Policy = Policy(),
    command: Command = own_worker,
    tell: Tell = lambda name, event: None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Summary:
    """Do the subjects of a batch that are not done yet.

    Args:
        items: The subjects.
        ledger: Where everything is written.
        slots: Where they run side by side.
        limits: For each.
        policy: Tries.
        command: From a job's file to the program that does it.
        tell: Hears all events.
        goes_on: False once no more subjects are to be started.
    """
    todo = _Queue(items)
    states: dict[str, str] = {}
    entries: dict[str, Entry] = {}
    by_name = {item.name: item for item in items}
    busy_since: dict[str, float] = {}
    pool = Pool(slots, limits=limits)
    try:
        while todo or pool.running:
            dead = sum(state == "dead" for state in states.values())
            starting = goes_on() and not (policy.most_dead and dead >= policy.most_dead)
            while starting and pool.free() and (name := todo.ready()) is not None:
                entry = open_entry(by_name[name], ledger, policy)
                entries[name], states[name] = entry, entry.state
                if entry.state != "waiting":
                    tell(name, JobEnd(name, entry.state, 0.0, why="as before"))
                else:
                    start(by_name[name], entry, ledger, pool, command, tell)
            if not starting and not pool.running:
                break
            for name, outcome in pool.wait(LOOK_S if pool.running else 0.05):
                entry = settle(name, entries[name], outcome, ledger, policy, busy_since)
                entries[name], states[name] = entry, entry.state
                tell(name, ended(name, entry, outcome))
                if entry.state == "waiting":
                    todo.later(name, PAUSE_S * max(len(entry.failures), 1))
    finally:
        pool.stop_all()
    left = tuple(name for name in by_name if states.get(name, "waiting") == "waiting")
    return Summary(_in(states, "done"), _in(states, "dead"), left)


def open_entry(item: Item, ledger: Ledger, policy: Policy) -> Entry:
    """What is known of a subject; "waiting" if there is something to do.

    From then on the ledger says so, too: what was told of its files holds no more, however this run ends.
    """
    entry = ledger.read(item.name, item.key(ledger.subject(item.name)))
    if entry.state == "done" and not ledger.is_whole(item.name, entry, verify=policy.verify):
        entry = Entry(entry.key, failures=entry.failures)
    elif entry.state == "dead" and policy.retry_dead:
        entry = Entry(entry.key)
    before = ledger.entry(item.name)
    if before is not None and entry.state == "waiting" != before.state:
        ledger.write(item.name, entry)
    return entry


def settle(
    name: str, entry: Entry, outcome: Outcome, ledger: Ledger, policy: Policy, busy_since: dict[str, float]
) -> Entry:
    """Note how a try ended. A subject that others hold is waited for, ``BUSY_S`` at most (``busy_since`` remembers)."""
    entry = entry.after(outcome, subject=ledger.subject(name), retries=policy.retries)
    if outcome.kind == BUSY and time.monotonic() - busy_since.setdefault(name, time.monotonic()) > BUSY_S:
        failure = Failure(outcome.ending, outcome.kind, outcome.message)
        entry = replace(entry, state="dead", failures=(*entry.failures, failure))
    ledger.write(name, entry)
    return entry


def start(item: Item, entry: Entry, ledger: Ledger, pool: Pool, command: Command, tell: Tell) -> None:
    """Start a subject's worker."""
    spec = ledger.job(item.name)
    write_spec(spec, item.on(ledger.subject(item.name), cache=ledger.cache(item.name)))
    attempt = len(entry.failures) + 1
    tell(item.name, JobStart(item.name, attempt))
    log = ledger.log(item.name)
    store.make_folder(log.parent)
    with log.open("a", encoding="utf-8") as handle:
        handle.write(f"--- attempt {attempt}\n")
    pool.start(
        item.name,
        command(spec),
        log=log,
        on_event=lambda event: tell(item.name, event),
    )


def ended(name: str, entry: Entry, outcome: Outcome) -> JobEnd:
    """The event that tells how a try ended."""
    return JobEnd(name, entry.state, outcome.seconds, outcome.peak_rss_mb, outcome.message)


def _in(states: dict[str, str], state: str) -> tuple[str, ...]:
    return tuple(name for name, one in states.items() if one == state)


class _Queue:
    """Names in their order; some come back later."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._names = deque(item.name for item in items)
        self._later: list[tuple[float, str]] = []

    def __bool__(self) -> bool:
        return bool(self._names or self._later)

    def ready(self) -> str | None:
        """The next one; those that waited long enough first."""
        for at, name in sorted(self._later):
            if at <= time.monotonic():
                self._later.remove((at, name))
                return name
        return self._names.popleft() if self._names else None

    def later(self, name: str, seconds: float) -> None:
        """Give one back."""
        self._later.append((time.monotonic() + seconds, name))


@contextmanager
def event_log(path: Path) -> Iterator[Tell]:
    """Append every event to a file of JSON lines, with the name of its subject."""
    store.make_folder(path.parent)
    with store.disk_errors(path), path.open("a", encoding="utf-8") as handle:

        def write(name: str, event: Event) -> None:
            write_json_line(handle, type(event).__name__, {"job": name, **vars(event)})

        yield write

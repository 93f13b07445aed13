"""Takes jobs from the ledger and has them done by workers: one thread, beside the one that answers requests."""

import dataclasses
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

from head3d.errors import Head3DError
from head3d.events import Event, JobEnd, JobStart
from head3d.jobs.process import BUSY, FINAL, Outcome
from head3d.jobs.spec import spec_from_text, write_spec
from head3d.serve.erase import erase_old, finish_deletions
from head3d.serve.ledger import Ledger
from head3d.serve.rows import JobRow, State
from head3d.serve.settings import Settings
from head3d.serve.workers import Workers

LOOK_S = 0.2
"""Between two looks at the queue."""
HOUSEKEEPING_S = 600.0
KEY_DAYS = 1.0
MOST_LOST = 5
"""Nodes that may vanish under one job before it is held to be the reason."""


def shown_state(state: State) -> Literal["done", "dead", "waiting", "cancelled"]:
    """A job's state after a try, for its events."""
    assert state != "running"
    return state


def events_file(settings: Settings, job: JobRow) -> Path:
    """Where a job's events are written, one JSON object a line."""
    return settings.home(job.tenant, job.subject) / "jobs" / f"{job.id}.jsonl"


class Runner:
    """The thread that runs jobs."""

    def __init__(
        self,
        settings: Settings,
        *,
        workers: Workers,
        on_end: Callable[[JobRow, State, float], None] = lambda job, state, seconds: None,
    ) -> None:
        self._settings, self._workers, self._on_end = settings, workers, on_end
        self._size = workers.size()
        self._lost: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)
        self._jobs: dict[str, JobRow] = {}
        self._logs: dict[str, TextIO] = {}
        self.beat = 0.0

    @property
    def workers(self) -> int:
        """Jobs that run side by side."""
        return self._size

    @property
    def alive(self) -> bool:
        """True while jobs are looked after."""
        return self._thread.is_alive() and time.monotonic() - self.beat < 60.0

    def start(self) -> None:
        """Take up what was left, and begin."""
        ledger = Ledger(self._settings.database)
        ledger.recover()
        finish_deletions(ledger, self._settings)
        ledger.close()
        self.beat = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop the processes; their jobs wait for the next start, and go on from their last checkpoint."""
        self._stopping.set()
        self._thread.join(timeout=20.0)

    def _run(self) -> None:
        ledger = Ledger(self._settings.database)  # SQLite: a connection for each thread
        pool = self._workers
        kept_house = 0.0
        try:
            while not self._stopping.is_set():
                self.beat = time.monotonic()
                try:
                    if self.beat - kept_house > HOUSEKEEPING_S:
                        kept_house = self.beat
                        finish_deletions(ledger, self._settings)
                        erase_old(ledger, self._settings)
                        ledger.forget_keys(time.time() - KEY_DAYS * 86400)
                    while pool.free() and (job := ledger.take()) is not None:
                        self._start(job, ledger)
                    for identity in ledger.to_stop():
                        pool.stop(identity)
                    for identity, outcome in pool.wait(LOOK_S) if pool.running else []:
                        self._end(identity, outcome, ledger)
                except (sqlite3.OperationalError, Head3DError, OSError):  # a full disk: jobs wait until it has room
                    time.sleep(1.0)
                if not pool.running:
                    self._stopping.wait(LOOK_S)
        finally:
            for identity, outcome in pool.stop_all():
                self._end(identity, outcome, ledger)
            ledger.close()

    def _start(self, job: JobRow, ledger: Ledger) -> None:
        path = events_file(self._settings, job)
        spec = path.with_suffix(".json")
        try:
            write_spec(spec, spec_from_text(job.spec, where=f"job {job.id}"))
            self._logs[job.id] = path.open("a", encoding="utf-8")
            log = path.with_suffix(".log")
            self._workers.start(job.id, spec, log=log, on_event=lambda event: self._say(job.id, event))
        except (Head3DError, OSError):  # nobody does it: it waits at its old place
            if job.id in self._logs:
                self._logs.pop(job.id).close()
            ledger.settle(job.id, "waiting", failures=job.failures)
            raise
        self._jobs[job.id] = job
        self._say(job.id, JobStart(job.id, job.failures + 1))

    def _say(self, identity: str, event: Event) -> None:
        line = {"event": type(event).__name__, "time": round(time.time(), 3), **dataclasses.asdict(event)}
        plain = {key: None if isinstance(value, float) and value != value else value for key, value in line.items()}
        self._logs[identity].write(json.dumps(plain, ensure_ascii=False) + "\n")
        self._logs[identity].flush()

    def _end(self, identity: str, outcome: Outcome, ledger: Ledger) -> None:
        job = self._jobs.pop(identity)
        state, failures = self._judge(job, outcome, cancelled=identity in ledger.to_stop())
        error = {"kind": outcome.kind, "message": outcome.message, "hint": outcome.hint}
        final = state in ("done", "dead")
        why = "" if state == "done" else outcome.message
        self._say(identity, JobEnd(identity, shown_state(state), outcome.seconds, outcome.peak_rss_mb, why))
        self._logs.pop(identity).close()
        ledger.settle(
            identity,
            state,
            failures=failures,
            error=error if state == "dead" else None,
            result=outcome.result if state == "done" else None,
        )
        if final:
            self._on_end(job, state, outcome.seconds)

    def _judge(self, job: JobRow, outcome: Outcome, *, cancelled: bool) -> tuple[State, int]:
        """What becomes of a job. Only failures of its own count, not that the server was stopped."""
        if outcome.ending == "done":
            return "done", job.failures
        if cancelled:
            return "cancelled", job.failures
        if outcome.ending == "stopped" or outcome.kind == BUSY:
            return "waiting", job.failures
        if outcome.ending == "lost":  # a node is gone: no failure of this job, unless nodes go wherever it runs
            self._lost[job.id] = self._lost.get(job.id, 0) + 1
            if self._lost[job.id] <= MOST_LOST:
                return "waiting", job.failures
        failures = job.failures + 1
        final = failures > self._settings.retries or (outcome.ending == "failed" and outcome.kind in FINAL)
        return ("dead" if final else "waiting"), failures

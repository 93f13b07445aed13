"""One supervised subprocess: started apart, listened to, measured, stopped with everything it started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import head3d
from head3d import store
from head3d.events import Event
from head3d.jobs.stream import Lines, read_line

Ending = Literal["done", "failed", "crashed", "timeout", "memory", "stopped", "lost"]
GRACE_S = 3.0
"""Between asking a process to end and ending it."""
PAGE = os.sysconf("SC_PAGE_SIZE")
WEIGH_S = 0.25
"""Between two looks at memory that is far from its limit, or has none: each reads some files of /proc."""
PHOTOS = frozenset({"InputError", "NoFaceFound", "ManyFaces", "PhotoUnusable", "TooFewPhotos", "FitFailed"})
FINAL = PHOTOS | {"ConfigError", "ConsentMissing", "FormatTooNew", "WeightsMissing"}
"""Errors that come again with the same photos and options: another try would only cost time."""
BUSY = "SubjectBusy"
"""A worker that outlived its supervisor is still at it: no failure of this subject."""


@dataclass(frozen=True)
class Limits:
    """What one job may take.

    Attributes:
        seconds: Wall time; 0: no limit.
        memory_mb: Resident memory of the process and its children, MB; 0: no limit.
        nice: Added to the niceness, so that whoever supervises stays responsive.
    """

    seconds: float = 0.0
    memory_mb: float = 0.0
    nice: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        ending: ``failed``: it said why; ``crashed``: it did not, or a signal ended it; ``stopped``: by us;
            ``lost``: the machine it ran on is gone.
        kind: Class of the error, name of the signal, or "".
        message: One sentence.
        hint: What to do.
        exit_code: Of the process; negative: the signal.
        seconds: It took.
        peak_rss_mb: Most resident memory seen, MB.
        result: Of a job that is done.
    """

    ending: Ending
    kind: str = ""
    message: str = ""
    hint: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    peak_rss_mb: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)


def worker_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that imports this very head3d, wherever it is started."""
    home = str(Path(head3d.__file__).parents[1])
    paths = [home, *(one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one and one != home)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", **extra}


class Process:
    """A running job. ``poll`` must be called often: it reads events, and enforces the limits."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        limits: Limits = Limits(),
        environment: Mapping[str, str] | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Start it.

        Args:
            command: Program and arguments.
            log: Its standard error, and what it says that is no event, are added to this file.
            limits: What it may take.
            environment: Added to ours.
            on_event: Hears its events, within ``poll``.
        """
        store.make_folder(log.parent)
        self._limits = limits
        self._on_event = on_event
        self._lines = Lines()
        self._last: tuple[str, dict[str, Any]] = ("", {})
        self._why: Ending | None = None
        self._killed_at = 0.0
        self._peak_mb, self._weighed = 0.0, -WEIGH_S
        with store.disk_errors(log):
            self._log = log.open("ab", buffering=0)
        try:
            self._popen = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=worker_environment(environment or {}),
                start_new_session=True,  # a group of its own: it ends with all it started
            )
        except OSError:
            self._log.close()
            raise
        self._started = time.monotonic()
        assert self._popen.stdout is not None
        os.set_blocking(self._popen.stdout.fileno(), False)
        if limits.nice:
            _be_nice(self._popen.pid, limits.nice)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    def fileno(self) -> int:
        """Its standard output, for select."""
        assert self._popen.stdout is not None
        return self._popen.stdout.fileno()

    def poll(self) -> Outcome | None:
        """Read, measure, enforce; the outcome once it has ended."""
        ended = self._popen.poll()  # before reading: what it wrote last is in the pipe by then
        self._read()
        if ended is not None:
            return self._end(ended)
        now = time.monotonic()
        if self._why is not None:
            if now - self._killed_at > GRACE_S:
                self._signal(signal.SIGKILL)
            return None
        used = self._weigh(now)
        if self._limits.memory_mb and used > self._limits.memory_mb:
            self._kill("memory")
        elif self._limits.seconds and now - self._started > self._limits.seconds:
            self._kill("timeout")
        return None

    def _weigh(self, now: float) -> float:
        """Resident MB, or 0 if the last look was just now and nothing was near the limit."""
        near = self._limits.memory_mb and self._peak_mb > self._limits.memory_mb / 2
        if not near and now - self._weighed < WEIGH_S:
            return 0.0
        self._weighed = now
        used = resident_mb(self.pid)
        self._peak_mb = max(self._peak_mb, used)
        return used

    def stop(self) -> None:
        """Ask it to end, and end it if it does not; ``poll`` on until it has."""
        if self._why is None:
            self._why, self._killed_at = "stopped", time.monotonic()
            self._signal(signal.SIGTERM)

    def _kill(self, why: Ending) -> None:
        self._why, self._killed_at = why, time.monotonic()
        self._signal(signal.SIGKILL)  # what hangs or fills the memory is not asked

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self.fileno(), 1 << 16)
            except BlockingIOError:
                return
            if not chunk:
                return
            for line in self._lines.feed(chunk):
                said = read_line(line)
                if said.event is not None:
                    self._on_event(said.event)
                elif said.last:
                    self._last = said.last, said.fields
                else:
                    self._log.write(said.text.encode() + b"\n")

    def _end(self, code: int) -> Outcome:
        self._signal(signal.SIGKILL)  # children it left behind
        assert self._popen.stdout is not None
        self._popen.stdout.close()
        self._log.close()
        last, fields = self._last
        taken = {
            "exit_code": code,
            "seconds": round(time.monotonic() - self._started, 3),
            "peak_rss_mb": round(self._peak_mb, 1),
        }
        match self._why:
            case "timeout":
                message = f"it took longer than {self._limits.seconds:g} s"
                return Outcome("timeout", "Timeout", message, "Raise --timeout, or look into its log.", **taken)
            case "memory":
                message = f"it used more than {self._limits.memory_mb:g} MB"
                return Outcome(
                    "memory", "Memory", message, "Raise --memory-mb, or give fewer or smaller photos.", **taken
                )
            case "stopped" if code != 0:
                return Outcome("stopped", "Stopped", "it was stopped", **taken)
        if code == 0 and last == "Result":
            return Outcome("done", result=fields, **taken)
        if last == "Failure":
            said = {key: str(fields.get(key, "")) for key in ("kind", "message", "hint")}
            return Outcome("failed", **said, **taken)
        kind = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Outcome("crashed", kind, f"the process ended with {kind}", "Its log may tell more.", **taken)


def _be_nice(pid: int, nice: int) -> None:
    """Lower a process that leads a session. Linux shares time between sessions first (sched(7), autogroups), and
    niceness counts only within one: so the session is made nice, too."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))
    except OSError:  # it has ended, or this system has no such thing
        pass


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, MB; 0 for what is gone or where /proc is not to be had."""
    total, left = 0, [pid]
    while left:
        one = left.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_bytes().split()[1]) * PAGE
            left += [int(word) for task in os.scandir(f"/proc/{one}/task") for word in _children(task.path)]
        except (OSError, IndexError, ValueError):
            continue
    return total / 2**20


def _children(task: str) -> list[bytes]:
    try:
        return Path(f"{task}/children").read_bytes().split()
    except OSError:
        return []

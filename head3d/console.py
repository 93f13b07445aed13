"""What a person sees of the event stream: live bars on a terminal, plain lines elsewhere, JSON lines for programs."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)

from head3d.events import (
    Checkpoint,
    Emit,
    EvalStep,
    Event,
    LearnStep,
    Notice,
    Preview,
    Progress,
    StageDone,
    StageStart,
    TrainStep,
)

Mode = Literal["auto", "plain", "json", "quiet"]

SECONDS_BETWEEN_LINES = 5.0
"""Plain output: a running stage says something at most this often."""


def format_seconds(seconds: float) -> str:
    """A duration as a person says it.

    >>> format_seconds(0.84), format_seconds(75), format_seconds(4000)
    ('0.8 s', '1 min 15 s', '1 h 6 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_rate(rays_per_s: float) -> str:
    """A rate with a unit that fits.

    >>> format_rate(1234567.0), format_rate(5400.0)
    ('1.2 M rays/s', '5 k rays/s')
    """
    return f"{rays_per_s / 1e6:.1f} M rays/s" if rays_per_s >= 1e6 else f"{rays_per_s / 1e3:.0f} k rays/s"


@contextmanager
def listen(mode: Mode = "auto", *, err: TextIO | None = None, out: TextIO | None = None) -> Iterator[Emit]:
    """Give an ``Emit`` that shows events.

    Args:
        mode: ``auto``: bars if ``err`` is a terminal, else plain lines; ``json``: one object a line on ``out``;
            ``quiet``: warnings only.
        err: For people; standard error by default.
        out: For programs; standard output by default.
    """
    people: TextIO = err if err is not None else sys.stderr
    programs: TextIO = out if out is not None else sys.stdout
    if mode == "json":
        yield _JsonLines(programs)
    elif mode == "quiet":
        yield _Warnings(people)
    elif mode == "auto" and people.isatty():
        bars = _LiveBars(RichConsole(file=people))
        with bars.bars:
            yield bars
    else:
        yield _PlainLines(people)


class _JsonLines:
    """One JSON object per event: {"event": "TrainStep", "time": unix seconds, ...fields}."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        write_json_line(self._out, type(event).__name__, dataclasses.asdict(event))


def write_json_line(out: TextIO, name: str, fields: Mapping[str, Any]) -> None:
    """Write one line of the machine-readable log. NaN has no place in JSON and becomes null."""
    plain = {key: None if isinstance(value, float) and value != value else value for key, value in fields.items()}
    out.write(json.dumps({"event": name, "time": round(time.time(), 3), **plain}, ensure_ascii=False) + "\n")
    out.flush()


class _Warnings:
    def __init__(self, err: TextIO) -> None:
        self._err = err

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice) and event.level == "warning":
            print(f"warning: {event.text}", file=self._err, flush=True)


class _PlainLines:
    """Lines for log files: starts, ends, notices, and now and then where a long stage is."""

    def __init__(self, err: TextIO) -> None:
        self._err = err
        self._last = 0.0
        self._stage = ""
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        match event:
            case StageStart(stage=stage):
                self._started = self._last = time.monotonic()
                if stage != self._stage:  # a stage may tell its number of steps in a second start
                    self._say(f"{stage} ...")
                self._stage = stage
            case StageDone(stage=stage, fresh=True):
                self._say(f"{stage}: nothing to do")
            case StageDone(stage=stage, seconds=seconds):
                self._say(f"{stage}: done in {format_seconds(seconds)}")
            case Notice(text=text, level=level):
                self._say(f"warning: {text}" if level == "warning" else text)
            case TrainStep(step=step, steps=steps, loss=loss, rays_per_s=rate):
                self._sometimes(f"train {step}/{steps}, loss {loss:.4f}, {format_rate(rate)}", step, steps)
            case LearnStep(step=step, share=share, loss=loss, samples_per_s=rate):
                self._say(f"step {step}, loss {loss:.4f}, {rate:.2f} samples/s, {share:.0%} of the time")
            case Progress(stage=stage, step=step, steps=steps, what=what):
                self._sometimes(f"{stage} {step}/{steps} {what}".rstrip(), step, steps)
            case EvalStep(step=step, psnr_db=psnr):
                self._say(f"train {step}: held-out pixels {psnr:.2f} dB")
            case Checkpoint() | Preview():
                pass

    def _sometimes(self, text: str, step: int, steps: int) -> None:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        left = (now - self._started) / step * (steps - step) if step else 0.0
        self._say(f"{text}, {format_seconds(left)} left" if left else text)

    def _say(self, text: str) -> None:
        print(text, file=self._err, flush=True)


class _LiveBars:
    """One bar per stage with its rate and the time left; notices scroll above."""

    def __init__(self, console: RichConsole) -> None:
        self.bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._current = ""

    def __call__(self, event: Event) -> None:
        match event:
            case StageStart(stage=stage, steps=steps):
                self._current = stage
                self._task(stage, steps)
            case StageDone(stage=stage, seconds=seconds, fresh=fresh):
                task = self._task(stage, 1)
                total = next(one.total for one in self.bars.tasks if one.id == task) or 1
                note = "nothing to do" if fresh else format_seconds(seconds)
                self.bars.update(task, total=total, completed=total, note=note)
                self.bars.stop_task(task)
            case Progress(stage=stage, step=step, steps=steps, what=what):
                self.bars.update(self._task(stage, steps), completed=step, total=steps, note=escape(what))
            case TrainStep(step=step, steps=steps, loss=loss, rays_per_s=rate):
                note = f"loss {loss:.4f}, {format_rate(rate)}"
                self.bars.update(self._task(self._current, steps), completed=step, total=steps, note=note)
            case LearnStep(step=step, share=share, loss=loss, samples_per_s=rate):
                note = f"step {step}, loss {loss:.4f}, {rate:.2f} samples/s"
                self.bars.update(self._task("learn", 100), completed=round(100 * share), total=100, note=note)
            case Notice(text=text, level=level):
                self.bars.console.print(
                    f"[yellow]{escape(text)}[/]" if level == "warning" else escape(text), highlight=False
                )
            case EvalStep(step=step, psnr_db=psnr):
                self.bars.console.print(f"[dim]step {step}: held-out pixels {psnr:.2f} dB[/]", highlight=False)
            case Checkpoint() | Preview():
                pass

    def _task(self, stage: str, steps: int) -> TaskID:
        if stage not in self._tasks:
            self._tasks[stage] = self.bars.add_task(stage, total=steps or None, note="")
        return self._tasks[stage]


def print_line(text: str = "", *, out: TextIO | None = None) -> None:
    """A result, on standard output."""
    print(text, file=out or sys.stdout, flush=True)


def print_error(message: str, *, hint: str = "", err: TextIO | None = None) -> None:
    """One red line, and one line with the way out."""
    console = RichConsole(file=err or sys.stderr, soft_wrap=True, highlight=False)
    console.print(f"[bold red]error:[/] [red]{escape(message)}[/]")
    if hint:
        console.print(f"[dim]hint:[/] {escape(hint)}")

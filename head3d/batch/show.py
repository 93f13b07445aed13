"""What a person sees of a batch: a bar for all, a line for each subject that runs; plain lines where nobody looks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from head3d.batch.drive import Tell
from head3d.console import Mode, format_seconds, write_json_line
from head3d.events import Event, JobEnd, JobStart, Notice, StageDone, StageStart, TrainStep


@contextmanager
def show(mode: Mode, total: int, *, err: TextIO | None = None, out: TextIO | None = None) -> Iterator[Tell]:
    """Give a ``Tell`` that shows a batch of ``total`` subjects (see :func:`head3d.console.listen` for the modes)."""
    people: TextIO = err if err is not None else sys.stderr
    programs: TextIO = out if out is not None else sys.stdout
    if mode == "json":
        yield lambda name, event: write_json_line(programs, type(event).__name__, {"job": name, **vars(event)})
    elif mode == "auto" and people.isatty():
        bars = _Bars(Console(file=people), total)
        with bars.bars:
            yield bars
    else:
        yield _Lines(people, total, quiet=mode == "quiet")


def line_of(end: JobEnd) -> str:
    """How a try ended, for a person."""
    took = format_seconds(end.seconds)
    if end.state == "done":
        return f"{end.job}: done in {took}"
    then = "given up" if end.state == "dead" else "to be tried again"
    return f"{end.job}: {end.why}; {then}{f' (it took {took})' if end.seconds else ''}"


class _Lines:
    def __init__(self, err: TextIO, total: int, *, quiet: bool) -> None:
        self._err, self._total, self._quiet, self._over = err, total, quiet, 0

    def __call__(self, name: str, event: Event) -> None:
        match event:
            case JobStart(attempt=attempt) if not self._quiet:
                self._say(f"{name} ..." if attempt == 1 else f"{name} ... (attempt {attempt})")
            case JobEnd(state=state):
                self._over += state != "waiting"
                if not self._quiet or state != "done":
                    self._say(f"[{self._over}/{self._total}] {line_of(event)}")
            case Notice(text=text, level="warning") if not self._quiet:
                self._say(f"{name}: warning: {text}")

    def _say(self, text: str) -> None:
        print(text, file=self._err, flush=True)


class _Bars:
    def __init__(self, console: Console, total: int) -> None:
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
        )
        self._all = self.bars.add_task("subjects", total=total, note="")
        self._dead = 0
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, event: Event) -> None:
        match event:
            case JobStart():
                self._tasks[name] = self.bars.add_task(escape(name), total=None, note="")
            case JobEnd(state=state):
                if name in self._tasks:
                    self.bars.remove_task(self._tasks.pop(name))
                self._dead += state == "dead"
                note = f"[red]{self._dead} given up[/]" if self._dead else ""
                self.bars.update(self._all, advance=state != "waiting", note=note)
                color = {"done": "green", "dead": "red"}.get(state, "yellow")
                self.bars.console.print(f"[{color}]{escape(line_of(event))}[/]", highlight=False)
            case StageStart(stage=stage, steps=steps):
                self._update(name, stage, 0, steps or None)
            case TrainStep(step=step, steps=steps):
                self._update(name, "training", step, steps)
            case StageDone(stage=stage):
                self._update(name, f"{stage} done", 1, 1)

    def _update(self, name: str, note: str, step: int, steps: int | None) -> None:
        if name in self._tasks:
            self.bars.update(self._tasks[name], completed=step, total=steps, note=note)

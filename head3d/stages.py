"""What a stage is, and how stages run over a subject folder: only what is stale, each one whole or not at all.

A stage is fresh when the ledger has it with the same code version, the same options, the same inputs and unchanged
files. Inputs are the sha256 of the files earlier stages wrote, so a stage that ran again with the same result makes
nothing after it stale.
"""

import errno
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from head3d import __version__, memory, store
from head3d.config import Config, plain
from head3d.events import Emit, Event, Notice, StageDone, StageStart, ignore
from head3d.subject import Ledger, StageRecord, Subject


@dataclass(frozen=True)
class Job:
    """What a stage is given.

    Attributes:
        subject: The folder to read earlier parts from.
        folder: Where to write: a draft that takes the place of the stage's folder when the stage has ended well.
        config: All options.
        sources: The photos, folders or videos the user gave; empty to go on with those of the last run.
        emit: Hears progress.
        records: Stages done so far, with their seconds and memory.
        previews: Also emit what training has made so far.
    """

    subject: Subject
    folder: Path
    config: Config
    sources: tuple[Path, ...] = ()
    emit: Emit = ignore
    records: Mapping[str, StageRecord] = field(default_factory=dict)
    previews: bool = False


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline.

    Attributes:
        name: In the ledger and on the screen; also its folder unless ``folder`` says otherwise.
        version: Raise it when the same inputs and options would now give something else.
        needs: Earlier stages whose files it reads.
        options: The part of the config that changes its result.
        run: Does it.
        extra: Other inputs, as what json can hold; None for a stage whose last result stays good without them.
        resumable: A folder in its draft that survives an interrupted run with the same inputs and options.
        keeps: Pattern of the user's own files in its folder, which outlive a new result.
    """

    name: str
    version: int
    needs: tuple[str, ...]
    options: Callable[[Config], Any]
    run: Callable[[Job], None]
    extra: Callable[[Job], Any] = lambda job: ""
    resumable: str = ""
    folder: str = ""
    keeps: str = ""

    def place(self, subject: Subject) -> Path:
        """Where its files lie."""
        return subject.path / (self.folder or self.name)


def run_stages(job: Job, stages: Sequence[Stage]) -> Ledger:
    """Run the stale ones of some stages, in their order; the caller holds the subject's lock."""
    ledger = job.subject.ledger()
    for stage in stages:
        key = stage_key(stage, job, ledger)
        record = ledger.stages.get(stage.name)
        why = _why_stale(job.subject, stage, record, key)
        if record is not None and why is None:
            job.emit(StageDone(stage.name, record.seconds, fresh=True))
            continue
        if why:
            job.emit(Notice(why, "warning"))
        draft, record = _run_one(stage, job, ledger, key)
        job.subject.write_ledger(ledger.without({stage.name}))  # from here to the next line the stage is in no state
        _take_place(draft, stage.place(job.subject), keeps=stage.keeps)
        ledger = ledger.with_stage(stage.name, record)
        job.subject.write_ledger(ledger)
        job.emit(StageDone(stage.name, record.seconds))
    return ledger


@dataclass(frozen=True)
class Key:
    """What a stage's result depends on."""

    version: int
    config_sha: str
    inputs_sha: str


def stage_key(stage: Stage, job: Job, ledger: Ledger) -> Key:
    """The key a stage would run with now."""
    old = ledger.stages.get(stage.name)
    extra = stage.extra(job)
    inputs = {need: ledger.stages[need].outputs_sha for need in stage.needs}
    inputs_sha = old.inputs_sha if extra is None and old is not None else store.sha256_of([inputs, extra])
    return Key(stage.version, store.sha256_of(plain(stage.options(job.config))), inputs_sha)


def _why_stale(subject: Subject, stage: Stage, record: StageRecord | None, key: Key) -> str | None:
    """None if fresh; else a sentence, which is empty when there is nothing to tell: new options or inputs."""
    if record is None or Key(record.version, record.config_sha, record.inputs_sha) != key:
        return ""
    damaged = subject.damaged(record)
    if not damaged:
        return None
    what = "is missing" if not (subject.path / damaged[0]).exists() else "was truncated or edited"
    return f"{subject.path / damaged[0]} {what}: stage {stage.name} makes it again."


def _run_one(stage: Stage, job: Job, ledger: Ledger, key: Key) -> tuple[Path, StageRecord]:
    """Run a stage into its draft folder; what was there before stays until the new is whole."""
    place = stage.place(job.subject)
    draft = place.with_name(f".{place.name}.draft")
    _clear(stage, draft, key)
    job.emit(StageStart(stage.name))
    memory.reset_peak()
    started = time.monotonic()
    listening = _OneStart(job.emit, stage.name)
    try:
        stage.run(replace(job, folder=draft, emit=listening, records=ledger.stages))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            with store.disk_errors(Path(error.filename or draft)):
                raise
        raise
    if stage.resumable:
        shutil.rmtree(draft / stage.resumable, ignore_errors=True)
    names = {f"{place.name}/{one.relative_to(draft).as_posix()}": one for one in _files(draft)}
    return draft, StageRecord(
        version=key.version,
        config_sha=key.config_sha,
        inputs_sha=key.inputs_sha,
        files={name: store.sha256_file(one) for name, one in names.items()},
        head3d=__version__,
        seconds=round(time.monotonic() - started, 2),
        peak_rss_mb=round(memory.peak_mb(), 1),
    )


def _clear(stage: Stage, draft: Path, key: Key) -> None:
    """Empty a draft folder, but keep what lets the stage resume the very same work."""
    with store.disk_errors(draft):
        draft.mkdir(parents=True, exist_ok=True)
        kept = draft / stage.resumable if stage.resumable else None
        mark = kept / "key.json" if kept else None
        wanted = store.canonical_json([key.version, key.config_sha, key.inputs_sha])
        same = mark is not None and mark.is_file() and mark.read_text(errors="replace") == wanted
        for one in draft.iterdir():
            if one == kept and same:
                continue
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
        if mark is not None and not same:
            store.write_bytes(mark, wanted.encode())


def _take_place(draft: Path, place: Path, *, keeps: str = "") -> None:
    with store.disk_errors(place):
        for own in sorted(place.glob(keeps)) if keeps else ():
            if not (draft / own.name).exists():
                store.write_bytes(draft / own.name, own.read_bytes())
        if place.exists():
            shutil.rmtree(place)
        draft.rename(place)


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file() and not one.name.endswith(".tmp"))


class _OneStart:
    """Passes events on, and makes the stage's own StageStart carry the name the ledger uses."""

    def __init__(self, emit: Emit, stage: str) -> None:
        self._emit = emit
        self._stage = stage

    def __call__(self, event: Event) -> None:
        match event:
            case StageStart(steps=steps):
                self._emit(StageStart(self._stage, steps))
            case StageDone():
                pass  # the pipeline says so itself, when the files are safe
            case _:
                self._emit(event)

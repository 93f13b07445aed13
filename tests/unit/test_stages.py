"""Only what is stale runs; what was killed, cut or edited runs again. Tried on two small stages over real files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from head3d import store
from head3d.config import Config
from head3d.errors import InputError, StorageError
from head3d.events import Event, Notice, Progress, StageDone, StageStart
from head3d.stages import Job, Stage, run_stages
from head3d.subject import Consent, Ledger, Subject


class Bench:
    """A subject with a stage ``double`` (writes twice its option) and a stage ``text`` that reads it."""

    def __init__(self, path: Path) -> None:
        self.subject = Subject(path / "me")
        self.subject.write_ledger(Ledger(Consent("a", "2026-01-01", "self")))
        self.events: list[Event] = []
        self.ran: list[str] = []
        self.number = 1
        self.version = 1
        self.interrupt: Callable[[], None] = lambda: None

    def go(self, **changes: Any) -> list[str]:
        self.ran.clear()
        self.events.clear()
        for name, value in changes.items():
            setattr(self, name, value)
        config = cast(Config, SimpleNamespace(number=self.number))
        stages = (
            Stage("double", self.version, (), lambda c: cast(Any, c).number, self._double, resumable="checkpoints"),
            Stage("text", 1, ("double",), lambda c: None, self._text, keeps="*.json"),
        )
        run_stages(Job(self.subject, self.subject.path, config, emit=self.events.append), stages)
        return list(self.ran)

    def _double(self, job: Job) -> None:
        self.ran.append("double")
        folder = job.folder
        marks = folder / "checkpoints" / "seen"
        seen = int(marks.read_text()) if marks.exists() else 0
        store.write_bytes(marks, str(seen + 1).encode())
        self.interrupt()
        store.write_bytes(folder / "number", str(2 * min(self.number, 10)).encode())

    def _text(self, job: Job) -> None:
        self.ran.append("text")
        job.emit(StageStart("another name", 3))
        number = (job.subject.path / "double" / "number").read_text()
        store.write_bytes(job.folder / "words", f"it is {number}".encode())

    def said(self) -> str:
        return " ".join(event.text for event in self.events if isinstance(event, Notice))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_second_run_does_nothing_and_says_so(bench: Bench):
    assert bench.go() == ["double", "text"]
    assert bench.go() == []
    assert [event.fresh for event in bench.events if isinstance(event, StageDone)] == [True, True]


def test_a_changed_option_redoes_the_stage_and_what_depends_on_it(bench: Bench):
    bench.go()
    assert bench.go(number=2) == ["double", "text"]
    assert (bench.subject.path / "text" / "words").read_text() == "it is 4"


def test_a_stage_that_comes_out_the_same_makes_nothing_stale(bench: Bench):
    bench.go(number=10)
    assert bench.go(number=11) == ["double"]


def test_new_code_of_a_stage_redoes_it(bench: Bench):
    bench.go()
    assert bench.go(version=2) == ["double"]


@pytest.mark.parametrize("damage", ["truncate", "edit", "delete"])
def test_a_damaged_file_is_named_and_rebuilt(bench: Bench, damage: str):
    bench.go()
    file = bench.subject.path / "double" / "number"
    match damage:
        case "truncate":
            file.write_bytes(b"")
        case "edit":
            file.write_bytes(b"3")
        case "delete":
            file.unlink()
    assert bench.go() == ["double"]
    assert str(file) in bench.said() and "stage double makes it again" in bench.said()
    assert file.read_text() == "2"


def test_a_killed_stage_runs_again_and_earlier_ones_do_not(bench: Bench):
    bench.go()

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.go(number=2, interrupt=die)
    assert (bench.subject.path / "text" / "words").read_text() == "it is 2"
    assert bench.go(interrupt=lambda: None) == ["double", "text"]


def test_a_failed_stage_leaves_the_last_good_result(bench: Bench):
    def fail() -> None:
        raise InputError("no face")

    bench.go()
    with pytest.raises(InputError):
        bench.go(number=2, interrupt=fail)
    assert bench.go(number=1, interrupt=lambda: None) == []


def test_checkpoints_survive_a_kill_but_not_other_options_and_not_success(bench: Bench):
    def die() -> None:
        raise KeyboardInterrupt

    marks = bench.subject.path / ".double.draft" / "checkpoints" / "seen"
    for expected in ("1", "2"):
        with pytest.raises(KeyboardInterrupt):
            bench.go(number=2, interrupt=die)
        assert marks.read_text() == expected
    with pytest.raises(KeyboardInterrupt):
        bench.go(number=3)
    assert marks.read_text() == "1"
    bench.go(interrupt=lambda: None)
    assert not marks.parent.exists()


def test_old_files_of_a_stage_are_gone_after_it_ran_again(bench: Bench):
    bench.go()
    stray = bench.subject.path / "text" / "old"
    stray.write_text("")
    bench.go(number=2)
    assert not stray.exists()


def test_the_users_own_files_outlive_a_new_result(bench: Bench):
    bench.go()
    pick, stale = bench.subject.path / "text" / "pick.json", bench.subject.path / "text" / "stale"
    pick.write_text("mine")
    stale.write_text("not mine")
    assert bench.go(number=2) == ["double", "text"]
    assert pick.read_text() == "mine" and not stale.exists()
    assert bench.go() == []


def test_events_of_a_stage_carry_its_ledger_name(bench: Bench):
    bench.go()
    assert StageStart("text", 3) in bench.events
    assert not any(isinstance(event, Progress) for event in bench.events)


def test_a_full_disk_in_a_stage_is_one_clear_line(bench: Bench):
    def full() -> None:
        raise OSError(28, "No space left on device", "double/number")

    with pytest.raises(StorageError, match="the disk is full"):
        bench.go(interrupt=full)


def test_seconds_and_memory_are_recorded(bench: Bench):
    bench.go()
    record = bench.subject.ledger().stages["text"]
    assert record.seconds >= 0 and record.peak_rss_mb > 10 and record.device == "cpu"
    assert replace(record, files={}).outputs_sha != record.outputs_sha

"""What a worker may do, and how the pool tells it apart."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from head3d.events import Event, Notice, StageDone, StageStart
from head3d.jobs import process
from head3d.jobs.pool import Pool
from head3d.jobs.process import Limits, Outcome, resident_mb
from head3d.jobs.slots import Slot
from head3d.jobs.spec import JobSpec, write_spec
from head3d.jobs.stream import LONGEST_LINE, Lines, read_line
from tests.unit.jobs.workers import FAKE, alive, fake_command

SLOTS = [Slot(0, 1), Slot(1, 1)]


def run_one(
    folder: Path, name: str, *, limits: Limits = Limits(), seconds: float = 20.0
) -> tuple[Outcome, list[Event]]:
    """One job through a pool, to its end."""
    spec = folder / f"{name}.json"
    write_spec(spec, JobSpec(str(folder / name)))
    pool, heard = Pool(SLOTS, limits=limits), []
    pool.start(name, fake_command(spec), log=folder / f"{name}.log", on_event=heard.append)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _, outcome in pool.wait(1.0):
            assert pool.free() == 2
            return outcome, heard
    raise AssertionError(f"{name} did not end")


def test_a_good_job_brings_its_events_and_its_result(tmp_path: Path):
    outcome, heard = run_one(tmp_path, "ok")
    assert outcome.ending == "done" and outcome.exit_code == 0
    assert heard == [StageStart("fit", 2), StageDone("fit", 0.1)]
    assert list(outcome.result["files"]) == ["head.bin"]


@pytest.mark.parametrize(
    ("name", "ending", "kind", "words"),
    [
        ("segfault", "crashed", "SIGSEGV", "ended with SIGSEGV"),
        ("hang", "timeout", "Timeout", "longer than 1 s"),
        ("hog", "memory", "Memory", "more than 200 MB"),
        ("refuse", "failed", "NoFaceFound", "no face found"),
    ],
)
def test_each_way_to_fail_is_told(tmp_path: Path, name: str, ending: str, kind: str, words: str):
    limits = Limits(seconds=1.0 if name == "hang" else 30.0, memory_mb=200.0)
    outcome, _ = run_one(tmp_path, name, limits=limits)
    assert (outcome.ending, outcome.kind) == (ending, kind) and words in outcome.message
    if name == "hog":
        assert outcome.peak_rss_mb > 200


def test_what_is_no_event_goes_to_the_log_and_new_fields_are_ignored(tmp_path: Path):
    outcome, heard = run_one(tmp_path, "chatty")
    assert outcome.ending == "done" and Notice("half a head", "warning") in heard
    assert "not json" in (tmp_path / "chatty.log").read_text()


def test_children_of_a_dead_worker_end_with_it(tmp_path: Path):
    run_one(tmp_path, "children")
    child = int((tmp_path / "children" / "child").read_text())
    until = time.monotonic() + 5
    while alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(child)


def test_stopping_ends_all(tmp_path: Path):
    pool = Pool(SLOTS)
    for name in ("hang-1", "hang-2"):
        write_spec(tmp_path / name, JobSpec(str(tmp_path / f"{name}.out")))
        pool.start(name, fake_command(tmp_path / name), log=tmp_path / f"{name}.log")
    pool.wait(0.3)
    ended = dict(pool.stop_all())
    assert {outcome.ending for outcome in ended.values()} == {"stopped"} and not pool.running


def test_workers_end_with_a_supervisor_that_was_killed(tmp_path: Path):
    write_spec(tmp_path / "hang.json", JobSpec(str(tmp_path / "hang")))
    script = (
        "import subprocess, sys, os, time\n"
        f"p = subprocess.Popen([sys.executable, {str(FAKE)!r}, {str(tmp_path / 'hang.json')!r}, str(os.getpid())])\n"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        worker = int(supervisor.stdout.readline())
        while not (tmp_path / "hang" / "tries").exists():
            time.sleep(0.02)
        assert alive(worker)
        supervisor.kill()
    until = time.monotonic() + 5
    while alive(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(worker)


@pytest.mark.parametrize(("used_mb", "often"), [(100.0, False), (150.0, True)])
def test_memory_is_looked_at_often_only_near_its_limit(
    used_mb: float, often: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    looks: list[int] = []
    monkeypatch.setattr(process, "resident_mb", lambda pid: looks.append(pid) or used_mb)
    watched = process.Process(["sleep", "60"], log=tmp_path / "log", limits=Limits(memory_mb=200.0))
    for _ in range(20):
        watched.poll()
    watched.stop()
    while watched.poll() is None:
        time.sleep(0.01)
    assert len(looks) == 20 if often else len(looks) < 10


def test_memory_of_children_counts():
    with subprocess.Popen(
        [sys.executable, "-c", "x = b'x' * 100_000_000; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert resident_mb(child.pid) > 95
        child.kill()


class TestLines:
    def test_any_cut_gives_the_same_lines(self):
        text = b'{"event": "Checkpoint", "step": 5, "path": "x"}\nplain\n'
        for cut in range(len(text)):
            lines = Lines()
            assert [*lines.feed(text[:cut]), *lines.feed(text[cut:])] == text.split(b"\n")[:-1]

    def test_an_endless_line_is_dropped(self):
        lines = Lines()
        for _ in range(6):
            assert lines.feed(b"x" * (LONGEST_LINE // 4)) == []
        assert lines.feed(b"\nnext\n")[-1] == b"next"

    @pytest.mark.parametrize("line", [b"[1]", b"{}", b'{"event": []}', b"\xff\xfe", b"[" * 5000, b'{"event": "Event"}'])
    def test_nonsense_is_text(self, line: bytes):
        said = read_line(line)
        assert said.event is None and not said.last and said.text

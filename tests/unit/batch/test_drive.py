"""A batch with fake workers: who is tried again, who is given up, what stays when everything is killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from head3d.batch.drive import Policy, Summary, drive, open_entry
from head3d.batch.ledger import Entry, Failure, Ledger
from head3d.batch.plan import read_plan
from head3d.batch.run import run_batch
from head3d.batch.show import line_of
from head3d.errors import SubjectBusy
from head3d.events import JobEnd
from head3d.jobs.process import Limits, worker_environment
from head3d.jobs.slots import Slot
from tests.unit.jobs.workers import fake_command

SLOTS = tuple(Slot(index, 1) for index in range(4))
CONSENT = {"by": "Ada", "scope": "self"}
POISON = ("segfault-1", "hang-1", "refuse-1")


def photos(folder: Path, names: Sequence[str]) -> Path:
    """A folder of folders."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "a.jpg").write_bytes(name.encode())
    return folder


def batch(source: Path, out: Path, *, policy: Policy = Policy(), shard: str = "") -> Summary:
    return run_batch(
        source,
        out,
        overrides={"consent": CONSENT},
        slots=SLOTS,
        limits=Limits(seconds=6.0, memory_mb=200.0),
        policy=policy,
        command=fake_command,
        shard=shard,
        mode="quiet",
    )


def tries(out: Path, name: str) -> int:
    return int((out / "subjects" / name / "tries").read_text())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("head3d.batch.drive.PAUSE_S", 0.05)


def test_poison_is_isolated_and_the_others_are_done(tmp_path: Path):
    source = photos(tmp_path / "in", ["ok-1", "ok-2", *POISON, "hog-1"])
    summary = batch(source, tmp_path / "out")
    assert set(summary.done) == {"ok-1", "ok-2"} and set(summary.dead) == {*POISON, "hog-1"}
    assert summary.exit_code == 3
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())["subjects"]
    assert {name: one.get("ending") for name, one in told.items()} == {
        "ok-1": None,
        "ok-2": None,
        "segfault-1": "crashed",
        "hang-1": "timeout",
        "refuse-1": "failed",
        "hog-1": "memory",
    }
    assert tries(tmp_path / "out", "segfault-1") == 2, "one retry"
    assert tries(tmp_path / "out", "refuse-1") == 1, "photos do not get better"
    assert (tmp_path / "out" / "logs" / "hang-1.log").read_text().count("attempt") == 2


def test_the_manifest_tells_what_a_subject_did_not_who_was_killed_meanwhile(tmp_path: Path):
    crash, kill = Failure("crashed", "SIGSEGV", "crash"), Failure("crashed", "SIGKILL", "kill")
    lost = Failure("lost", "NodeDiedError", "node")
    item = read_plan(photos(tmp_path / "in", ["ada"]), overrides={"consent": CONSENT})
    told = []
    for index, failures in enumerate(((crash, crash), (crash, kill), (kill, crash), (lost, crash), (kill, kill))):
        ledger = Ledger(tmp_path / f"{index}")
        ledger.write("ada", Entry("key", state="dead", failures=failures))
        ledger.write_manifest(item)
        told.append(ledger.manifest.read_bytes())
    assert told[0] == told[1] == told[2] == told[3] and b"SIGSEGV" in told[0]
    assert b"SIGKILL" in told[4], "all that is known of it"


def test_a_crash_that_passes_is_tried_again(tmp_path: Path):
    source = photos(tmp_path / "in", ["flaky-1"])
    assert batch(source, tmp_path / "out", policy=Policy(retries=2)).done == ("flaky-1",)
    assert batch(source, tmp_path / "out2", policy=Policy(retries=1)).dead == ("flaky-1",)
    assert batch(source, tmp_path / "out2", policy=Policy(retries=1)).dead == ("flaky-1",), "stays given up"
    assert batch(source, tmp_path / "out2", policy=Policy(retry_dead=True)).done == ("flaky-1",)


def test_a_busy_subject_is_waited_for_and_costs_no_try(tmp_path: Path):
    source = photos(tmp_path / "in", ["busy-1"])
    assert batch(source, tmp_path / "out", policy=Policy(retries=0)).done == ("busy-1",)


def test_finished_work_is_not_done_twice_unless_its_files_are_gone(tmp_path: Path):
    source, out = photos(tmp_path / "in", ["ok-1", "ok-2"]), tmp_path / "out"
    batch(source, out)
    manifest = (out / "manifest.json").read_bytes()
    (out / "subjects" / "ok-2" / "head.bin").write_bytes(b"cut")
    batch(source, out)
    assert tries(out, "ok-1") == 1 and tries(out, "ok-2") == 2
    assert (out / "manifest.json").read_bytes() == manifest
    head = out / "subjects" / "ok-1" / "head.bin"
    head.write_bytes(head.read_bytes().replace(b"h", b"H"))  # the same size: only reading it tells
    batch(source, out)
    assert tries(out, "ok-1") == 1
    batch(source, out, policy=Policy(verify=True))
    assert tries(out, "ok-1") == 2 and (out / "manifest.json").read_bytes() == manifest


def test_new_photos_are_new_work(tmp_path: Path):
    source, out = photos(tmp_path / "in", ["ok-1"]), tmp_path / "out"
    batch(source, out)
    (source / "ok-1" / "a.jpg").write_bytes(b"another")
    batch(source, out)
    assert tries(out, "ok-1") == 2


def test_what_is_made_anew_is_no_longer_called_done(tmp_path: Path):
    """Stopped in the middle of the new work, the manifest would tell checksums of files that are being replaced."""
    source, out = photos(tmp_path / "in", ["ok-1", "ok-2"]), tmp_path / "out"
    batch(source, out)
    (source / "ok-1" / "a.jpg").write_bytes(b"another")
    shutil.rmtree(out / "subjects" / "ok-2")

    def stopped(*arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(source, out, overrides={"consent": CONSENT}, slots=SLOTS, command=stopped, mode="quiet")
    states = {name: one["state"] for name, one in json.loads((out / "manifest.json").read_text())["subjects"].items()}
    assert states == {"ok-1": "waiting", "ok-2": "done"}  # the second was not looked at yet
    with pytest.raises(KeyboardInterrupt):
        items = [item for item in read_plan(source, overrides={"consent": CONSENT}) if item.name == "ok-2"]
        drive(items, Ledger(out), slots=SLOTS, command=stopped)
    entry = Ledger(out).entry("ok-2")
    assert entry is not None and entry.state == "waiting" and entry.files == {}
    assert batch(source, out).done == ("ok-1", "ok-2")


def test_the_dead_that_are_taken_up_again_stay_so_after_a_kill(tmp_path: Path):
    source, out = photos(tmp_path / "in", ["flaky-1"]), tmp_path / "out"
    assert batch(source, out, policy=Policy(retries=0)).dead == ("flaky-1",)
    (item,) = read_plan(source, overrides={"consent": CONSENT})
    assert open_entry(item, Ledger(out), Policy(retry_dead=True)).state == "waiting"
    assert batch(source, out).done == ("flaky-1",)  # as was asked before the kill


def test_stops_starting_after_too_many_failures(tmp_path: Path):
    source = photos(tmp_path / "in", [f"refuse-{index:02d}" for index in range(20)])
    summary = batch(source, tmp_path / "out", policy=Policy(most_dead=2))
    assert 2 <= len(summary.dead) <= 6 and len(summary.waiting) == 20 - len(summary.dead)
    assert summary.exit_code == 3


def test_shards_share_a_folder_and_the_last_one_has_the_whole_manifest(tmp_path: Path):
    source = photos(tmp_path / "in", [f"ok-{index}" for index in range(5)])
    batch(source, tmp_path / "whole")
    for index in (2, 0, 1):
        assert batch(source, tmp_path / "out", shard=f"{index}/3").exit_code == 0
    assert (tmp_path / "out" / "manifest.json").read_bytes() == (tmp_path / "whole" / "manifest.json").read_bytes()


def test_a_second_supervisor_is_kept_out(tmp_path: Path):
    source = photos(tmp_path / "in", ["ok-1"])
    with Ledger(tmp_path / "out").locked(""), pytest.raises(SubjectBusy):
        batch(source, tmp_path / "out")


def test_every_event_is_in_the_log_with_its_subject(tmp_path: Path):
    batch(photos(tmp_path / "in", ["ok-1", "refuse-1"]), tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "events" / "all.jsonl").read_text().splitlines()]
    assert {line["job"] for line in lines} == {"ok-1", "refuse-1"}
    assert [line["event"] for line in lines if line["job"] == "ok-1"] == [
        "JobStart",
        "StageStart",
        "StageDone",
        "JobEnd",
    ]


DRIVER = """
import sys
from pathlib import Path
from head3d.batch.run import run_batch
from head3d.jobs.process import Limits
from head3d.jobs.slots import Slot
from tests.unit.jobs.workers import fake_command

run_batch(Path(sys.argv[1]), Path(sys.argv[2]), overrides={"consent": {"by": "Ada", "scope": "self"}},
          slots=tuple(Slot(i, 1) for i in range(4)), limits=Limits(seconds=6.0), command=fake_command, mode="quiet")
"""


def test_manifest_is_the_same_after_kills_of_driver_and_workers(tmp_path: Path):
    names = [*(f"slow-{index:02d}" for index in range(12)), "segfault-1", "hang-1"]
    source = photos(tmp_path / "in", names)
    batch(source, tmp_path / "calm")
    out, chance = tmp_path / "out", random.Random(0)
    environment = worker_environment({})
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(source), str(out)], env=environment, stderr=subprocess.DEVNULL
        ) as driver:
            time.sleep(0.6 + chance.random())
            driver.kill()
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(source), str(out)], env=environment) as driver:
        deadline = time.monotonic() + 20  # now a worker, while it works
        while time.monotonic() < deadline and driver.poll() is None:
            children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
            if children:
                os.kill(int(children[0]), signal.SIGKILL)
                break
            time.sleep(0.02)
    assert driver.returncode == 0
    calm = json.loads((tmp_path / "calm" / "manifest.json").read_text())
    assert calm["counts"] == {"done": 12, "dead": 2, "waiting": 0}
    assert (out / "manifest.json").read_bytes() == (tmp_path / "calm" / "manifest.json").read_bytes()


def test_how_long_a_try_took_does_not_read_as_when_the_next_one_is():
    said = line_of(JobEnd("Ada", "waiting", 46.0, why="the process ended with SIGSEGV"))
    assert said == "Ada: the process ended with SIGSEGV; to be tried again (it took 46 s)"
    assert line_of(JobEnd("Ada", "dead", 0.0, why="as before")) == "Ada: as before; given up"

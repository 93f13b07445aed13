"""The queue on disk: what it promises is there after a crash, in a fair order, once."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from head3d.errors import FormatTooNew
from head3d.jobs.process import worker_environment
from head3d.jobs.spec import JobSpec
from head3d.serve.ledger import Ledger
from head3d.serve.rows import Gone, JobRow, QueueFull
from head3d.subject import Consent

CONSENT = Consent("Ada", "2026-01-02", "self")


def subject(ledger: Ledger, tenant: str) -> str:
    return ledger.add_subject(tenant, "", CONSENT, most=100).id


def job(ledger: Ledger, tenant: str, whose: str, **more: object) -> JobRow:
    limits = {"most_waiting": 100, "most_of_tenant": 100, **more}
    return ledger.add_job(tenant, whose, "run", JobSpec("x"), **limits)[0]  # type: ignore[arg-type]


def test_tenants_take_turns_and_a_subject_has_one_job_at_a_time(tmp_path: Path):
    ledger = Ledger(tmp_path / "db")
    ada = [subject(ledger, "ada") for _ in range(2)]
    bob = subject(ledger, "bob")
    a1, a1_again, a2, b1 = (
        job(ledger, *one) for one in (("ada", ada[0]), ("ada", ada[0]), ("ada", ada[1]), ("bob", bob))
    )
    assert ledger.ahead_of(b1) == 3
    taken = [found.id for found in (ledger.take(), ledger.take(), ledger.take()) if found]
    assert taken == [a1.id, b1.id, a2.id], "bob does not wait behind all of ada's"
    assert ledger.take() is None, "the first subject is being worked on"
    ledger.settle(a1.id, "done", failures=0, result={"files": {}})
    following = ledger.take()
    assert following is not None and following.id == a1_again.id


def test_a_restart_gives_back_what_was_running_at_its_place(tmp_path: Path):
    ledger = Ledger(tmp_path / "db")
    first, second = (job(ledger, "ada", subject(ledger, "ada")) for _ in range(2))
    ledger.take()
    ledger.close()
    ledger = Ledger(tmp_path / "db")
    assert ledger.recover() == 1 and ledger.counts() == {"waiting": 2}
    found = ledger.take()
    assert found is not None and found.id == first.id and found.failures == 0 and second.number > first.number


def test_a_cancelled_job_stays_cancelled_through_a_crash(tmp_path: Path):
    ledger = Ledger(tmp_path / "db")
    one = job(ledger, "ada", subject(ledger, "ada"))
    ledger.take()
    ledger.cancel(one.id)
    assert ledger.to_stop() == [one.id]
    ledger.recover()
    assert ledger.counts() == {"cancelled": 1}


def test_what_was_promised_is_there_after_kill_9(tmp_path: Path):
    script = f"""
from pathlib import Path
from head3d.jobs.spec import JobSpec
from head3d.serve.ledger import Ledger
from head3d.subject import Consent
ledger = Ledger(Path({str(tmp_path / "db")!r}))
for index in range(100000):
    owner = ledger.add_subject("ada", "", Consent("Ada", "", ""), most=10**6).id
    made, _ = ledger.add_job("ada", owner, "run", JobSpec("x"), most_waiting=10**6, most_of_tenant=10**6)
    print(made.id, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=worker_environment({})
    ) as child:
        assert child.stdout is not None
        promised = [child.stdout.readline().strip() for _ in range(40)]
        child.kill()
        promised += [line for line in child.stdout.read().splitlines() if len(line) == len(promised[0])]
    ledger = Ledger(tmp_path / "db")
    kept = {one.id for one in ledger.jobs("ada", limit=10**6)}
    assert len(promised) >= 40 and set(promised) <= kept


def test_no_job_for_a_subject_that_goes(tmp_path: Path):
    ledger = Ledger(tmp_path / "db")
    whose = subject(ledger, "ada")
    waiting = job(ledger, "ada", whose)
    ledger.mark_deleting(whose)
    with pytest.raises(Gone):
        job(ledger, "ada", whose)
    assert ledger.take() is None and ledger.job("ada", waiting.id) is not None
    assert ledger.forget(whose) and ledger.job("ada", waiting.id) is None


def test_bounds_hold(tmp_path: Path):
    ledger = Ledger(tmp_path / "db")
    whose = subject(ledger, "ada")
    job(ledger, "ada", whose)
    with pytest.raises(QueueFull):
        job(ledger, "ada", whose, most_waiting=1)
    with pytest.raises(QueueFull):
        job(ledger, "ada", whose, most_of_tenant=1)


def test_a_newer_ledger_is_not_touched(tmp_path: Path):
    Ledger(tmp_path / "db").close()
    with sqlite3.connect(tmp_path / "db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(FormatTooNew):
        Ledger(tmp_path / "db")

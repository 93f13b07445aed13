"""The server's memory: subjects, photos, jobs. Everything asked for a tenant is answered for that tenant only."""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from head3d.jobs.spec import JobSpec
from head3d.serve.rows import (
    OPEN,
    Gone,
    JobRow,
    KeyReused,
    OverQuota,
    PhotoRow,
    QueueFull,
    State,
    SubjectRow,
    job_row,
    subject_row,
)
from head3d.serve.schema import open_database
from head3d.subject import Consent


def new_id(prefix: str) -> str:
    """A name nobody can guess."""
    return f"{prefix}_{secrets.token_hex(10)}"


class Ledger:
    """One connection to the ledger: for one thread."""

    def __init__(self, path: Path) -> None:
        self._db = open_database(path)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _rows(self, text: str, *values: Any) -> list[sqlite3.Row]:
        return self._db.execute(text, values).fetchall()

    def _number(self, text: str, *values: Any) -> int:
        return int(self._db.execute(text, values).fetchone()[0] or 0)

    def _earlier(self, tenant: str, key: str, request: str) -> str:
        """What an earlier request with this idempotency key made, or ""."""
        for row in self._rows("SELECT request, made FROM idempotency WHERE tenant=? AND key=?", tenant, key):
            if row["request"] != request:
                raise KeyReused("This idempotency key was used for another request.", hint="Use a new key.")
            return row["made"]
        return ""

    def _require(self, subject: str) -> None:
        if not self._number("SELECT count(*) FROM subjects WHERE id=? AND deleting=0", subject):
            raise Gone("There is no such subject.")

    # subjects and photos

    def add_subject(
        self, tenant: str, label: str, consent: Consent, *, most: int, key: str = "", request: str = ""
    ) -> SubjectRow:
        """A new subject, or that of an earlier request with the same idempotency key.

        Args:
            tenant: Whose.
            label: What they call it.
            consent: Who agreed.
            most: Subjects the tenant may have.
            key: Idempotency key, or "".
            request: Fingerprint of the request, to tell a repetition.
        """
        now, identity = time.time(), new_id("sub")
        with self._change() as db:
            earlier = self._earlier(tenant, key, request)
            if earlier and (found := self.subject(tenant, earlier)):
                return found
            if self.count_subjects(tenant) >= most:
                raise OverQuota(f"You have {most} subjects.", hint="Delete one.")
            values = (identity, tenant, label, consent.by, consent.date, consent.scope, now, now)
            db.execute("INSERT INTO subjects VALUES (?,?,?,?,?,?,?,?,0)", values)
            if key:
                db.execute("INSERT INTO idempotency VALUES (?,?,?,?,?,?)", (tenant, key, request, *[identity] * 2, now))
        return SubjectRow(identity, tenant, label, consent, now, now, False)

    def subject(self, tenant: str, identity: str) -> SubjectRow | None:
        """A tenant's subject that is not being deleted."""
        found = self._rows("SELECT * FROM subjects WHERE id=? AND tenant=? AND deleting=0", identity, tenant)
        return subject_row(found[0]) if found else None

    def subjects(self, tenant: str, *, limit: int, after: str = "") -> list[SubjectRow]:
        """A tenant's subjects by id."""
        text = "SELECT * FROM subjects WHERE tenant=? AND deleting=0 AND id>? ORDER BY id LIMIT ?"
        return [subject_row(row) for row in self._rows(text, tenant, after, limit)]

    def count_subjects(self, tenant: str) -> int:
        """How many a tenant has."""
        return self._number("SELECT count(*) FROM subjects WHERE tenant=?", tenant)

    def touch(self, subject: str) -> None:
        """Somebody used a subject: its retention starts anew."""
        with self._change() as db:
            db.execute("UPDATE subjects SET touched=? WHERE id=?", (time.time(), subject))

    def add_photo(self, subject: str, photo: PhotoRow) -> None:
        """A photo that lies in its place already; the same content again changes nothing."""
        with self._change() as db:
            self._require(subject)
            values = (photo.id, subject, photo.file, photo.sha256, photo.bytes, photo.width, photo.height, photo.kind)
            db.execute("INSERT OR IGNORE INTO photos VALUES (?,?,?,?,?,?,?,?,?)", (*values, photo.created))
            db.execute("UPDATE subjects SET touched=? WHERE id=?", (time.time(), subject))

    def photos(self, subject: str) -> list[PhotoRow]:
        """A subject's photos, in the order they came."""
        text = "SELECT id, file, sha256, bytes, width, height, kind, created FROM photos WHERE subject=?"
        return [PhotoRow(**dict(row)) for row in self._rows(f"{text} ORDER BY created, id", subject)]

    def remove_photo(self, subject: str, identity: str) -> None:
        """Forget a photo."""
        with self._change() as db:
            db.execute("DELETE FROM photos WHERE subject=? AND id=?", (subject, identity))

    # jobs

    def add_job(
        self,
        tenant: str,
        subject: str,
        kind: str,
        spec: JobSpec,
        *,
        most_waiting: int,
        most_of_tenant: int,
        key: str = "",
        request: str = "",
    ) -> tuple[JobRow, bool]:
        """Put a job into the queue. Once this returns, no crash loses it.

        Args:
            tenant: Who asks.
            subject: The subject's id.
            kind: "run" or "render".
            spec: What is to be done.
            most_waiting: Jobs that may wait, of everybody.
            most_of_tenant: Jobs of the tenant that may wait or run.
            key: Idempotency key, or "".
            request: Fingerprint of the request, to tell a repetition.

        Returns:
            The job, and False if it is that of an earlier request with the same key.
        """
        with self._change() as db:
            earlier = self._earlier(tenant, key, request)
            if earlier and (found := self.job(tenant, earlier)):
                return found, False
            self._require(subject)
            waiting = self._number("SELECT count(*) FROM jobs WHERE state='waiting'")
            own = self._number("SELECT count(*) FROM jobs WHERE tenant=? AND state IN ('waiting','running')", tenant)
            if waiting >= most_waiting:
                raise QueueFull(f"{waiting} jobs are waiting.", hint="Try again later.")
            if own >= most_of_tenant:
                raise QueueFull(f"You have {own} jobs that wait or run.", hint="Wait for one to end.")
            number, identity, now = self._number("SELECT max(number) FROM jobs") + 1, new_id("job"), time.time()
            text = "INSERT INTO jobs (id, number, tenant, subject, kind, spec, state, created) VALUES (?,?,?,?,?,?,?,?)"
            plain = json.dumps(spec.plain(), ensure_ascii=False)
            db.execute(text, (identity, number, tenant, subject, kind, plain, "waiting", now))
            if key:
                db.execute(
                    "INSERT INTO idempotency VALUES (?,?,?,?,?,?)", (tenant, key, request, identity, subject, now)
                )
            db.execute("UPDATE subjects SET touched=? WHERE id=?", (now, subject))
        made = self.job(tenant, identity)
        assert made is not None
        return made, True

    def answered(self, tenant: str, key: str, request: str) -> JobRow | None:
        """The job of an earlier request with this idempotency key, if there was one."""
        earlier = self._earlier(tenant, key, request)
        return self.job(tenant, earlier) if earlier else None

    def job(self, tenant: str, identity: str) -> JobRow | None:
        """A tenant's job."""
        found = self._rows("SELECT * FROM jobs WHERE id=? AND tenant=?", identity, tenant)
        return job_row(found[0]) if found else None

    def jobs(self, tenant: str, *, subject: str = "", limit: int = 50, before: int | None = None) -> list[JobRow]:
        """A tenant's jobs, the newest first."""
        text = "SELECT * FROM jobs WHERE tenant=? AND (?='' OR subject=?) AND (? IS NULL OR number<?)"
        rows = self._rows(f"{text} ORDER BY number DESC LIMIT ?", tenant, subject, subject, before, before, limit)
        return [job_row(row) for row in rows]

    def ahead_of(self, job: JobRow) -> int:
        """Jobs that wait before this one."""
        return self._number("SELECT count(*) FROM jobs WHERE state='waiting' AND number<?", job.number)

    def cancel(self, identity: str) -> None:
        """Have a job end: at once if it waits, else when its process is stopped."""
        with self._change() as db:
            now = time.time()
            db.execute("UPDATE jobs SET state='cancelled', ended=? WHERE id=? AND state='waiting'", (now, identity))
            db.execute("UPDATE jobs SET cancel=1 WHERE id=? AND state='running'", (identity,))

    def cancel_all_of(self, subject: str) -> None:
        """Have all jobs of a subject end."""
        for row in self._rows("SELECT id FROM jobs WHERE subject=? AND state IN ('waiting','running')", subject):
            self.cancel(row["id"])

    def is_running(self, subject: str) -> bool:
        """True while a process works on a subject."""
        return self._number("SELECT count(*) FROM jobs WHERE subject=? AND state='running'", subject) > 0

    # for the runner

    def take(self) -> JobRow | None:
        """The next job to run, now marked as running: of the tenant with the fewest running, the oldest; and of a
        subject one at a time, in the order they came."""
        text = """
            SELECT j.* FROM jobs j JOIN subjects s ON s.id = j.subject
            WHERE j.state = 'waiting' AND s.deleting = 0
              AND NOT EXISTS (SELECT 1 FROM jobs b WHERE b.subject = j.subject AND b.state = 'running')
            ORDER BY (SELECT count(*) FROM jobs r WHERE r.tenant = j.tenant AND r.state = 'running'), j.number
            LIMIT 1"""
        with self._change() as db:
            found = self._rows(text)
            if not found:
                return None
            db.execute("UPDATE jobs SET state='running', started=? WHERE id=?", (time.time(), found[0]["id"]))
        return job_row(self._rows("SELECT * FROM jobs WHERE id=?", found[0]["id"])[0])

    def settle(
        self,
        identity: str,
        state: State,
        *,
        failures: int,
        error: Mapping[str, str] | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """Note how a try ended; "waiting" to try again."""
        told = (json.dumps(dict(error or {}), ensure_ascii=False), json.dumps(dict(result or {}), ensure_ascii=False))
        ended = None if state in OPEN else time.time()
        with self._change() as db:
            text = "UPDATE jobs SET state=?, failures=?, error=?, result=?, ended=?, cancel=0 WHERE id=?"
            db.execute(text, (state, failures, *told, ended, identity))

    def to_stop(self) -> list[str]:
        """Running jobs that are to be stopped."""
        return [row["id"] for row in self._rows("SELECT id FROM jobs WHERE state='running' AND cancel=1")]

    def recover(self) -> int:
        """After a start: what ran when the last server ended waits again, at its old place. Returns how many."""
        with self._change() as db:
            db.execute("UPDATE jobs SET state='cancelled', ended=? WHERE state='running' AND cancel=1", (time.time(),))
            return db.execute("UPDATE jobs SET state='waiting', started=NULL WHERE state='running'").rowcount

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        return {row[0]: row[1] for row in self._rows("SELECT state, count(*) FROM jobs GROUP BY state")}

    def mean_seconds(self) -> float:
        """How long the last jobs took; a minute if there were none."""
        text = "SELECT ended - started FROM jobs WHERE state='done' ORDER BY number DESC LIMIT 20"
        taken = [float(row[0]) for row in self._rows(text) if row[0] is not None]
        return sum(taken) / len(taken) if taken else 60.0

    # deleting

    def mark_deleting(self, subject: str) -> None:
        """From here on a subject is nobody's: what is left is deleted now, or after the next start."""
        with self._change() as db:
            db.execute("UPDATE subjects SET deleting=1 WHERE id=?", (subject,))

    def to_delete(self) -> list[SubjectRow]:
        """Subjects whose deletion was begun."""
        return [subject_row(row) for row in self._rows("SELECT * FROM subjects WHERE deleting=1")]

    def older_than(self, moment: float) -> list[SubjectRow]:
        """Subjects nobody touched since, with no open job."""
        text = """SELECT * FROM subjects s WHERE touched<? AND deleting=0 AND NOT EXISTS
            (SELECT 1 FROM jobs j WHERE j.subject=s.id AND j.state IN ('waiting','running'))"""
        return [subject_row(row) for row in self._rows(text, moment)]

    def forget(self, subject: str) -> bool:
        """Delete every row of a subject, and empty the write-ahead log, which still has the old pages.

        Returns:
            True if the log is empty; False while somebody reads: call again.
        """
        with self._change() as db:
            db.execute("DELETE FROM subjects WHERE id=?", (subject,))
        busy = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
        return not busy

    def forget_keys(self, older_than: float) -> None:
        """Idempotency keys serve for a day."""
        with self._change() as db:
            db.execute("DELETE FROM idempotency WHERE created<?", (older_than,))

    def check(self) -> None:
        """Raise sqlite3.Error if nothing can be written."""
        with self._change() as db:
            db.execute("UPDATE subjects SET touched=touched WHERE id=''")

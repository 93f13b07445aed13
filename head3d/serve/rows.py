"""What the server's ledger gives out: rows as frozen dataclasses, and the reasons to refuse."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from head3d.errors import Head3DError
from head3d.subject import Consent

State = Literal["waiting", "running", "done", "dead", "cancelled"]
OPEN = ("waiting", "running")


class QueueFull(Head3DError):
    """No more jobs are taken now."""


class Gone(Head3DError):
    """A subject that was deleted while a request was under way."""


class OverQuota(Head3DError):
    """A tenant has as much as it may have."""


class KeyReused(Head3DError):
    """An idempotency key came again with another request."""


@dataclass(frozen=True)
class SubjectRow:
    """A subject."""

    id: str
    tenant: str
    label: str
    consent: Consent
    created: float
    touched: float
    deleting: bool


@dataclass(frozen=True)
class PhotoRow:
    """An uploaded photo."""

    id: str
    file: str
    sha256: str
    bytes: int
    width: int
    height: int
    kind: str
    created: float


@dataclass(frozen=True)
class JobRow:
    """A job. ``error`` has kind, message and hint; ``result`` what the worker told."""

    id: str
    number: int
    tenant: str
    subject: str
    kind: str
    spec: str
    state: State
    cancel: bool
    failures: int
    created: float
    started: float | None
    ended: float | None
    error: Mapping[str, str]
    result: Mapping[str, Any]


def subject_row(row: sqlite3.Row) -> SubjectRow:
    """A row of the table of subjects."""
    consent = Consent(row["consent_by"], row["consent_date"], row["consent_scope"])
    deleting = bool(row["deleting"])
    return SubjectRow(row["id"], row["tenant"], row["label"], consent, row["created"], row["touched"], deleting)


def job_row(row: sqlite3.Row) -> JobRow:
    """A row of the table of jobs."""
    fields = dict(row)
    fields["cancel"] = bool(fields["cancel"])
    fields["error"] = json.loads(fields["error"] or "{}")
    fields["result"] = json.loads(fields["result"] or "{}")
    return JobRow(**fields)

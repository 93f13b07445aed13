"""The tables of the server's ledger, and how its file is opened.

SQLite in WAL mode: a killed server leaves either all of a transaction or nothing. ``secure_delete`` overwrites what is
deleted with zeros, so that a deleted person's name is in no page of the file.
"""

import sqlite3
from pathlib import Path

from head3d import store
from head3d.errors import FormatTooNew, StorageError

FORMAT_VERSION = 1
TABLES = """
CREATE TABLE IF NOT EXISTS subjects (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, label TEXT NOT NULL, consent_by TEXT NOT NULL, consent_date TEXT NOT NULL,
  consent_scope TEXT NOT NULL, created REAL NOT NULL, touched REAL NOT NULL, deleting INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS subjects_of_tenant ON subjects (tenant, created);
CREATE TABLE IF NOT EXISTS photos (
  id TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES subjects (id) ON DELETE CASCADE, file TEXT NOT NULL,
  sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, kind TEXT NOT NULL,
  created REAL NOT NULL, UNIQUE (subject, sha256));
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, tenant TEXT NOT NULL,
  subject TEXT NOT NULL REFERENCES subjects (id) ON DELETE CASCADE, kind TEXT NOT NULL, spec TEXT NOT NULL,
  state TEXT NOT NULL, cancel INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL,
  started REAL, ended REAL, error TEXT NOT NULL DEFAULT '', result TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
CREATE INDEX IF NOT EXISTS jobs_of_subject ON jobs (subject, number);
CREATE TABLE IF NOT EXISTS idempotency (
  tenant TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, made TEXT NOT NULL, subject TEXT NOT NULL REFERENCES
  subjects (id) ON DELETE CASCADE, created REAL NOT NULL, PRIMARY KEY (tenant, key));
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the ledger, and make it if it is not there; one connection for each thread that uses it at a time."""
    store.make_folder(path.parent)
    try:
        database = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        database.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            database.execute(f"PRAGMA {pragma}").fetchall()
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > FORMAT_VERSION:
            raise FormatTooNew(f"{path} has format version {version}.", hint="Update head3d.")
        if version < FORMAT_VERSION:
            database.executescript(TABLES)
            database.execute(f"PRAGMA user_version={FORMAT_VERSION}")
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be opened: {error}.", hint="Check the folder and its disk.") from error
    path.chmod(0o600)
    return database

"""What is done of a batch: one small file per subject, written whole or not at all, and a manifest of all.

    OUT/subjects/NAME/       the subject folder
    OUT/ledger/NAME.json     its state, the failures that were seen, the files it made
    OUT/jobs/NAME.json       what its worker was told
    OUT/logs/NAME.log        what its worker said
    OUT/manifest.json        names, states and checksums; nothing that differs between two runs of the same work

A failure is written down after the supervisor saw it, never before the work: whoever kills the batch makes no subject
look bad.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from head3d import store
from head3d.batch.plan import Item
from head3d.errors import CorruptPart
from head3d.jobs.process import BUSY, FINAL, Outcome
from head3d.records import from_plain

FORMAT_VERSION = 1
State = Literal["waiting", "done", "dead"]
MOST_LOST = 5
"""Machines that may vanish under one subject before it is held to be the reason."""


@dataclass(frozen=True)
class Failure:
    """One failure the supervisor saw."""

    ending: str
    kind: str
    message: str


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of one subject.

    Attributes:
        key: Of the work (see :meth:`head3d.batch.plan.Item.key`).
        state: ``dead`` is given up.
        failures: All that were seen under this key.
        files: Checksum by path below the subject folder, as the worker told it.
        sizes: Bytes of those files, to see that they are still there.
        seconds: The last try took.
        peak_rss_mb: Of the last try.
    """

    key: str
    state: State = "waiting"
    failures: tuple[Failure, ...] = ()
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    peak_rss_mb: float = 0.0

    def after(self, outcome: Outcome, *, subject: Path, retries: int) -> "Entry":
        """The entry once a try has ended."""
        same = replace(self, seconds=outcome.seconds, peak_rss_mb=outcome.peak_rss_mb)
        if outcome.ending == "done":
            files = dict(outcome.result.get("files", {}))
            return replace(same, state="done", files=files, sizes={name: _size(subject / name) for name in files})
        if outcome.ending == "stopped" or outcome.kind == BUSY:
            return same
        failures = (*self.failures, Failure(outcome.ending, outcome.kind, outcome.message))
        lost = sum(one.ending == "lost" for one in failures)
        spent = len(failures) - lost > retries or lost > MOST_LOST
        final = spent or (outcome.ending == "failed" and outcome.kind in FINAL)
        return replace(same, state="dead" if final else "waiting", failures=failures)


@dataclass(frozen=True)
class Ledger:
    """The folder of a batch."""

    out: Path

    def subject(self, name: str) -> Path:
        """The subject folder of one."""
        return self.out / "subjects" / name

    def log(self, name: str) -> Path:
        """What its worker said."""
        return self.out / "logs" / f"{name}.log"

    def cache(self, name: str) -> Path:
        """Photos that were fetched for one, while it is not done."""
        return self.out / "fetched" / name

    def job(self, name: str) -> Path:
        """What its worker is told."""
        return self.out / "jobs" / f"{name}.json"

    @property
    def manifest(self) -> Path:
        """Names, states and checksums of all."""
        return self.out / "manifest.json"

    def read(self, name: str, key: str) -> Entry:
        """What is known of a subject under a key; a fresh entry if that is nothing."""
        entry = self.entry(name)
        return entry if entry is not None and entry.key == key else Entry(key)

    def entry(self, name: str) -> Entry | None:
        """What is known of a subject under whatever key; None if nothing, or if the file was damaged."""
        path = self.out / "ledger" / f"{name}.json"
        if not path.is_file():
            return None
        try:
            payload = store.read_json(path, kind="head3d.batch.entry", version=FORMAT_VERSION)
            return from_plain(Entry, payload.get("entry"), where=str(path))
        except CorruptPart:
            return None  # the work is done again

    def write(self, name: str, entry: Entry) -> None:
        """Note a subject's state."""
        path = self.out / "ledger" / f"{name}.json"
        store.write_json(path, {"entry": asdict(entry)}, kind="head3d.batch.entry", version=FORMAT_VERSION)

    def is_whole(self, name: str, entry: Entry, *, verify: bool = False) -> bool:
        """True if the files of a finished subject are there: with their sizes, or with their content if ``verify``."""
        folder = self.subject(name)
        if any(size < 0 or _size(folder / file) != size for file, size in entry.sizes.items()):
            return False
        return not verify or all(_same_content(folder / file, told) for file, told in entry.files.items())

    def write_manifest(self, items: Sequence[Item]) -> Mapping[str, int]:
        """Write the manifest of all subjects from the ledger, whichever shard made them.

        Returns:
            How many there are in each state.
        """
        with self._one_writer():
            entries = {item.name: self.entry(item.name) or Entry("") for item in items}
            told = {name: _for_manifest(entry) for name, entry in sorted(entries.items())}
            counts = {
                state: sum(one["state"] == state for one in told.values()) for state in ("done", "dead", "waiting")
            }
            payload = {"counts": counts, "subjects": told}
            store.write_json(self.manifest, payload, kind="head3d.batch.manifest", version=FORMAT_VERSION)
        return counts

    @contextmanager
    def locked(self, shard: str) -> Iterator[None]:
        """Keep a second supervisor of the same shard out; SubjectBusy names the process that is in."""
        folder = self.out / "locks" / (shard.replace("/", "-of-") or "all")
        with store.locked(folder, what=f"{self.out}{f' (shard {shard})' if shard else ''}"):
            yield

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        """Shards that end together write one after the other, so that the last manifest has everything."""
        store.make_folder(self.out / "locks")
        handle = os.open(self.out / "locks" / "manifest", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _for_manifest(entry: Entry) -> dict[str, Any]:
    if entry.state == "done":
        return {"state": "done", "key": entry.key, "files": dict(sorted(entry.files.items()))}
    if entry.state == "dead":
        # how many there were depends on who was killed when; so does a kill or a lost node among them, which tells less
        # of the subject than what it did by itself
        own = [one for one in entry.failures if one.kind != "SIGKILL" and one.ending != "lost"]
        last = (own or entry.failures)[-1]
        return {"state": "dead", "key": entry.key, "ending": last.ending, "kind": last.kind, "message": last.message}
    return {"state": "waiting"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _same_content(path: Path, told: Mapping[str, str]) -> bool:
    from head3d.jobs.worker import pixels_sha256

    try:
        return told == (
            {"pixels_sha256": pixels_sha256(path)} if "pixels_sha256" in told else {"sha256": store.sha256_file(path)}
        )
    except (OSError, AssertionError):
        return False

"""Commands about a subject folder: status, delete, lock, unlock."""

import getpass
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.errors import ConfigError, InputError


@dataclass(frozen=True)
class Status:
    """What is done in a subject folder, from how many photos, in what time."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    json: bool = False
    """Print JSON."""


def status(words: Sequence[str]) -> int:
    from head3d.status import status_of, status_text

    options = parse(Status, "status", words)
    status = status_of(options.subject)
    print(json.dumps(status, indent=1, ensure_ascii=False) if options.json else status_text(status))
    return 0


@dataclass(frozen=True)
class Delete:
    """Erase a person: everything head3d made from their photos, and its copies of the photos; then look for copies."""

    subject: tyro.conf.Positional[Path]
    """The subject folder, locked or not."""
    yes: bool = False
    """Do not ask."""
    elsewhere: bool = False
    """Also delete what was exported or rendered to other places, where it is unchanged since."""
    json: bool = False
    """Print JSON: what was deleted, and what the search for copies found."""


def delete(words: Sequence[str]) -> int:
    from head3d.erasing import erase, erasure_text
    from head3d.records import to_plain
    from head3d.subject import Subject
    from head3d.vault import is_locked

    options = parse(Delete, "delete", words)
    subject = Subject(options.subject)
    if not is_locked(subject):
        subject.require()
    if not options.yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"{subject.path} was not deleted: nobody to ask.", hint="Confirm with --yes.")
        if input(f"Erase {subject.path} and everything made from these photos? [y/N] ").strip().lower() != "y":
            print("nothing deleted")
            return 1
    with subject.locked():
        found = erase(subject, elsewhere=options.elsewhere)
    print(json.dumps(to_plain(found), indent=1) if options.json else erasure_text(found))
    return 0


@dataclass(frozen=True)
class Lock:
    """Encrypt a subject folder at rest (age, by a passphrase)."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    passphrase_file: Path | None = None
    """Read the passphrase from the first line of this file instead of asking."""


def lock_command(words: Sequence[str]) -> int:
    from head3d.subject import Subject
    from head3d.vault import is_locked, lock

    options = parse(Lock, "lock", words)
    subject = Subject(options.subject)
    if not is_locked(subject):
        subject.require()
    passphrase = _passphrase(options.passphrase_file, twice=True)
    with subject.locked():
        place = lock(subject, passphrase)
    print(f"locked {subject.path}: {place.stat().st_size / 1e6:.1f} MB. Without the passphrase it is lost.")
    return 0


@dataclass(frozen=True)
class Unlock:
    """Decrypt a subject folder that `head3d lock` encrypted."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    passphrase_file: Path | None = None
    """Read the passphrase from the first line of this file instead of asking."""


def unlock_command(words: Sequence[str]) -> int:
    from head3d.subject import Subject
    from head3d.vault import is_locked, unlock

    options = parse(Unlock, "unlock", words)
    subject = Subject(options.subject)
    if not is_locked(subject):
        raise InputError(f"{subject.path} is not locked.", hint="head3d lock encrypts a subject folder.")
    passphrase = _passphrase(options.passphrase_file, twice=False)
    with subject.locked():
        unlock(subject, passphrase)
    print(f"unlocked {subject.path}")
    return 0


def _passphrase(file: Path | None, *, twice: bool) -> str:
    if file is not None:
        try:
            return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{file} cannot be read.", hint="Give a file whose first line is the passphrase."
            ) from error
    if not sys.stdin.isatty():
        raise ConfigError("There is nobody to ask for a passphrase.", hint="Give --passphrase-file FILE.")
    first = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Again: ") != first:
        raise ConfigError("These were two different passphrases.", hint="Try again.")
    return first

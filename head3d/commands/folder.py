"""Commands about a subject folder: status, delete."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.errors import ConfigError


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
    """Erase a person: everything head3d made from their photos, and its copies of the photos."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    yes: bool = False
    """Do not ask."""


def delete(words: Sequence[str]) -> int:
    from head3d.subject import Subject

    options = parse(Delete, "delete", words)
    subject = Subject(options.subject).require()
    if not options.yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"{subject.path} was not deleted: nobody to ask.", hint="Confirm with --yes.")
        if input(f"Erase {subject.path} and everything made from these photos? [y/N] ").strip().lower() != "y":
            print("nothing deleted")
            return 1
    with subject.locked():
        left = subject.delete()
    print(f"deleted {subject.path}" + (f", except {left[0].name} (not made by head3d)" if left else ""))
    return 0

"""A worker's JSON lines back into the typed events they were."""

import dataclasses
import json
from typing import Any, get_args

from head3d.events import Event

KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}
LONGEST_LINE = 4 * 1024 * 1024
"""Bytes; the result of a subject with hundreds of views is below one megabyte."""


@dataclasses.dataclass(frozen=True)
class Said:
    """One line of a worker: an event, or its last word (``Result`` or ``Failure``), or a line that is neither."""

    event: Event | None = None
    last: str = ""
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    text: str = ""


def read_line(line: bytes) -> Said:
    """Read one line; what is not one of ours comes back as text."""
    text = line.decode(errors="replace").rstrip("\n")
    try:
        fields = json.loads(text)
        name = fields.pop("event")
        fields.pop("time", None)
        if name in ("Result", "Failure"):
            return Said(last=name, fields=fields)
        kind = KINDS[name]
        known = {one.name for one in dataclasses.fields(kind)}
        return Said(event=kind(**{key: value for key, value in fields.items() if key in known}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Said(text=text)


class Lines:
    """Cuts a stream of bytes into lines; a line longer than ``LONGEST_LINE`` is dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
        return whole

"""Events of a job whose process runs on another node: they come through a file that the nodes share."""

from collections.abc import Callable
from pathlib import Path

from head3d.events import Event
from head3d.jobs.stream import Lines, read_line

Hear = Callable[[Event], None]


class Tail:
    """What was added to a file of JSON lines since the last look."""

    def __init__(self, path: Path, hear: Hear) -> None:
        """Begin a file: what is left of an earlier try goes away.

        Args:
            path: The file; nobody has to have made it.
            hear: Hears its events, within ``read``.
        """
        self.path, self._hear, self._offset, self._lines = path, hear, 0, Lines()
        self.remove()

    def read(self) -> None:
        """Pass on the events that are complete now."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self._offset)
                chunk = handle.read()
        except OSError:  # its task has not begun, or the shared folder does not answer: there is a next look
            return
        self._offset += len(chunk)
        for line in self._lines.feed(chunk):
            event = read_line(line).event
            if event is not None:
                self._hear(event)

    def remove(self) -> None:
        """Have no such file any more."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:  # events are told, not kept: no job fails for it
            pass

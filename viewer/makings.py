"""What the page has made in the background: one at a time, each in a folder whose json says what became of it."""

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import ConfigError, FormatError, Head3DError
from head3d.events import Emit, Notice, StageDone

from .render_loop import PRIORITY, Stopped, Turns


class Makings:
    """Sets, videos: begun, stopped, listed.

    Args:
        folder: Where they lie.
        turns: Who may compute.
        emit: Hears progress.
        stage: What one is called: the name of its json and of its progress.
        version: Of that json's format.
    """

    def __init__(self, folder: Path, turns: Turns, emit: Emit, *, stage: str, version: int) -> None:
        self.folder, self.turns, self.emit = folder, turns, emit
        self.stage, self.kind, self.version = stage, f"head3d.{stage}", version
        self.current = ""
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def cancel(self) -> None:
        """Stop at the next tile; what is finished stays."""
        self._stop.set()

    def all(self) -> list[dict[str, Any]]:
        """What is known of every one, the newest first."""
        found = []
        for path in sorted(self.folder.glob(f"*/{self.stage}.json"), reverse=True):
            try:
                payload = store.read_json(path, kind=self.kind, version=self.version)
            except FormatError:
                continue
            if payload["state"] == "working" and path.parent.name != self.current:
                payload["state"] = "interrupted"
            found.append({**payload, "id": path.parent.name})
        return found

    def take_turn(self) -> Any:
        """A turn to compute in, for as long as nobody cancels."""
        return self.turns.take(PRIORITY["set"], self._stop.is_set)

    def _begin(self, work: Callable[[str], None]) -> str:
        """Start ``work`` with a new id; ConfigError while another is at it."""
        with self._lock:
            if self.current:
                raise ConfigError(f"A {self.stage} is being made already.", hint="Wait for it, or cancel it.")
            self.current = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
            self._stop.clear()
        threading.Thread(target=work, args=(self.current,), name=self.stage, daemon=True).start()
        return self.current

    def _see_through(self, make: Callable[[], None], note: Callable[[str], None]) -> None:
        """Do the work and note what became of it."""
        started, state = time.monotonic(), "failed"
        try:
            make()
            state = "done"
        except Stopped:
            state = "cancelled"
        except Head3DError as error:
            self.emit(Notice(str(error), "warning"))
        finally:
            note(state)
            self.current = ""
            self.emit(StageDone(self.stage, time.monotonic() - started))

    def _write_note(self, ident: str, payload: dict[str, Any]) -> None:
        store.write_json(self.folder / ident / f"{self.stage}.json", payload, kind=self.kind, version=self.version)

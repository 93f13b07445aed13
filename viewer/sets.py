"""Sets: picks made into finished pictures, through finish and gate, in the background; each in a folder of its own.

``exports/sets/<id>/`` holds the pictures, ``looks.json`` (``head3d render --views`` makes the same from it) and
``set.json``, which says what became of every look. A server that is killed leaves what was finished.
"""

import io
import secrets
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import ConfigError, FormatError, Head3DError
from head3d.events import Emit, Notice, Progress, StageDone, StageStart
from head3d.looks import Look, write_looks
from head3d.render_looks import Shot, shoot, stems, write_shot
from head3d.studio import Studio

from .render_loop import PRIORITY, Stopped, Turns

KIND, VERSION = "head3d.set", 1
SIZES = (64, 2048)


class SetMaker:
    """Makes one set at a time."""

    def __init__(self, folder: Path, turns: Turns, emit: Emit) -> None:
        self.folder, self.turns, self.emit = folder, turns, emit
        self.current = ""
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def start(self, studio: Studio, looks: Sequence[Look], *, size: int, ids: Sequence[str] = ()) -> str:
        """Begin a set; its id. ConfigError while another is being made."""
        if not looks:
            raise ConfigError("There are no picks to make.", hint="Keep at least one picture first.")
        if not SIZES[0] <= size <= SIZES[1]:
            raise ConfigError(f"A size of {size} px is not made here.", hint=f"Use {SIZES[0]} to {SIZES[1]}.")
        with self._lock:
            if self.current:
                raise ConfigError("A set is being made already.", hint="Wait for it, or cancel it.")
            self.current = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
            self._stop.clear()
        threading.Thread(
            target=self._work, args=(studio, self.current, list(looks), size, list(ids)), name="set", daemon=True
        ).start()
        return self.current

    def cancel(self) -> None:
        """Stop at the next tile; what is finished stays."""
        self._stop.set()

    def all(self) -> list[dict[str, Any]]:
        """What is known of every set, the newest first."""
        found = []
        for path in sorted(self.folder.glob("*/set.json"), reverse=True):
            try:
                payload = store.read_json(path, kind=KIND, version=VERSION)
            except FormatError:
                continue
            if payload["state"] == "working" and path.parent.name != self.current:
                payload["state"] = "interrupted"
            found.append({**payload, "id": path.parent.name})
        return found

    def picture(self, ident: str, name: str) -> Path:
        """A delivered or refused picture of a set; ConfigError for any other name."""
        for one in self._known(ident)["shots"]:
            if one["file"] == name:
                return self.folder / ident / name
        raise ConfigError("There is no such picture.", hint="Render the set again.")

    def archive(self, ident: str) -> bytes:
        """The delivered pictures of a set as a zip, with the looks they were made from."""
        shots = self._known(ident)["shots"]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for one in shots:
                if one["level"] != "refused":
                    archive.write(self.folder / ident / one["file"], one["file"])
            archive.write(self.folder / ident / "looks.json", "looks.json")
        return packed.getvalue()

    def _known(self, ident: str) -> dict[str, Any]:
        for one in self.all():
            if one["id"] == ident:
                return one
        raise ConfigError("There is no such set.", hint="Render it again.")

    def _work(self, studio: Studio, ident: str, looks: list[Look], size: int, ids: list[str]) -> None:
        place, started = self.folder / ident, time.monotonic()
        shots: list[dict[str, Any]] = []
        state = "working"

        def note() -> None:
            payload = {"state": state, "size": size, "count": len(looks), "shots": shots, "picks": ids}
            store.write_json(place / "set.json", payload, kind=KIND, version=VERSION)

        try:
            store.make_folder(place)
            write_looks(place / "looks.json", looks)
            note()
            self.emit(StageStart("set", len(looks)))
            making = shoot(
                studio,
                looks,
                size=size,
                turn=lambda: self.turns.take(PRIORITY["set"], self._stop.is_set),
                tell=lambda step, name: self.emit(Progress("set", step, len(looks), name)),
            )
            for shot, stem in zip(making, stems(looks), strict=True):
                shots.append(self._write(place, stem, shot))
                note()
                if shot.verdict.sentence:
                    self.emit(Notice(shot.verdict.sentence, "warning"))
            state = "done"
        except Stopped:
            state = "cancelled"
        except Head3DError as error:
            state = "failed"
            self.emit(Notice(str(error), "warning"))
        finally:
            if state == "working":
                state = "failed"
            note()
            self.current = ""
            self.emit(StageDone("set", time.monotonic() - started))

    def _write(self, place: Path, stem: str, shot: Shot) -> dict[str, Any]:
        refused = shot.verdict.level == "refused"
        file = f"{'refused-' if refused else ''}{stem}.png"
        write_shot(place / file, shot)
        failed = [] if shot.office is None else [asdict(one) for one in shot.office[0] if not one.passed]
        return {
            "file": file, "name": shot.look.name, "level": shot.verdict.level, "sentence": shot.verdict.sentence,
            "failed": failed,
        }  # fmt: skip

"""Sets: picks made into finished pictures, through finish and gate, in the background; each in a folder of its own.

``exports/sets/<id>/`` holds the pictures, ``looks.json`` (``head3d render --views`` makes the same from it) and
``set.json``, which says what became of every look. A server that is killed leaves what was finished.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import ConfigError
from head3d.events import Emit, Notice, Progress, StageStart
from head3d.looks import Look, write_looks
from head3d.render_looks import Shot, shoot, stems, write_shot
from head3d.studio import Studio

from .makings import Makings
from .render_loop import Turns

SIZES = (64, 2048)


class SetMaker(Makings):
    """Makes one set at a time."""

    def __init__(self, folder: Path, turns: Turns, emit: Emit) -> None:
        super().__init__(folder, turns, emit, stage="set", version=1)

    def start(self, studio: Studio, looks: Sequence[Look], *, size: int, ids: Sequence[str] = ()) -> str:
        """Begin a set; its id. ConfigError while another is being made."""
        if not looks:
            raise ConfigError("There are no picks to make.", hint="Keep at least one picture first.")
        if not SIZES[0] <= size <= SIZES[1]:
            raise ConfigError(f"A size of {size} px is not made here.", hint=f"Use {SIZES[0]} to {SIZES[1]}.")
        chosen, picks = list(looks), list(ids)
        return self._begin(lambda ident: self._work(studio, ident, chosen, size, picks))

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
        place = self.folder / ident
        shots: list[dict[str, Any]] = []

        def note(state: str) -> None:
            payload = {"state": state, "size": size, "count": len(looks), "shots": shots, "picks": ids}
            self._write_note(ident, payload)

        def make() -> None:
            store.make_folder(place)
            write_looks(place / "looks.json", looks)
            note("working")
            self.emit(StageStart("set", len(looks)))
            making = shoot(
                studio,
                looks,
                size=size,
                turn=self.take_turn,
                tell=lambda step, name: self.emit(Progress("set", step, len(looks), name)),
            )
            for shot, stem in zip(making, stems(looks), strict=True):
                shots.append(self._write(place, stem, shot))
                note("working")
                if shot.verdict.sentence:
                    self.emit(Notice(shot.verdict.sentence, "warning"))

        self._see_through(make, note)

    def _write(self, place: Path, stem: str, shot: Shot) -> dict[str, Any]:
        refused = shot.verdict.level == "refused"
        file = f"{'refused-' if refused else ''}{stem}.png"
        write_shot(place / file, shot)
        failed = [] if shot.office is None else [asdict(one) for one in shot.office[0] if not one.passed]
        return {
            "file": file, "name": shot.look.name, "level": shot.verdict.level, "sentence": shot.verdict.sentence,
            "failed": failed,
        }  # fmt: skip

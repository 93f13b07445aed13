"""Sets: picks made into finished pictures, through finish and gate, in the background; each in a folder of its own.

``exports/sets/<id>/`` holds the pictures, ``looks.json`` (``head3d render --views`` makes the same from it) and
``set.json``, which says what became of every look. A server that is killed leaves what was finished.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from head3d import store
from head3d.errors import ConfigError
from head3d.events import Emit, Notice, Progress, StageStart
from head3d.export.certificate import Identity
from head3d.export.signing import identity_of
from head3d.looks import Look, write_looks
from head3d.quality.gate import Judged, worst
from head3d.quality.picture_gate import PictureVerdict
from head3d.render_looks import ShotFile, shoot, stems, write_shot
from head3d.rendering import gate_of
from head3d.studio import Studio

from .makings import Makings
from .render_loop import Turns

SIZES = (64, 2048)
UNJUDGED = "the set was not finished, so nobody has looked at it yet. Look at it before you use it."
"""Of a picture whose set a crash ended before the gate was asked."""


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

        gate = gate_of(studio.subject, studio.config.gate)
        made: list[_Made] = []

        def make() -> None:
            store.make_folder(place)
            write_looks(place / "looks.json", looks)
            note("working")
            self.emit(StageStart("set", len(looks)))
            making = shoot(
                studio,
                looks,
                size=size,
                gate=gate,
                turn=self.take_turn,
                tell=lambda step, name: self.emit(Progress("set", step, len(looks), name)),
            )
            signer = identity_of(studio.config.provenance)
            try:
                for shot, stem in zip(making, stems(looks), strict=True):
                    path = place / _file_name(stem, shot.verdict)
                    made.append(_Made(write_shot(path, shot, signer), stem, shot.verdict))
                    shots.append(made[-1].entry(waiting=True))
                    note("working")
            finally:  # a set that is cancelled keeps what was finished, judged like any other
                # a picture that could not be written was seen, too
                for number, (one, verdict) in enumerate(zip(made, gate.verdicts(), strict=False)):
                    shots[number] = self._told(one.judged(verdict, signer))
                    note("working")

        self._see_through(make, note)

    def _told(self, one: "_Made") -> dict[str, Any]:
        if one.verdict.sentence:
            self.emit(Notice(one.verdict.sentence, "warning"))
        return one.entry()


@dataclass(frozen=True)
class _Made:
    """A written picture of a set, and what is said of it so far."""

    file: ShotFile
    stem: str
    verdict: Judged

    def judged(self, verdict: PictureVerdict | None, signer: Identity | None) -> "_Made":
        """With the gate's verdict on the picture; a refused one lies under another name."""
        if verdict is None and self.verdict.level == "good":
            return self
        strictest = self.verdict if verdict is None else worst(self.verdict, verdict)
        path = self.file.path.with_name(_file_name(self.stem, strictest))
        return replace(self, file=self.file.judged(strictest.level, path, signer), verdict=strictest)

    def entry(self, *, waiting: bool = False) -> dict[str, Any]:
        """For the set's note; a picture that waits for its verdict is shown with a warning."""
        level, sentence = self.verdict.level, self.verdict.sentence
        if waiting and level == "good":
            level, sentence = "warned", f"{self.verdict.view}: {UNJUDGED}"
        office = [] if self.file.office is None else self.file.office[0]
        failed = [asdict(one) for one in office if not one.passed]
        name = self.verdict.view
        return {"file": self.file.path.name, "name": name, "level": level, "sentence": sentence, "failed": failed}


def _file_name(stem: str, verdict: Judged) -> str:
    return f"{'refused-' if verdict.level == 'refused' else ''}{stem}.png"

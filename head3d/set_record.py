"""What is written about a set beside its pictures: all of them on one sheet, and a file of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from head3d import store
from head3d.export.provenance import NOTE, write_with_provenance
from head3d.export.signing import Identity
from head3d.finish.apply import Headshot
from head3d.finish.contact_sheet import PAGE_DPI, blank, contact_sheet, sheet_pages
from head3d.garments.names import OWN
from head3d.imaging.formats import encode_pdf
from head3d.look_sets import in_rows
from head3d.looks import Look, look_payload
from head3d.quality.gate import Level
from head3d.quality.picture_gate import PictureVerdict
from head3d.quality.picture_numbers import nets_used
from head3d.set_numbers import Clock, SetNumbers, summary
from head3d.studio import Picture

TILE_PX = 512
"""Longer side of what is kept of a picture for the sheet: as large as a printed tile."""
NUMBERS_KIND, NUMBERS_VERSION = "head3d.set_numbers", 1


@dataclass(frozen=True)
class RecordOptions:
    """What is written."""

    contact_sheet: bool = False
    """contact_sheet.jpg, a row for each combination and a column for each angle, and contact_sheet.pdf on A4."""
    numbers: bool = False
    """numbers.json: skin, outline, identity, metrics and verdict of each picture, the nets, and what the set took."""


class SetRecord:
    """Keeps little of each picture as it is made, and writes when all are there."""

    def __init__(self, looks: Sequence[Look], options: RecordOptions) -> None:
        self.looks, self.options = looks, options
        self._tiles: list[Headshot] = []
        self._numbers = SetNumbers()

    def see(
        self, picture: Picture, shot: Headshot, *, gain: float, shoulder: float, eye_contact_deg: float | None = None
    ) -> None:
        """Look at a picture; of looks, the next."""
        if self.options.contact_sheet:
            self._tiles.append(replace(shot, rgb_srgb=_small(shot.rgb_srgb), deep_srgb=None))
        if self.options.numbers:
            look = picture.look
            self._numbers.see(
                shot.rgb_srgb,
                picture.output,
                picture.view,
                gain=gain,
                shoulder=shoulder,
                angle=str(look_payload(replace(look, name="", garment=OWN, garment_color="", backdrop=""))),
                own_clothes=look.garment == OWN,
                eye_contact_deg=eye_contact_deg,
            )

    def write(
        self,
        place: Path,
        files: Sequence[Path],
        verdicts: Sequence[PictureVerdict | None],
        levels: Sequence[Level],
        clock: Clock,
        signer: Identity | None,
    ) -> list[Path]:
        """Write what was asked for; the paths of what a user may hand on.

        Args:
            place: Folder.
            files: The pictures, in the order of the looks.
            verdicts: On them.
            levels: What became of them.
            clock: What they took.
            signer: Signs the sheet.
        """
        refused = [level == "refused" for level in levels]
        made = []
        if self.options.contact_sheet:
            made = self._write_sheets(place, refused, signer)
        if self.options.numbers:
            self._write_numbers(place, files, self._numbers.rows(verdicts, levels), clock)
        return made

    def _write_sheets(self, place: Path, refused: Sequence[bool], signer: Identity | None) -> list[Path]:
        rows = in_rows(self.looks)
        even = len({len(row) for row in rows}) == 1
        order = [number for row in rows for number in row]
        tiles = [blank(tile) if out else tile for tile, out in zip(self._tiles, refused, strict=True)]
        labels = [f"{look.name}: refused" if out else look.name for look, out in zip(self.looks, refused, strict=True)]
        columns = len(rows[0]) if even and len(rows) > 1 and len(rows[0]) > 1 else 0
        sheet = contact_sheet([tiles[n] for n in order], columns=columns, labels=[labels[n] for n in order])
        path, printed = place / "contact_sheet.jpg", place / "contact_sheet.pdf"
        with store.disk_errors(path):
            write_with_provenance(path, sheet, facts={"view": "contact sheet"}, signer=signer)
        kept = [n for n in order if not refused[n]]
        if not kept:
            return [path]
        pages = sheet_pages([tiles[n] for n in kept], labels=[labels[n] for n in kept])
        with store.disk_errors(printed):
            store.write_bytes(printed, encode_pdf(pages, dpi=PAGE_DPI, title="Contact sheet", note=NOTE))
        return [path, printed]

    def _write_numbers(
        self, place: Path, files: Sequence[Path], rows: Sequence[Mapping[str, Any]], clock: Clock
    ) -> None:
        named = [
            {"file": file.relative_to(place).as_posix(), **_words(look), **row}
            for file, look, row in zip(files, self.looks, rows, strict=True)
        ]
        payload = {"summary": summary(rows), "nets": nets_used(), "seconds": clock.plain(), "pictures": named}
        with store.disk_errors(place / "numbers.json"):
            store.write_json(place / "numbers.json", payload, kind=NUMBERS_KIND, version=NUMBERS_VERSION)


def _words(look: Look) -> Mapping[str, Any]:
    """What tells a picture of a set from another."""
    usual = look_payload(Look())
    varied = {key: value for key, value in look_payload(look).items() if value != usual[key] and key != "name"}
    return {"name": look.name, **varied}


def _small(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = TILE_PX / max(height, width)
    if scale >= 1:
        return pixels
    return cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)

"""Pictures of known people, whole and broken, measured: what the gate is trained, calibrated and tried on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from head3d import store
from head3d.perception.nets import FaceNets
from head3d.quality.identity import describe_photos
from head3d.quality.photo_match import SIDE_PX
from head3d.quality.picture_signs import Signs, read_signs, windows_of
from head3d.render.types import RenderOutput
from head3d.subject import Subject
from head3d.trials.breakage import FAULTS, TAUGHT, UNTAUGHT
from head3d.trials.sittings import Sitting, picture_of

CHANGED = 10
"""Levels from which a pixel counts as changed by breaking."""
LEAST_CHANGED, TRIES = 0.004, 3
"""Share of a window that breaking must change, else it is broken anew, so many times."""


@dataclass(frozen=True)
class Row:
    """A measured picture.

    Attributes:
        person: Who.
        view: Which angle.
        fault: What was broken; "" for a whole one.
        way: Name of the function that broke it.
        signs: What was measured.
        changed: Share of the window on the head, and of that on the face, that breaking changed.
        light: Name of the light of its set.
    """

    person: str
    view: str
    fault: str
    way: str
    signs: Signs
    changed: tuple[float, float]
    light: str = ""


def rows_of(
    person: str, sitting: Sitting, draw: np.random.Generator, *, ways: Sequence[str], nets: FaceNets, each: int = 1
) -> Iterator[Row]:
    """The whole picture and broken ones: ``each`` of every fault in every way asked for (``taught``, ``untaught``)."""
    whole = picture_of(sitting, sitting.shown.output)
    yield _row(person, sitting, sitting.shown.output, "", "", nets=nets, whole=whole)
    for name in ways:
        faults = TAUGHT if name == "taught" else UNTAUGHT
        for fault in FAULTS:
            for way in draw.permutation(len(faults[fault]))[:each]:
                label = f"{name}.{faults[fault][way].__name__}"
                for _ in range(TRIES):
                    broken = faults[fault][way](sitting.shown, draw)
                    row = _row(person, sitting, broken, fault, label, nets=nets, whole=whole)
                    if is_visible(row):
                        yield row
                        break


def is_visible(row: Row) -> bool:
    """Whether anybody could see what was broken: a lump behind a shoulder, or of the wall's colour, is no fault."""
    return max(row.changed) >= LEAST_CHANGED


def references_of(subject: Subject) -> list[np.ndarray]:
    """dlib descriptors of a subject's photos."""
    return list(describe_photos(subject.observations()).values())


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Keep measured pictures: numbers only, no pixels."""
    blank = np.full(128, np.nan, np.float32)
    np.savez(
        store.make_folder(path.parent) / path.name,
        person=np.array([row.person for row in rows]),
        view=np.array([row.view for row in rows]),
        fault=np.array([row.fault for row in rows]),
        way=np.array([row.way for row in rows]),
        light=np.array([row.light for row in rows]),
        values=np.stack([row.signs.values for row in rows]),
        changed=np.array([row.changed for row in rows]),
        descriptor=np.stack([blank if row.signs.descriptor is None else row.signs.descriptor for row in rows]),
    )


def read_rows(path: Path) -> list[Row]:
    """Read what :func:`write_rows` kept."""
    kept: Mapping[str, np.ndarray] = np.load(path)
    values, changed, faces = (kept[name] for name in ("values", "changed", "descriptor"))
    found = []
    for index in range(len(kept["person"])):
        descriptor = faces[index]
        signs = Signs(
            values[index],
            None if np.isnan(descriptor).any() else descriptor,
        )
        names = ("person", "view", "fault", "way", "light")
        person, view, fault, way, light = (str(kept[name][index]) for name in names)
        found.append(Row(person, view, fault, way, signs, (float(changed[index][0]), float(changed[index][1])), light))
    return found


def _row(
    person: str, sitting: Sitting, output: RenderOutput, fault: str, way: str, *, nets: FaceNets, whole: np.ndarray
) -> Row:
    pixels = picture_of(sitting, output)
    view = sitting.shown.view
    signs = read_signs(pixels, output, view, expected=sitting.expected, nets=nets)
    moved = (np.abs(pixels.astype(np.int16) - whole.astype(np.int16)).max(-1) > CHANGED).astype(np.float32)
    head, face = (float(window.cut(moved, SIDE_PX).mean()) for window in windows_of(view.camera))
    return Row(person, view.name, fault, way, signs, (head, face), view.lighting_name)

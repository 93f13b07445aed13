"""Finished headshots of looks: what ``head3d render --views FILE.json`` and the viewer's "render set" both do."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from head3d import store
from head3d.events import Emit, Notice, Progress, StageDone, StageStart, ignore
from head3d.export.provenance import write_with_provenance
from head3d.finish.apply import Headshot
from head3d.finish.crops import known_crop
from head3d.finish.passport import Check, write_checks
from head3d.finish.passport_facts import PassportFacts
from head3d.looks import Look, file_stem
from head3d.parts_views import confidence_levels
from head3d.quality.gate import SightVerdict
from head3d.render.confidence import Confidence
from head3d.studio import Studio, Turn
from head3d.subject import Subject

METER_PX = 128
"""Height of the pictures that exposure is measured on: a median over a face needs no more."""


@dataclass(frozen=True)
class Shot:
    """One finished look, with what the gate says of it."""

    look: Look
    headshot: Headshot
    confidence: Confidence
    verdict: SightVerdict
    office: tuple[list[Check], PassportFacts] | None = None
    """What a passport office says; None where the frame is of no office."""


def shoot(
    studio: Studio,
    looks: Sequence[Look],
    *,
    size: int,
    turn: Turn = nullcontext,
    tell: Callable[[int, str], None] = lambda step, name: None,
) -> Iterator[Shot]:
    """Make looks one after the other; those under the same light share one exposure, as in one session.

    Args:
        studio: The subject.
        looks: In the order they are made.
        size: Longer side, px.
        turn: See :class:`Studio`.
        tell: Hears the number of looks begun, and the name.
    """
    lights: dict[tuple[object, ...], list[Look]] = {}
    for look in looks:
        lights.setdefault(_session(look), []).append(look)
    gains = {}
    for session, ones in lights.items():
        gains[session] = studio.gain([studio.picture(one, METER_PX, turn=turn) for one in ones])
    for step, look in enumerate(looks):
        tell(step, look.name)
        picture = studio.picture(look, height_for(look, size), turn=turn)
        belief = studio.confidence(picture)
        shot = studio.finish(studio.refined(picture), size=size, gain=gains[_session(look)])
        yield Shot(look, shot, belief, studio.verdict(picture, belief), studio.checks(picture, shot))


def render_looks(
    subject: Subject,
    looks: Sequence[Look],
    *,
    size: int = 1024,
    confidence: bool = False,
    out: Path | None = None,
    emit: Emit = ignore,
) -> list[Path]:
    """Make finished headshots of looks.

    Args:
        subject: A finished subject.
        looks: Which pictures.
        size: Longer side, px.
        confidence: Write ``NAME_confidence.png`` beside each picture.
        out: Folder for the pictures; the subject's exports/renders if None.
        emit: Hears progress.

    Returns:
        The paths of the pictures, in the order of ``looks``.
    """
    started = time.monotonic()
    studio = Studio(subject)
    place = store.make_folder(out or subject.path / "exports" / "renders")
    emit(StageStart("render", len(looks)))
    written: list[Path] = []
    for step, (shot, stem) in enumerate(zip(shoot(studio, looks, size=size), stems(looks), strict=True)):
        path = place / f"{stem}_{size}.png"
        write_shot(path, shot)
        if confidence:
            store.write_png(path.with_name(f"{path.stem}_confidence.png"), confidence_levels(shot.confidence))
        if shot.verdict.sentence:
            emit(Notice(shot.verdict.sentence, "warning"))
        written.append(path)
        emit(Progress("render", step + 1, len(looks), shot.look.name))
    emit(StageDone("render", time.monotonic() - started))
    return written


def write_shot(path: Path, shot: Shot) -> None:
    """Write a headshot with its facts."""
    with store.disk_errors(path):
        facts = {**shot.headshot.provenance, "confidence": str(shot.confidence.shares)}
        crop = known_crop(shot.look.crop)
        if crop is not None:
            facts["crop"] = crop.name
        write_with_provenance(path, shot.headshot.rgb_srgb, facts=facts, dpi=crop.dpi if crop else 0)
        if shot.office is not None:
            write_checks(path, *shot.office, preset=shot.look.crop)


def stems(looks: Sequence[Look]) -> list[str]:
    """File names without suffix, one a look, none twice."""
    made: list[str] = []
    for look in looks:
        stem, number = file_stem(look.name), 2
        while stem in made:
            stem, number = f"{file_stem(look.name)}-{number}", number + 1
        made.append(stem)
    return made


def height_for(look: Look, size: int) -> int:
    """Height (px) of a look whose longer side is ``size``."""
    crop = known_crop(look.crop)
    return size if crop is None else crop.resized(size).size_px[1]


def _session(look: Look) -> tuple[object, ...]:
    light = (look.light, look.light_yaw_deg, look.light_frame, look.light_exposure, look.gloss)
    return (*light, look.backdrop if look.light == "backdrop" else "")

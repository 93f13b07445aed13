"""Finished headshots of looks: what ``head3d render --views FILE.json`` and the viewer's "render set" both do."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Shaped

from head3d import store
from head3d.events import Emit, Notice, Progress, StageDone, StageStart, ignore
from head3d.export.certificate import Identity
from head3d.export.provenance import write_with_provenance
from head3d.export.signing import identity_of
from head3d.finish.apply import Headshot, asked_finish
from head3d.finish.crops import UNFRAMED, CropPreset, known_crop
from head3d.finish.harmonize import Look as Harmony
from head3d.finish.passport import Check, checks_path, write_checks
from head3d.finish.passport_facts import PassportFacts
from head3d.garments.catalogue import choose_outfit
from head3d.garments.names import OWN
from head3d.imaging.formats import PictureFormat, exif_bytes, format_of, read_levels
from head3d.looks import Look, file_stem, look_payload
from head3d.parts_views import confidence_levels
from head3d.quality.gate import Level, SightVerdict, delivery, settle
from head3d.quality.picture_gate import PictureGate
from head3d.render.confidence import Confidence
from head3d.rendering import gate_of
from head3d.set_numbers import Clock
from head3d.set_record import RecordOptions, SetRecord
from head3d.studio import Picture, Studio, Turn
from head3d.subject import Subject

LOSSLESS: tuple[PictureFormat, ...] = ("png", "tiff")
METER_PX = 128
"""Height of the pictures that exposure is measured on: a median over a face needs no more."""


@dataclass(frozen=True)
class Shot:
    """One finished look, with what photos saw of it."""

    look: Look
    headshot: Headshot
    confidence: Confidence
    verdict: SightVerdict
    picture: Picture
    """What it was made of."""
    gain: float
    """Its exposure, which is its session's."""
    office: tuple[list[Check], PassportFacts] | None = None
    """What a passport office says; None where the frame is of no office."""
    eye_contact_deg: float | None = None
    """How far past the camera the eyes look; None where no eye shows."""


@dataclass(frozen=True)
class ShotFile:
    """The file of a shot: what it says beside the pixels, which only the file keeps."""

    path: Path
    facts: Mapping[str, str]
    crop: CropPreset | None
    office: tuple[list[Check], PassportFacts] | None
    exif: Mapping[str, str] = field(default_factory=dict)

    @property
    def draft(self) -> Path:
        """Where the pixels wait for the gate: in a file that loses nothing, since they are written once more."""
        return self.path if format_of(self.path) in LOSSLESS else self.path.with_name(f"{self.path.stem}.draft.png")

    def write(self, pixels: Shaped[np.ndarray, "H W 3"], signer: Identity | None, *, place: Path | None = None) -> None:
        """Write it, with the office's list beside it; ``place`` is another file than its own, such as its draft."""
        with store.disk_errors(self.path):
            store.make_folder(self.path.parent)
            dpi = self.crop.dpi if self.crop else 0
            write_with_provenance(place or self.path, pixels, facts=self.facts, exif=self.exif, dpi=dpi, signer=signer)
            if self.office is not None and self.crop is not None:
                write_checks(self.path, *self.office, preset=self.crop.name)

    def judged(self, level: Level | None, path: Path, signer: Identity | None) -> "ShotFile":
        """The file with what the gate thought of the picture, at ``path``, with all that lay beside it.

        ``level`` is None where nobody judged; then only a draft has to be written anew.
        """
        if level is None and path == self.draft:
            return self
        made = replace(self, path=path, facts=self.facts if level is None else {**self.facts, "gate": level})
        made.write(read_levels(self.draft), signer)
        if self.draft != path:
            self.draft.unlink(missing_ok=True)
        if path != self.path:
            checks_path(self.path).unlink(missing_ok=True)
            if (seen := confidence_path(self.path)).is_file():
                seen.replace(confidence_path(path))
        return made


def shoot(
    studio: Studio,
    looks: Sequence[Look],
    *,
    size: int,
    gate: PictureGate,
    deep: bool = False,
    turn: Turn = nullcontext,
    tell: Callable[[int, str], None] = lambda step, name: None,
    clock: Clock | None = None,
) -> Iterator[Shot]:
    """Make looks one after the other; those under the same light share one exposure, as in one session.

    Looks that follow each other and differ by what stands behind are rendered once.

    Args:
        studio: The subject.
        looks: In the order they are made.
        size: Longer side, px.
        gate: Sees every picture; its verdicts are due when all are made, since pictures of a set tell on each other.
        deep: Keep 16 bits of each picture, too.
        turn: See :class:`Studio`.
        tell: Hears the number of looks begun, and the name.
        clock: Counts what pictures take.
    """
    clock = clock or Clock()
    lights: dict[tuple[object, ...], list[Look]] = {}
    for look in looks:
        lights.setdefault(_session(look), []).append(look)
    gains = {}
    with clock.spent_on("exposure"):
        for session, ones in lights.items():
            # a face is as bright in every frame and whatever is worn
            bare = [replace(one, crop=UNFRAMED, garment=OWN, garment_color="") for one in ones]
            seen = {_rendered_as(one): one for one in bare}.values()
            gains[session] = studio.gain([studio.picture(one, METER_PX, turn=turn) for one in seen])
        harmony = _harmonies(studio, looks, gains, turn) if studio.config.finish.match else {}
    before: tuple[object, ...] = ()
    picture = refined = belief = None
    for step, look in enumerate(looks):
        tell(step, look.name)
        wanted = (_rendered_as(look), height_for(look, size))
        with clock.spent_on("render"):
            if wanted != before:
                picture = studio.picture(look, wanted[1], turn=turn)
                belief, refined, before = studio.confidence(picture), studio.refined(picture), wanted
            assert picture is not None and refined is not None and belief is not None, "the first look is rendered"
            with turn():  # one that was rendered before can be stopped, too
                picture, refined = studio.shown_as(picture, look), studio.shown_as(refined, look)
        with clock.spent_on("finish"):
            gain = gains[_session(look)]
            shot = studio.finish(refined, size=size, gain=gain, harmony=harmony.get(look.backdrop), deep=deep)
        with clock.spent_on("judge"):
            # clothes are another surface
            among = (
                _session(look),
                look.expression,
                tuple(sorted(look.units.items())),
                look.garment,
                look.garment_color,
            )
            gate.see(shot.rgb_srgb, refined.output, picture.view, vertices=studio.vertices(look), among=among)
            checks, contact = studio.checks(picture, shot), studio.eye_contact_deg(picture)
        yield Shot(look, shot, belief, studio.verdict(picture, belief), refined, gain, checks, contact)


def render_looks(
    subject: Subject,
    looks: Sequence[Look],
    *,
    size: int = 1024,
    confidence: bool = False,
    format: PictureFormat = "png",
    exif: Mapping[str, str] = MappingProxyType({}),
    match: str = "",
    backdrop_f: float | None = None,
    retouch: float | None = None,
    record: RecordOptions = RecordOptions(),
    out: Path | None = None,
    emit: Emit = ignore,
) -> list[Path]:
    """Make finished headshots of looks.

    Args:
        subject: A finished subject.
        looks: Which pictures.
        size: Longer side, px.
        confidence: Write ``NAME_confidence.png`` beside each picture.
        format: Of the files; ``tiff`` has 16 bits.
        exif: What is written as EXIF; nothing by default.
        match: A portrait whose look the pictures take, or ``backdrop``; that of the subject's options if empty.
        backdrop_f: F-number of the lens before pictures of places; the same.
        retouch: How far blotches of the skin are evened, 0 to 1; the same.
        record: What is written about all of them.
        out: Folder for the pictures; the subject's exports/renders if None.
        emit: Hears progress.

    Returns:
        The paths of the pictures, in the order of ``looks``; without those that the gate refused, which lie in
        ``refused`` beside them. Then those of the contact sheets.
    """
    started, clock = time.monotonic(), Clock()
    exif_bytes(exif)  # what may not be written is told before an hour of rendering
    with clock.spent_on("subject"):
        studio = Studio(subject)
        asked = asked_finish(studio.config.finish, match=match, backdrop_f=backdrop_f, retouch=retouch)
        studio.config = replace(studio.config, finish=asked)
        gate, signer = gate_of(subject, studio.config.gate), identity_of(studio.config.provenance)
    beside = SetRecord(looks, record)
    place = store.make_folder(out or subject.path / "exports" / "renders")
    emit(StageStart("render", len(looks)))
    written, sights = list[ShotFile](), list[SightVerdict]()
    shots = shoot(studio, looks, size=size, gate=gate, deep=format == "tiff", clock=clock)
    for step, (shot, name) in enumerate(zip(shots, file_names(looks, size, format=format), strict=True)):
        with clock.spent_on("files"):
            written.append(write_shot(place / name, shot, signer, exif=exif))
            if confidence:
                store.write_png(confidence_path(written[-1].path), confidence_levels(shot.confidence))
        with clock.spent_on("record"):
            rolled, contact = studio.config.finish.shoulder, shot.eye_contact_deg
            beside.see(shot.picture, shot.headshot, gain=shot.gain, shoulder=rolled, eye_contact_deg=contact)
        sights.append(shot.verdict)
        emit(Progress("render", step + 1, len(looks), shot.look.name))
    with clock.spent_on("judge"):
        verdicts = gate.verdicts()
    levels: list[Level] = [delivery(sight, verdict) for sight, verdict in zip(sights, verdicts, strict=True)]
    delivered, aside, files = [], [], []
    with clock.spent_on("files"):
        for file, sight, verdict, level in zip(written, sights, verdicts, levels, strict=True):
            path, sentences = settle(file.path, sight, verdict)
            for sentence in sentences:
                emit(Notice(sentence, "warning"))
            file.judged(None if verdict is None and level == "good" else level, path, signer)
            files.append(path)
            (aside if level == "refused" else delivered).append(path)
    delivered += beside.write(place, files, verdicts, levels, clock, signer)
    subject.record_deliveries([*delivered, *aside])
    emit(StageDone("render", time.monotonic() - started))
    return delivered


def write_shot(
    path: Path, shot: Shot, signer: Identity | None, *, exif: Mapping[str, str] = MappingProxyType({})
) -> ShotFile:
    """Write a headshot with its facts, before the gate has judged it."""
    crop = known_crop(shot.look.crop)
    facts = {**shot.headshot.provenance, "confidence": str(shot.confidence.shares)}
    if crop is not None:
        facts["crop"] = crop.name
    if (outfit := choose_outfit(shot.look.garment, shot.look.garment_color)) is not None:
        facts["garment"] = outfit.words
    if shot.eye_contact_deg is not None:
        facts["eye_contact"] = f"{shot.eye_contact_deg:.1f}"
    file = ShotFile(path, facts, crop, shot.office, exif)
    deep = shot.headshot.deep_srgb
    file.write(shot.headshot.rgb_srgb if deep is None else deep, signer, place=file.draft)
    return file


def confidence_path(picture: Path) -> Path:
    """Where what photos saw of a picture lies."""
    return picture.with_name(f"{picture.stem}_confidence.png")


def stems(looks: Sequence[Look]) -> list[str]:
    """File names without suffix, one a look, none twice."""
    made: list[str] = []
    for look in looks:
        stem, number = file_stem(look.name), 2
        while stem in made:
            stem, number = f"{file_stem(look.name)}-{number}", number + 1
        made.append(stem)
    return made


def file_names(looks: Sequence[Look], size: int, *, format: PictureFormat = "png") -> list[str]:
    """Names of the files that :func:`render_looks` writes, one a look."""
    return [f"{stem}_{size}.{format}" for stem in stems(looks)]


def height_for(look: Look, size: int) -> int:
    """Height (px) of a look whose longer side is ``size``."""
    crop = known_crop(look.crop)
    return size if crop is None else crop.resized(size).size_px[1]


def _rendered_as(look: Look) -> tuple[object, ...]:
    """The same for looks that differ by what stands behind alone."""
    behind = look.backdrop if look.light == "backdrop" else ""
    payload = {**look_payload(look), "name": "", "backdrop": behind, "units": tuple(sorted(look.units.items()))}
    return tuple(payload.values())


def _harmonies(
    studio: Studio, looks: Sequence[Look], gains: Mapping[tuple[object, ...], float], turn: Turn
) -> dict[str, Harmony | None]:
    """What the pictures before each backdrop are changed by, towards what the subject's options say: one a backdrop."""
    before: dict[str, dict[tuple[object, ...], Look]] = {}
    for look in looks:  # whatever the frame: a banner has no other colours than a square
        bare = replace(look, crop=UNFRAMED)
        before.setdefault(look.backdrop, {})[_rendered_as(bare)] = bare
    return {
        backdrop: studio.harmony(
            [studio.picture(one, METER_PX, turn=turn) for one in ones.values()],
            [gains[_session(one)] for one in ones.values()],
        )
        for backdrop, ones in before.items()
    }


def _session(look: Look) -> tuple[object, ...]:
    light = (look.light, look.light_yaw_deg, look.light_frame, look.light_exposure, look.gloss)
    return (*light, look.backdrop if look.light == "backdrop" else "")

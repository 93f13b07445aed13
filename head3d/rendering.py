"""Pictures of a finished subject from any angle, under any light, with any of its expressions."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch

from head3d import store
from head3d.config import Config, load_config
from head3d.events import Emit, Notice, Progress, StageDone, StageStart, ignore
from head3d.export.provenance import NOTE, write_with_provenance
from head3d.export.signing import identity_of
from head3d.field.gaze import STRAIGHT
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField, mirrored_albedo
from head3d.field.volumes import Volume
from head3d.finish.apply import asked_finish, backdrop_map, finish_set
from head3d.finish.config import FinishConfig
from head3d.finish.contact_sheet import PAGE_DPI, sheet_pages
from head3d.finish.framing import HeadPoints, head_points
from head3d.finish.office import check_for_office, chosen_frame
from head3d.finish.retouch import Blotches, bare_face, find_blotches
from head3d.garments.catalogue import Outfit, choose_outfit
from head3d.garments.names import OWN
from head3d.garments.own import OwnWearer
from head3d.garments.wear import Wearer
from head3d.geometry.sh import Lighting
from head3d.imaging.formats import PictureFormat, encode_pdf, exif_bytes
from head3d.kernels.library import choose_device
from head3d.morphable.expressions import find_expression
from head3d.morphable.types import HeadFit
from head3d.parts_views import confidence_levels
from head3d.quality.config import GateConfig
from head3d.quality.gate import delivery, judge_sight, settle
from head3d.quality.picture_gate import PictureGate, Reference, inspect_pictures, make_reference
from head3d.refine.apply import refine_set, refined_by
from head3d.render.confidence import sight_volume, view_confidence
from head3d.render.config import LightOptions
from head3d.render.lights import ChosenLight, choose_light
from head3d.render.posed import PosedHead
from head3d.render.views import make_views
from head3d.subject import Subject
from head3d.train.cameras import refined_cameras

DEFAULT_SIZE = 1024
"""Height and width of a picture, px, unless somebody says otherwise."""
SKIN_POINTS = 160_000
"""Places that skin is measured at: 1.2 mm apart."""
SURFACE_POINTS = 40_000
"""Places that an outline is looked for among: a millimetre apart on a head."""

Gaze = Literal["own", "camera"]
"""``own``: straight ahead, or where the person looks in a photo whose expression is shown."""


def subject_light(
    spec: str, options: LightOptions, *, field: RadianceField, photos: Sequence[str], finish: FinishConfig
) -> ChosenLight:
    """The light a user names, for a subject (see :func:`head3d.render.lights.choose_light`).

    Args:
        spec: Its name or file.
        options: How it is put up.
        field: Has the light of each photo, as training left it, head frame.
        photos: Their names.
        finish: Says what stands behind the person.
    """
    lights = {name: Lighting(sh.detach().cpu()) for name, sh in zip(photos, field.sh, strict=True)}
    return choose_light(spec, options, photos=lights, backdrop=backdrop_map(finish) if spec == "backdrop" else None)


def finish_under(finish: FinishConfig, options: LightOptions) -> FinishConfig:
    """An exposure set by hand is to be seen, not measured away."""
    return finish if options.stops is None else replace(finish, exposure="as-lit")


def surface_cache(field: RadianceField) -> ShellCache:
    """What every view of one field shares."""
    cache = ShellCache(field)
    cache.refresh(field)
    return cache


def wearer_of(subject: Subject, field: RadianceField, outfit: Outfit | None) -> Wearer | OwnWearer | None:
    """A subject in a garment; None in its own clothes.

    Args:
        subject: Has the photos that say where its own clothes begin.
        field: Theirs.
        outfit: What is worn.
    """
    if outfit is None:
        return None
    fitted, used = subject.fit(), subject.fitted_photos()
    labels = {one.photo.name: one.parsing.labels for one in subject.observations()}
    photos = [(labels[name], camera) for name, camera in zip(used, fitted.cameras, strict=True) if name in labels]
    if outfit.garment == OWN:
        return OwnWearer(field, surface_cache(field), photos, outfit)
    return Wearer(field, fitted, photos, outfit)


def framing_points(fitted: HeadFit, cache: ShellCache) -> HeadPoints:
    """What frames are measured on; the hair is that of the field behind ``cache``."""
    surface = cache.surface_points(SURFACE_POINTS, generator=torch.Generator().manual_seed(0))
    return head_points(fitted, surface)


@torch.no_grad()
def skin_blotches(field: RadianceField, cache: ShellCache) -> Blotches:
    """What evens the skin of a field's head, for any of its pictures: a second of one core."""
    points = cache.surface_points(SKIN_POINTS, generator=torch.Generator().manual_seed(0))
    albedo = mirrored_albedo(field, points, field.surface_color(points)[0])
    return find_blotches(points, albedo, face=bare_face(points, albedo))


def reference_of(subject: Subject) -> Reference:
    """Whom a subject's pictures should show: its photos' faces, its fitted head."""
    return make_reference(subject.fit(), subject.fitted_photos(), subject.observations())


def gate_of(subject: Subject, config: GateConfig) -> PictureGate:
    """What finished pictures of a subject pass before they are delivered."""
    return PictureGate(lambda: reference_of(subject), config=config)


def photo_sight(subject: Subject, field: RadianceField, cache: ShellCache) -> Volume:
    """What the photos of a subject saw (see :func:`head3d.render.confidence.sight_volume`)."""
    return sight_volume(field, cache, refined_cameras(subject.fit().cameras, field.turn.cpu(), field.shift.cpu()))


def render_pictures(
    subject: Subject | str | Path,
    views: Sequence[str],
    *,
    light: str = "soft-front",
    light_options: LightOptions = LightOptions(),
    gloss: float | None = None,
    backdrop: str = "",
    backdrop_f: float | None = None,
    match: str = "",
    enlarge: bool | None = None,
    retouch: float | None = None,
    garment: str = "",
    garment_color: str = "",
    crop: str = "",
    size: int | None = None,
    expression: str = "neutral",
    gaze: Gaze = "own",
    gaze_aside: tuple[float, float] = STRAIGHT,
    distance_m: float = 1.5,
    focal_mm: float | None = None,
    confidence: bool = False,
    format: PictureFormat = "png",
    exif: Mapping[str, str] = MappingProxyType({}),
    contact_sheet: bool = False,
    out: Path | None = None,
    config: Config | None = None,
    emit: Emit = ignore,
) -> list[Path]:
    """Make finished headshots of a subject.

    Args:
        subject: A finished subject or its folder.
        views: See :func:`make_views`.
        light: A studio rig, ``photo``, ``photo:NAME``, ``backdrop``, or the path of an environment map or of lamps.
        light_options: How it is put up.
        gloss: Sheen of the skin (see RelightConfig); that of ``config`` if None.
        backdrop: Painted, #rrggbb or a picture's path; that of ``config`` if empty.
        backdrop_f: F-number of the lens before a picture of a place (see FinishConfig); that of ``config`` if None.
        match: A portrait whose look the pictures take, or ``backdrop``; that of ``config`` if empty.
        enlarge: Whether large heads are drawn anew by a net (see RefineConfig); as ``config`` says if None.
        retouch: How far blotches of the skin are evened, 0 to 1; as ``config`` says if None.
        garment: Another one than the photos' clothes (see :func:`head3d.garments.catalogue.choose_outfit`); that of
            ``config`` if empty.
        garment_color: Of its parts, with commas; its usual colours if empty.
        crop: A frame around the head: one of :func:`head3d.finish.crops.crop_names`, or a yaml; none if empty.
        size: Height and width, px (1024); of a crop its longer side (the crop's own).
        expression: See :func:`head3d.morphable.expressions.find_expression`.
        gaze: ``camera`` turns the eyes to the camera of each view, as far as eyes turn.
        gaze_aside: Degrees by which the eyes are turned on from there, to the person's own left and up.
        distance_m: From the camera to the middle of the head.
        focal_mm: 35 mm equivalent focal length; by default the head fills half of the height.
        confidence: Write ``NAME_confidence.png`` beside each picture: white where photos saw the place, black where
            it is invented.
        format: Of the files; ``tiff`` has 16 bits.
        exif: What is written as EXIF (see ``head3d.imaging.formats.EXIF_KEYS``); nothing by default.
        contact_sheet: Write contact_sheet.pdf of what is delivered, too, A4, and return its path last.
        out: Folder for the pictures; the subject's exports/renders if None.
        config: Options of rendering and finishing; those of the last run if None.
        emit: Hears progress.

    Returns:
        The paths of the pictures, in the order of ``views``; without those that the gate refused, which lie in
        ``refused`` beside them.
    """
    subject = (subject if isinstance(subject, Subject) else Subject(Path(subject))).require()
    options = config or load_config(subject.path / "config.yaml")
    exif_bytes(exif)  # what may not be written is told before an hour of rendering
    frame = chosen_frame(crop, size=size, focal_mm=focal_mm)
    backdrop = backdrop or (frame.backdrop if frame else "")
    asked = asked_finish(options.finish, backdrop=backdrop, match=match, backdrop_f=backdrop_f, retouch=retouch)
    options = replace(options, finish=asked)
    if enlarge is not None:
        options = replace(options, refine=replace(options.refine, enlarge=enlarge))
    if gloss is not None:
        relit = replace(options.render.relight, gloss=gloss)
        options = replace(options, render=replace(options.render, relight=relit))
    worn = (
        (garment, garment_color) if garment else (options.views.garment, garment_color or options.views.garment_color)
    )
    outfit = choose_outfit(*worn)
    field, fitted, photos = subject.field(), subject.fit(), subject.fitted_photos()
    chosen = subject_light(light, light_options, field=field, photos=photos, finish=options.finish)
    size = max(frame.size_px) if frame else size or DEFAULT_SIZE
    wanted = make_views(views, light=chosen, size_px=size, distance_m=distance_m, focal_mm=focal_mm)
    shown = find_expression(expression, fitted, photos)
    posed = PosedHead(field, fitted, shown)
    device = choose_device(options.train.device)
    field = field.to(device)
    emit(StageStart("render", len(wanted)))
    started = time.monotonic()
    cache = surface_cache(field)
    sight, points = photo_sight(subject, field, cache), framing_points(fitted, cache)
    blotches = skin_blotches(field, cache) if options.finish.retouch > 0 else None
    wearer = wearer_of(subject, field, outfit)
    if wearer is not None:
        field, cache = wearer.field, wearer.cache
    outputs, beliefs, contacts = [], [], []
    vertices = fitted.model.vertices(fitted.identity, shown.units, shown.eyes) + fitted.offsets
    with torch.no_grad():
        if frame:
            wanted = points.framed_views(wanted, frame)
        for step, view in enumerate(wanted):
            camera_m = view.camera.centre[0]
            picture, displacement = posed.picture(
                field, view, config=options.render, cache=cache, look_at_camera=gaze == "camera", aside_deg=gaze_aside
            )
            at = camera_m if gaze == "camera" else None
            contacts.append(posed.eye_contact_deg(camera_m, look_at_m=at, aside_deg=gaze_aside))
            picture = picture if wearer is None else wearer.dress(picture, view)
            outputs.append(picture)
            beliefs.append(view_confidence(sight, picture, view, displacement=displacement))
            emit(Progress("render", step + 1, len(wanted), view.name))
    place = store.make_folder(out or subject.path / "exports" / "renders")
    written, aside, kept = [], [], []
    signer = identity_of(options.provenance)
    finish = finish_under(replace(options.finish, size=size), light_options)
    refined = refine_set(outputs, wanted, config=options.refine)
    if blotches is not None:
        refined = blotches.evened_set(refined, wanted, strength=finish.retouch)
    shots = finish_set(refined, wanted, config=finish, deep=format == "tiff")
    gate = gate_of(subject, options.gate)
    judged = inspect_pictures(gate, [shot.rgb_srgb for shot in shots], refined, wanted, vertices=vertices)
    for shot, view, belief, contact, output in zip(shots, wanted, beliefs, contacts, outputs, strict=True):
        manner = [shown.name, "to-camera" if gaze == "camera" else ""]
        manner += [
            "gaze{:+g}{:+g}".format(*gaze_aside) if gaze_aside != STRAIGHT else "",
            outfit.words if outfit else "",
        ]
        manner.append(frame.name if frame else "")
        words = [view.name, view.lighting_name, *(re.sub("[:,#]+", "-", word) for word in manner if word), str(size)]
        path = place / f"{'_'.join(words)}.{format}"
        sight, whole = judge_sight(view.name, belief.shares, config=options.gate), judged.get(view.name)
        level = delivery(sight, whole)
        path, sentences = settle(path, sight, whole)
        for sentence in sentences:
            emit(Notice(sentence, "warning"))
        with store.disk_errors(path):
            store.make_folder(path.parent)
            facts = {**shot.provenance, "refined": refined_by(options.refine), "confidence": str(belief.shares)}
            if frame:
                facts["crop"] = frame.name
            if outfit:
                facts["garment"] = outfit.words
            pixels = shot.rgb_srgb if shot.deep_srgb is None else shot.deep_srgb
            dpi = frame.dpi if frame else 0
            if contact is not None:
                facts["eye_contact"] = f"{contact:.1f}"
            if whole is not None or level != "good":
                facts["gate"] = level
            write_with_provenance(path, pixels, facts=facts, exif=exif, dpi=dpi, signer=signer)
            (aside if level == "refused" else written).append(path)
            kept += [shot] if level != "refused" else []
            if confidence:
                store.write_png(path.with_name(f"{path.stem}_confidence.png"), confidence_levels(belief))
            if frame and frame.passport:
                check_for_office(
                    path,
                    shot,
                    output=output,
                    view=view,
                    frame=frame,
                    model=fitted.model,
                    vertices=vertices,
                    shown=shown,
                    emit=emit,
                )
    if contact_sheet and kept:
        data = encode_pdf(sheet_pages(kept), dpi=PAGE_DPI, title="Contact sheet", note=NOTE)
        written.append(place / "contact_sheet.pdf")
        with store.disk_errors(written[-1]):
            store.write_bytes(written[-1], data)
    subject.record_deliveries([*written, *aside])
    emit(StageDone("render", time.monotonic() - started))
    return written

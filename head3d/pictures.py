"""What can be asked of a picture: the options that ``head3d render``, batches and the server share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from head3d.asked_looks import asks_for_looks, looks_for
from head3d.errors import ConfigError
from head3d.events import Emit, Notice, ignore

if TYPE_CHECKING:
    from head3d.set_record import RecordOptions

LEAST_PX = 16
"""Height and width of a picture."""


@dataclass(frozen=True)
class PictureOptions:
    """How a headshot is to look."""

    light: str = "soft-front"
    """soft-front, rembrandt, loop, butterfly, split, rim; photo or photo:NAME for that of a photo; backdrop for that of
    the place behind the person; an environment map (.hdr, .exr, .jpg, .png), or lamps of your own (.yaml, .json)."""
    light_yaw: float = 0.0
    """Carry the light round the head, degrees; > 0 towards the subject's left."""
    light_frame: Literal["head", "camera"] = "head"
    """What maps, lamps and photos' light keep to: the head (the camera walks), or the camera (the person turns)."""
    light_exposure: str = "auto"
    """auto for a well exposed face, or stops up or down from the light as it is given (0, -1.5)."""
    gloss: float | None = None
    """Sheen of the skin under lamps and maps: 1 as skin is, 0 matte."""
    backdrop: str = ""
    """A painted backdrop (charcoal, white, ...), #rrggbb, or a picture; that of the last run if not given."""
    backdrop_f: float | None = None
    """F-number of the lens before a picture behind the person: 2 blurs it much, 16 little, 0 leaves it sharp; 5.6, or
    as in the last run, if not given."""
    match: str = ""
    """A portrait whose look (white balance, contrast, colours) hair, clothes and backdrop take on, while skin stays; or
    backdrop for the look of the place behind the person."""
    retouch: float | None = None
    """Even blotches of the skin, 0 (not at all) to 1, alike in all pictures; moles, pores and shade stay. That of the
    last run if not given."""
    enlarge: bool | None = None
    """Let a net draw large heads anew from half their size; as in the last run if not given."""
    garment: str = ""
    """What the person wears instead of the photos' clothes: crew-neck, open-collar, shirt-tie, blazer, suit; own for
    those of the photos; that of the last run if not given."""
    garment_color: str = ""
    """Colours of the garment's parts, with commas (navy,white), by name (`head3d presets` lists them) or as #rrggbb; of
    own clothes one."""
    crop: str = ""
    """A frame around the head: linkedin, portrait-3x4, team-grid, passport-eu, ... (`head3d presets` lists them), or a
    yaml of yours. Passport and visa frames check the picture against the office's rules."""
    size: int | None = None
    """Height and width, px: 1024; of a crop the longer side, by default the crop's own."""
    expression: str = "neutral"
    """neutral; photo:NAME for that of one photo; smile, or smile:0.6 for a part of it; or a .json file of units."""
    gaze: Literal["own", "camera"] = "own"
    """camera: the eyes look into the camera, as far as eyes turn (22 degrees)."""
    gaze_yaw: float = 0.0
    """Turn the eyes on from there, degrees; > 0 to the person's own left."""
    gaze_pitch: float = 0.0
    """The same, > 0 up."""
    distance_m: float = 1.5
    """From the camera to the head, metres."""
    focal_mm: float | None = None
    """35 mm equivalent focal length, from where the camera stands: a zoom; by default the head fills half of the
    picture's height."""
    lens_mm: float | None = None
    """The same at equal framing, 35 to 135: the camera comes nearer or goes back so that the head keeps its size, in
    crops too. About 87 by default."""
    confidence: bool = False
    """Write beside each picture which places photos saw (white) and which are invented (black)."""
    format: Literal["png", "jpg", "webp", "avif", "tiff"] = "png"
    """Of the files; tiff has 16 bits and needs `pip install tifffile`."""


def render_arguments(options: PictureOptions) -> dict[str, Any]:
    """The options as :func:`head3d.rendering.render_pictures` takes them."""
    from head3d.render.config import LightOptions
    from head3d.render.lens import camera_distance_m

    given = {one.name: getattr(options, one.name) for one in fields(PictureOptions)}
    given["gaze_aside"] = given.pop("gaze_yaw"), given.pop("gaze_pitch")
    lens, focal = given.pop("lens_mm"), given["focal_mm"]
    usual = PictureOptions.distance_m
    given["distance_m"] = camera_distance_m(lens, distance_m=given["distance_m"], focal_mm=focal, usual_m=usual)
    put_up = LightOptions(given.pop("light_yaw"), given.pop("light_frame"), given.pop("light_exposure"))
    return {**given, "light_options": put_up}


def render_asked(
    subject: Path,
    views: Sequence[str],
    options: PictureOptions,
    *,
    exif: Mapping[str, str] = MappingProxyType({}),
    record: "RecordOptions | None" = None,
    out: Path | None = None,
    emit: Emit = ignore,
) -> list[Path]:
    """Make finished headshots of angles, and of looks, which bring their own light, backdrop, expression and frame.

    Args:
        subject: The folder of a finished subject.
        views: Angles as :func:`head3d.rendering.make_views` takes them, and words of :mod:`head3d.asked_looks`.
        options: Of the angles' pictures; size, confidence, format, match, retouch and the backdrop's blur of all.
        exif: Of the pictures.
        record: What is written about all of them; nothing if None.
        out: Folder for the pictures; the subject's exports/renders if None.
        emit: Hears progress.

    Returns:
        Their paths: first those of angles.
    """
    from head3d.render_looks import render_looks
    from head3d.rendering import DEFAULT_SIZE, render_pictures
    from head3d.set_record import RecordOptions
    from head3d.subject import Subject

    record = record or RecordOptions()
    names = [word for word in views if not asks_for_looks(word)]
    looks = looks_for(views, subject / "views")
    written = []
    if names or not views:
        written += render_pictures(
            subject,
            names,
            **render_arguments(options),
            exif=exif,
            contact_sheet=record.contact_sheet,
            out=out,
            emit=emit,
        )
    if looks:
        size = DEFAULT_SIZE if options.size is None else options.size
        ready, belief = Subject(subject).require(), options.confidence
        written += render_looks(
            ready,
            looks,
            size=size,
            confidence=belief,
            format=options.format,
            exif=exif,
            match=options.match,
            backdrop_f=options.backdrop_f,
            retouch=options.retouch,
            record=record,
            out=out,
            emit=emit,
        )
    elif len(names) < len(views):
        emit(Notice(f"{subject} has no picks. Keep some pictures in `head3d view` first.", "warning"))
    return written


def check_views(options: PictureOptions, views: Sequence[str]) -> None:
    """See that pictures of angles and looks can be made; torch is imported for angles only.

    Raises:
        ConfigError: What cannot be, and what could.
    """
    names = [word for word in views if not asks_for_looks(word)]
    looks_for(views, None)
    if names or not views:
        return check_picture(options, names)
    _check_choices(options)
    if options.size is not None and options.size < LEAST_PX:
        raise ConfigError(f"A picture of {options.size} px is too small.", hint=f"Use at least {LEAST_PX}.")
    if options.match and options.match != "backdrop" and not Path(options.match).is_file():
        raise ConfigError(f"{options.match}: there is no such portrait.", hint="Give a picture, or backdrop.")


def check_picture(options: PictureOptions, views: Sequence[str]) -> None:
    """See that a picture can be made, before anything is: names, numbers, and files that are named.

    Whether a subject has the photo that ``photo:NAME`` names is known only once there is a subject.

    Raises:
        ConfigError: What cannot be, and what could.
    """
    from head3d.finish.apply import asked_finish
    from head3d.finish.config import FinishConfig
    from head3d.finish.office import chosen_frame
    from head3d.garments.names import OWN, garment_colors
    from head3d.morphable.expressions import check_expression
    from head3d.render.lights import check_light, choose_light
    from head3d.rendering import DEFAULT_SIZE, make_views

    _check_choices(options)
    _check_gaze(options)
    arguments = render_arguments(options)
    check_light(options.light, arguments["light_options"])
    check_expression(options.expression)
    if options.garment or options.garment_color:
        garment_colors(options.garment or OWN, options.garment_color)
    chosen_frame(options.crop, size=options.size, focal_mm=options.focal_mm)
    asked_finish(
        FinishConfig(),
        backdrop=options.backdrop,
        match=options.match,
        backdrop_f=options.backdrop_f,
        retouch=options.retouch,
    )
    make_views(
        views,
        light=choose_light(PictureOptions.light, photos={}),
        size_px=DEFAULT_SIZE if options.size is None else options.size,
        distance_m=arguments["distance_m"],
        focal_mm=options.focal_mm,
    )


def options_from(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values as yaml has them in the types of the options: 1 for 1.0, "512" for 512.

    Raises:
        ValueError: A value that is no number where one is needed.
    """
    kinds = get_type_hints(PictureOptions)
    made = {}
    for key, value in given.items():
        inner = [one for one in get_args(kinds.get(key, str)) if one is not type(None)]
        kind = inner[0] if len(inner) == 1 else kinds.get(key, str)
        if value is None or get_origin(kind) is Literal or not isinstance(kind, type):
            made[key] = value
        elif kind is bool:
            if not isinstance(value, bool):
                raise ValueError(f"{key} is yes or no, not {value!r}")
            made[key] = value
        else:
            made[key] = kind(value)
    return made


def _check_choices(options: PictureOptions) -> None:
    for name, hint in get_type_hints(PictureOptions).items():
        choices = get_args(hint)
        if get_origin(hint) is Literal and getattr(options, name) not in choices:
            raise ConfigError(
                f"{name} cannot be {getattr(options, name)!r}.", hint=f"There are {', '.join(map(str, choices))}."
            )


def _check_gaze(options: PictureOptions) -> None:
    from head3d.looks import EYES_DEG

    for name in ("gaze_yaw", "gaze_pitch"):
        if not abs(getattr(options, name)) <= EYES_DEG:
            raise ConfigError(f"{name} cannot be {getattr(options, name):g}.", hint=f"Eyes turn up to {EYES_DEG:g}.")

"""Commands that make a head and its pictures: run, render."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from head3d.commands.options import parse
from head3d.console import Mode, listen, write_json_line
from head3d.errors import ConfigError


def run_command(words: Sequence[str]) -> int:
    from head3d.config import Config, load_config
    from head3d.pipeline import run
    from head3d.subject import consent_of, parse_consent

    @dataclass(frozen=True)
    class Run:
        """Make a 3D head and headshots from photos of one person. Run again, it redoes only what changed."""

        photos: tyro.conf.Positional[tuple[Path, ...]] = ()
        """Photos, folders of photos, or a video; none to go on with those of the last run."""
        out: Path = Path("subjects/me")
        """The subject folder."""
        preset: str = "cpu"
        """A preset's name or a yaml file: differences from the defaults. `head3d presets` lists them."""
        face: int | None = None
        """Which face is the subject where a photo shows several: 0 the largest. Not needed with several photos."""
        consent_by: str = ""
        """Who agreed to this: the name of the person in the photos. Empty: you, of yourself."""
        consent_scope: str = ""
        """What they agreed to, in their words."""
        consent: str = ""
        """All in one: "NAME, 2026-01-31, what they agreed to"."""
        log_json: bool = False
        """Progress as JSON lines on standard output."""
        quiet: bool = False
        """Say nothing but warnings and where the result is."""
        config: Annotated[Config, tyro.conf.arg(name=""), tyro.conf.FlagConversionOff] = field(default_factory=Config)

    base = load_config(_value_of("--preset", words) or Run.preset)
    options = parse(Run, "run", words, default=Run(config=base))
    config = options.config
    if options.face is not None:
        config = replace(config, perception=replace(config.perception, face=options.face))
    given = options.consent_by or options.consent_scope
    consent = consent_of(options.consent_by, options.consent_scope) if given else None
    if options.consent:
        consent = parse_consent(options.consent)
    mode: Mode = "json" if options.log_json else "quiet" if options.quiet else "auto"
    with listen(mode) as emit:
        subject = run(options.photos, options.out, config=config, consent=consent, emit=emit)
    results = {"contact_sheet": str(subject.contact_sheet), "report": str(subject.report)}
    if options.log_json:
        write_json_line(sys.stdout, "Result", results)
    else:
        print(f"contact sheet: {results['contact_sheet']}\nreport:        {results['report']}")
    return 0


def _value_of(option: str, words: Sequence[str]) -> str | None:
    for index, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and index + 1 < len(words):
            return words[index + 1]
    return None


@dataclass(frozen=True)
class Render:
    """Headshots of a finished subject from other angles, under another light, in another size."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    views: str = "front"
    """Named angles, with commas (front, left-20, profile-right, ...), or yaw/pitch degrees: 30/-10. Or files of looks
    (.json, as the viewer keeps picks), which bring their own light, backdrop, expression and frame."""
    light: str = "soft-front"
    """soft-front, rembrandt, split, rim; photo or photo:NAME for that of a photo; backdrop for that of the place behind
    the person; an environment map (.hdr, .exr, .jpg, .png), or lamps of your own (.yaml, .json)."""
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
    match: str = ""
    """A portrait whose look (white balance, contrast, colours) hair, clothes and backdrop take on, while skin stays; or
    backdrop for the look of the place behind the person."""
    enlarge: bool | None = None
    """Let a net draw large heads anew from half their size; as in the last run if not given."""
    garment: str = ""
    """What the person wears instead of the photos' clothes: crew-neck, open-collar, shirt-tie, blazer, suit; own for
    those of the photos; that of the last run if not given."""
    garment_color: str = ""
    """Colours of the garment's parts, with commas (navy,white), by name (`head3d presets` lists them) or as #rrggbb."""
    crop: str = ""
    """A frame around the head: linkedin, portrait-3x4, team-grid, passport-eu, ... (`head3d presets` lists them), or a
    yaml of yours. Passport and visa frames check the picture against the office's rules."""
    size: int | None = None
    """Height and width, px: 1024; of a crop the longer side, by default the crop's own."""
    expression: str = "neutral"
    """neutral; photo:NAME for that of one photo; smile, or smile:0.6 for a part of it; or a .json file of units."""
    gaze: Literal["own", "camera"] = "own"
    """camera: the eyes look into the camera, as far as eyes turn (22 degrees)."""
    distance_m: float = 1.5
    """From the camera to the head, metres."""
    focal_mm: float | None = None
    """35 mm equivalent focal length; by default the head fills half of the picture's height."""
    confidence: bool = False
    """Write beside each picture which places photos saw (white) and which are invented (black)."""
    format: Literal["png", "jpg", "webp", "avif", "tiff"] = "png"
    """Of the files; tiff has 16 bits and needs `pip install tifffile`."""
    exif: tuple[str, ...] = ()
    """What to write as EXIF: "Copyright=Acme 2026" "Artist=Ada" (or ImageDescription, Software)."""
    contact_sheet: bool = False
    """Write contact_sheet.pdf too: all pictures on pages of A4."""
    out: Path | None = None
    """Folder for the pictures; the subject's exports/renders if not given."""


def render_command(words: Sequence[str]) -> int:
    from head3d.finish.passport import checklist, checks_path, read_checks
    from head3d.looks import read_looks
    from head3d.render.lights import LightOptions
    from head3d.render_looks import render_looks
    from head3d.rendering import render
    from head3d.subject import Subject

    options = parse(Render, "render", words)
    asked = [name.strip() for name in options.views.split(",") if name.strip()]
    files = [Path(name) for name in asked if name.endswith(".json")]
    names = [name for name in asked if not name.endswith(".json")]
    looks = [look for file in files for look in read_looks(file)]
    put_up = LightOptions(options.light_yaw, options.light_frame, options.light_exposure)
    same = (
        "light",
        "gloss",
        "backdrop",
        "match",
        "enlarge",
        "garment",
        "garment_color",
        "crop",
        "size",
        "expression",
        "gaze",
        "distance_m",
        "focal_mm",
        "confidence",
        "format",
        "contact_sheet",
        "out",
    )
    others: dict[str, Any] = {name: getattr(options, name) for name in same} | {"exif": _pairs(options.exif)}
    written = []
    with listen() as emit:
        if names or not files:
            written += render(options.subject, names, light_options=put_up, emit=emit, **others)
        if looks:
            subject, size = Subject(options.subject).require(), options.size or 1024
            written += render_looks(
                subject, looks, size=size, confidence=options.confidence, out=options.out, emit=emit
            )
    for path in written:
        print(path)
        if checks_path(path).exists() and options.crop:
            print(checklist(read_checks(path)))
    return 0


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} says nothing about EXIF.", hint='Write it as "Copyright=Acme 2026".')
        pairs[key.strip()] = value.strip()
    return pairs

"""Commands that make a head and its pictures: run, render."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from head3d.commands.options import parse
from head3d.console import Mode, listen, write_json_line
from head3d.errors import ConfigError
from head3d.pictures import PictureOptions


def run_command(words: Sequence[str]) -> int:
    from head3d.config import Config, load_config
    from head3d.parts_views import check_delivered
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
        """Who agreed to this: the name of the person in the photos."""
        consent_scope: str = ""
        """What they agreed to, in their words."""
        consent: str = ""
        """Needed once for each subject: self for photos of you, else "NAME, 2026-01-31, what they agreed to"."""
        log_json: bool = False
        """Progress as JSON lines on standard output."""
        previews: bool = False
        """With --log-json: small pictures of the head while it is trained are among them, too."""
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
        subject = run(
            options.photos,
            options.out,
            config=config,
            consent=consent,
            demand_consent=True,
            emit=emit,
            previews=options.previews,
        )
    results = {"contact_sheet": str(subject.contact_sheet), "report": str(subject.report)}
    if options.log_json:
        write_json_line(sys.stdout, "Result", results)
    else:
        print(f"contact sheet: {results['contact_sheet']}\nreport:        {results['report']}")
    check_delivered(subject.path / "headshots")
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
    (.json, as the viewer keeps picks; the word picks for all it kept), or of sets (.yaml: every combination of the
    angles, garments, frames, lights and backdrops that it lists), which bring their own light, backdrop, expression and
    frame; --size, --confidence, --format, --exif and --match are for all."""
    picture: Annotated[PictureOptions, tyro.conf.arg(name="")] = field(default_factory=PictureOptions)
    exif: tuple[str, ...] = ()
    """What to write as EXIF: "Copyright=Acme 2026" "Artist=Ada" (or ImageDescription, Software)."""
    contact_sheet: bool = False
    """Write contact_sheet.pdf too: all pictures on pages of A4; of looks and sets also contact_sheet.jpg."""
    numbers: bool = False
    """Of looks and sets: write numbers.json too, with skin, outline, identity, verdict and time of the pictures."""
    out: Path | None = None
    """Folder for the pictures; the subject's exports/renders if not given."""


def render_command(words: Sequence[str]) -> int:
    from head3d.finish.passport import checklist, checks_path, read_checks
    from head3d.pictures import check_views, render_asked
    from head3d.set_record import RecordOptions

    options = parse(Render, "render", words)
    asked = [name.strip() for name in options.views.split(",") if name.strip()]
    picture = options.picture
    check_views(picture, asked)
    with listen() as emit:
        written = render_asked(
            options.subject,
            asked,
            picture,
            exif=_pairs(options.exif),
            record=RecordOptions(options.contact_sheet, options.numbers),
            out=options.out,
            emit=emit,
        )
    for path in written:
        print(path)
        if checks_path(path).exists() and picture.crop:
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

"""The command line: ``head3d COMMAND ...``. Parses, calls, prints; errors a user can cause end here in two lines."""

import difflib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from head3d import __version__
from head3d.console import Mode, listen, print_error, write_json_line
from head3d.errors import ConfigError, Head3DError
from head3d.store import disk_errors

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code (see errors)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"head3d {__version__}")
        return 0
    try:
        return command(words[0])(words[1:])
    except Head3DError as error:
        if debug:
            raise
        print_error(error.message, hint=error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted.", hint="Run the same command again: finished stages are kept.")
        return 130
    except BrokenPipeError:  # the reader of a pipe went away: not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            raise
        print_error(f"{error.filename or 'file system'}: {error.strerror or error}.", hint="--debug shows where.")
        return 6


def overview() -> str:
    """What ``head3d --help`` prints."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {summary}" for name, (summary, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: head3d COMMAND [OPTIONS]",
            "",
            "A few photos of a person in; a relightable 3D head and headshots from any angle out.",
            "",
            *lines,
            "",
            "head3d COMMAND --help tells the options of a command. --debug shows the traceback of an error.",
            "Start with: head3d run PHOTO... --out subjects/me",
        ]
    )


def command(name: str) -> Callable[[Sequence[str]], int]:
    """The function of a command; ConfigError with the nearest name if there is none."""
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Perhaps you meant `head3d {near[0]}`." if near else f"There are {', '.join(COMMANDS)}."
        raise ConfigError(f"There is no command {name!r}.", hint=hint)
    return COMMANDS[name][1]


def _parse(kind: type[T], name: str, words: Sequence[str], *, default: Any = tyro.MISSING_NONPROP) -> T:
    return tyro.cli(
        kind, args=list(words), prog=f"head3d {name}", config=(tyro.conf.FlagCreatePairsOff,), default=default
    )


def _run(words: Sequence[str]) -> int:
    from head3d.config import Config, load_config
    from head3d.pipeline import run
    from head3d.subject import consent_of

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
        log_json: bool = False
        """Progress as JSON lines on standard output."""
        quiet: bool = False
        """Say nothing but warnings and where the result is."""
        config: Annotated[Config, tyro.conf.arg(name=""), tyro.conf.FlagConversionOff] = field(default_factory=Config)

    base = load_config(_value_of("--preset", words) or Run.preset)
    options = _parse(Run, "run", words, default=Run(config=base))
    config = options.config
    if options.face is not None:
        config = replace(config, perception=replace(config.perception, face=options.face))
    given = options.consent_by or options.consent_scope
    consent = consent_of(options.consent_by, options.consent_scope) if given else None
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
    """Named angles, with commas (front, left-20, profile-right, ...), or yaw/pitch degrees: 30/-10."""
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
    size: int = 1024
    """Height and width, px."""
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
    out: Path | None = None
    """Folder for the pictures; the subject's exports/renders if not given."""


def _render(words: Sequence[str]) -> int:
    from head3d.render.lights import LightOptions
    from head3d.rendering import render

    options = _parse(Render, "render", words)
    names = [name.strip() for name in options.views.split(",") if name.strip()]
    put_up = LightOptions(options.light_yaw, options.light_frame, options.light_exposure)
    same = ("light", "gloss", "backdrop", "size", "expression", "gaze", "distance_m", "focal_mm", "confidence", "out")
    others = {name: getattr(options, name) for name in same}
    with listen() as emit:
        written = render(options.subject, names, light_options=put_up, emit=emit, **others)
    print("\n".join(str(path) for path in written))
    return 0


@dataclass(frozen=True)
class Status:
    """What is done in a subject folder, from how many photos, in what time."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    json: bool = False
    """Print JSON."""


def _status(words: Sequence[str]) -> int:
    from head3d.status import status_of, status_text

    options = _parse(Status, "status", words)
    status = status_of(options.subject)
    print(json.dumps(status, indent=1, ensure_ascii=False) if options.json else status_text(status))
    return 0


@dataclass(frozen=True)
class Delete:
    """Erase a person: everything head3d made from their photos, and its copies of the photos."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    yes: bool = False
    """Do not ask."""


def _delete(words: Sequence[str]) -> int:
    from head3d.subject import Subject

    options = _parse(Delete, "delete", words)
    subject = Subject(options.subject).require()
    if not options.yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"{subject.path} was not deleted: nobody to ask.", hint="Confirm with --yes.")
        if input(f"Erase {subject.path} and everything made from these photos? [y/N] ").strip().lower() != "y":
            print("nothing deleted")
            return 1
    with subject.locked():
        left = subject.delete()
    print(f"deleted {subject.path}" + (f", except {left[0].name} (not made by head3d)" if left else ""))
    return 0


@dataclass(frozen=True)
class Doctor:
    """What this machine offers: device, kernels, model files, versions."""

    json: bool = False
    """Print JSON."""


def _doctor(words: Sequence[str]) -> int:
    from head3d.doctor import diagnose, diagnosis_text

    options = _parse(Doctor, "doctor", words)
    facts = diagnose()
    print(json.dumps(facts, indent=1, ensure_ascii=False) if options.json else diagnosis_text(facts))
    return 0


@dataclass(frozen=True)
class Weights:
    """Model files: what they are, how big, under which licence, and whether they are here."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which; all if none is named."""
    get: bool = False
    """Fetch those that are missing from the package index."""
    json: bool = False
    """Print JSON."""


def _weights(words: Sequence[str]) -> int:
    from head3d.doctor import fetch_weights, weights_table, weights_text

    options = _parse(Weights, "weights", words)
    if options.get:
        with listen() as emit:
            fetch_weights(options.names, emit=emit)
    table = weights_table(options.names)
    print(json.dumps(table, indent=1) if options.json else weights_text(table))
    return 0


@dataclass(frozen=True)
class Build:
    """Compile the kernels now instead of at the first run, and say where they are. Tries again what failed before."""

    device: Literal["cpu", "cuda"] = "cpu"
    """For which device: with g++ (or CXX) for the CPU, with nvcc or else NVRTC for CUDA."""
    arch: str | None = None
    """CPU: what g++ knows as -march (x86-64-v3). GPU: sm_90, a list (75,sm_90) or all. This machine's if not given."""


def _build(words: Sequence[str]) -> int:
    from head3d.kernels.build import build

    options = _parse(Build, "build", words)
    with listen() as emit:
        made = build(options.device, arch=options.arch, emit=emit)
    print("\n".join(str(path) for path in (made.library, made.images) if path))
    return 0


def _bench(words: Sequence[str]) -> int:
    from head3d import bench

    return bench.main(words)


def _presets(words: Sequence[str]) -> int:
    from head3d.config import preset_names, preset_text

    for name in words or preset_names():
        print(f"{name}\n{_indented(preset_text(name))}")
    return 0


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


@dataclass(frozen=True)
class SamplePhotos:
    """Photos of a synthetic person, to try head3d with."""

    out: tyro.conf.Positional[Path]
    """Folder to put them in."""
    person: str = "P001"
    """P001, P002, P005, P006, P007, P009 or P010."""


def _sample_photos(words: Sequence[str]) -> int:
    from head3d.samples import write_sample_photos

    options = _parse(SamplePhotos, "sample-photos", words)
    with disk_errors(options.out):
        print("\n".join(str(path) for path in write_sample_photos(options.out, person=options.person)))
    return 0


COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "run": ("photos to head, headshots, contact sheet and report", _run),
    "render": ("more headshots: other angles, lights, sizes", _render),
    "status": ("what is done in a subject folder", _status),
    "delete": ("erase a person", _delete),
    "doctor": ("what this machine offers, and what is missing", _doctor),
    "weights": ("list or fetch the model files", _weights),
    "build": ("compile the kernels", _build),
    "bench": ("measure a head against truth; speed of kernels and pictures", _bench),
    "presets": ("list the presets", _presets),
    "sample-photos": ("fetch photos of a synthetic person", _sample_photos),
}
"""Name, one line for the overview, and what it does."""


if __name__ == "__main__":
    raise SystemExit(main())

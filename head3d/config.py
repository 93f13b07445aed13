"""Every option of a run: the stages' own dataclasses, composed; presets; one way in for yaml, Python and shell.

A preset yaml holds only what differs from the defaults. It is flattened to arguments (``--train.steps 800``) and goes
through the same parser as what the user types, so a wrong key or value is found and answered in the same way.
"""

import contextlib
import dataclasses
import difflib
import importlib.resources
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import tyro
import yaml

from head3d import store
from head3d.capture.config import CaptureConfig
from head3d.errors import ConfigError
from head3d.export.signing import SigningConfig
from head3d.finish.config import FinishConfig
from head3d.morphable.config import FitConfig
from head3d.perception.config import PerceptionConfig
from head3d.quality.config import GateConfig
from head3d.refine.config import RefineConfig
from head3d.render.config import LightOptions, RenderConfig
from head3d.train.config import TrainConfig

T = TypeVar("T")
PARSER_OPTIONS = (tyro.conf.FlagConversionOff,)
"""Booleans are written out (``--x True``), so that a preset can say them too."""

_SUGGESTIONS = ("Perhaps you meant:", "Arguments similar to ")
"""With these tyro's lists of near options begin: of one unknown option, and of several."""
_MOST_TOLD = 1000
"""Characters of its sentence that are passed on: a preset's value may be a book."""


@dataclass(frozen=True)
class ViewsConfig:
    """Which pictures a run makes."""

    names: tuple[str, ...] = (
        "front",
        "left-20",
        "right-20",
        "three-quarter-left",
        "three-quarter-right",
        "profile-left",
        "profile-right",
        "slightly-above",
        "slightly-below",
        "back",
    )
    """Named angles, in the order of the contact sheet."""
    light: str = "soft-front"
    """Light of the headshots: soft-front, rembrandt, loop, butterfly, split, rim; "photo" or "photo:NAME" for that of a
    photo; "backdrop" for that of the place behind the person; a map (.hdr, .exr, .jpg, .png), or lamps (.yaml, .json).
    """
    lighting: LightOptions = field(default_factory=LightOptions)
    garment: str = "own"
    """What the person wears: own, or one of `head3d presets` (crew-neck, open-collar, shirt-tie, blazer, suit)."""
    garment_color: str = ""
    """Colours of its parts, with commas: navy,white. Its usual ones if empty."""
    size_px: int = 1024
    """Height and width of a view, px."""
    confidence_png: bool = True
    """Write beside each view where it is seen, extrapolated or invented (confidence.png); view.json tells the shares
    in any case."""


@dataclass(frozen=True)
class Config:
    """All options of ``head3d run``."""

    capture: CaptureConfig = field(default_factory=CaptureConfig)
    perception: PerceptionConfig = field(default_factory=PerceptionConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    finish: FinishConfig = field(default_factory=FinishConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    provenance: SigningConfig = field(default_factory=SigningConfig)
    scan: str = ""
    """A 3D scan of the head (.ply, .obj, .stl, .glb, .pcd): the shape follows it, colours come from the photos."""
    hold_out_from: int = 10
    """From this many usable photos on, one is kept out of fit and field and only measures the result; 0: never."""


def preset_names() -> list[str]:
    """The presets that come with head3d."""
    folder = importlib.resources.files("head3d.configs")
    return sorted(Path(one.name).stem for one in folder.iterdir() if one.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The yaml of a preset; ConfigError with the nearest name if there is none."""
    if name not in preset_names():
        near = difflib.get_close_matches(name, preset_names(), n=1)
        hint = f"Perhaps you meant {near[0]}." if near else f"There are {', '.join(preset_names())}."
        raise ConfigError(f"There is no preset {name!r}.", hint=hint)
    return importlib.resources.files("head3d.configs").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def load_config(source: str | Path = "", *overrides: str) -> Config:
    """A Config from a preset's name or a yaml file, and arguments that change it.

    Args:
        source: "fast", or the path of a yaml with differences from the defaults; "" for the defaults.
        overrides: As on the command line: ``"--train.steps", "800"``.

    Raises:
        ConfigError: No such preset or file, an unknown key (with the nearest known one), a value of the wrong kind.
    """
    arguments: list[str] = []
    if source:
        named = isinstance(source, str) and not source.endswith((".yaml", ".yml"))
        text = preset_text(source) if isinstance(source, str) and named else _read(Path(source))
        arguments = arguments_from_yaml(text, where=str(source))
    return parse(Config, [*arguments, *overrides], where=str(source) or "options")


def arguments_from_yaml(text: str, *, where: str) -> list[str]:
    """The arguments a yaml of nested mappings stands for."""
    try:
        content = store.plain_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{where} is not yaml: {(str(error).splitlines() or ['?'])[0]}.", hint="Check its indentation."
        ) from error
    if content is None:
        return []
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} must hold keys and values.", hint="For example: train: {steps: 800}")
    return [word for words in _flatten(content, "", where) for word in words]


def _flatten(content: Mapping[Any, Any], prefix: str, where: str) -> Iterator[list[str]]:
    for key, value in content.items():
        if not isinstance(key, str):  # yaml 1.1 reads a bare `on` or `no` as a boolean
            raise ConfigError(f"{where}: key {prefix}{key!r} is not a word.", hint="Quote it, or choose another name.")
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.", where)
        elif isinstance(value, list):
            yield [f"--{name}", *(str(item) for item in value)]
        else:
            yield [f"--{name}", str(value)]


def parse(kind: type[T], arguments: Sequence[str], *, where: str) -> T:
    """Parse arguments into a dataclass; what tyro would print becomes a ConfigError."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=list(arguments), config=PARSER_OPTIONS, prog="head3d")
    except SystemExit as error:
        message, near = _from_tyro(said.getvalue())
        raise ConfigError(f"{where}: {message}.", hint=f"Perhaps you meant {near}." if near else "") from error


def _from_tyro(text: str) -> tuple[str, str]:
    """The sentence and the first suggestion in tyro's box of text."""
    lines = [re.sub(r"^[╭│╰|+\s]+|[╮│╯|+\s]+$", "", line) for line in text.splitlines()[1:]]  # the first is a title
    lines = [line for line in lines if line.strip("─- ") and not line.startswith("For full helptext")]
    if "Argument helptext:" in lines:
        lines = lines[: lines.index("Argument helptext:")]
    told = next((at for at, line in enumerate(lines) if line.startswith(_SUGGESTIONS)), len(lines))
    options = [line.split()[0] for line in lines[told + 1 :] if line.startswith("--")]
    body = " ".join(lines[:told])
    shown = body if len(body) <= _MOST_TOLD else f"{body[:_MOST_TOLD]}..."
    return shown.rstrip("."), options[0] if options else ""


def config_yaml(config: Config) -> str:
    """All options with their values, as yaml; ``load_config`` reads it back."""
    return yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)


def plain(options: Any) -> Any:
    """A dataclass of options as what yaml and json can hold."""
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        return {one.name: plain(getattr(options, one.name)) for one in dataclasses.fields(options)}
    if isinstance(options, tuple | list):
        return [plain(item) for item in options]
    return str(options) if isinstance(options, Path) else options


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", hint=f"Or a preset: {', '.join(preset_names())}."
        ) from error

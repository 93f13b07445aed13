"""Framing: which window around the head a preset shows.

A preset is one small yaml: the size of the picture, how high the head is in it and where the eyes are. The window is
found from the head's own marks in the view, so that the head has the same size and place in every headshot of a set and
of a team. Turned into intrinsics it costs no resolution: the view is rendered inside the frame.
"""

import dataclasses
import difflib
import importlib.resources
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import yaml

from head3d.errors import ConfigError
from head3d.finish.passport_rules import PassportRules

if TYPE_CHECKING:  # names of frames are checked where torch would take seconds
    from head3d.geometry.cameras import Cameras

HAIR_ROOM = 0.03
"""Part of the picture's height that stays free above the hair."""


@dataclass(frozen=True)
class CropPreset:
    """A frame.

    Attributes:
        name: Of its file.
        title: What it is for.
        size_px: (width, height) of the picture.
        head: Top of the head to chin, as a part of the picture's height.
        eyes: The eye line below the upper edge, as a part of the picture's height.
        across: Middle of the head from the left edge, as a part of the width.
        top: What the top of the head is: the ``skull`` under the hair, or the ``hair``.
        head_least: The head may become as small as this where the hair needs room; equal to ``head`` if 0.
        keep_hair: Where the hair still has no room, move the window up, at the cost of the eye line.
        eyes_most: But the eye line stays above this part of the height; no bound if 0.
        dpi: Dots per inch to print at.
        backdrop: What stands behind the person unless the user says otherwise; empty: no wish.
        passport: What an office demands; None for other pictures.
    """

    name: str
    title: str = ""
    size_px: tuple[int, int] = (1024, 1024)
    head: float = 0.5
    eyes: float = 0.42
    across: float = 0.5
    top: Literal["skull", "hair"] = "skull"
    head_least: float = 0.0
    keep_hair: bool = True
    eyes_most: float = 0.0
    dpi: int = 300
    backdrop: str = ""
    passport: PassportRules | None = field(default=None)

    def resized(self, longer_px: int) -> "CropPreset":
        """The same frame with another longer side."""
        width, height = self.size_px
        scale = longer_px / max(width, height)
        return replace(self, size_px=(max(round(width * scale), 16), max(round(height * scale), 16)))


class Marks(Protocol):
    """Where a head is in a picture, px (see :class:`head3d.finish.marks.HeadMarks`)."""

    @property
    def skull_y(self) -> float: ...
    @property
    def hair_y(self) -> float: ...
    @property
    def chin_y(self) -> float: ...
    @property
    def eye_y(self) -> float: ...
    @property
    def centre_x(self) -> float: ...


UNFRAMED = "as-rendered"
"""The frame of a picture that has none: what the lens sees."""


@cache
def crop_names() -> tuple[str, ...]:
    """The frames that come with head3d."""
    folder = importlib.resources.files("head3d.finish").joinpath("presets")
    return tuple(sorted(Path(one.name).stem for one in folder.iterdir() if one.name.endswith(".yaml")))


@cache
def known_crop(name: str) -> CropPreset | None:
    """A frame that comes with head3d; None for a picture without one."""
    return None if name == UNFRAMED else load_crop(name)


def crop_text(name: str) -> str:
    """The yaml of a frame that comes with head3d; ConfigError with the nearest name if there is none."""
    if name not in crop_names():
        near = difflib.get_close_matches(name, crop_names(), n=1)
        hint = f"Perhaps you meant {near[0]}." if near else f"There are {', '.join(crop_names())}, or a yaml of yours."
        raise ConfigError(f"There is no crop {name!r}.", hint=hint)
    return importlib.resources.files("head3d.finish").joinpath(f"presets/{name}.yaml").read_text(encoding="utf-8")


def load_crop(source: str) -> CropPreset:
    """A frame by its name, or from a yaml file of the user's.

    Raises:
        ConfigError: There is none, or it says what no frame can be.
    """
    own = source.endswith((".yaml", ".yml"))
    if own:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}: no such crop file.", hint=f"Or use {', '.join(crop_names())}.") from error
    else:
        text = crop_text(source)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not a yaml file.", hint="See `head3d presets linkedin` for one.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: says nothing about a frame.", hint="See `head3d presets linkedin` for one.")
    rules = content.pop("passport", None)
    parts = _known(CropPreset, content, source)
    if rules is not None:
        parts["passport"] = PassportRules(**_known(PassportRules, rules, source))
    preset = CropPreset(name=Path(source).stem, **parts)
    _check(preset, source)
    return preset


def frame(camera: "Cameras", crop: CropPreset, *, marks: Marks) -> "Cameras":
    """The same camera with the frame of a preset around the head.

    Args:
        camera: One camera.
        crop: The frame.
        marks: Where the head is in this camera's picture.
    """
    head_top = marks.skull_y if crop.top == "skull" else marks.hair_y
    head_px = max(marks.chin_y - head_top, 1.0)
    eyes_below_hair = marks.eye_y - marks.hair_y
    head, eyes = crop.head, crop.eyes
    if crop.keep_hair:
        # eyes * height >= eyes_below_hair + HAIR_ROOM * height, with height = head_px / head
        fits = (eyes - HAIR_ROOM) * head_px / max(eyes_below_hair, 1.0)
        head = min(head, max(fits, crop.head_least or head))
        needed = eyes_below_hair * head / head_px + HAIR_ROOM
        eyes = max(eyes, min(needed, crop.eyes_most) if crop.eyes_most else needed)
    height = head_px / head
    width, rows = crop.size_px
    scale = rows / height
    left = marks.centre_x - crop.across * width / scale
    top = marks.eye_y - eyes * height
    K = camera.K.clone()
    K[:, 0, 2] -= left
    K[:, 1, 2] -= top
    K[:, :2] *= K.new_tensor(scale)
    return replace(camera, K=K, size=(rows, width))


def _known(kind: type, content: Any, source: str) -> dict[str, Any]:
    names = {one.name for one in dataclasses.fields(kind)} - {"name", "passport"}
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: {content!r} should be names and values.", hint=f"Such as {sorted(names)[0]}.")
    for key, value in content.items():
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"Perhaps you meant {near[0]}." if near else f"There are {', '.join(sorted(names))}."
            raise ConfigError(f"{source}: a frame has no {key!r}.", hint=hint)
        if isinstance(value, list):
            content[key] = tuple(value)
    return dict(content)


def _check(crop: CropPreset, source: str) -> None:
    def refuse(what: str, hint: str) -> None:
        raise ConfigError(f"{source}: {what}", hint=hint)

    shares = {"head": crop.head, "eyes": crop.eyes, "across": crop.across}
    for name, value in shares.items():
        if not isinstance(value, float | int) or not 0.05 <= value <= 0.95:
            refuse(f"{name} is {value!r}.", "Give a part of the picture between 0.05 and 0.95.")
    size = crop.size_px
    if not (isinstance(size, tuple) and len(size) == 2 and all(isinstance(n, int) and 16 <= n <= 8192 for n in size)):
        refuse(f"size_px is {size!r}.", "Give width and height in px: [800, 800].")
    if crop.top not in ("skull", "hair"):
        refuse(f"top is {crop.top!r}.", "It is skull or hair.")
    if not isinstance(crop.dpi, int) or not 1 <= crop.dpi <= 4800:
        refuse(f"dpi is {crop.dpi!r}.", "Give dots per inch, such as 300.")

"""A look: everything that says which picture of a head is meant, as a small file.

The viewer keeps picks as such files (``views/<id>.json`` of a subject); ``head3d render --views FILE.json`` and batches
make them.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from head3d import store
from head3d.errors import ConfigError
from head3d.field.eye_range import LIMIT_RAD
from head3d.finish.crops import UNFRAMED, crop_names
from head3d.render.angles import ANGLES
from head3d.render.lens import camera_distance_m

KIND, KINDS, VERSION = "head3d.look", "head3d.looks", 1
NAME_LENGTH = 80
EYES_DEG = round(math.degrees(LIMIT_RAD), 6)
"""As far as eyes turn."""
BOUNDS: dict[str, tuple[float, float]] = {
    "yaw_deg": (-180.0, 180.0),
    "pitch_deg": (-85.0, 85.0),
    "roll_deg": (-180.0, 180.0),
    "distance_m": (0.4, 10.0),
    "focal_mm": (10.0, 400.0),
    "light_yaw_deg": (-360.0, 360.0),
    "gaze_yaw_deg": (-EYES_DEG, EYES_DEG),
    "gaze_pitch_deg": (-EYES_DEG, EYES_DEG),
    "gloss": (0.0, 4.0),
}
"""Least and most of each number; the camera never stands inside the head's box."""
MOST_UNIT = 1.5
LENS = "lens_mm"
"""Beside the words of a look: a focal length at equal framing; it says ``distance_m``."""


@dataclass(frozen=True)
class Look:
    """One picture of a head. Whoever reads it checks the words: a light or an expression belongs to a subject."""

    name: str = "front"
    """For people and, made safe, for file names."""
    yaw_deg: float = 0.0
    """Turn of the head to its own left."""
    pitch_deg: float = 0.0
    """Turn of the head up."""
    roll_deg: float = 0.0
    """Tilt of the head to its own right shoulder, as the camera sees it."""
    distance_m: float = 1.5
    """From the camera to the middle of the head."""
    focal_mm: float | None = None
    """35 mm equivalent; None: the head fills half of the height. Does nothing where a crop sets the frame."""
    seen_from: str = ""
    """``photo:NAME``: the camera of that photo, instead of the angles and the distance above."""
    light: str = "soft-front"
    """See :func:`head3d.render.lights.choose_light`; or ``own:ID``, a map kept with the subject (see light_maps.py)."""
    light_yaw_deg: float = 0.0
    """The light carried round the head, > 0 towards the subject's left."""
    light_frame: Literal["head", "camera"] = "head"
    """What maps, lamps and photos' light keep to."""
    light_exposure: str = "auto"
    """auto, or stops."""
    gloss: float | None = None
    """Sheen of the skin; None: as the subject's options say."""
    backdrop: str = ""
    """See :func:`head3d.finish.apply.with_backdrop`; empty: as the subject's options say."""
    expression: str = "neutral"
    """See :func:`head3d.morphable.expressions.find_expression`."""
    units: Mapping[str, float] = field(default_factory=dict)
    """Weights of the head model's units on top of the expression."""
    gaze: Literal["own", "camera"] = "own"
    """camera: the eyes look into it."""
    gaze_yaw_deg: float = 0.0
    """The eyes turned on from there, to the person's own left; in all no further than eyes turn."""
    gaze_pitch_deg: float = 0.0
    """The same, up."""
    garment: str = "own"
    """See :func:`head3d.garments.catalogue.choose_outfit`."""
    garment_color: str = ""
    """Of its parts, with commas."""
    crop: str = UNFRAMED
    """The frame, one of those that come with head3d; see :mod:`head3d.finish.crops`."""


def look_from(payload: Mapping[str, Any], *, where: str) -> Look:
    """A look from what json holds, every value checked.

    Args:
        payload: Keys are fields of :class:`Look`, or ``LENS``; what is missing has its default.
        where: Named in errors.

    Raises:
        ConfigError: An unknown key, a value of the wrong kind or out of range.
    """
    known = {one.name: one for one in dataclasses.fields(Look)}
    found: dict[str, Any] = {}
    for key, value in payload.items():
        if key == LENS:
            continue
        if key not in known:
            raise ConfigError(f"{where}: a look has no {key!r}.", hint=f"There are {', '.join(known)}.")
        found[key] = _checked(key, value, where)
    look = Look(**found)
    if (lens := payload.get(LENS)) is None:
        return look
    try:
        asked = {"distance_m": look.distance_m, "focal_mm": look.focal_mm, "usual_m": Look.distance_m}
        return replace(look, distance_m=camera_distance_m(lens, **asked))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error


def look_payload(look: Look) -> dict[str, Any]:
    """What :func:`look_from` reads."""
    return {**dataclasses.asdict(look), "units": dict(look.units)}


def read_looks(path: Path) -> list[Look]:
    """The look of a file, or the looks of a list (``{"format": "head3d.looks", "version": 1, "looks": [{...}]}``)."""
    listed = store.read_json_kind(path) == KINDS
    payload = store.read_json(path, kind=KINDS if listed else KIND, version=VERSION)
    found = payload.get("looks") if listed else [payload.get("look")]
    ones = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    if not isinstance(found, list) or len(ones) != len(found):
        raise ConfigError(f"{path} holds no look.", hint='It should read {"format": "head3d.look", "look": {...}}.')
    return [look_from(one, where=str(path)) for one in ones]


def pick_files(folder: Path) -> list[Path]:
    """The files of looks in a folder, in the order of the viewer's list; those without a place in it come last.

    Others are left alone, as the viewer does: views of a run lie there, too.
    """
    found = [path for path in sorted(folder.glob("*.json")) if store.read_json_kind(path) in (KIND, KINDS)]
    return sorted(found, key=_place)


def write_looks(path: Path, looks: Sequence[Look]) -> None:
    """Write several looks as one file."""
    store.write_json(path, {"looks": [look_payload(one) for one in looks]}, kind=KINDS, version=VERSION)


def named_look(name: str, **others: Any) -> Look:
    """The look of a named angle."""
    yaw, pitch = ANGLES[name]
    return Look(name=name, yaw_deg=yaw, pitch_deg=pitch, **others)


def file_stem(name: str) -> str:
    """A name as part of a file's name: letters, digits and dashes only."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:60] or "look"


def _place(path: Path) -> float:
    try:
        return float(json.loads(path.read_bytes())["order"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return math.inf


def _checked(key: str, value: Any, where: str) -> Any:
    if key in BOUNDS:
        if value is None and key in ("focal_mm", "gloss"):
            return None
        low, high = BOUNDS[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{where}: {key} is {value!r}.", hint=f"Use a number from {low:g} to {high:g}.")
        return float(value)
    if key == "units":
        return _checked_units(value, where)
    choices = {"light_frame": ("head", "camera"), "gaze": ("own", "camera"), "crop": (UNFRAMED, *crop_names())}.get(key)
    if not isinstance(value, str) or len(value) > 4096 or any(ord(c) < 32 for c in value):
        raise ConfigError(f"{where}: {key} is no text of one line.", hint="Write it in quotes.")
    if choices and value not in choices:
        raise ConfigError(f"{where}: {key} is {value!r}.", hint=f"Use one of {', '.join(choices)}.")
    return value.strip()[:NAME_LENGTH] or "look" if key == "name" else value


def _checked_units(value: Any, where: str) -> dict[str, float]:
    if not isinstance(value, Mapping) or len(value) > 200:
        raise ConfigError(f"{where}: units are no weights by name.", hint='Write {"mouthSmileLeft": 0.5}.')
    for name, weight in value.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not isinstance(name, str) or not number or not abs(weight) <= MOST_UNIT:  # nor what is no number
            raise ConfigError(f"{where}: the unit {name} weighs {weight!r}.", hint=f"Use up to {MOST_UNIT:g}.")
    return {name: float(weight) for name, weight in value.items() if weight}

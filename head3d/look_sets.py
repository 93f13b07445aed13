"""A set of looks in a few lines: one picture of every combination of what a small yaml lists.

    views: [front, left-20, profile-right, 30/-10]
    garment: [own, "blazer:charcoal,light-blue"]
    crop: [linkedin, passport-eu]
    backdrop: [studio-grey, white]

Every word of a :class:`~head3d.looks.Look` may be one value or a list.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from head3d.errors import ConfigError
from head3d.looks import LENS, Look, look_from
from head3d.render.angles import ANGLES, OWN_ANGLE

SUFFIXES = (".yaml", ".yml")
VIEWS, BEHIND = "views", "backdrop"
MOST = 1000
"""Pictures of a set: a slip of the pen is no night of rendering."""
ANGLE_WORDS = ("yaw_deg", "pitch_deg")


def read_set(path: Path) -> list[Look]:
    """The looks of a set file; those that differ by their backdrop alone follow each other, and share one render.

    Raises:
        ConfigError: No such file, or it says what no look can be.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no such set file.", hint="It lists views, and what else is to vary.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date in month 13, a number too long
        raise ConfigError(f"{path}: not a yaml file.", hint="Write `views: [front, left-20]`.") from error
    return looks_of(content, where=str(path))


def looks_of(content: Any, *, where: str) -> list[Look]:
    """The looks of what a set file holds.

    Args:
        content: Words of a look with one value or a list of them, and ``views``.
        where: Named in errors.
    """
    if not isinstance(content, Mapping) or VIEWS not in content:
        raise ConfigError(f"{where}: no set of pictures.", hint="Write `views: [front, left-20]`, and what is to vary.")
    known = {one.name for one in dataclasses.fields(Look)} - {"name", *ANGLE_WORDS} | {LENS}
    if unknown := [key for key in content if key not in known | {VIEWS}]:
        raise ConfigError(
            f"{where}: a set has no {unknown[0]!r}.", hint=f"There are views, {', '.join(sorted(known))}."
        )
    axes = {key: _listed(value, key, where) for key, value in content.items()}
    # backdrops change fastest: all of them stand behind one render
    order = [key for key in axes if key not in (VIEWS, BEHIND)] + [VIEWS] + [BEHIND] * (BEHIND in axes)
    count = 1
    for key in order:
        count *= len(axes[key])
    if count > MOST:
        raise ConfigError(f"{where}: {count} pictures.", hint=f"Make up to {MOST} at once.")
    varied = [key for key in order if len(axes[key]) > 1 and key != VIEWS]
    return [
        _look(dict(zip(order, values, strict=True)), varied, where)
        for values in itertools.product(*(axes[key] for key in order))
    ]


def variant_of(look: Look) -> Look:
    """What looks of a set have in common that differ by their angle alone."""
    return replace(look, name="", yaw_deg=0.0, pitch_deg=0.0)


def in_rows(looks: Sequence[Look]) -> list[list[int]]:
    """Numbers of looks in rows: one of each variant, its angles side by side, each in the order of their coming."""
    rows: list[tuple[Look, list[int]]] = []
    for number, look in enumerate(looks):
        variant = variant_of(look)
        for other, row in rows:
            if other == variant:
                row.append(number)
                break
        else:
            rows.append((variant, [number]))
    return [row for _, row in rows]


def _listed(value: Any, key: str, where: str) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if not found:
        raise ConfigError(f"{where}: {key} lists nothing.", hint="Leave it out for its usual value.")
    if any(one in found[:i] for i, one in enumerate(found)):
        raise ConfigError(f"{where}: {key} lists something twice.", hint="Each picture is made once.")
    return found


def _look(values: Mapping[str, Any], varied: Sequence[str], where: str) -> Look:
    payload = dict(values)
    view = str(payload.pop(VIEWS))
    payload["yaw_deg"], payload["pitch_deg"] = _angles(view, where)
    payload["name"] = " ".join([_spoken(view), *(_word(values[key]) for key in varied)])
    garment, colon, colors = str(payload.get("garment", "")).partition(":")
    if colon:
        payload |= {"garment": garment, "garment_color": colors}
    return look_from(payload, where=where)


def _angles(view: str, where: str) -> tuple[float, float]:
    if view in ANGLES:
        return ANGLES[view]
    own = OWN_ANGLE.fullmatch(view)
    if own is None:
        raise ConfigError(f"{where}: there is no view {view!r}.", hint=f"There are {', '.join(ANGLES)}, and 30/-10.")
    return float(own[1]), float(own[2] or 0.0)


def _spoken(view: str) -> str:
    """An angle in a picture's name; signs are lost in the names of files."""
    own = OWN_ANGLE.fullmatch(view)
    if own is None:
        return view
    parts = [(float(own[1]), "left", "right"), (float(own[2] or 0.0), "up", "down")]
    return " ".join(f"{more if angle > 0 else less} {abs(angle):g}" for angle, more, less in parts if angle) or "front"


def _word(value: Any) -> str:
    """A value in a picture's name."""
    return Path(value).stem if isinstance(value, str) and Path(value).suffix else str(value).replace(":", " ")

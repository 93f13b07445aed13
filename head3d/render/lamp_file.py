"""A light of one's own in a small yaml or json: ambient or an environment map, and point, area and directional lamps.

.. code-block:: yaml

    ambient: [0.1, 0.1, 0.12]        # or: environment: studio.hdr (beside this file), with environment_yaw_deg
    lamps:
      - {kind: area, position_m: [0.8, 0.5, 0.9], size_m: [0.6, 0.9], color: "#fff1e0", intensity: 2}
      - {kind: point, azimuth_deg: -120, elevation_deg: 30, distance_m: 1.5, intensity: 1}
      - {kind: directional, azimuth_deg: 45, elevation_deg: 40, angle_deg: 0.5, intensity: 3}

Positions are metres in the head frame (+X the subject's left, +Y up, +Z out of the face). Intensity 1 makes a white
card that faces the lamp, at 1 m from one that is not directional, as bright as paper white.
"""

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from head3d import store
from head3d.errors import ConfigError
from head3d.geometry.lamps import Lamps, distant_lamps, joined
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.color import linear_from_srgb
from head3d.imaging.panorama import read_panorama
from head3d.render.environment import environment_light
from head3d.render.rigs import direction_of

LAMP_SUFFIXES = (".yaml", ".yml", ".json")
_PLACES = {"position_m", "azimuth_deg", "elevation_deg", "distance_m"}
_LOOK = {"kind", "color", "intensity"}
_KEYS = {
    "point": _LOOK | _PLACES | {"radius_m"},
    "area": _LOOK | _PLACES | {"size_m", "normal", "target_m"},
    "directional": _LOOK | {"azimuth_deg", "elevation_deg", "direction", "angle_deg"},
}
_TOP = {"ambient", "environment", "environment_yaw_deg", "environment_gain", "lamps"}
_PART_M = 0.45
"""A panel wider than this becomes several: as one round lamp it would lose its shape in shadows and highlights."""
_MOST_PARTS = 3
"""Along each side of a panel."""
LARGEST = 1e9


def read_lamps(path: Path, *, most_lamps: int) -> Lighting:
    """The light a file describes, head frame; ConfigError names the file, the lamp and the key."""
    try:
        content = store.plain_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Check the path.") from error
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path} is not yaml: {(str(error).splitlines() or ['?'])[0]}.", hint="Check its indentation."
        ) from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path} must hold keys and values.", hint="For example: lamps: [{kind: point, ...}]")
    _known(content, _TOP, str(path))
    lamps = content.get("lamps") or []
    if not isinstance(lamps, list):
        raise ConfigError(f"{path}: lamps must be a list.", hint="Begin each lamp with `- kind: ...`.")
    light = Lighting(ambient(_color(content, "ambient", str(path), default=0.0)))
    if "environment" in content:
        picture = read_panorama(path.parent / str(content["environment"]))
        turned = round(_number(content, "environment_yaw_deg", str(path), 0.0) / 360 * picture.shape[1])
        gain = _number(content, "environment_gain", str(path), 1.0, least=0.0)
        seen = environment_light(picture.roll(-turned, 1) * gain, most_lamps=most_lamps)
        light = Lighting(light.sh + seen.sh, seen.lamps)
    own = [_lamp(one, f"{path}: lamp {number}") for number, one in enumerate(lamps, start=1)]
    around = light.lamps or distant_lamps(torch.zeros(0, 3), torch.zeros(0, 3), sine=torch.zeros(0))
    light = Lighting(light.sh, joined([around, *own]))
    if not own and not bool(light.sh.any()):
        raise ConfigError(f"{path}: nothing in it shines.", hint="Give lamps, ambient or environment.")
    return light


def _lamp(content: Any, where: str) -> Lamps:
    if not isinstance(content, Mapping) or str(content.get("kind")) not in _KEYS:
        raise ConfigError(f"{where} has no kind that is known.", hint=f"There are {', '.join(_KEYS)}.")
    kind = str(content["kind"])
    _known(content, _KEYS[kind], where)
    color = (
        math.pi * _number(content, "intensity", where, 1.0, least=0.0) * _color(content, "color", where, default=1.0)
    )
    nothing = torch.zeros(1, 3)
    if kind == "directional":
        angle = _number(content, "angle_deg", where, 2.0, least=0.0, most=90.0)
        way = _vector(content, "direction", where) if "direction" in content else _direction(content, where)
        sine = torch.tensor([math.sin(math.radians(angle) / 2)])
        return Lamps(_unit(way, where)[None], torch.tensor([True]), color[None], nothing, sine)
    distance = _number(content, "distance_m", where, 1.2, least=0.3)
    place = _vector(content, "position_m", where) if "position_m" in content else _direction(content, where) * distance
    if kind == "point":
        radius = torch.tensor([_number(content, "radius_m", where, 0.02, least=0.0)])
        return Lamps(place[None], torch.tensor([False]), color[None], nothing, radius)
    target = _vector(content, "target_m", where) if "target_m" in content else torch.zeros(3)
    normal = _unit(_vector(content, "normal", where) if "normal" in content else target - place, where)
    return _panel(place, normal, _size(content, where), color)


def _panel(place: Tensor, normal: Tensor, size: tuple[float, float], color: Tensor) -> Lamps:
    """A rectangle as discs of the same area, upright as far as its normal allows."""
    up = torch.tensor([0.0, 1.0, 0.0]) if abs(float(normal[1])) < 0.99 else torch.tensor([0.0, 0.0, 1.0])
    across = torch.nn.functional.normalize(torch.linalg.cross(up, normal), dim=0)
    up = torch.linalg.cross(normal, across)
    columns, rows = (min(max(math.ceil(side / _PART_M), 1), _MOST_PARTS) for side in size)
    count = rows * columns
    x = ((torch.arange(columns) + 0.5) / columns - 0.5) * size[0]
    y = ((torch.arange(rows) + 0.5) / rows - 0.5) * size[1]
    positions = place + (x[None, :, None] * across + y[:, None, None] * up).reshape(-1, 3)
    radius = math.sqrt(size[0] * size[1] / count / math.pi)
    return Lamps(
        positions,
        torch.zeros(count, dtype=torch.bool),
        (color / count).expand(count, 3).clone(),
        normal.expand(count, 3).clone(),
        torch.full((count,), radius),
    )


def _known(content: Mapping[Any, Any], keys: set[str], where: str) -> None:
    for key in content:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1)
            hint = f"Perhaps you meant {near[0]}." if near else f"There are {', '.join(sorted(keys))}."
            raise ConfigError(f"{where}: there is no {key!r}.", hint=hint)


def _number(
    content: Mapping[Any, Any],
    key: str,
    where: str,
    default: float,
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> float:
    value = content.get(key, default)
    if not _is_number(value) or not least <= value <= most:
        bounds = (
            ""
            if least == -math.inf
            else f" of at least {least:g}" + ("" if most == math.inf else f", at most {most:g}")
        )
        raise ConfigError(f"{where}: {key} must be a number{bounds}, not {value!r}.")
    return float(value)


def _is_number(value: Any) -> bool:
    """True for numbers that lengths, angles and powers can have: no infinity, none that a float cannot hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _numbers(content: Mapping[Any, Any], key: str, where: str, count: int) -> list[float]:
    value = content.get(key)
    good = isinstance(value, list) and len(value) == count
    if not good or not all(_is_number(one) for one in value):  # type: ignore[union-attr]
        raise ConfigError(f"{where}: {key} must be {count} numbers, not {value!r}.")
    return [float(one) for one in value]  # type: ignore[union-attr]


def _vector(content: Mapping[Any, Any], key: str, where: str) -> Float[Tensor, "3"]:
    return torch.tensor(_numbers(content, key, where, 3))


def _direction(content: Mapping[Any, Any], where: str) -> Float[Tensor, "3"]:
    if "azimuth_deg" not in content:
        raise ConfigError(
            f"{where} stands nowhere.", hint="Give azimuth_deg and elevation_deg, or a position or direction."
        )
    return direction_of(_number(content, "azimuth_deg", where, 0.0), _number(content, "elevation_deg", where, 0.0))


def _size(content: Mapping[Any, Any], where: str) -> tuple[float, float]:
    width, height = _numbers(content, "size_m", where, 2) if "size_m" in content else (0.6, 0.6)
    if min(width, height) <= 0:
        raise ConfigError(f"{where}: size_m must be positive.")
    return width, height


def _unit(vector: Tensor, where: str) -> Tensor:
    if float(vector.norm()) < 1e-6:
        raise ConfigError(f"{where} has a direction of no length.")
    return torch.nn.functional.normalize(vector, dim=0)


def _color(content: Mapping[Any, Any], key: str, where: str, *, default: float) -> Float[Tensor, "3"]:
    """Linear RGB of numbers (linear) or "#rrggbb" (sRGB)."""
    value = content.get(key, [default] * 3)
    if isinstance(value, str) and len(value) == 7 and value.startswith("#"):
        try:
            return linear_from_srgb(torch.tensor([int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]))
        except ValueError:
            pass
    if isinstance(value, list) and len(value) == 3 and all(_is_number(v) and v >= 0 for v in value):
        return torch.tensor([float(v) for v in value])
    raise ConfigError(f"{where}: {key} must be three numbers or #rrggbb, not {value!r}.")

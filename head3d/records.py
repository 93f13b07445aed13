"""Frozen dataclasses as JSON and back, exactly: every array keeps its type and its bits.

Small arrays go into the JSON as lists; large ones are put aside by the caller (into safetensors or PNG) and leave a
reference. Reading follows the type hints of the dataclass, so no name in a file ever chooses a class.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from head3d.errors import CorruptPart, ShapeError

T = TypeVar("T")
Aside = Callable[[str, Any], bool]
"""Takes the dotted name of an array and the array; True if the caller stores it itself."""


def keep_inline(name: str, array: Any) -> bool:
    """An ``Aside`` that leaves every array in the JSON."""
    del name, array
    return False


def to_plain(value: Any, *, aside: Aside = keep_inline, name: str = "") -> Any:
    """A dataclass (or a tuple, dict, array, number inside one) as what JSON can hold."""
    if isinstance(value, np.ndarray) or type(value).__module__.startswith("torch"):
        if aside(name, value):
            return {"aside": name}
        tensor = not isinstance(value, np.ndarray)
        array = value.detach().cpu().numpy() if tensor else value
        return {"dtype": str(array.dtype), "shape": list(array.shape), "tensor": tensor, "data": array.ravel().tolist()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {key: to_plain(item, aside=aside, name=_join(name, key)) for key, item in inner}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, aside=aside, name=_join(name, str(key))) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return [to_plain(item, aside=aside, name=_join(name, str(i))) for i, item in enumerate(items)]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return value


def from_plain(hint: type[T], payload: Any, *, stored: Mapping[str, Any] | None = None, where: str = "") -> T:
    """Rebuild a value of type ``hint``.

    Args:
        stored: The arrays that were put aside, by name.
        where: The file, for the message.

    Raises:
        CorruptPart: A field is missing or has the wrong type or shape.
    """
    try:
        return _build(hint, payload, stored or {})
    except (KeyError, TypeError, AttributeError, ShapeError, ValueError) as error:
        raise CorruptPart(
            f"{where} does not hold what it should: {error}.",
            hint="Run `head3d run` on the subject again to rebuild it.",
        ) from error


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _build(hint: Any, payload: Any, stored: Mapping[str, Any]) -> Any:
    if payload is None:
        return None
    if isinstance(payload, dict) and payload.keys() == {"aside"}:
        return stored[payload["aside"]]
    if isinstance(payload, dict) and payload.keys() == {"dtype", "shape", "tensor", "data"}:
        return _array(payload)
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(option for option in get_args(hint) if option is not type(None))
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        names = [field.name for field in dataclasses.fields(hint) if field.name in payload]
        return hint(**{name: _build(hints[name], payload[name], stored) for name in names})  # type: ignore[operator]
    match get_origin(hint):
        case kind if kind is tuple:
            inner = get_args(hint)
            hints_of_items = [inner[0]] * len(payload) if inner[-1] is Ellipsis else inner
            return tuple(_build(one, item, stored) for one, item in zip(hints_of_items, payload, strict=True))
        case kind if kind is dict:
            return {key: _build(get_args(hint)[1], item, stored) for key, item in payload.items()}
        case kind if kind is list:
            return [_build(get_args(hint)[0], item, stored) for item in payload]
    return payload * 1.0 if hint is float and isinstance(payload, int) else payload


def _array(payload: dict[str, Any]) -> Any:
    array = np.array(payload["data"], dtype=payload["dtype"]).reshape(payload["shape"])
    if not payload["tensor"]:
        return array
    from torch import from_numpy

    return from_numpy(array)

"""Shape checks for the frozen dataclasses that flow between stages.

``@shaped`` goes above ``@dataclass``. At construction every field annotated with a jaxtyping type is checked, and
dimension names are bound across the fields of one object, so that two fields called "V 3" must have equal V.
"""

import functools
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from jaxtyping import AbstractArray, jaxtyped

from head3d.errors import ShapeError

T = TypeVar("T")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Union or type(hint).__name__ == "UnionType" else (hint,)


def _is_array_type(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is None:
        return type(value).__name__
    return f"{getattr(value, 'dtype', '')} {tuple(shape)}".strip()


def shaped(cls: type[T]) -> type[T]:
    """Check the jaxtyped fields of a dataclass when an object is made; ShapeError names the field."""
    make = cls.__init__
    hints: dict[str, tuple[Any, ...]] = {}

    @functools.wraps(make)
    def checked_init(self: T, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        if not hints:
            hints.update({name: _alternatives(hint) for name, hint in get_type_hints(cls).items()})
        with jaxtyped("context"):
            for name, options in hints.items():
                arrays = [option for option in options if _is_array_type(option)]
                value = getattr(self, name)
                if not arrays or (value is None and type(None) in options):
                    continue
                if not any(isinstance(value, option) for option in arrays):
                    expected = " or ".join(f"{option.dtype.__name__}[{option.dim_str}]" for option in arrays)
                    raise ShapeError(f"{cls.__name__}.{name}", expected=expected, actual=_describe(value))

    cls.__init__ = checked_init
    return cls

"""A command's words into its options: a frozen dataclass whose docstrings are the help."""

from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

T = TypeVar("T")


def parse(kind: type[T], name: str, words: Sequence[str], *, default: Any = tyro.MISSING_NONPROP) -> T:
    """The options of ``head3d NAME WORDS...``; tyro prints help and errors, and exits."""
    return tyro.cli(
        kind, args=list(words), prog=f"head3d {name}", config=(tyro.conf.FlagCreatePairsOff,), default=default
    )

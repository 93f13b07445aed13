"""What garments are called, and their colours: nothing here needs more than Python."""

import re
from typing import Literal, get_args

from head3d.errors import ConfigError

GarmentName = Literal["crew-neck", "open-collar", "shirt-tie", "blazer", "suit"]

COLORS: dict[str, str] = {
    "white": "#dadcde",
    "ivory": "#d9d2c1",
    "light-blue": "#b9cbe3",
    "pink": "#e3c3c6",
    "grey": "#8d9095",
    "charcoal": "#3a3d42",
    "black": "#17181a",
    "navy": "#1c2640",
    "blue": "#2f4f86",
    "teal": "#1f5558",
    "forest": "#24402f",
    "olive": "#55573a",
    "burgundy": "#551a26",
    "rust": "#8f4a2a",
    "camel": "#a98257",
    "beige": "#cdbfa6",
}
"""sRGB of dyed cloth: white cloth is no paper, black cloth no hole."""

PARTS: dict[GarmentName, tuple[tuple[str, str], ...]] = {
    "crew-neck": (("knit", "navy"),),
    "open-collar": (("shirt", "white"), ("buttons", "ivory")),
    "shirt-tie": (("shirt", "white"), ("tie", "burgundy"), ("buttons", "ivory")),
    "suit": (("suit", "charcoal"), ("shirt", "white"), ("tie", "navy"), ("buttons", "ivory")),
    "blazer": (("blazer", "navy"), ("shirt", "white"), ("buttons", "ivory")),
}
"""What is dyed, in the order in which colours are given, and the colour it has if none is."""

OWN: Literal["own"] = "own"
"""The photo's own clothes."""
HEX = re.compile(r"#[0-9a-fA-F]{6}")


def garment_colors(garment: str, colors: str = "") -> tuple[GarmentName, tuple[str, ...]] | None:
    """A garment and the words of the colours that were given for its parts; None for the photo's own clothes.

    Args:
        garment: ``own``, or a ``GarmentName``.
        colors: Of its parts in their order, with commas: names of ``COLORS`` or #rrggbb; of own clothes one.

    Raises:
        ConfigError: No such garment or colour, or more colours than parts.
    """
    given = tuple(word.strip() for word in colors.split(",") if word.strip())
    if garment in ("", OWN):
        if len(given) > 1:
            raise ConfigError("Own clothes take one colour.", hint="Or choose a garment, which has colours for parts.")
        _check_colors(given)
        return None
    known: dict[str, GarmentName] = {name: name for name in PARTS}
    if garment not in known:
        raise ConfigError(
            f"There is no garment {garment!r}.", hint=f"There are {OWN}, {', '.join(get_args(GarmentName))}."
        )
    parts = PARTS[known[garment]]
    if len(given) > len(parts):
        names = ", ".join(name for name, _ in parts)
        raise ConfigError(f"{garment} has {len(parts)} colours, {len(given)} were given.", hint=f"They are {names}.")
    _check_colors(given)
    return known[garment], given


def own_color(garment: str, colors: str) -> str:
    """The colour that the photo's own clothes take; empty if they keep theirs, or something else is worn."""
    return colors.strip().strip(",") if garment in ("", OWN) and garment_colors(garment, colors) is None else ""


def _check_colors(words: tuple[str, ...]) -> None:
    for word in words:
        if word not in COLORS and not HEX.fullmatch(word):
            raise ConfigError(f"There is no colour {word!r}.", hint=f"There are {', '.join(COLORS)}, and #rrggbb.")

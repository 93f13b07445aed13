"""Garments and colours by name, and how each is cut."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from head3d.errors import ConfigError
from head3d.garments.blazer import blazer, tucked
from head3d.garments.knit import around, crew_line, crew_neck
from head3d.garments.sheets import Cloth, dyed, joined
from head3d.garments.shirt import OPEN, SHUT, UNDER, UNDER_JACKET, Collar, shirt
from head3d.garments.tie import tie
from head3d.garments.torso import Torso
from head3d.imaging.color import parse_color

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

OWN = "own"
"""The photo's own clothes."""


@dataclass(frozen=True)
class Outfit:
    """A garment and its colours.

    Attributes:
        garment: What.
        dyes: Linear RGB of its ``PARTS``.
        words: As the user gave it, for names and provenance.
    """

    garment: GarmentName
    dyes: tuple[tuple[float, float, float], ...]
    words: str


def choose_outfit(garment: str, colors: str = "") -> Outfit | None:
    """An outfit by name; None for the photo's own clothes.

    Args:
        garment: ``own``, or a ``GarmentName``.
        colors: Of its parts in their order, with commas: names of ``COLORS`` or #rrggbb. What is missing has its own.

    Raises:
        ConfigError: No such garment or colour, or more colours than parts.
    """
    given = [word.strip() for word in colors.split(",") if word.strip()]
    if garment in ("", OWN):
        if given:
            raise ConfigError(
                "A colour was given for no garment.", hint=f"There are {', '.join(get_args(GarmentName))}."
            )
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
    chosen = given + [usual for _, usual in parts[len(given) :]]
    dyes = tuple(_dye(one) for one in chosen)
    return Outfit(known[garment], dyes, f"{garment}:{','.join(given)}" if given else garment)


def _dye(word: str) -> tuple[float, float, float]:
    if not word.startswith("#") and word not in COLORS:
        raise ConfigError(f"There is no colour {word!r}.", hint=f"There are {', '.join(COLORS)}, and #rrggbb.")
    red, green, blue = parse_color(COLORS.get(word, word)).tolist()
    return red, green, blue


def cut(outfit: Outfit, torso: Torso) -> Cloth:
    """The garment on the form of the mean head."""
    match outfit.garment:
        case "crew-neck":
            return crew_neck(torso)
        case "open-collar":
            return shirt(torso, OPEN)
        case "shirt-tie":
            return joined([shirt(torso, SHUT), tie(torso)])
        case "blazer":
            return joined([_under(torso, UNDER), blazer(torso)])
        case "suit":
            return joined([_under(torso, SHUT), tie(torso, dye=2), blazer(torso)])


def _under(torso: Torso, collar: Collar) -> Cloth:
    """The shirt under a jacket, in the second of the outfit's colours."""
    return tucked(dyed(shirt(torso, collar, folds=UNDER_JACKET), 1), torso)


def keep_below(outfit: Outfit) -> Float[np.ndarray, "A"]:
    """Way (m) from the natural neckline to which skin may show, at evenly spaced azimuths from -180 degrees."""
    azimuth = around(72)
    match outfit.garment:
        case "crew-neck":
            return crew_line(azimuth) + 0.03
        case "shirt-tie" | "suit":
            return np.full(72, 0.02)
        case "open-collar" | "blazer":
            return 0.02 + 0.13 * np.exp(-((azimuth / 0.55) ** 4))

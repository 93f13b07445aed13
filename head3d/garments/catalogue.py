"""Garments by name: their dyes, and how each is cut."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from head3d.garments.blazer import blazer, tucked
from head3d.garments.knit import around, crew_line, crew_neck
from head3d.garments.names import COLORS, OWN, PARTS, GarmentName, garment_colors, own_color
from head3d.garments.sheets import Cloth, dyed, joined
from head3d.garments.shirt import OPEN, SHUT, UNDER, UNDER_JACKET, Collar, shirt
from head3d.garments.tie import tie
from head3d.garments.torso import Torso
from head3d.imaging.color import parse_color


@dataclass(frozen=True)
class Outfit:
    """A garment and its colours.

    Attributes:
        garment: What; own: the photo's own clothes, dyed.
        dyes: Linear RGB of its ``PARTS``; of own clothes one.
        words: As the user gave it, for names and provenance.
    """

    garment: GarmentName | Literal["own"]
    dyes: tuple[tuple[float, float, float], ...]
    words: str


def choose_outfit(garment: str, colors: str = "") -> Outfit | None:
    """An outfit by name; None for the photo's own clothes in their own colour.

    Args:
        garment: ``own``, or a ``GarmentName``.
        colors: Of its parts in their order, with commas: names of ``COLORS`` or #rrggbb. What is missing has its own.

    Raises:
        ConfigError: No such garment or colour, or more colours than parts.
    """
    found = garment_colors(garment, colors)
    if found is None:
        own = own_color(garment, colors)
        return Outfit(OWN, (_dye(own),), f"{OWN}:{own}") if own else None
    name, given = found
    chosen = (*given, *(usual for _, usual in PARTS[name][len(given) :]))
    dyes = tuple(_dye(one) for one in chosen)
    return Outfit(name, dyes, f"{name}:{','.join(given)}" if given else name)


def _dye(word: str) -> tuple[float, float, float]:
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
        case "own":
            raise ValueError("own clothes are not cut")
        case "suit":
            return joined([_under(torso, SHUT), tie(torso, dye=2), blazer(torso)])


def _under(torso: Torso, collar: Collar) -> Cloth:
    """The shirt under a jacket, in the second of the outfit's colours."""
    return tucked(dyed(shirt(torso, collar, folds=UNDER_JACKET), 1), torso)


def keep_below(outfit: Outfit) -> Float[np.ndarray, "A"]:
    """Way (m) from the natural neckline to which skin may show, at evenly spaced azimuths from -180 degrees."""
    azimuth = around(72)
    match outfit.garment:
        case "own":
            raise ValueError("own clothes cover what they cover")
        case "crew-neck":
            return crew_line(azimuth) + 0.03
        case "shirt-tie" | "suit":
            return np.full(72, 0.02)
        case "open-collar" | "blazer":
            return 0.02 + 0.13 * np.exp(-((azimuth / 0.55) ** 4))

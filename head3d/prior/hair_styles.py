"""Styles and colours of hair, drawn at random."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Comb = Literal["crown", "part", "back", "out", "tie", "mesh"]
"""Away from the crown; to both sides of a part; to the back; straight out; to a knot; or an artist did."""


@dataclass(frozen=True)
class HairStyle:
    """How hair grows and lies. Lengths in metres.

    Attributes:
        name: What people would call it.
        comb: Where the hair is combed to.
        top: Length on top of the head.
        side: Length at the sides and the nape.
        volume: How far it stands off the head.
        cap: Thickness of the closed layer under the strands.
        weight: How much it hangs, 0 to 1 a step.
        stiff: How long a strand keeps its direction, 0 to 1.
        curl: Radius of waves and curls.
        turns: Of a curl, per metre.
        width: Of a lock.
        strands: How many locks.
        part: x of the part.
        clear_rad: Azimuth of the face that hair keeps clear of; hair over the forehead is as long as ``fringe``.
        fringe: Length over the forehead.
        tail: Length of what hangs from the knot; 0 makes a bun.
    """

    name: str
    comb: Comb = "crown"
    top: float = 0.0
    side: float = 0.0
    volume: float = 0.004
    cap: float = 0.004
    weight: float = 0.3
    stiff: float = 0.6
    curl: float = 0.0
    turns: float = 0.0
    width: float = 0.005
    strands: int = 1000
    part: float = 0.0
    clear_rad: float = 0.75
    fringe: float = 0.03
    tail: float = 0.0


BALD = HairStyle("bald", cap=0.0, strands=0)

STYLES = (
    BALD,
    HairStyle("buzz", top=0.004, side=0.003, volume=0.0005, cap=0.0018, width=0.0025, strands=1500, weight=0.1),
    HairStyle("crop", top=0.035, side=0.012, volume=0.008, cap=0.007, width=0.005, strands=1500, fringe=0.03),
    HairStyle("side part", "part", 0.085, 0.03, 0.012, 0.010, width=0.006, strands=1300, part=0.035, fringe=0.08),
    HairStyle("swept back", "back", 0.10, 0.04, 0.006, 0.009, width=0.006, strands=1300, weight=0.35, fringe=0.1),
    HairStyle("short curls", "out", 0.05, 0.03, 0.012, 0.014, 0.25, 0.35, 0.008, 45.0, 0.006, 1500, fringe=0.035),
    HairStyle("afro", "out", 0.07, 0.055, 0.0, 0.05, 0.03, 0.8, 0.006, 60.0, 0.007, 1700, fringe=0.06),
    HairStyle("bob", "part", 0.22, 0.15, 0.014, 0.010, 0.4, 0.5, width=0.008, strands=1300, part=0.02, fringe=0.2),
    HairStyle("fringe", "crown", 0.24, 0.16, 0.012, 0.010, 0.45, 0.5, width=0.008, strands=1300, fringe=0.055),
    HairStyle("long", "part", 0.38, 0.30, 0.012, 0.010, 0.45, 0.5, width=0.010, strands=1300, part=0.01, fringe=0.36),
    HairStyle(
        "long waves", "part", 0.36, 0.28, 0.018, 0.011, 0.4, 0.5, 0.010, 14.0, 0.010, 1300, part=0.025, fringe=0.34
    ),
    HairStyle("long curls", "part", 0.26, 0.2, 0.022, 0.014, 0.35, 0.4, 0.013, 32.0, 0.010, 1500, fringe=0.24),
    HairStyle("ponytail", "tie", 0.2, 0.2, 0.003, 0.005, width=0.009, strands=1100, tail=0.25),
    HairStyle("bun", "tie", 0.2, 0.2, 0.003, 0.005, width=0.009, strands=1100),
)

MASCULINE = ("bald", "buzz", "crop", "side part", "swept back", "short curls", "afro")
FEMININE = (
    "crop",
    "bob",
    "fringe",
    "long",
    "long waves",
    "long curls",
    "ponytail",
    "bun",
    "afro",
    "short curls",
    "buzz",
)

COLORS = {
    "black": (0.010, 0.008, 0.008),
    "dark brown": (0.025, 0.015, 0.010),
    "brown": (0.065, 0.035, 0.020),
    "light brown": (0.14, 0.08, 0.045),
    "blond": (0.36, 0.25, 0.13),
    "red": (0.20, 0.055, 0.018),
    "grey": (0.24, 0.23, 0.22),
    "white": (0.58, 0.57, 0.55),
}
"""Linear RGB of a lock. What is dark is common everywhere; light hair is drawn for light skin only."""


def draw_style(generator: torch.Generator, *, masculine: bool, name: str | None = None) -> HairStyle:
    """Draw a style (or take the one of that name) and vary its lengths, volume, curl and part."""
    names = MASCULINE if masculine else FEMININE
    chosen = names[int(torch.randint(len(names), (), generator=generator))]
    style = next(style for style in STYLES if style.name == (name or chosen))
    length, volume, curl, part, clear = (torch.rand(5, generator=generator) * 2 - 1).tolist()
    return replace(
        style,
        top=style.top * (1 + 0.25 * length),
        side=style.side * (1 + 0.25 * length),
        volume=style.volume * (1 + 0.4 * volume),
        cap=style.cap * (1 + 0.25 * volume),
        curl=style.curl * (1 + 0.35 * curl) + (0.002 * max(curl, 0.0) if style.name != "buzz" else 0.0),
        turns=max(style.turns, 15.0),
        part=style.part if abs(part) < 0.3 else style.part * (1 if part > 0 else -1),
        clear_rad=style.clear_rad + 0.12 * clear,
    )


def draw_color(generator: torch.Generator, *, tone_deg: float) -> Float[Tensor, "3"]:
    """Draw the colour of hair, linear RGB; how often each occurs depends on the skin's typology angle."""
    light = min(max((tone_deg - 15) / 30, 0.0), 1.0)
    odds = torch.tensor([2.5 - 1.7 * light, 2.0, 0.3 + light, light, 0.8 * light, 0.4 * light, 0.35, 0.2])
    index = int(torch.multinomial(odds, 1, generator=generator))
    variation = 1 + 0.25 * (torch.rand((), generator=generator) * 2 - 1)
    return (torch.tensor(list(COLORS.values())[index]) * variation).clamp(0.004, 0.7)

"""How renders become headshots: options."""

from dataclasses import dataclass
from typing import Literal

BackdropName = Literal["studio-grey", "charcoal", "white", "warm", "blue", "plain-grey"]


@dataclass(frozen=True)
class FinishConfig:
    """How renders become headshots."""

    size: int = 1024
    """Longer side of the headshot, px."""
    backdrop: BackdropName = "studio-grey"
    """What stands behind the person."""
    backdrop_color: str = ""
    """A plain colour of your own as #rrggbb; overrides ``backdrop``."""
    backdrop_image: str = ""
    """A picture behind the person (.jpg, .png; the middle of a .hdr or .exr panorama); overrides both."""
    backdrop_f: float = 5.6
    """F-number of the lens before such a picture: 2 blurs it much, 16 little, 0 leaves it sharp. A long lens blurs more
    than a short one."""
    backdrop_far_m: float = 3.0
    """How far behind the head such a picture stands, metres."""
    backdrop_walk: float = 0.2
    """Which part of a turn of the view is the camera walking round the person, 0 to 1: by it such a picture moves
    against the head, as far as it reaches beyond the frame. The rest is the person turning."""
    exposure: Literal["match", "as-lit"] = "match"
    """``match`` brings the person to ``face_level``, with one gain for a set; ``as-lit`` leaves the light as it is."""
    face_level: float = 0.30
    """Luminance that ``match`` gives light skin, linear, 0 to 1."""
    keep_skin: float = 0.5
    """How much darker skin stays darker. 0: all are lifted to ``face_level``; 1: only the light sets the exposure."""
    shoulder: float = 0.75
    """Linear level above which highlights are rolled off instead of clipped, 0 to 1."""
    match: str = ""
    """Whose look the set takes: a portrait's (.jpg, .png), or ``backdrop`` for that of the place behind the person.
    Hair, clothes and backdrop follow; skin stays."""
    match_strength: float = 1.0
    """How far, 0 to 1."""
    format: Literal["png", "jpg", "webp", "avif", "tiff"] = "png"
    """Of the headshots of a run; tiff has 16 bits and needs `pip install tifffile`."""
    retouch: float = 0.0
    """How far blotches of the skin are evened, 0 to 1, on the 3D head; moles, pores and shade stay. 0: not at all."""
    clean_rim: bool = True
    """Replace colours of thin coverage by those of the solid person next to them."""

"""How pictures are made and lit: options."""

import math
from dataclasses import dataclass, field
from typing import Literal

from head3d.errors import ConfigError


@dataclass(frozen=True)
class LightOptions:
    """How a light is put up."""

    yaw_deg: float = 0.0
    """Carry the light round the head, degrees; > 0 towards the subject's left."""
    frame: Literal["head", "camera"] = "head"
    """What light that is no studio rig keeps to: the head (the camera walks round a person in a place), or the camera
    (the person turns)."""
    exposure: str = "auto"
    """auto: maps and lamps of your own are brought to a well exposed face. Or stops up or down from the light as it is
    given (0, -1.5); then finishing leaves it at that, too."""
    lamps: int = 4
    """How many lamps at most are cut out of an environment map, to throw shadows; 0: none."""

    @property
    def stops(self) -> float | None:
        """Exposure by hand; None for automatic."""
        if self.exposure == "auto":
            return None
        try:
            stops = float(self.exposure)
        except ValueError:
            stops = math.nan
        if not abs(stops) <= 20:
            raise ConfigError(f"An exposure of {self.exposure!r} is none.", hint="Say auto, or stops from -20 to 20.")
        return stops


@dataclass(frozen=True)
class RelightConfig:
    """How chosen light falls on the head; that of a photo needs none of it: albedo and light were fitted together."""

    shadows: float = 1.0
    """How dark shadows of lamps are, 0 to 1."""
    occlusion: float = 0.8
    """How much of the soft light creases and overhangs lose, 0 to 1. Some is in the albedo already."""
    gloss: float = 1.0
    """Strength of the sheen on skin; 0 is matte."""
    photo: bool = False
    """Give the light of a photo occlusion and sheen, too."""


@dataclass(frozen=True)
class RenderConfig:
    """How pictures are made."""

    samples: int = 64
    """Samples per ray in the shell about the surface: along a cheek it takes many to get past it to the hair behind."""
    colors: int = 4
    """Of these, how many (the heaviest) are given a colour."""
    oversample: int = 1
    """Rays per pixel along each side."""
    tile: int = 32768
    """Rays evaluated at once."""
    normal_step_m: float = 1.0e-3
    """Distance of the taps that give the normal, metres."""
    mirror_unseen: bool = True
    """Take the colour of places no photo saw from the other half of the head."""
    relight: RelightConfig = field(default_factory=RelightConfig)

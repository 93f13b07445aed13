"""Studio rigs: lamps by name, placed as a photographer would, with shadows."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.lamps import distant_lamps
from head3d.geometry.sh import Lighting, ambient

LightName = Literal["soft-front", "rembrandt", "loop", "butterfly", "split", "rim"]
LIGHTS: tuple[LightName, ...] = ("soft-front", "rembrandt", "loop", "butterfly", "split", "rim")

SOFTBOX, STRIP, BEAUTY = 0.38, 0.20, 0.12
"""Sines of half angles: a softbox of 1.2 m and a strip box at 1.5 m, a beauty dish."""


def studio_light(name: LightName, *, facing: Float[Tensor, "3"] | None = None) -> Lighting:
    """A studio light: round lamps over an even fill, head frame.

    Lamps are placed by azimuth (degrees, > 0 towards the subject's left) and elevation relative to halfway between the
    face and the camera, so that a profile is lit from its visible side.

    Args:
        name: Preset.
        facing: Unit direction from the head to the camera; straight in front if None.
    """
    warm, cool, white = torch.tensor([1.04, 1.0, 0.95]), torch.tensor([0.96, 1.0, 1.05]), torch.ones(3)
    lamps: list[tuple[float, float, float, Tensor]]
    match name:
        case "soft-front":
            fill, lamps = 0.50 * white, [(25.0, 25.0, SOFTBOX, 0.9 * white), (-40.0, 15.0, SOFTBOX, 0.4 * white)]
        case "rembrandt":
            fill, lamps = 0.16 * white, [(48.0, 38.0, STRIP, 2.0 * warm), (-70.0, 5.0, SOFTBOX, 0.18 * cool)]
        case "loop":  # the nose's shadow points down to the mouth's corner and ends before the cheek's
            fill, lamps = 0.24 * white, [(38.0, 30.0, BEAUTY, 1.7 * white), (-45.0, 5.0, SOFTBOX, 0.25 * white)]
        case "butterfly":  # the key high in front, a reflector under the chin
            fill, lamps = 0.26 * white, [(0.0, 45.0, BEAUTY, 1.5 * white), (0.0, -30.0, SOFTBOX, 0.25 * white)]
        case "split":
            fill, lamps = 0.12 * white, [(80.0, 10.0, STRIP, 2.3 * white)]
        case "rim":
            fill = 0.20 * white  # a rim shows only if it is far brighter than the face
            lamps = [
                (140.0, 25.0, STRIP, 6.0 * cool),
                (-140.0, 25.0, STRIP, 5.0 * warm),
                (0.0, 20.0, SOFTBOX, 0.5 * white),
            ]
    middle = 0.0
    if facing is not None:
        azimuth = math.degrees(math.atan2(float(facing[0]), float(facing[2])))
        middle = max(-60.0, min(60.0, 0.5 * azimuth)) if abs(azimuth) < 150 else azimuth
    directions = torch.stack([direction_of(azimuth + middle, elevation) for azimuth, elevation, _, _ in lamps])
    color = torch.stack([one for _, _, _, one in lamps])
    return Lighting(
        ambient(fill), distant_lamps(directions, color, sine=torch.tensor([sine for _, _, sine, _ in lamps]))
    )


def direction_of(azimuth_deg: float, elevation_deg: float) -> Float[Tensor, "3"]:
    """Unit direction: azimuth 0 is straight in front of the face, > 0 towards the subject's left; elevation > 0 up."""
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    return torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])

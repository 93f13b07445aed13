"""The colour of an eye: sclera, iris with fibres and a dark rim, pupil."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

IRIS_RAD = 0.395
"""Angle of the iris' rim at the centre of rotation: 6 mm out on a ball of 15.5 mm."""
SCLERA = (0.66, 0.60, 0.56)
PUPIL = (0.008, 0.008, 0.008)

IRISES = (
    (0.040, 0.018, 0.009),
    (0.075, 0.032, 0.013),
    (0.13, 0.065, 0.025),
    (0.11, 0.095, 0.035),
    (0.075, 0.11, 0.075),
    (0.10, 0.17, 0.24),
    (0.17, 0.21, 0.24),
)
"""Linear RGB: dark brown, brown, amber, hazel, green, blue, grey."""
FIBRES = 11


@dataclass(frozen=True)
class EyeTraits:
    """What a person's eyes are like.

    Attributes:
        iris: Linear RGB.
        ring: Colour round the pupil over the iris'.
        pupil_rad: Angle of the pupil's rim at the centre of rotation.
        redness: Of the sclera towards the corners.
        fibres: Strengths of the iris' spokes, by their number round the eye, and their phases.
    """

    iris: Float[Tensor, "3"]
    ring: float
    pupil_rad: float
    redness: float
    fibres: Float[Tensor, "2 K"]


def draw_eyes(generator: torch.Generator, *, tone_deg: float) -> EyeTraits:
    """Draw eyes; light irises are for light skin, mostly."""
    light = min(max((tone_deg - 5) / 35, 0.0), 1.0)
    odds = torch.tensor(
        [2.0 - light, 2.0, 0.6, 0.15 + 0.7 * light, 0.02 + 0.6 * light, 0.02 + light, 0.02 + 0.5 * light]
    )
    index = int(torch.multinomial(odds, 1, generator=generator))
    numbers = torch.rand(4, generator=generator)
    return EyeTraits(
        iris=torch.tensor(IRISES[index]) * (0.8 + 0.4 * numbers[0]),
        ring=1.0 + float(numbers[1]),
        pupil_rad=0.10 + 0.10 * float(numbers[2]),
        redness=float(numbers[3]),
        fibres=torch.rand(2, FIBRES, generator=generator),
    )


def eye_color(from_centre: Float[Tensor, "P 3"], traits: EyeTraits) -> Float[Tensor, "P 3"]:
    """Albedo of points of an eyeball that looks along +Z, given from its centre of rotation (m)."""
    direction = torch.nn.functional.normalize(from_centre, dim=-1)
    angle = torch.acos(direction[:, 2].clamp(-1, 1))
    around = torch.atan2(direction[:, 1], direction[:, 0])
    spokes = torch.arange(FIBRES) * 4 + 5
    waves = torch.sin(around[:, None] * spokes + 6.28 * traits.fibres[1]) * traits.fibres[0]
    radius = angle / IRIS_RAD
    collar = (1.5 - 2.2 * radius).clamp(0, 1)
    iris = traits.iris * (1 + 0.22 * waves.sum(1) / FIBRES**0.5 + (traits.ring - 1) * collar)[:, None]
    iris = iris * (1 - 0.65 * ((radius - 0.78) / 0.22).clamp(0, 1) ** 2)[:, None]
    away = ((angle - 0.5) / 0.7).clamp(0, 1)[:, None]
    sclera = torch.tensor(SCLERA) * (1 - away * traits.redness * torch.tensor([0.05, 0.28, 0.28]) - 0.1 * away)
    edge = ((radius - 0.97) / 0.07).clamp(0, 1)[:, None]
    color = iris * (1 - edge) + sclera * edge
    hole = ((traits.pupil_rad + 0.012 - angle) / 0.02).clamp(0, 1)[:, None]
    return (color * (1 - hole) + torch.tensor(PUPIL) * hole).clamp(0.004, 0.9)

"""Lamps: bounded sources of light that throw shadows, near (metres) or distant, in the head frame."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.shapes import shaped

NEAREST_M = 1e-3
"""Nearer than this a lamp is no point any more: its light stays what it is there."""


@shaped
@dataclass(frozen=True)
class Lamps:
    """L lamps.

    Attributes:
        position: Of a near lamp, metres; of a distant one, the unit direction to it.
        distant: Which are infinitely far.
        color: Irradiance (linear RGB) of a surface that faces the lamp: of a near lamp at 1 m on its axis, of a distant
            one anywhere. A white card has this over pi as its radiance.
        facing: Unit direction in which a panel shines, with the cosine as Lambert says; zero: alike in all directions.
        radius: Of a near lamp, metres; of a distant one, the sine of half the angle it fills.
    """

    position: Float[Tensor, "L 3"]
    distant: Bool[Tensor, "L"]
    color: Float[Tensor, "L 3"]
    facing: Float[Tensor, "L 3"]
    radius: Float[Tensor, "L"]

    def __len__(self) -> int:
        return len(self.position)

    def turned(self, rotation: Float[Tensor, "3 3"]) -> "Lamps":
        """Carried round the head frame's origin: a lamp at p stands at R p."""
        matrix = rotation.to(self.position)
        return replace(self, position=self.position @ matrix.T, facing=self.facing @ matrix.T)

    def scaled(self, gain: float) -> "Lamps":
        """Brighter by a factor."""
        return replace(self, color=self.color * gain)


@shaped
@dataclass(frozen=True)
class Arrival:
    """What one lamp is to each of P points.

    Attributes:
        direction: Unit, to the middle of the lamp.
        strength: Part of the lamp's colour that a surface facing it receives.
        sine: Of half the angle the lamp fills.
        far_m: Distance to the lamp; infinite for a distant one.
    """

    direction: Float[Tensor, "P 3"]
    strength: Float[Tensor, "P"]
    sine: Float[Tensor, "P"]
    far_m: Float[Tensor, "P"]


def distant_lamps(directions: Float[Tensor, "L 3"], color: Float[Tensor, "L 3"], *, sine: Float[Tensor, "L"]) -> Lamps:
    """Lamps at infinity.

    Args:
        directions: To the lamps; need not be unit.
        color: Irradiance at normal incidence, linear RGB.
        sine: Of half the angle each fills: 0.0047 for the sun.
    """
    unit = torch.nn.functional.normalize(directions, dim=-1)
    return Lamps(unit, torch.ones(len(unit), dtype=torch.bool), color, torch.zeros_like(unit), sine)


def joined(lamps: list[Lamps]) -> Lamps:
    """All lamps of at least one set as one."""
    names = ("position", "distant", "color", "facing", "radius")
    return Lamps(*(torch.cat([getattr(one, name) for one in lamps]) for name in names))


def arrival(lamps: Lamps, index: int, points_m: Float[Tensor, "P 3"]) -> Arrival:
    """Direction and strength of a lamp's light at points of the head frame.

    On the axis of a disc of radius a the irradiance falls as 1 / (r^2 + a^2), and it fills sin = a / sqrt(r^2 + a^2):
    both are exact there, and near enough for balls.
    """
    place, radius = lamps.position[index].to(points_m), lamps.radius[index].to(points_m)
    if bool(lamps.distant[index]):
        one = torch.ones_like(points_m[:, 0])
        return Arrival(place.expand_as(points_m), one, one * radius, one * torch.inf)
    way = place - points_m
    square = way.square().sum(-1).clamp(min=NEAREST_M**2)
    direction = way / square.sqrt()[:, None]
    wide = square + radius * radius
    strength = 1 / wide
    facing = lamps.facing[index].to(points_m)
    if bool(facing.any()):
        strength = strength * torch.relu(-(direction @ facing))
    return Arrival(direction, strength, radius / wide.sqrt(), square.sqrt())


def lamp_irradiance(
    normal: Float[Tensor, "P 3"], direction: Float[Tensor, "P 3"], sine: Float[Tensor, "P"]
) -> Float[Tensor, "P"]:
    """Cosine of a round lamp, smooth where the horizon cuts it: irradiance over that of a surface facing the lamp.

    Above the horizon it is the cosine exactly; within the lamp's radius of it the part that is up gives
    (cos + sin)^2 / (4 sin), which joins both ends with their slopes (after Snyder 1996, "Area light sources for
    real-time graphics").
    """
    cosine = (normal * direction).sum(-1)
    s = sine.clamp(min=1e-4)
    cut = (cosine + s).clamp(min=0.0).square() / (4 * s)
    return torch.where(cosine > s, cosine, cut)


def lamps_on_white(
    lamps: Lamps | None, normal: Float[Tensor, "P 3"], points_m: Float[Tensor, "P 3"]
) -> Iterator[Float[Tensor, "P 3"]]:
    """What a white matte surface shows of each lamp, linear RGB, with nothing in between."""
    for number in range(len(lamps) if lamps is not None else 0):
        assert lamps is not None
        coming = arrival(lamps, number, points_m)
        cosine = lamp_irradiance(normal, coming.direction, coming.sine)
        yield (cosine * coming.strength)[:, None] * lamps.color[number] / math.pi

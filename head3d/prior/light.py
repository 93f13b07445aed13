"""Random light: a sky that may change from above to below, and a few distant lamps."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.sh import Lighting, ambient, irradiance_basis, project_directional
from head3d.shapes import shaped

DARKEST = 0.12
"""Least irradiance on any side, over the mean: lamps cut to order 2 would take light away from the far side."""


@shaped
@dataclass(frozen=True)
class StudioLight:
    """Distant light in the head frame: all of it as harmonics, the lamps once more for highlights.

    Attributes:
        sh: Incident radiance, linear RGB, lamps included.
        direction: Unit, from the head to each lamp.
        color: Irradiance of each lamp at normal incidence, linear RGB.
    """

    sh: Float[Tensor, "9 3"]
    direction: Float[Tensor, "L 3"]
    color: Float[Tensor, "L 3"]

    @property
    def lighting(self) -> Lighting:
        """The light as the rest of head3d takes it."""
        return Lighting(self.sh)


def draw_light(generator: torch.Generator, *, most_lamps: int = 3) -> StudioLight:
    """Draw sky and lamps; a white matte head is about 0.9 bright in front, coloured between 3000 and 9000 K or so."""
    sky = _warmth(generator) * (0.25 + 0.5 * torch.rand((), generator=generator))
    sh = ambient(sky)
    # brighter above than below, or the other way round in the snow
    sh[1] += sky * (torch.rand((), generator=generator) - 0.25)
    count = 1 + int(torch.randint(most_lamps, (), generator=generator))
    numbers = torch.rand(count, 3, generator=generator)
    azimuth = (numbers[:, 0] * 2 - 1) * 2.4
    height = numbers[:, 1] * 1.3 - 0.3
    direction = torch.stack([azimuth.sin() * height.cos(), height.sin(), azimuth.cos() * height.cos()], dim=-1)
    color = torch.stack([_warmth(generator) * (0.15 + 1.2 * number / count) for number in numbers[:, 2]])
    for one, power in zip(direction, color, strict=True):
        sh = sh + project_directional(one, power)
    around = torch.nn.functional.normalize(torch.randn(256, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    received = irradiance_basis(around) @ sh
    missing = (DARKEST * received.mean(0) - received.amin(0)).clamp_min(0)
    sh = sh + ambient(missing)
    front = (irradiance_basis(torch.tensor([[0.0, 0.0, 1.0], [0.7, 0.0, 0.714], [-0.7, 0.0, 0.714]])) @ sh).mean()
    gain = (0.7 + 0.4 * torch.rand((), generator=generator)) / front
    return StudioLight(sh * gain, direction, color * gain)


def _warmth(generator: torch.Generator) -> Float[Tensor, "3"]:
    """A tint from warm to cool of luminance about 1."""
    t = float(torch.randn((), generator=generator).clamp(-2, 2)) * 0.09
    return torch.tensor([1 + t, 1.0, 1 - 1.4 * t])

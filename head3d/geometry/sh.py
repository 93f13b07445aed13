"""Spherical-harmonic light of order 2 (index and signs: conventions). After Ramamoorthi & Hanrahan 2001."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.lamps import Lamps, arrival
from head3d.geometry.sphere import even_directions
from head3d.shapes import shaped

LAMBERT = (math.pi,) + (2 * math.pi / 3,) * 3 + (math.pi / 4,) * 5
"""Factor of each coefficient when radiance is convolved with the clamped cosine."""


@shaped
@dataclass(frozen=True)
class Lighting:
    """Light in the head frame.

    Attributes:
        sh: Incident radiance coefficients of the soft, distant part, linear RGB.
        lamps: What throws shadows, in addition; may be no lamp at all. None where ``sh`` is what a matte surface was
            fitted with (the light of a photo), so that nothing may be added.
    """

    sh: Float[Tensor, "9 3"]
    lamps: Lamps | None = None


def sh_basis(directions: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 9"]:
    """Real orthonormal harmonics up to order 2 of unit directions."""
    x, y, z = directions.unbind(-1)
    c0, c1, c2 = 0.5 / math.sqrt(math.pi), math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    c20, c22 = math.sqrt(5 / (16 * math.pi)), math.sqrt(15 / (16 * math.pi))
    return torch.stack(
        [
            torch.full_like(x, c0),
            c1 * y,
            c1 * z,
            c1 * x,
            c2 * x * y,
            c2 * y * z,
            c20 * (3 * z * z - 1),
            c2 * x * z,
            c22 * (x * x - y * y),
        ],
        dim=-1,
    )


def irradiance_basis(normals: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 9"]:
    """Harmonics times the Lambert factors over pi.

    The radiance of a matte surface is ``albedo * (irradiance_basis(n) @ sh)``.
    """
    factors = torch.tensor(LAMBERT, dtype=normals.dtype, device=normals.device) / math.pi
    return sh_basis(normals) * factors


def shade_lambert(
    albedo: Float[Tensor, "P 3"], normal: Float[Tensor, "P 3"], sh: Float[Tensor, "9 3"]
) -> Float[Tensor, "P 3"]:
    """Light a matte surface: albedo / pi * irradiance(normal), linear RGB, not clamped.

    >>> white = torch.zeros(9, 3); white[0] = 2 * math.sqrt(math.pi)
    >>> shade_lambert(torch.ones(1, 3), torch.tensor([[0., 0., 1.]]), white)
    tensor([[1., 1., 1.]])
    """
    return albedo * (irradiance_basis(normal) @ sh)


def project_directional(direction: Float[Tensor, "3"], color: Float[Tensor, "3"]) -> Float[Tensor, "9 3"]:
    """SH of a distant lamp in ``direction`` (unit, head to lamp) with irradiance ``color`` at normal incidence."""
    return sh_basis(direction)[:, None] * color


def project_disc(direction: Float[Tensor, "3"], color: Float[Tensor, "3"], *, sine: float) -> Float[Tensor, "9 3"]:
    """SH of a round distant lamp of uniform radiance, with irradiance ``color`` at normal incidence.

    Bands l of a cap of radiance L and half angle s are L Y_lm times 2 pi times the integral of P_l from cos s to 1
    (Sloan 2008): 2 pi (1 - c), pi sin^2, pi c sin^2; and its irradiance is pi L sin^2.
    """
    cosine = math.sqrt(max(0.0, 1 - sine * sine))
    bands = torch.tensor([2 / (1 + cosine)] + [1.0] * 3 + [cosine] * 5, dtype=direction.dtype)
    return (sh_basis(direction) * bands)[:, None] * color


def turn_light(light: Lighting, rotation: Float[Tensor, "3 3"]) -> Lighting:
    """Carry all light round the head: what came from p comes from R p."""
    lamps = None if light.lamps is None else light.lamps.turned(rotation)
    return Lighting(rotate_sh(light.sh, rotation), lamps)


def scale_light(light: Lighting, gain: float) -> Lighting:
    """All light brighter by a factor."""
    return Lighting(light.sh * gain, None if light.lamps is None else light.lamps.scaled(gain))


def harmonics_of(light: Lighting) -> Float[Tensor, "9 3"]:
    """All light as harmonics, without shadows: what lamps are at the head frame's origin is added to the soft part."""
    sh, lamps = light.sh, light.lamps
    for number in range(len(lamps) if lamps is not None else 0):
        assert lamps is not None
        coming = arrival(lamps, number, torch.zeros(1, 3))
        color = lamps.color[number] * coming.strength
        sh = sh + project_disc(coming.direction[0], color, sine=float(coming.sine)).to(sh)
    return sh


def ambient(color: Float[Tensor, "3"]) -> Float[Tensor, "9 3"]:
    """SH of a uniform sky of radiance ``color``: a white albedo under it looks like ``color``."""
    sh = torch.zeros(9, 3, dtype=color.dtype, device=color.device)
    sh[0] = color * 2 * math.sqrt(math.pi)
    return sh


def rotate_sh(sh: Float[Tensor, "9 3"], rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "9 3"]:
    """Turn the light: the result seen along R d equals the input seen along d.

    Solved from its definition on more directions than coefficients; exact: order-2 harmonics are closed under rotation.
    """
    d = even_directions(24, dtype=torch.float64)
    turned = sh_basis(d @ rotation.double().T.to(d.device))
    matrix = torch.linalg.lstsq(turned, sh_basis(d)).solution
    return matrix.to(sh) @ sh

"""The sheen of skin: what its surface mirrors before light goes in. Two lobes of GGX over a matte body."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.sh import sh_basis

F0 = 0.028
"""Skin's reflection at normal incidence: refractive index 1.4."""
LOBES = ((0.85, 0.48), (0.15, 0.30))
"""Share and roughness: a broad lobe of its texture and a narrow one of its oil, mixed as Unreal's skin is."""
RIM = 0.1
"""Least cosine to the camera: at the very rim normals belong to what lies behind, and would make a bright line."""


def lamp_sheen(
    normal: Float[Tensor, "P 3"],
    to_camera: Float[Tensor, "P 3"],
    direction: Float[Tensor, "P 3"],
    *,
    sine: Float[Tensor, "P"],
    lobes: Sequence[tuple[float, float]] = LOBES,
    f0: float = F0,
) -> Float[Tensor, "P"]:
    """Radiance towards the camera per irradiance of a lamp (1/sr): D V F of GGX (Walter et al. 2007).

    V is Smith's with correlated heights (Heitz 2014), F Schlick's. A wide lamp widens the lobe (Karis 2013).

    Args:
        normal: Unit, outward.
        to_camera: Unit.
        direction: Unit, to the lamp.
        sine: Of half the angle the lamp fills.
        lobes: Share and roughness of each.
        f0: Reflection at normal incidence.
    """
    half = torch.nn.functional.normalize(direction + to_camera, dim=-1)
    nh = (normal * half).sum(-1).clamp(0.0, 1.0)
    nl = (normal * direction).sum(-1).clamp(1e-3, 1.0)  # 0 would divide by 0; there the irradiance is none
    nv = (normal * to_camera).sum(-1).clamp(RIM, 1.0)
    fresnel = f0 + (1 - f0) * (1 - (half * direction).sum(-1).clamp(0.0, 1.0)) ** 5
    total = torch.zeros_like(nh)
    for share, roughness in lobes:
        a2 = (roughness * roughness + 0.5 * sine).clamp(max=1.0).square()
        lobe = a2 / (math.pi * (nh * nh * (a2 - 1) + 1).square())
        meet = 0.5 / (nl * (nv * nv * (1 - a2) + a2).sqrt() + nv * (nl * nl * (1 - a2) + a2).sqrt())
        total = total + share * lobe * meet
    return total * fresnel


def mirrored(normal: Float[Tensor, "P 3"], to_camera: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
    """Unit direction from which a mirror would send light to the camera."""
    way = 2 * (normal * to_camera).sum(-1, keepdim=True) * normal - to_camera
    return torch.nn.functional.normalize(way, dim=-1)


def sky_sheen(
    normal: Float[Tensor, "P 3"], to_camera: Float[Tensor, "P 3"], sh: Float[Tensor, "9 3"]
) -> Float[Tensor, "P 3"]:
    """Radiance towards the camera of soft light in the broad lobe, if nothing stands in its way.

    Harmonics along the mirrored direction, blurred by the lobe, times the part that is reflected: Karis' 2014 fit of
    the integral over GGX ("Physically based shading on mobile").
    """
    nv = (normal * to_camera).sum(-1).clamp(RIM, 1.0)
    roughness = LOBES[0][1]
    # a lobe of GGX width a damps a band l about as exp(-l (l + 1) a^2 / 2), as blur on a sphere does
    blur = torch.exp(-torch.tensor([0.0] + [2.0] * 3 + [6.0] * 5, device=sh.device) * roughness**4 / 2)
    coming = ((sh_basis(mirrored(normal, to_camera)) * blur) @ sh).clamp(min=0.0)
    fall = torch.exp2(-9.28 * nv).clamp(max=(1 - roughness) ** 2)
    first = fall * (1 - roughness) + (0.0425 - 0.0275 * roughness)
    scale, bias = -1.04 * first + (1.04 - 0.572 * roughness), 1.04 * first + (0.022 * roughness - 0.04)
    return coming * (F0 * scale + bias).clamp(min=0.0)[:, None]

"""What stands between a surface and its light, by the cached signed distance: soft shadows, openness to the sky."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.occupancy import SAFETY, ShellCache
from head3d.field.volumes import slope_by_taps

STEPS = 40
"""A ray that has not left the head by then runs along it, where the cone has long been filled or is open."""
LEAST_STEP_M = 2.5e-3
"""One cell of the cached volume: it holds nothing finer."""
START_M = 4e-3
"""Where a shadow ray begins: nearer, the cells' own error would be its shadow."""
OFF_M = 2e-3
"""How far off the surface it begins: the depth of a picture and the cached surface differ by up to a millimetre."""
BROAD_M = 4e-3
"""Taps for the normal that lamps see."""

CONE_SINE = 0.5
"""Six cones of 30 degrees half angle fill the hemisphere: one along the normal, five at 60 degrees from it."""
CONE_SHARE = (0.25, 0.15)
"""Their parts of the cosine-weighted hemisphere (Crassin et al. 2011, "Interactive indirect illumination")."""
CONE_TAPS_M = (0.006, 0.014, 0.032, 0.070, 0.140)
"""Where openness looks, from the depth of a lip to the length of a neck."""


def disc_part(height: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Visible part of a disc whose centre stands ``height`` radii above a straight edge; 0 below -1, 1 above 1."""
    x = height.clamp(-1.0, 1.0)
    return 0.5 + (x * (1 - x * x).clamp(min=0.0).sqrt() + torch.asin(x)) / math.pi


@torch.no_grad()
def lamp_visibility(
    cache: ShellCache,
    points_m: Float[Tensor, "P 3"],
    normal: Float[Tensor, "P 3"],
    direction: Float[Tensor, "P 3"],
    *,
    sine: Float[Tensor, "P"],
    far_m: Float[Tensor, "P"],
    off_m: Float[Tensor, "P"] | None = None,
) -> Float[Tensor, "P"]:
    """Part of a round lamp that each point sees, in [0, 1].

    A ray walks to the lamp; where it passes the surface at distance h after t metres, an edge stands h / (t sin) radii
    of the lamp off its middle (Quilez, "Soft shadows in raymarched SDFs", with the signed distance, so that the
    penumbra lies on both sides of the edge). The smallest of these counts. No random numbers: pictures repeat exactly.

    Where the surface's own horizon cuts the lamp, the ray goes to the middle of the part that is up, and the lamp is
    that part: so a convex surface never shades itself, however coarse its volume (see lamp_irradiance for the rest).

    Args:
        cache: Of the field.
        points_m: On the surface, head frame.
        normal: Unit, outward.
        direction: Unit, to the lamp's middle.
        sine: Of half the angle the lamp fills.
        far_m: To the lamp.
        off_m: How far off the surface rays begin; ``OFF_M`` if None.
    """
    result = torch.zeros_like(sine)
    cosine = (normal * direction).sum(-1)
    rows = torch.nonzero(cosine > -sine)[:, 0]
    if not len(rows):
        return result
    n, lowest = normal[rows], sine[rows] - cosine[rows]
    d = torch.nn.functional.normalize(direction[rows] + n * (lowest.clamp(min=0.0) / 2)[:, None], dim=-1)
    wide = torch.where(lowest > 0, (sine[rows] + cosine[rows]) / 2, sine[rows]).clamp(min=0.02)
    off = OFF_M if off_m is None else off_m[rows, None]
    origin = points_m[rows] + n * off
    end = torch.minimum(cache.span(origin, d)[1], far_m[rows])
    t = torch.full_like(wide, START_M)
    worst = torch.ones_like(wide)
    going = torch.nonzero(t < end)[:, 0]
    for _ in range(STEPS):
        if not len(going):
            break
        at, cone = t[going], wide[going]
        value = cache.sdf(origin[going] + d[going] * at[:, None])
        edge = torch.minimum(worst[going], value / (cone * at))
        worst[going] = edge
        # steps of half the cone: narrower ones would not change what fills it
        at = at + torch.maximum(SAFETY * value.abs(), (0.5 * cone * at).clamp(min=LEAST_STEP_M))
        t[going] = at
        going = going[(edge > -1.0) & (at < end[going])]
    result[rows] = disc_part(worst)
    return result


@torch.no_grad()
def openness(
    cache: ShellCache,
    points_m: Float[Tensor, "P 3"],
    directions: Float[Tensor, "P K 3"],
    *,
    off_m: Float[Tensor, "P"],
    normal: Float[Tensor, "P 3"],
) -> Float[Tensor, "P K"]:
    """Part of each 30 degree cone that is open, in [0, 1]; taps grow with the cone (Evans 2006, in cones).

    Args:
        cache: Of the field.
        points_m: On the surface, head frame.
        directions: Unit axes of the cones.
        off_m: How far off the surface cones begin.
        normal: Unit, outward.
    """
    origin = points_m + normal * off_m[:, None]
    result = torch.ones_like(directions[..., 0])
    for t in CONE_TAPS_M:
        taps = origin[:, None] + directions * t
        value = cache.sdf(taps.reshape(-1, 3)).reshape(result.shape)
        result = torch.minimum(result, value / (CONE_SINE * t))
    return disc_part(result)


@torch.no_grad()
def broad_normal(
    cache: ShellCache, points_m: Float[Tensor, "P 3"], *, fallback: Float[Tensor, "P 3"]
) -> Float[Tensor, "P 3"]:
    """Unit normals of the cached surface over ``BROAD_M``: what of the shape is sure enough to be lit from the side.

    The field's own normals carry its noise, which soft light in the photos neither showed nor corrected.
    """
    slope = slope_by_taps(cache.sdf, points_m, step_m=BROAD_M) / (4 * BROAD_M**2)
    flat = slope.norm(dim=-1, keepdim=True) < 0.2  # between two walls, or outside the volume
    return torch.nn.functional.normalize(torch.where(flat, fallback, slope), dim=-1, eps=1e-6)


def cone_axes(normal: Float[Tensor, "P 3"]) -> Float[Tensor, "P 6 3"]:
    """Axes of six cones that fill the hemisphere about each normal; the first is the normal itself.

    The frame is that of Duff et al. 2017, "Building an orthonormal basis, revisited".
    """
    x, y, z = normal.unbind(-1)
    sign = torch.where(z < 0, -1.0, 1.0)
    a = -1 / (sign + z)
    b = x * y * a
    first = torch.stack([1 + sign * x * x * a, sign * b, -sign * x], dim=-1)
    second = torch.stack([b, sign + y * y * a, -y], dim=-1)
    turn = torch.arange(5, device=normal.device) * (2 * math.pi / 5)
    side = first[:, None] * turn.cos()[:, None] + second[:, None] * turn.sin()[:, None]
    tilted = 0.5 * normal[:, None] + math.sqrt(0.75) * side
    return torch.cat([normal[:, None], tilted], dim=1)

"""An environment map as light: smooth harmonics for what is soft, round distant lamps for what throws shadows.

The middle of the map lies straight in front of the face (+Z), its right half on the subject's right (-X): the face
looks at the middle of the picture.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.geometry.lamps import distant_lamps
from head3d.geometry.sh import Lighting, project_disc, sh_basis
from head3d.imaging.color import luminance

ROWS = 128
"""Maps are shrunk to this height: 1.4 degrees a row, finer than any shadow on a face shows."""
BRIGHT = 4.0
"""Radiance above this many times the mean of the rest is a lamp's."""
LEAST_SHARE = 0.02
"""A lamp with less of the map's light than this stays in the harmonics: its shadow would not be seen."""
LEAST_SINE, MOST_SINE = 0.02, 0.6
"""Half angles of 1 to 37 degrees: below, the field's cells would show in the shadow's edge; above, it has no edge."""
TIGHT = 0.01
"""Variance of directions of a cap of 8 degrees (half its sine squared): such a lamp is not cut: none would see it."""


@dataclass(frozen=True)
class _Patch:
    """A rectangle of a map's excess light, rows and columns, and how far its light is spread (weight x variance)."""

    top: int
    bottom: int
    left: int
    right: int
    spread: float


def map_directions(height: int, width: int) -> Float[Tensor, "H W 3"]:
    """Unit directions (head frame) from the head to the middle of each pixel of a map."""
    elevation = (0.5 - (torch.arange(height, dtype=torch.float64) + 0.5) / height)[:, None] * math.pi
    azimuth = (0.5 - (torch.arange(width, dtype=torch.float64) + 0.5) / width)[None] * 2 * math.pi
    x, z = azimuth.sin() * elevation.cos(), azimuth.cos() * elevation.cos()
    return torch.stack([x, elevation.sin().expand_as(x), z], dim=-1)


def solid_angles(height: int, width: int) -> Float[Tensor, "H 1"]:
    """Solid angle (sr) of each pixel by row, exact: together 4 pi."""
    border = (0.5 - torch.arange(height + 1, dtype=torch.float64) / height) * math.pi
    return ((border[:-1].sin() - border[1:].sin()) * 2 * math.pi / width)[:, None]


def project_map(radiance: Float[Tensor, "H W 3"]) -> Float[Tensor, "9 3"]:
    """Order-2 harmonics of a map: the integral of radiance times Y_lm over all directions."""
    height, width = radiance.shape[:2]
    basis = sh_basis(map_directions(height, width)) * solid_angles(height, width)[..., None]
    return torch.einsum("hwk,hwc->kc", basis, radiance.double()).float()


def environment_light(radiance: Float[Tensor, "H W 3"], *, most_lamps: int) -> Lighting:
    """Light of a map, which is kept: harmonics of the result's two parts add up to those of the map.

    What exceeds ``BRIGHT`` times the mean of the rest is cut into lamps by median cut (Debevec 2005), always the part
    whose light is spread widest (Viriyothai & Debevec 2009), so that a sun stays one lamp. The rest is harmonics.

    Args:
        radiance: Linear RGB (see module docstring).
        most_lamps: 0: everything goes into harmonics.
    """
    small = shrunk(radiance)
    sh = project_map(small)
    height, width = small.shape[:2]
    excess = _excess(small) * solid_angles(height, width)[..., None]
    total = float((luminance(small.double()) * solid_angles(height, width)).sum())
    none = Lighting(sh, distant_lamps(torch.zeros(0, 3), torch.zeros(0, 3), sine=torch.zeros(0)))
    if most_lamps < 1 or float(luminance(excess).sum()) < LEAST_SHARE * total:
        return none
    directions = map_directions(height, width)
    shift = int(luminance(excess).sum(0).argmin())  # cut the ring where it is darkest, not through a window
    excess, directions = excess.roll(-shift, 1), directions.roll(-shift, 1)
    found = [
        _lamp(excess[p.top : p.bottom, p.left : p.right], directions[p.top : p.bottom, p.left : p.right])
        for p in _median_cut(luminance(excess), directions, most_lamps)
    ]
    kept = [one for one in found if float(luminance(one[1])) >= LEAST_SHARE * total]
    if not kept:
        return none
    to_lamp, flux, sines = (torch.stack([one[k] for one in kept]) for k in range(3))
    color = flux * (1 + (1 - sines.square()).sqrt())[:, None] / 2  # of a uniform cap: irradiance / flux
    for direction, irradiance, sine in zip(to_lamp, color, sines, strict=True):
        sh = sh - project_disc(direction, irradiance, sine=float(sine)).float()
    return Lighting(sh, distant_lamps(to_lamp.float(), color.float(), sine=sines.float()))


def shrunk(radiance: Float[Tensor, "H W 3"], *, rows: int = ROWS) -> Float[Tensor, "h w 3"]:
    """A smaller map with the same light in each direction; small ones are left as they are."""
    height, width = radiance.shape[:2]
    if height <= rows:
        return radiance
    weight = solid_angles(height, width).float().expand(height, width)[None, None]
    light = (radiance.permute(2, 0, 1)[None] * weight).double()
    size = (rows, 2 * rows)
    pooled = functional.adaptive_avg_pool2d(light, size) / functional.adaptive_avg_pool2d(weight.double(), size)
    return pooled[0].permute(1, 2, 0).float()


def _excess(radiance: Tensor) -> Float[Tensor, "H W 3"]:
    """Radiance above the brightness of a lamp, float64; the limit is found from what lies below it."""
    level = luminance(radiance.double())
    angle = solid_angles(*radiance.shape[:2])
    limit = torch.tensor(math.inf, dtype=torch.float64)
    for _ in range(30):  # settles in a few turns; each one takes lamps out of the mean
        limit = BRIGHT * (level.minimum(limit) * angle).sum() / (4 * math.pi)
    part = ((level - limit) / level.clamp(min=1e-12)).clamp(min=0.0)
    return radiance.double() * part[..., None]


def _median_cut(weight: Tensor, directions: Tensor, count: int) -> list[_Patch]:
    def patch(top: int, bottom: int, left: int, right: int) -> _Patch | None:
        # shrink to what shines, so that the halves of the next cut are about the light and not about the dark round it
        inside = weight[top:bottom, left:right] > 0
        rows, columns = torch.nonzero(inside.any(1))[:, 0], torch.nonzero(inside.any(0))[:, 0]
        if not len(rows):
            return None
        top, bottom = top + int(rows[0]), top + int(rows[-1]) + 1
        left, right = left + int(columns[0]), left + int(columns[-1]) + 1
        mine, way = weight[top:bottom, left:right], directions[top:bottom, left:right]
        total = mine.sum()
        mean = (mine[..., None] * way).sum((0, 1)) / total
        variance = 1 - float(mean.square().sum())
        return _Patch(top, bottom, left, right, float(total) * variance if variance > TIGHT else 0.0)

    first = patch(0, weight.shape[0], 0, weight.shape[1])
    patches = [first] if first else []
    while len(patches) < count:
        widest = max(patches, key=lambda one: one.spread)
        p = widest
        middle = math.cos((0.5 - (p.top + p.bottom) / 2 / weight.shape[0]) * math.pi)  # columns shrink to the poles
        tall = (p.bottom - p.top) >= (p.right - p.left) * middle
        light = weight[p.top : p.bottom, p.left : p.right].sum(1 if tall else 0).cumsum(0)
        if len(light) < 2 or p.spread <= 0:
            break
        at = min(max(int((light < light[-1] / 2).sum()), 1), len(light) - 1)
        if tall:
            halves = patch(p.top, p.top + at, p.left, p.right), patch(p.top + at, p.bottom, p.left, p.right)
        else:
            halves = patch(p.top, p.bottom, p.left, p.left + at), patch(p.top, p.bottom, p.left + at, p.right)
        patches = [one for one in patches if one is not widest] + [half for half in halves if half]
    return patches


def _lamp(light: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Direction (3), flux (3) and sine of the radius of a patch of light (h w 3, radiance times solid angle)."""
    weight = luminance(light)
    mean = (weight[..., None] * directions).sum((0, 1)) / weight.sum()
    length = mean.norm()
    # the mean direction of a uniform cap has length (1 + cos s) / 2
    cosine = (2 * length - 1).clamp(min=0.0, max=1.0)
    sine = (1 - cosine * cosine).sqrt().clamp(min=LEAST_SINE, max=MOST_SINE)
    return mean / length.clamp(min=1e-9), light.sum((0, 1)), sine


def wrapped_backdrop(picture: Float[Tensor, "h w 3"], *, rows: int = 32) -> Float[Tensor, "H W 3"]:
    """A map estimated from what stands behind a person (camera frame; front is towards the camera).

    The picture fills the half behind the head, its mirror image the half in front: places that are not seen look like
    the nearest that is, and the left of the picture lights the left of the person. Blurred: a picture tells no more.
    """
    d = map_directions(rows, 2 * rows)
    across = 0.5 + torch.asin(d[..., 0].clamp(-1, 1)) / math.pi  # +X is the right of a picture taken from the front
    down = 0.5 - torch.asin(d[..., 1].clamp(-1, 1)) / math.pi
    grid = (torch.stack([across, down], dim=-1) * 2 - 1).float()[None]
    small = functional.adaptive_avg_pool2d(picture.permute(2, 0, 1)[None], (12, 12))
    found = functional.grid_sample(small, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found[0].permute(1, 2, 0)

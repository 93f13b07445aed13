"""Where along a ray the surface may be: marching on a cached volume of the signed distance.

The cache is the base volume plus the learned residual near the surface, refreshed now and then. Rays leap through empty
space by the distance it promises and slow down in a thin shell about the surface; where they stop are the samples.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.fused import kernel_parts
from head3d.field.radiance import RadianceField
from head3d.field.volumes import sample_values, slope_by_taps
from head3d.kernels.library import library
from head3d.kernels.render_field import FieldVolume, field_sdf, march_field
from head3d.shapes import shaped

SAFETY = 0.7
"""Fraction of the promised distance a ray leaps: the sum of two interpolated volumes is not quite a distance."""

LEAPS = 48
"""Steps a ray may take to the shell, here and in cuda_ext/math/field.h."""

FARTHEST_M = 0.06
"""No residual reaches further from the fitted head."""


@shaped
@dataclass(frozen=True)
class Samples:
    """Places along rays, ordered.

    Attributes:
        t: metres from the ray's origin.
        valid: False beyond the end of a ray, where nothing needs to be evaluated.
    """

    t: Float[Tensor, "R S"]
    valid: Bool[Tensor, "R S"]


class ShellCache:
    """A volume of the field's present signed distance."""

    def __init__(self, trained: RadianceField, *, margin_m: float = 0.006) -> None:
        self.values = trained.shape.clone()
        self.origin, self.cell_m = trained.shape_origin, trained.cells["shape"]
        flat = trained.shape.flatten()
        farthest = min(FARTHEST_M, float(trained.traits[0].max()) + margin_m)
        candidates = torch.nonzero(flat.abs() < farthest)[:, 0]
        where = self.places(candidates)
        reach = trained.reach(where) + margin_m
        self.near = candidates[flat[candidates].abs() < reach]
        self.points = self.places(self.near)

    def places(self, index: Tensor) -> Float[Tensor, "P 3"]:
        """Places of nodes, metres."""
        _, height, width = self.values.shape[1:]
        x, y, z = index % width, index // width % height, index // (width * height)
        return torch.stack([x, y, z], dim=-1) * self.cell_m + self.origin

    @torch.no_grad()
    def refresh(self, trained: RadianceField, *, levels: Float[Tensor, "C"] | None = None, chunk: int = 65536) -> None:
        """Evaluate the residual anew at the nodes near the surface."""
        base, flat = trained.shape.flatten(), self.values.view(-1)
        if (parts := kernel_parts(trained, levels=levels)) is not None:
            flat[self.near] = base[self.near] + field_sdf(parts, self.points, base=False)
            return
        for start in range(0, len(self.near), chunk):
            index = self.near[start : start + chunk]
            flat[index] = base[index] + trained.residual_sdf(self.points[start : start + chunk], levels=levels)

    @torch.no_grad()
    def surface_points(self, count: int, *, generator: torch.Generator) -> Float[Tensor, "count 3"]:
        """Random places on the cached surface, seen by a photo or not, metres."""
        close = self.near[self.values.view(-1)[self.near].abs() < 0.75 * self.cell_m]
        pick = torch.randint(len(close), (count,), generator=generator).to(close.device)
        jitter = torch.rand(count, 3, generator=generator).to(self.values) - 0.5
        return self.onto_surface(self.places(close[pick]) + jitter * self.cell_m)

    def onto_surface(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
        """Points near the surface moved to it along the gradient of the cached distance, metres."""
        slope = slope_by_taps(self.sdf, points_m, step_m=self.cell_m)
        normal = torch.nn.functional.normalize(slope, dim=-1, eps=1e-12)
        return points_m - normal * self.sdf(points_m)[:, None]

    def sdf(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """Cached signed distance, m."""
        return sample_values(self.values, self.origin, self.cell_m, points_m)[:, 0]

    @property
    def volume(self) -> FieldVolume:
        """As the kernels take it."""
        return FieldVolume(self.values, self.origin, self.cell_m)

    def compiled(self, rays: Tensor) -> bool:
        """Whether the kernels can march these rays."""
        kinds = {(tensor.device, tensor.dtype) for tensor in (self.values, rays)}
        alike = kinds == {(rays.device, torch.float32)} and min(self.values.shape[1:]) > 1
        return alike and library(rays.device.type) is not None

    def span(self, origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"]) -> tuple[Tensor, Tensor]:
        """Distances (m) at which rays enter and leave the volume's box; far <= near where they miss it."""
        last = torch.tensor([n - 1 for n in reversed(self.values.shape[1:])], device=origins.device) * self.cell_m
        inverse = 1.0 / torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
        a, b = (self.origin - origins) * inverse, (self.origin + last - origins) * inverse
        near = torch.minimum(a, b).amax(-1).clamp(min=0.02)
        return near, torch.maximum(a, b).amin(-1)


@torch.no_grad()
def march(
    cache: ShellCache,
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    *,
    sd_m: float,
    samples: int = 16,
    leaps: int = LEAPS,
    deformation: Deformation | None = None,
    photo: Int[Tensor, "R"] | None = None,
    generator: torch.Generator | None = None,
) -> Samples:
    """Samples in the shell about the surface.

    Args:
        cache: Where the surface is.
        origins: metres.
        directions: unit.
        sd_m: Blur of the surface; the shell is four of it to each side.
        samples: Per ray.
        leaps: Steps allowed for reaching the shell.
        deformation: Expressions of the photos; None is neutral.
        photo: Whose expression each ray has; needed with a deformation.
        generator: Jitters the first sample; None puts it at the shell's border.
    """
    bent = deformation if deformation is not None and deformation.moving else None
    if leaps == LEAPS and cache.compiled(origins):
        # torch draws the jitter in either case, so that both paths take the same numbers from the generator
        jitter = None if generator is None else torch.rand(len(origins), generator=generator).to(origins)
        if bent is None:
            return Samples(*march_field(cache.volume, origins, directions, sd_m=sd_m, samples=samples, jitter=jitter))
        assert photo is not None
        return _march_by_photo(cache, origins, directions, sd_m, samples, jitter, bent, photo)

    def distance(t: Tensor, which: Tensor) -> Tensor:
        points = origins[which] + directions[which] * t[:, None]
        if bent is not None:
            assert photo is not None
            points = bent.to_canonical(points, photo[which])
        return cache.sdf(points)

    count = len(origins)
    shell = min(max(4 * sd_m, 2e-3), 12e-3)
    step = 0.8 * sd_m
    t, far = cache.span(origins, directions)
    alive = torch.nonzero(t < far)[:, 0]
    waiting = alive
    for _ in range(leaps):
        value = distance(t[waiting], waiting)
        t[waiting] = t[waiting] + ((value - 0.8 * shell) * SAFETY).clamp(min=0.0)
        keep = (value > shell) & (t[waiting] < far[waiting])
        waiting = waiting[keep]
        if not len(waiting):
            break
    arrived = alive[(t[alive] < far[alive])]
    if generator is not None:
        t = t + torch.rand(count, generator=generator).to(t) * step
    places = torch.zeros(count, samples, device=t.device)
    valid = torch.zeros(count, samples, dtype=torch.bool, device=t.device)
    going = arrived
    before, stride = torch.full_like(t, torch.inf), torch.ones_like(t)
    for k in range(samples):
        if not len(going):
            break
        places[going, k] = t[going]
        valid[going, k] = True
        value = distance(t[going], going)
        slope = ((before[going] - value) / stride[going]).abs().clamp(min=0.25, max=1.0)
        # a ray that grazes the surface changes its distance slowly: it may take longer steps, and must, to get past it
        leap = SAFETY * torch.where(value > 0, value, -1.5 * value)
        leap = torch.maximum(leap, step / slope)
        before[going], stride[going] = value, leap
        t[going] = t[going] + leap
        going = going[(value > -shell) & (t[going] < far[going])]
    return Samples(places, valid)


def _march_by_photo(
    cache: ShellCache, origins: Tensor, directions: Tensor, sd_m: float, samples: int, jitter: Tensor | None,
    deformation: Deformation, photo: Tensor,
) -> Samples:  # fmt: skip
    """A call of the kernel bends all rays alike: so each photo's rays march by themselves."""
    t = origins.new_zeros(len(origins), samples)
    valid = torch.zeros(len(origins), samples, dtype=torch.bool, device=origins.device)
    for number in photo.unique().tolist():
        rows = torch.nonzero(photo == number)[:, 0]
        shift = None if jitter is None else jitter[rows]
        t[rows], valid[rows] = march_field(
            cache.volume, origins[rows], directions[rows], sd_m=sd_m, samples=samples, jitter=shift,
            deform=deformation.volume_of(number),
        )  # fmt: skip
    return Samples(t, valid)


@torch.no_grad()
def trace(
    cache: ShellCache,
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    *,
    deformation: Deformation | None = None,
    photo: Int[Tensor, "R"] | None = None,
) -> tuple[Float[Tensor, "R"], Bool[Tensor, "R"]]:
    """Distance (m) to the cached surface along each ray, and whether it is hit; expressions as for :func:`march`."""
    places = march(cache, origins, directions, sd_m=5e-4, samples=20, deformation=deformation, photo=photo)
    rows = torch.arange(len(origins), device=origins.device)[:, None].expand_as(places.t).reshape(-1)
    points = origins[rows] + directions[rows] * places.t.reshape(-1, 1)
    if deformation is not None and deformation.moving:
        assert photo is not None
        points = deformation.to_canonical(points, photo[rows])
    value = torch.where(places.valid, cache.sdf(points).reshape(places.t.shape), torch.ones_like(places.t))
    crossing = (value[:, :-1] > 0) & (value[:, 1:] <= 0) & places.valid[:, 1:]
    hit = crossing.any(1)
    first = crossing.float().argmax(1, keepdim=True)
    before, after = value.gather(1, first), value.gather(1, first + 1)
    part = (before / (before - after).clamp(min=1e-9)).clamp(0.0, 1.0)
    t = places.t.gather(1, first) * (1 - part) + places.t.gather(1, first + 1) * part
    return t[:, 0], hit

"""Samples along rays, only in the thin shell about a surface."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.grid_sample import grid_sample3_torch
from head3d.kernels.library import call, library, require

LEAP = 0.8
"""Of the promised distance a ray leaps at once, as in cuda_ext/math/march.h."""


@dataclass(frozen=True)
class PackedSamples:
    """Samples of all rays one after the other, ordered along each ray."""

    t: Float[Tensor, "S"]
    """Distance from the ray's origin, metres."""
    ray: Int[Tensor, "S"]
    """Index of the ray."""
    packed_info: Int[Tensor, "R 2"]
    """First sample and number of samples of each ray."""


@torch.no_grad()
def march_shell(
    grid: Float[Tensor, "X Y Z"],
    low: Float[Tensor, "3"],
    *,
    cell_m: float,
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    near: Float[Tensor, "R"],
    far: Float[Tensor, "R"],
    step_m: float,
    half_width_m: float,
    most: int = 256,
    jitter: Float[Tensor, "R"] | None = None,
) -> PackedSamples:
    """Follow rays through a coarse signed distance; sample every ``step_m`` where its size is below ``half_width_m``.

    Rays leap through empty space and end where they are deeper inside than the shell.

    Args:
        grid: Signed distance at the nodes, metres, ``grid[x, y, z]``.
        low: Position of node (0, 0, 0), metres.
        cell_m: Distance between nodes, metres.
        origins: Metres.
        directions: Unit.
        near: Where rays begin, metres along them.
        far: Where they end.
        step_m: Between samples, metres.
        half_width_m: Of the shell, metres.
        most: Samples per ray at most.
        jitter: Shift of the first sample after entering the shell, in steps, [0, 1).
    """
    require("grid", grid, (None, None, None))
    require("low", low, (3,))
    require("origins", origins, (None, 3))
    rays = len(origins)
    for name, tensor in (("near", near), ("far", far)) + ((("jitter", jitter),) if jitter is not None else ()):
        require(name, tensor, (rays,))
    require("directions", directions, (rays, 3))
    if not (step_m > 0 and half_width_m > 0 and cell_m > 0):
        actual = f"step_m={step_m}, half_width_m={half_width_m}, cell_m={cell_m}"
        raise ShapeError("step_m, half_width_m, cell_m", expected="positive numbers", actual=actual)
    parts = [t.detach().float().contiguous() for t in (grid, low, origins, directions, near, far)]
    parts.append(torch.zeros_like(parts[4]) if jitter is None else jitter.float().contiguous())
    lib = library(origins.device.type)
    if lib is None:
        return _march_torch(*parts, cell=cell_m, step=step_m, half_width=half_width_m, most=most)
    volume, start, *bundle = parts
    packed = torch.zeros(rays, 2, dtype=torch.int64, device=origins.device)
    arguments = (
        volume,
        *volume.shape,
        start.cpu(),
        float(cell_m),
        *bundle,
        rays,
        float(step_m),
        float(half_width_m),
        most,
    )
    call(lib, "march", *arguments, packed, None, None)
    packed[:, 0] = packed[:, 1].cumsum(0) - packed[:, 1]
    count = int(packed[:, 1].sum())
    t, ray = volume.new_empty(count), packed.new_empty(count)
    if count:
        call(lib, "march", *arguments, packed, t, ray)
    return PackedSamples(t, ray, packed)


def _march_torch(
    grid: Tensor, low: Tensor, origins: Tensor, directions: Tensor, near: Tensor, far: Tensor, jitter: Tensor, *,
    cell: float, step: float, half_width: float, most: int,
) -> PackedSamples:  # fmt: skip
    """All rays at once, one look each per turn."""
    size = torch.tensor([n - 1 for n in grid.shape], device=grid.device) * cell
    slope = torch.where(directions.abs() < 1e-9, 1e-9, directions)
    first, last = (low - origins) / slope, (low + size - origins) / slope
    t = torch.maximum(near, torch.minimum(first, last).amax(1))
    far = torch.minimum(far, torch.maximum(first, last).amin(1))
    count = torch.zeros(len(t), dtype=torch.int64, device=t.device)
    entered = torch.zeros(len(t), dtype=torch.bool, device=t.device)
    found_t, found_ray = [t[:0]], [count[:0]]
    alive = torch.nonzero(t < far)[:, 0]
    while len(alive):
        points = (origins[alive] + directions[alive] * t[alive, None] - low) / size
        value = grid_sample3_torch(grid[..., None], points)[:, 0]
        shell = value.abs() < half_width
        enter = shell & ~entered[alive]
        t[alive[enter]] += jitter[alive[enter]] * step
        entered[alive] = shell
        hit = alive[shell & (t[alive] < far[alive])]
        found_t.append(t[hit])
        found_ray.append(hit)
        count[hit] += 1
        t[alive] += torch.where(shell, step, (LEAP * (value - half_width)).clamp_min(step))
        alive = alive[(value > -half_width) & (t[alive] < far[alive]) & (count[alive] < most)]
    ray, order = torch.cat(found_ray).sort(stable=True)
    packed = torch.stack([count.cumsum(0) - count, count], 1)
    return PackedSamples(torch.cat(found_t)[order], ray, packed)

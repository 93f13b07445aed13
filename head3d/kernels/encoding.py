"""Multi-resolution hash grid (Müller et al. 2022), its tables interchangeable with tiny-cuda-nn."""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError
from head3d.kernels.library import call_for, library_for, require
from head3d.kernels.ops import kernel_op

PRIMES = (1, 2654435761, 805459861)


@dataclass(frozen=True)
class HashGridConfig:
    """Shape of a hash grid."""

    levels: int = 16
    """Number of resolutions, L."""
    features: Literal[1, 2, 4, 8] = 2
    """Values per entry, F."""
    log2_table_size: int = 17
    """A level holds at most 2 to this power entries."""
    base_resolution: int = 16
    """Cells along an axis of the coarsest level."""
    per_level_scale: float = 2.0
    """Growth of the resolution from level to level."""
    interpolation: Literal["linear", "smoothstep"] = "linear"
    """Weights inside a cell; smoothstep leaves no kinks at the grid's planes."""

    @staticmethod
    def spanning(coarsest: int, finest: int, *, levels: int, features: Literal[1, 2, 4, 8] = 2, log2_table_size: int):
        """The grid whose levels grow evenly from ``coarsest`` to ``finest`` cells along an axis."""
        growth = (finest / coarsest) ** (1 / max(levels - 1, 1))
        return HashGridConfig(levels, features, log2_table_size, coarsest, growth)

    @property
    def width(self) -> int:
        """Length of an encoded point."""
        return self.levels * self.features

    @property
    def entries(self) -> int:
        """Entries of the whole table."""
        layout = level_layout(self)[1]
        return int(layout[-1, 1] + layout[-1, 2])


@functools.lru_cache(maxsize=64)
def level_layout(config: HashGridConfig) -> tuple[Tensor, Tensor]:
    """Scale of each level (L), and its resolution, first entry and number of entries (L 3)."""
    if config.levels < 1 or config.base_resolution < 1 or not 3 <= config.log2_table_size <= 28:
        raise ConfigError(f"No hash grid has the shape {config}.", hint="Use levels >= 1 and a table of 2^3 to 2^28.")
    scales, rows, first = [], [], 0
    for level in range(config.levels):
        # float32 as tiny-cuda-nn computes it: ceil() below must round the same way
        growth = np.exp2(np.float32(level) * np.float32(math.log2(config.per_level_scale)))
        scale = np.float32(growth * np.float32(config.base_resolution) - np.float32(1))
        resolution = math.ceil(scale) + 1
        entries = min((resolution**3 + 7) // 8 * 8, 1 << config.log2_table_size)
        scales.append(float(scale))
        rows.append((resolution, first, entries))
        first += entries
    return torch.tensor(scales, dtype=torch.float64), torch.tensor(rows)


def hash_grid_init(config: HashGridConfig, generator: torch.Generator | None = None) -> Float[Tensor, "E F"]:
    """A new table, uniform in +-1e-4 as in the paper."""
    return (2 * torch.rand(config.entries, config.features, generator=generator) - 1) * 1e-4


def hash_grid(points_unit: Float[Tensor, "P 3"], table: Float[Tensor, "E F"], config: HashGridConfig):
    """Encode points by the tables around them.

    Args:
        points_unit: In the unit cube; what lies outside is moved to its border and gets no gradient.
        table: All levels one after the other, from ``hash_grid_init`` or tiny-cuda-nn.
        config: Shape of the grid.

    Returns:
        (P, L F), feature f of level l in column l F + f. Gradients flow to points and table, once (no second order).
    """
    require("points_unit", points_unit, (None, 3))
    require("table", table, (config.entries, config.features))
    scales, layout = level_layout(config)
    smooth = config.interpolation == "smoothstep"
    if library_for(table) is None:
        return hash_grid_torch(points_unit.to(table.dtype), table, config)
    return _hash_grid(points_unit.to(table.dtype), table, scales, layout, smooth)


def hash_grid_torch(points: Tensor, table: Tensor, config: HashGridConfig) -> Tensor:
    """The same in plain torch, one level after the other."""
    scales, layout = level_layout(config)
    encoded = []
    # NaN -> 0 as in the kernel; clamp() passes no gradient beyond the cube
    unit = torch.nan_to_num(points).clamp(0, 1)
    primes = torch.tensor(PRIMES, device=points.device)
    corners = torch.tensor([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)], device=points.device)
    for scale, (resolution, first, entries) in zip(scales.tolist(), layout.tolist(), strict=True):
        position = unit * scale + 0.5
        cell = position.detach().floor().long()
        t = position - cell
        weight = t * t * (3 - 2 * t) if config.interpolation == "smoothstep" else t
        at = cell[:, None] + corners
        if resolution**3 > entries:
            mixed = at * primes % (1 << 32)
            index = (mixed[..., 0] ^ mixed[..., 1] ^ mixed[..., 2]) % entries
        else:
            index = (at[..., 0] + resolution * (at[..., 1] + resolution * at[..., 2])) % entries
        share = torch.where(corners.bool(), weight[:, None], 1 - weight[:, None]).prod(-1)
        encoded.append((share[..., None] * table[first + index]).sum(1))
    return torch.cat(encoded, 1)


@kernel_op("hash_grid")
def _hash_grid(points: Tensor, table: Tensor, scales: Tensor, layout: Tensor, smooth: bool) -> Tensor:
    points, table, count, features = points.contiguous(), table.contiguous(), len(points), table.shape[1]
    out = table.new_empty(count, len(layout) * features)
    shape = scales, layout, len(layout), features, int(smooth)
    call_for(table, "hash_grid_fwd", points, count, table, *shape, out)
    return out


@kernel_op("hash_grid_backward")
def _hash_grid_backward(
    g_out: Tensor, points: Tensor, table: Tensor, scales: Tensor, layout: Tensor, smooth: bool, which: int
) -> tuple[Tensor, Tensor]:
    """Bit 1 of ``which`` asks for the gradient of the table, bit 0 for that of the points; else they are empty."""
    g_out, points, table = g_out.contiguous(), points.contiguous(), table.contiguous()
    g_table = torch.zeros_like(table) if which & 2 else table.new_empty(0)
    g_points = torch.empty_like(points) if which & 1 else table.new_empty(0)
    shape = scales, layout, len(layout), table.shape[1], int(smooth)
    wanted = g_table if which & 2 else None, g_points if which & 1 else None
    call_for(table, "hash_grid_bwd", points, len(points), table, *shape, g_out, *wanted)
    return g_points, g_table


@_hash_grid.register_fake
def _(points, table, scales, layout, smooth):
    return table.new_empty(points.shape[0], layout.shape[0] * table.shape[1])


@_hash_grid_backward.register_fake
def _(g_out, points, table, scales, layout, smooth, which):
    empty = table.new_empty(0)
    return (
        points.new_empty(points.shape) if which & 1 else empty,
        table.new_empty(table.shape) if which & 2 else empty,
    )


def _save(ctx, inputs, output):
    points, table, scales, layout, ctx.smooth = inputs
    ctx.save_for_backward(points, table, scales, layout)


def _backward(ctx, g_out):
    points, table, scales, layout = ctx.saved_tensors
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    if not which:
        return None, None, None, None, None
    g_points, g_table = _hash_grid_backward(g_out, points, table, scales, layout, ctx.smooth, which)
    return g_points if which & 1 else None, g_table if which & 2 else None, None, None, None


_hash_grid.register_autograd(_backward, setup_context=_save)

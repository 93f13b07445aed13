"""Coarse volumes over a part of the head frame, read by trilinear interpolation."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.kernels.grid_sample import grid_sample3
from head3d.shapes import shaped


@shaped
@dataclass(frozen=True)
class Volume:
    """Values at the nodes of a regular grid.

    Attributes:
        values: Channels, then z, y, x.
        origin: Position of node (0, 0, 0), head frame, metres.
        cell_m: Distance between nodes.
    """

    values: Float[Tensor, "C D H W"]
    origin: Float[Tensor, "3"]
    cell_m: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along z, y, x."""
        return self.values.shape[1], self.values.shape[2], self.values.shape[3]

    def nodes(self) -> Float[Tensor, "P 3"]:
        """Positions of all nodes, x fastest."""
        return grid_nodes(self.shape, self.origin, self.cell_m)

    def at(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
        """Trilinear values at points; outside the grid the border's value."""
        return sample_values(self.values, self.origin, self.cell_m, points_m)


def grid_nodes(shape: tuple[int, int, int], origin: Float[Tensor, "3"], cell_m: float) -> Float[Tensor, "P 3"]:
    """Positions (m) of the nodes of a grid with (z, y, x) nodes, x fastest."""
    z, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij")
    return torch.stack([x, y, z], dim=-1).reshape(-1, 3).to(origin) * cell_m + origin


def box_grid(
    low: Float[Tensor, "3"], high: Float[Tensor, "3"], cell_m: float
) -> tuple[tuple[int, int, int], Float[Tensor, "3"]]:
    """Shape (z, y, x) and origin of a grid that covers a box."""
    count = ((high - low) / cell_m).ceil().long() + 1
    x, y, z = (int(n) for n in count)
    return (z, y, x), low.clone()


def sample_values(
    values: Float[Tensor, "C D H W"], origin: Float[Tensor, "3"], cell_m: float, points_m: Float[Tensor, "P 3"]
) -> Float[Tensor, "P C"]:
    """Trilinear values at points; outside the grid the border's value. Differentiable in values and points.

    Fastest for values whose channels lie side by side in memory (:func:`channels_last`).
    """
    last = torch.tensor([n - 1 for n in reversed(values.shape[1:])], dtype=points_m.dtype, device=points_m.device)
    where = (points_m - origin) / (cell_m * last)
    return grid_sample3(values.permute(1, 2, 3, 0), where.flip(-1))


def slope_by_taps(
    distance: Callable[[Tensor], Tensor], points_m: Float[Tensor, "P 3"], *, step_m: float
) -> Float[Tensor, "P 3"]:
    """Gradient of a distance at points, times 4 step^2 (left to who needs the length): four taps, a tetrahedron."""
    corners = points_m.new_tensor([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]]) * step_m
    taps = distance((points_m[:, None] + corners).reshape(-1, 3)).reshape(-1, 4)
    return (taps[..., None] * corners).sum(1)


def channels_last(values: Float[Tensor, "C D H W"]) -> Float[Tensor, "C D H W"]:
    """The same values, laid out in memory with the channels of a node side by side: one lookup reads them all."""
    return values.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)

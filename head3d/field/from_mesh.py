"""Signed distance to the outer shell of the fitted head, as a volume: the field's zero."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.volumes import Volume, box_grid, grid_nodes, sample_values
from head3d.geometry.mesh import Mesh
from head3d.kernels.signed_distance import signed_distance_grid

STAND_OFF_CELL_M = 0.006
STAND_OFF_BLUR_M = 0.008
"""Hair has no sharp border: where its thickness changes, the shell slopes over about this length, metres."""


@dataclass(frozen=True)
class ShellConfig:
    """How the fitted mesh becomes a volume."""

    cell_m: float = 0.0025
    """Distance between nodes, metres."""
    margin_m: float = 0.035
    """Room round the mesh and its hair, metres."""
    opening_m: float = 0.008
    """Openings narrower than this (nostrils, the lips) are shut, metres."""


def base_volume(
    mesh: Mesh,
    *,
    stand_off: Float[Tensor, "V"] | None = None,
    config: ShellConfig = ShellConfig(),
) -> Volume:
    """Signed distance (m, negative inside) to the closed outer shell of a mesh.

    Args:
        mesh: Head frame.
        stand_off: Per vertex, how far hair or clothes stand off the mesh, metres; the shell is moved out by it.
        config: Grid.

    Returns:
        One channel.
    """
    vertices = mesh.vertices.detach().float()
    grown = 0.0 if stand_off is None else float(stand_off.max())
    low, high = vertices.amin(0) - config.margin_m - grown, vertices.amax(0) + config.margin_m + grown
    (depth, height, width), origin = box_grid(low, high, config.cell_m)
    most = max(depth, height, width)
    half = 0.5 * (most - 1) * config.cell_m
    x, y, z = (float(value) + half for value in low)
    cube = signed_distance_grid(
        vertices, mesh.faces, resolution=most, half_size=half, center=(x, y, z), opening=config.opening_m
    )
    values = cube[:width, :height, :depth].permute(2, 1, 0).contiguous()[None]
    if stand_off is not None and grown > 0:
        thick = stand_off_volume(vertices, stand_off, low=low, high=high)
        nodes = grid_nodes((depth, height, width), origin, config.cell_m)
        values = values - sample_values(thick.values, thick.origin, thick.cell_m, nodes).reshape(values.shape)
    return Volume(values, origin, config.cell_m)


def stand_off_volume(
    vertices: Float[Tensor, "V 3"], stand_off: Float[Tensor, "V"], *, low: Float[Tensor, "3"], high: Float[Tensor, "3"]
) -> Volume:
    """Thickness (m) of hair and clothes carried from the vertices to the space around, smoothly."""
    shape, origin = box_grid(low, high, STAND_OFF_CELL_M)
    nodes = grid_nodes(shape, origin, STAND_OFF_CELL_M).numpy()
    distance, index = spatial.KDTree(vertices.numpy()).query(nodes, k=4)
    weight = 1.0 / (distance + 2e-3) ** 2
    near = (stand_off.numpy()[index] * weight).sum(1) / weight.sum(1)
    smooth = ndimage.gaussian_filter(near.reshape(shape), STAND_OFF_BLUR_M / STAND_OFF_CELL_M)
    return Volume(torch.from_numpy(np.asarray(smooth, dtype=np.float32))[None], origin, STAND_OFF_CELL_M)

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

CLOAK_CELL_M = 0.008
CLOAK_BLUR_M = 0.008
"""Hair has no sharp border: where its thickness changes, the shell slopes over about this length, metres."""
LEAST_M = 1e-3
"""Thinner than this there is no cloak."""


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
    cloak: Volume | None = None,
    box: tuple[Float[Tensor, "3"], Float[Tensor, "3"]] | None = None,
    config: ShellConfig = ShellConfig(),
) -> Volume:
    """Signed distance (m, negative inside) to the closed outer shell of a mesh.

    Args:
        mesh: Head frame.
        cloak: How far hair and clothes stand off the mesh, metres: the shell is moved out by it.
        box: Lowest and highest place (m) to be covered beside the mesh and its cloak with their room.
        config: Grid.

    Returns:
        One channel.
    """
    vertices = mesh.vertices.detach().float()
    thick = torch.zeros(len(vertices)) if cloak is None else cloak.at(vertices)[:, 0]
    room = config.margin_m + thick[:, None].clamp_min(0.0)
    low, high = (vertices - room).amin(0), (vertices + room).amax(0)
    if box is not None:
        low, high = torch.minimum(low, box[0]), torch.maximum(high, box[1])
    (depth, height, width), origin = box_grid(low, high, config.cell_m)
    x, y, z = (float(value) for value in origin)
    found = signed_distance_grid(
        vertices, mesh.faces, nodes=(width, height, depth), low=(x, y, z), cell=config.cell_m, opening=config.opening_m
    )
    values = found.permute(2, 1, 0).contiguous()[None]
    if cloak is not None:
        nodes = grid_nodes((depth, height, width), origin, config.cell_m)
        values = values - sample_values(cloak.values, cloak.origin, cloak.cell_m, nodes).reshape(values.shape)
    return Volume(values, origin, config.cell_m)


def cloak_volume(mesh: Mesh, thick: Float[Tensor, "V"], *, margin_m: float = 0.05) -> Volume | None:
    """Thickness (m) of hair and clothes carried from the vertices to the space around, smoothly; None without any."""
    if float(thick.max()) < LEAST_M:
        return None
    vertices, room = mesh.vertices.detach().float(), margin_m + float(thick.max())
    shape, origin = box_grid(vertices.amin(0) - room, vertices.amax(0) + room, CLOAK_CELL_M)
    nodes = grid_nodes(shape, origin, CLOAK_CELL_M).numpy()
    distance, index = spatial.KDTree(vertices.numpy()).query(nodes, k=4)
    weight = 1.0 / (distance + 2e-3) ** 2
    near = (thick.numpy()[index] * weight).sum(1) / weight.sum(1)
    smooth = ndimage.gaussian_filter(near.reshape(shape), CLOAK_BLUR_M / CLOAK_CELL_M)
    return Volume(torch.from_numpy(np.asarray(smooth, dtype=np.float32))[None], origin, CLOAK_CELL_M)

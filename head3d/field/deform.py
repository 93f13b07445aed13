"""Undo the expression of a photo: points of the photo's head go to the neutral head.

The displacement is known on the mesh; a coarse grid over the face carries it to the points around.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import spatial
from torch import Tensor

from head3d.field.volumes import Volume, box_grid, grid_nodes
from head3d.geometry.mesh import Mesh
from head3d.kernels.render_field import FieldVolume

CELL_M = 0.006
"""Lips are 8 mm apart in a small smile: coarser cells would tie them together."""
FADE_M = 0.03
"""Distance from the skin at which the displacement is gone."""
STILL_M = 3e-4
"""Below this largest displacement a photo counts as neutral."""


def expression_volume(neutral: Mesh, photo: Mesh, *, cell_m: float = CELL_M) -> Volume | None:
    """Displacement (m) that takes points about the photo's head to the neutral head; None if it does not move."""
    moved = (neutral.vertices - photo.vertices).detach()
    size = moved.norm(dim=-1)
    if float(size.max()) < STILL_M:
        return None
    active = photo.vertices[size > STILL_M / 3]
    shape, origin = box_grid(active.amin(0) - FADE_M, active.amax(0) + FADE_M, cell_m)
    nodes = grid_nodes(shape, origin, cell_m).numpy()
    tree = spatial.KDTree(photo.vertices.numpy())
    nearest, _ = tree.query(nodes, distance_upper_bound=FADE_M)
    near = np.flatnonzero(nearest < FADE_M)  # a third of them; beyond, where a search takes longest, all has faded
    distance, index = tree.query(nodes[near], k=6)
    weight = 1.0 / (distance + 1e-3) ** 2
    weight /= weight.sum(1, keepdims=True)
    fade = np.clip(1.5 - 1.5 * distance[:, :1] / FADE_M, 0.0, 1.0)
    values = np.zeros((len(nodes), 3))
    values[near] = (moved.numpy()[index] * weight[..., None]).sum(1) * fade
    return Volume(torch.from_numpy(values.T.reshape(3, *shape)).float(), origin, cell_m)


class Deformation:
    """The expression volumes of all photos, read in one lookup."""

    def __init__(self, volumes: list[Volume | None]) -> None:
        present = [volume for volume in volumes if volume is not None]
        self.moving = bool(present)
        if not present:
            return
        shape = tuple(max(volume.shape[axis] for volume in present) for axis in range(3))
        still = torch.zeros(3, *shape)
        blocks, self.origins = [], torch.zeros(len(volumes), 3)
        for photo, volume in enumerate(volumes):
            block = still.clone()
            if volume is not None:
                depth, height, width = volume.shape
                block[:, :depth, :height, :width] = volume.values
                self.origins[photo] = volume.origin
            blocks.append(block)
        self.values = torch.cat(blocks, dim=1)
        self.present = torch.tensor([volume is not None for volume in volumes])
        self.steps = torch.tensor([[0.0, 0.0, float(photo * shape[0])] for photo in range(len(volumes))])
        self.block = shape
        self.cell_m = present[0].cell_m
        self.volumes = [
            None if volume is None else FieldVolume(block.contiguous(), self.origins[photo], self.cell_m)
            for photo, (volume, block) in enumerate(zip(volumes, blocks, strict=True))
        ]

    def to(self, device: torch.device) -> "Deformation":
        """Move everything to where the points are."""
        if self.moving:
            for name in ("values", "origins", "present", "steps"):
                setattr(self, name, getattr(self, name).to(device))
            self.volumes = [
                volume and FieldVolume(volume.values.to(device), volume.origin, volume.cell_m)
                for volume in self.volumes
            ]
        return self

    def volume_of(self, photo: int) -> FieldVolume | None:
        """The displacement (m, 3 channels) of one photo as the kernels take it; None if it does not move."""
        return self.volumes[photo] if self.moving else None

    def to_canonical(self, points_m: Float[Tensor, "P 3"], photo: Int[Tensor, "P"]) -> Float[Tensor, "P 3"]:
        """Points of the neutral head; ``photo`` says whose expression each point has. Volumes end in zeros."""
        if not self.moving:
            return points_m
        depth, height, width = self.block
        node = (points_m - self.origins[photo]) / self.cell_m
        top = node.new_tensor([width - 1.0, height - 1.0, depth - 1.0])
        rows = torch.nonzero(((node >= 0) & (node <= top) & self.present[photo, None]).all(-1))[:, 0]
        if not len(rows):
            return points_m
        node = node[rows] + self.steps[photo[rows]]
        last = node.new_tensor([width - 1.0, height - 1.0, self.values.shape[1] - 1.0])
        found = torch.nn.functional.grid_sample(
            self.values[None], (node / last * 2 - 1)[None, None, None], align_corners=True
        )
        return points_m.index_add(0, rows, found[0, :, 0, 0].T)

"""What photos show where on a head: votes of their regions for its vertices."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8

from head3d.geometry.cameras import Cameras, project
from head3d.geometry.mesh import Mesh, vertex_normals
from head3d.perception.types import Region

LabelledView = tuple[UInt8[np.ndarray, "H W"], Cameras]
"""Labels (``Region``) of a photo and its camera."""
FACING = 0.35
"""Cosine to the camera; no occlusion test: what faces the camera this much is rarely hidden."""


def region_votes(
    photos: Iterable[LabelledView], mesh: Mesh, kinds: Sequence[Sequence[Region]]
) -> list[Float[np.ndarray, "V"]]:
    """How many photos show each vertex as one of the regions of each kind."""
    normals = vertex_normals(mesh.vertices, mesh.faces)
    counts = [np.zeros(len(mesh.vertices)) for _ in kinds]
    for labels, camera in photos:
        place, depth = project(mesh.vertices, camera.c2w[0], camera.K[0])
        height, width = labels.shape
        column, row = place[:, 0].long(), place[:, 1].long()
        ray = torch.nn.functional.normalize(mesh.vertices - camera.centre[0], dim=-1)
        facing = -(ray * normals).sum(-1) > FACING
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (depth > 0) & facing
        label = labels[row.clamp(0, height - 1).numpy(), column.clamp(0, width - 1).numpy()]
        for count, regions in zip(counts, kinds, strict=True):
            count += inside.numpy() & np.isin(label, regions)
    return counts

"""What photos show where on a head: votes of their regions for its vertices."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

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
    return point_votes(photos, mesh.vertices, vertex_normals(mesh.vertices, mesh.faces), kinds)


def point_votes(
    photos: Iterable[LabelledView],
    points_m: Float[Tensor, "P 3"],
    normals: Float[Tensor, "P 3"],
    kinds: Sequence[Sequence[Region]],
) -> list[Float[np.ndarray, "P"]]:
    """The same of points of a surface."""
    counts = [np.zeros(len(points_m)) for _ in kinds]
    for labels, camera in photos:
        shown, at = in_sight(points_m, normals, camera, labels.shape)
        label = labels[at]
        for count, regions in zip(counts, kinds, strict=True):
            count += shown & np.isin(label, regions)
    return counts


def in_sight(
    points_m: Float[Tensor, "P 3"], normals: Float[Tensor, "P 3"], camera: Cameras, size: tuple[int, ...]
) -> tuple[Bool[np.ndarray, "P"], tuple[Int[np.ndarray, "P"], Int[np.ndarray, "P"]]]:
    """Which points of a surface face a camera within its picture, and the row and column of each."""
    place, depth = project(points_m, camera.c2w[0], camera.K[0])
    height, width = size
    column, row = place[:, 0].long(), place[:, 1].long()
    ray = torch.nn.functional.normalize(points_m - camera.centre[0], dim=-1)
    facing = -(ray * normals).sum(-1) > FACING
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (depth > 0) & facing
    return inside.numpy(), (row.clamp(0, height - 1).numpy(), column.clamp(0, width - 1).numpy())

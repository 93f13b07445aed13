"""Meshes as cameras see them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.kernels.raster import RasterOutput, rasterize


def draw_mesh(vertices_m: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], camera: Cameras) -> RasterOutput:
    """The triangles in the picture of one camera."""
    px, depth = project(vertices_m, camera.c2w[0], camera.K[0])
    return rasterize(torch.cat([px, depth[:, None]], dim=1), faces, size=camera.size)

"""How much of the sky each vertex of a mesh sees: ambient occlusion by drawing depth maps from many sides."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.sphere import even_directions
from head3d.kernels.raster import rasterize

FAR_M = 100.0
"""Depth maps are drawn from so far away that they are parallel."""
BIAS_M = 0.002
"""A vertex this close behind the surface of the depth map is on it."""


def open_sky(
    vertices: Float[Tensor, "V 3"],
    normals: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    *,
    directions: int = 64,
    resolution: int = 192,
) -> Float[Tensor, "V"]:
    """Share of the cosine-weighted sky that reaches each vertex, 0 to 1."""
    centre = (vertices.amax(0) + vertices.amin(0)) / 2
    radius = (vertices - centre).norm(dim=1).max()
    reached, total = torch.zeros(len(vertices)), torch.full((len(vertices),), 1e-6)
    for toward in even_directions(directions)[:, [0, 2, 1]]:  # from above to below
        helper = torch.tensor([1.0, 0.0, 0.0]) if abs(float(toward[1])) > 0.9 else torch.tensor([0.0, 1.0, 0.0])
        right = torch.nn.functional.normalize(torch.linalg.cross(helper, toward), dim=0)
        up = torch.linalg.cross(toward, right)
        local = (vertices - centre) @ torch.stack([right, up, toward]).T
        px = (local[:, :2] / radius + 1) * (resolution / 2)
        depth = FAR_M - local[:, 2]
        seen = rasterize(torch.cat([px, depth[:, None]], dim=1), faces, size=(resolution, resolution))
        column, row = (px[:, k].long().clamp(0, resolution - 1) for k in (0, 1))
        slope_m = 2 * radius / resolution  # within a texel the surface may rise by about its width
        visible = depth < seen.depth[row, column] + BIAS_M + slope_m
        cosine = (normals @ toward).clamp_min(0)
        reached += cosine * visible
        total += cosine
    return (reached / total).clamp(0, 1)

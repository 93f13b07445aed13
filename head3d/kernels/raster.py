"""Draw a mesh given in pixels: which triangle each pixel sees, where on it, and how deep."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.kernels.library import call, library, require

CANDIDATES = 1 << 22
"""Pixel-triangle pairs the torch path looks at in one go: about 1 GB."""


@dataclass(frozen=True)
class RasterOutput:
    """What each pixel sees of a mesh."""

    triangle: Int[Tensor, "H W"]
    """Index of the nearest triangle, -1 where there is none."""
    barycentrics: Float[Tensor, "H W 3"]
    """Perspective-correct weights of its corners, 0 where there is none."""
    depth: Float[Tensor, "H W"]
    """z-depth in the unit of the vertices (m), 0 where there is none."""


def rasterize(
    vertices_px_depth: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], *, size: tuple[int, int]
) -> RasterOutput:
    """Draw the nearest triangle of each pixel, both sides of it.

    Pixel centres are at +0.5; triangles with a corner behind the camera are left out; of two triangles at the same
    depth (in float32) the one with the lower index is drawn. No gradients (see ``interpolate``).

    Args:
        vertices_px_depth: x, y in pixels and z-depth in metres, as ``Cameras`` project them.
        faces: Corners of the triangles.
        size: Height, width of the picture.
    """
    require("vertices_px_depth", vertices_px_depth, (None, 3))
    require("faces", faces, (None, 3), integer=True)
    vertices = vertices_px_depth.detach().to(torch.float64).contiguous()
    corners = faces.to(vertices.device, torch.int64).contiguous()
    lib = library(vertices.device.type)
    if lib is None:
        return RasterOutput(*_rasterize_torch(vertices, corners, size))
    height, width = size
    triangle = corners.new_empty(height, width)
    barycentrics, depth = (vertices.new_empty(*shape, dtype=torch.float32) for shape in ((height, width, 3), size))
    shape = len(vertices), corners, len(corners), height, width
    call(lib, "rasterize", vertices, *shape, triangle, barycentrics, depth)
    return RasterOutput(triangle, barycentrics, depth)


def interpolate(values: Float[Tensor, "V C"], faces: Int[Tensor, "F 3"], seen: RasterOutput) -> Float[Tensor, "H W C"]:
    """Values of the vertices at each pixel, 0 where there is no triangle; differentiable in the values."""
    require("values", values, (None, None))
    mask = seen.triangle >= 0
    corners = faces[seen.triangle[mask]]
    inside = (values[corners] * seen.barycentrics[mask].to(values)[..., None]).sum(-2)
    image = values.new_zeros(*seen.triangle.shape, values.shape[1])
    return image.index_put((mask,), inside)


def _rasterize_torch(vertices: Tensor, faces: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Look at every pixel of every triangle's bounding box, in batches, and keep the nearest."""
    height, width = size
    corners = vertices[faces]
    low, high = corners[..., :2].amin(1), corners[..., :2].amax(1)
    limit = vertices.new_tensor([width, height])
    first = torch.minimum((low - 0.5).ceil().clamp_min(0), limit)
    last = torch.minimum((high - 0.5).floor(), limit - 1)
    spans = (last - first + 1).clamp_min(0).nan_to_num().long() * (corners[..., 2] > 0).all(1, keepdim=True)
    counts = spans.prod(1)
    depth = vertices.new_full((height * width,), torch.inf, dtype=torch.float32)
    triangle = faces.new_full((height * width,), -1)
    barycentrics = vertices.new_zeros(height * width, 3)
    batch = torch.div(counts.cumsum(0) - counts, CANDIDATES, rounding_mode="floor")
    for index in batch.unique():
        members = torch.nonzero(batch == index)[:, 0]
        which = torch.repeat_interleave(members, counts[members])
        start = torch.repeat_interleave(counts[members].cumsum(0) - counts[members], counts[members])
        offset = torch.arange(len(which), device=start.device) - start
        x = first[which, 0] + offset % spans[which, 0].clamp_min(1)
        y = first[which, 1] + torch.div(offset, spans[which, 0].clamp_min(1), rounding_mode="floor")
        weights, z = _cover(corners[which], x + 0.5, y + 0.5)
        pixel = (y * width + x).long()
        hit = (z < depth[pixel]) & torch.isfinite(z)
        which, pixel, z, weights = which[hit], pixel[hit], z[hit], weights[hit]
        nearest = depth.clone().scatter_reduce(0, pixel, z, "amin")
        won = z == nearest[pixel]
        which, pixel, weights = which[won], pixel[won], weights[won]
        lowest = torch.full_like(triangle, len(faces)).scatter_reduce(0, pixel, which, "amin")
        won = which == lowest[pixel]
        depth = nearest
        triangle[pixel[won]] = which[won]
        barycentrics[pixel[won]] = weights[won]
    depth = torch.where(triangle >= 0, depth, 0.0)
    shape = height, width
    return triangle.view(shape), barycentrics.float().view(*shape, 3), depth.view(shape)


def _cover(corners: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Perspective-correct weights and depth of points of the picture on a triangle each; depth inf if outside."""

    def edge(a: Tensor, b: Tensor) -> Tensor:
        return (b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])

    a, b, c = corners.unbind(1)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    screen = torch.stack([edge(b, c), edge(c, a), edge(a, b)], 1) / area[:, None]
    over_depth = screen / corners[:, :, 2]
    z = 1 / over_depth.sum(1)
    inside = (screen >= 0).all(1) & (area != 0)
    return over_depth * z[:, None], torch.where(inside, z, torch.inf).float()

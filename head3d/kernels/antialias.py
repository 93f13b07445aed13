"""Blend a rasterised picture across silhouettes, so that moving an outline changes pixels smoothly."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import call_for, library_for, require
from head3d.kernels.ops import kernel_op
from head3d.kernels.raster import RasterOutput

STEPS = 16
"""Triangles that a line of one pixel may cross, as in cuda_ext/math/antialias.h."""


def antialias(
    image: Float[Tensor, "H W C"],
    seen: RasterOutput,
    *,
    vertices_px_depth: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    twins: Int[Tensor, "F 3"] | None = None,
) -> Float[Tensor, "H W C"]:
    """Blend pixels that a silhouette edge separates by how far the edge reaches, after Laine et al. 2020, section 3.4.

    Where neighbouring pixels see different triangles and the surface of the nearer one ends between their centres,
    the pixel in which it ends gets the other's colour in proportion. Unlike in the paper, the triangle with the
    silhouette edge need not be the one that the pixel sees: those at the rim of a fine mesh are thinner than a pixel.
    Parts that cover no pixel centre at all are not seen.

    Args:
        image: A value per pixel of the picture ``seen``.
        seen: What ``rasterize`` drew of the same vertices and faces.
        vertices_px_depth: x, y in pixels and z-depth in metres.
        faces: Corners of the triangles.
        twins: ``twin_corners(faces)``, if it is known already.

    Returns:
        Differentiable once in the image and in x, y of the vertices. Doubled vertices (texture seams) are borders:
        weld them first.
    """
    require("image", image, (None, None, None))
    require("vertices_px_depth", vertices_px_depth, (None, 3))
    require("faces", faces, (None, 3), integer=True)
    if seen.triangle.shape != image.shape[:2]:
        raise ShapeError("image", expected=f"a picture of {tuple(seen.triangle.shape)}", actual=str(tuple(image.shape)))
    twins = twin_corners(faces) if twins is None else twins
    require("twins", twins, (len(faces), 3), integer=True)
    corners, across = (t.to(image.device, torch.int64).contiguous() for t in (faces, twins))
    scene = seen.triangle, seen.depth.float(), vertices_px_depth.to(image), corners, across
    compiled = library_for(image) is not None
    return (_antialias if compiled else antialias_torch)(image, *scene)


def twin_corners(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "F 3"]:
    """Of each corner the one (3 face + corner) that faces the same edge from across.

    -1 unless exactly two faces share the edge.
    """
    require("faces", faces, (None, 3), integer=True)
    f = faces.long()
    ends = torch.stack([f.roll(-1, 1), f.roll(-2, 1)], -1).view(-1, 2).sort(1).values
    _, edge, times = torch.unique(ends, dim=0, return_inverse=True, return_counts=True)
    corner = torch.arange(len(ends), device=f.device)
    # the two corners that face an edge: their sum less one is the other
    both = corner.new_zeros(len(times)).index_add(0, edge, corner)
    return torch.where(times[edge] == 2, both[edge] - corner, -1).view(-1, 3)


def antialias_torch(
    image: Tensor, triangle: Tensor, depth: Tensor, vertices: Tensor, faces: Tensor, twins: Tensor
) -> Tensor:
    """The same in plain torch: all pairs of unequal neighbours at once."""
    height, width, channels = image.shape
    colour, out = image.reshape(-1, channels), image.reshape(-1, channels)
    number = torch.arange(height * width, device=image.device).view(height, width)
    for axis in (0, 1):
        first, second = (number[:, :-1], number[:, 1:]) if axis == 0 else (number[:-1], number[1:])
        unequal = triangle.flatten()[first] != triangle.flatten()[second]
        first, second = first[unequal], second[unequal]
        a, b = triangle.flatten()[first], triangle.flatten()[second]
        z = depth.flatten()
        first_near = (b < 0) | ((a >= 0) & (z[first] <= z[second]))
        near, far = torch.where(first_near, first, second), torch.where(first_near, second, first)
        sign = torch.where(first_near, 1.0, -1.0).to(image)
        face = torch.where(first_near, a, b)
        centre = torch.stack([near % width, torch.div(near, width, rounding_mode="floor")], 1).to(image) + 0.5
        at = _walk(centre, face, sign, vertices=vertices.detach(), faces=faces, twins=twins, axis=axis)
        found = at >= 0
        face, out_of = torch.div(at, 3, rounding_mode="floor")[found], (at % 3)[found]
        p, q = (vertices[faces[face, (out_of + i) % 3], :2] - centre[found] for i in (1, 2))
        part = p[:, 1 - axis] / (p[:, 1 - axis] - q[:, 1 - axis])
        alpha = sign[found] * (p[:, axis] + (q - p)[:, axis] * part) - 0.5
        near, far = near[found], far[found]
        target = torch.where(alpha > 0, far, near)
        out = out.index_add(0, target, alpha[:, None] * (colour[near] - colour[far]))
    return out.view_as(image)


def _walk(
    centre: Tensor, face: Tensor, sign: Tensor, *, vertices: Tensor, faces: Tensor, twins: Tensor, axis: int
) -> Tensor:
    """Follow lines of one pixel through the mesh to a silhouette edge: the corner that faces it, or -1."""
    u, v = axis, 1 - axis
    answer, todo = torch.full_like(face, -1), torch.arange(len(face), device=face.device)
    entry = torch.full_like(face, -1)
    for _ in range(STEPS):
        cuts = []
        for k in range(3):
            p, q = (vertices[faces[face, (k + i) % 3], :2] - centre for i in (1, 2))
            crosses = ((p[:, v] > 0) != (q[:, v] > 0)) & (entry != k)
            part = p[:, v] / torch.where(crosses, p[:, v] - q[:, v], 1)
            cuts.append(torch.where(crosses, sign * (p[:, u] + (q - p)[:, u] * part), -torch.inf))
        t, leaving = torch.stack(cuts, 1).max(1)
        own, p, q = (vertices[faces[face, (leaving + i) % 3], :2] for i in range(3))
        twin = twins[face, leaving]
        other = vertices[faces.flatten()[twin.clamp_min(0)], :2]
        along = q - p
        here, there = ((along * torch.stack([w[:, 1], -w[:, 0]], 1)).sum(1) for w in (own - p, other - p))
        end = (twin < 0) | ((here > 0) == (there > 0))
        du, dv = along[:, u].abs(), along[:, v].abs()
        in_reach = (t >= 0) & (t <= 1)
        found = end & in_reach & (dv >= du if axis == 0 else dv > du)
        answer[todo[found]] = 3 * face[found] + leaving[found]
        go = in_reach & ~end
        todo, centre, sign = todo[go], centre[go], sign[go]
        face, entry = torch.div(twin[go], 3, rounding_mode="floor"), twin[go] % 3
        if not len(todo):
            break
    return answer


@kernel_op("antialias")
def _antialias(
    image: Tensor, triangle: Tensor, depth: Tensor, vertices: Tensor, faces: Tensor, twins: Tensor
) -> Tensor:
    height, width, channels = image.shape
    out = image.new_empty(image.shape)
    picture = image.contiguous(), channels, triangle.contiguous(), depth.contiguous(), height, width
    call_for(image, "antialias_fwd", *picture, vertices.contiguous(), faces, twins, out)
    return out


@kernel_op("antialias_backward")
def _antialias_backward(
    g_out: Tensor, image: Tensor, triangle: Tensor, depth: Tensor, vertices: Tensor, faces: Tensor, twins: Tensor
) -> tuple[Tensor, Tensor]:
    height, width, channels = image.shape
    g_image, g_vertices = image.new_empty(image.shape), vertices.new_zeros(vertices.shape)
    picture = image.contiguous(), channels, triangle.contiguous(), depth.contiguous(), height, width
    mesh = vertices.contiguous(), faces, twins
    call_for(image, "antialias_bwd", *picture, *mesh, g_out.contiguous(), g_image, g_vertices)
    return g_image, g_vertices


@_antialias.register_fake
def _(image, triangle, depth, vertices, faces, twins):
    return image.new_empty(image.shape)


@_antialias_backward.register_fake
def _(g_out, image, triangle, depth, vertices, faces, twins):
    return image.new_empty(image.shape), vertices.new_empty(vertices.shape)


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_out):
    g_image, g_vertices = _antialias_backward(g_out, *ctx.saved_tensors)
    return g_image, None, None, g_vertices, None, None


_antialias.register_autograd(_backward, setup_context=_save)

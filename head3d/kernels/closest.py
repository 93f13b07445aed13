"""The closest point of a mesh, for many points."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.library import call, library, require

LEAF = 8
"""Triangles in a leaf of the tree for CUDA at most."""

BATCH = 1 << 16
"""Points the numpy path answers in one go."""


class Closest(NamedTuple):
    """Where the mesh is nearest."""

    distance: Float[Tensor, "P"]
    """Unsigned, in the unit of the vertices; differentiable in points and vertices."""
    triangle: Int[Tensor, "P"]
    barycentrics: Float[Tensor, "P 3"]


def closest_point(points: Float[Tensor, "P 3"], vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> Closest:
    """Find the nearest triangle and the point on it, exact up to float32.

    At equal distance (a shared edge) any of the triangles may be named.
    """
    require("points", points, (None, 3))
    require("vertices", vertices, (None, 3))
    require("faces", faces, (None, 3), integer=True)
    if not len(faces):
        raise ShapeError("faces", expected="at least one triangle", actual="none")
    p, v = (t.detach().to(points.device, torch.float32).contiguous() for t in (points, vertices))
    f = faces.to(points.device, torch.int64).contiguous()
    distance, triangle, barycentrics = _search(p, v, f)
    barycentrics = barycentrics.to(points)
    if points.requires_grad or vertices.requires_grad or points.dtype == torch.float64:
        # To first order the closest point does not move along the surface: its weights are constants.
        nearest = (barycentrics[..., None] * vertices.to(points)[faces[triangle]]).sum(1)
        distance = torch.linalg.vector_norm(points - nearest, dim=1)
    return Closest(distance.to(points.dtype), triangle, barycentrics)


def _search(points: Tensor, vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the points are, if there is a tree to search there; on the CPU otherwise."""
    lib, builder = library(points.device.type), library("cpu")
    if points.device.type != "cpu" and (lib is None or builder is None):
        found = _search(points.cpu(), vertices.cpu(), faces.cpu())
        return found[0].to(points.device), found[1].to(points.device), found[2].to(points.device)
    if lib is None or builder is None:
        return _closest_numpy(points, vertices, faces)
    distance, barycentrics = points.new_empty(len(points)), points.new_empty(len(points), 3)
    triangle = faces.new_empty(len(points))
    mesh = vertices, len(vertices), faces, len(faces)
    if lib.device == "cpu":
        call(lib, "closest_point", points, len(points), *mesh, distance, triangle, barycentrics)
    else:
        order, boxes, depth = face_tree(vertices.cpu(), faces.cpu())
        tree = depth, order.to(points.device), boxes.to(points.device)
        call(lib, "closest_point_in_tree", points, len(points), *mesh, *tree, distance, triangle, barycentrics)
    return distance, triangle, barycentrics


def face_tree(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]
) -> tuple[Int[Tensor, "F"], Float[Tensor, "B 6"], int]:
    """Sort faces into a balanced tree of boxes, as the CUDA search walks it (see cuda_ext/math/closest.h).

    Args:
        vertices: On the CPU, float32.
        faces: On the CPU, int64, at least one.

    Returns:
        Order of the faces; low and high corner of the box of part j at level l in row 2^l + j (row 0 is empty);
        number of levels below the root.
    """
    lib = library("cpu")
    assert lib is not None, "the caller chose this path because the library is there"
    depth = max(0, math.ceil(math.log2(len(faces) / LEAF)))
    order, boxes = torch.empty(len(faces), dtype=torch.int32), torch.empty(2 << depth, 6)
    call(lib, "face_tree", vertices, len(vertices), faces, len(faces), depth, order, boxes)
    return order, boxes, depth


def _closest_numpy(points: Tensor, vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Look at the triangles with the nearest middles, and at more of them until no other can be nearer."""
    corners = vertices[faces]
    middle = corners.mean(1)
    radius = torch.linalg.vector_norm(corners - middle[:, None], dim=2).amax(1)
    tree = KDTree(middle.numpy())
    best, triangle = torch.full((len(points),), torch.inf), torch.zeros(len(points), dtype=torch.int64)
    for batch in torch.arange(len(points)).split(BATCH):
        todo, seen, count = batch, 0, min(4, len(faces))
        while len(todo):
            answer = tree.query(points[todo].numpy(), k=count)
            far, near = (torch.from_numpy(a).view(len(todo), count) for a in answer)
            far, near = far.float(), near.long()
            hope = (far - radius[near] < best[todo, None].sqrt()) & (torch.arange(count) >= seen)
            row, column = torch.nonzero(hope, as_tuple=True)
            face, index = near[row, column], todo[row]
            d2, _ = triangle_distance2(points[index], corners[face])
            nearest = best.scatter_reduce(0, index, d2, "amin")
            won = (d2 == nearest[index]) & (d2 < best[index])
            triangle[index[won]] = face[won]
            best = nearest
            unsure = far[:, -1] - radius.max() < best[todo].sqrt()
            todo = todo[unsure] if count < len(faces) else todo[:0]
            seen, count = count, min(4 * count, len(faces))
    distance2, barycentrics = triangle_distance2(points, corners[triangle])
    return distance2.sqrt(), triangle, barycentrics


def triangle_distance2(
    point: Float[Tensor, "*batch 3"], corners: Float[Tensor, "*batch 3 3"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch 3"]]:
    """Squared distance of a point to a triangle, and the weights of the closest point (as cuda_ext/math/closest.h)."""
    start, end = corners, corners.roll(-1, -2)
    along = end - start
    from_start = point[..., None, :] - start
    length2 = (along * along).sum(-1)
    t = ((from_start * along).sum(-1) / length2.clamp_min(1e-30)).clamp(0, 1)
    gap = from_start - along * t[..., None]
    edge_d2, edge = (gap * gap).sum(-1).min(-1)
    t = t.gather(-1, edge[..., None])
    weights = torch.zeros_like(from_start[..., 0])
    weights = weights.scatter(-1, edge[..., None], 1 - t).scatter(-1, (edge[..., None] + 1) % 3, t)
    normal = torch.linalg.cross(along[..., 0, :], -along[..., 2, :])
    area2 = (normal * normal).sum(-1)
    opposite = (torch.linalg.cross(along, from_start) * normal[..., None, :]).sum(-1).roll(-1, -1)
    inside = (opposite >= 0).all(-1) & (area2 > 1e-30)
    height = (from_start[..., 0, :] * normal).sum(-1)
    plane_d2 = height * height / area2.clamp_min(1e-30)
    share = opposite / opposite.sum(-1, keepdim=True).clamp_min(1e-30)
    return torch.where(inside, plane_d2, edge_d2), torch.where(inside[..., None], share, weights)

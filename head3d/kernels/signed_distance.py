"""Signed distance of a head's outer shell on a grid: the start of the field."""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import ndimage
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.closest import triangle_distance2
from head3d.kernels.library import call, library, require

CANDIDATES = 1 << 20
"""Pairs of a node and a triangle that the numpy path looks at in one go: about 0.5 GB."""


def signed_distance_grid(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    *,
    nodes: tuple[int, int, int],
    low: tuple[float, float, float],
    cell: float,
    opening: float = 0.006,
) -> Float[Tensor, "X Y Z"]:
    """Distance to the outer shell of a mesh, metres, negative inside, at ``grid[x, y, z]``.

    Exact within two nodes of the shell, first order beyond. The mesh may be open (the neck's end is closed by a fan),
    doubled along texture seams, and hold inner surfaces (eyeballs, mouth bag): only what a ball of the width of
    ``opening`` can touch from outside counts.

    Args:
        vertices: Metres.
        faces: Corners of the triangles; their orientation does not matter.
        nodes: How many along x, y, z.
        low: Position of node (0, 0, 0), metres.
        cell: Distance between nodes, metres.
        opening: Openings narrower than this are sealed, metres.
    """
    require("vertices", vertices, (None, 3))
    require("faces", faces, (None, 3), integer=True)
    if min(nodes) < 2:
        raise ShapeError("nodes", expected="at least 2 along each axis", actual=str(nodes))
    if not len(faces):
        raise ShapeError("faces", expected="at least one triangle", actual="none")
    device = vertices.device
    v, f = closed_mesh(vertices.detach().cpu().numpy().astype(np.float32), faces.cpu().numpy().astype(np.int64))
    count, corner = np.asarray(nodes, np.int64), np.asarray(low, np.float64)
    # The flood must start outside the mesh, so the grid reaches round all of it; the box is cut out at the end.
    margin = opening + 3 * cell
    before = np.maximum(np.ceil((corner - v.min(0) + margin) / cell), 0).astype(np.int64)
    after = np.maximum(np.ceil((v.max(0) + margin - corner - (count - 1) * cell) / cell), 0).astype(np.int64)
    whole = before + after + count
    origin = corner - before * cell
    grid = torch.empty(tuple(whole.tolist()))
    lib = library("cpu")
    if lib is None:
        grid = _signed_distance_numpy(v, f, whole, origin, h=cell, opening=opening)
    else:
        mesh = torch.from_numpy(v), len(v), torch.from_numpy(f), len(f)
        call(lib, "signed_distance", *mesh, torch.from_numpy(whole), torch.from_numpy(origin), cell, opening, grid)
    x, y, z = (slice(int(start), int(start) + n) for start, n in zip(before, nodes, strict=True))
    return grid[x, y, z].contiguous().to(device)


def closed_mesh(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weld doubled vertices (texture seams), drop faces without area, close each border with a fan to its middle."""
    # 1e-6 m: far below any detail, far above rounding
    _, first, index = np.unique(
        np.round(vertices / 1e-6).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    vertices, faces = vertices[first], index.reshape(-1)[faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, at, times = np.unique(np.sort(edges, 1), axis=0, return_index=True, return_counts=True)
    border = edges[at[times == 1]]
    if not len(border):
        return np.ascontiguousarray(vertices), np.ascontiguousarray(faces)
    loop = np.arange(len(vertices))
    while True:  # the lowest vertex index of each connected border spreads along it
        lower = loop.copy()
        np.minimum.at(lower, border[:, 0], loop[border[:, 1]])
        np.minimum.at(lower, border[:, 1], loop[border[:, 0]])
        lower = lower[lower]
        if (lower == loop).all():
            break
        loop = lower
    names, of_edge = np.unique(loop[border[:, 0]], return_inverse=True)
    middle = np.zeros((len(names), 3))
    np.add.at(middle, of_edge, (vertices[border[:, 0]] + vertices[border[:, 1]]) / 2)
    middle /= np.bincount(of_edge)[:, None]
    fan = np.stack([border[:, 1], border[:, 0], len(vertices) + of_edge], 1)
    closed = np.concatenate([vertices, middle.astype(vertices.dtype)])
    return np.ascontiguousarray(closed), np.ascontiguousarray(np.concatenate([faces, fan]))


def _signed_distance_numpy(
    vertices: np.ndarray, faces: np.ndarray, nodes: np.ndarray, origin: np.ndarray, *, h: float, opening: float
) -> Tensor:
    """The steps of cuda_ext/cpu/signed_distance.cpp, on arrays; beyond the band distances are Euclidean to nodes."""
    corners = vertices[faces]
    radius = math.sqrt(0.25 * opening**2 + 0.25 * h**2)
    distance, nearest = _band(corners, nodes, origin, h=h, band=radius + 2 * h)
    cut = _cut_edges((corners.astype(np.float64) - origin) / h, nodes)
    outside = _reach(distance > radius, cut, steps=(radius + h) / h)
    outer = np.zeros(len(faces), bool)
    outer[nearest[outside & (nearest >= 0)]] = True
    mean_edge = float(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1).mean())
    edges = np.roll(corners, -1, 1).astype(np.float64) - corners
    height = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / np.linalg.norm(edges, axis=2).max(1)
    for _ in range(min(4, math.ceil(h / max(mean_edge, 1e-6)))):
        outer |= (height <= h) & np.isin(faces, faces[outer]).any(1)
    shell, _ = _band(corners[outer], nodes, origin, h=h, band=2.5 * h)
    distance = np.where(outside, distance, shell)
    far = ~np.isfinite(distance)
    steps, near = ndimage.distance_transform_edt(far, return_indices=True)  # pyright: ignore[reportGeneralTypeIssues]
    distance = np.where(far, distance[tuple(near)] + h * steps, distance)
    return torch.from_numpy(np.where(outside, distance, -distance).astype(np.float32))


def _band(corners: np.ndarray, nodes: np.ndarray, origin: np.ndarray, *, h: float, band: float):
    """Unsigned distance and nearest face of the nodes within ``band`` of a triangle; infinity and -1 elsewhere."""
    low = np.clip(np.ceil((corners.min(1) - band - origin) / h), 0, nodes).astype(np.int64)
    high = np.clip(np.floor((corners.max(1) + band - origin) / h), -1, nodes - 1).astype(np.int64) + 1
    spans = torch.from_numpy(np.maximum(high - low, 0))
    counts = spans.prod(1)
    faces = torch.from_numpy(corners.astype(np.float32))
    distance2 = torch.full((int(nodes.prod()),), torch.inf)
    nearest = torch.full(distance2.shape, -1)
    batch = torch.div(counts.cumsum(0) - counts, CANDIDATES, rounding_mode="floor")
    for index in batch.unique():
        members = torch.nonzero(batch == index)[:, 0]
        which = torch.repeat_interleave(members, counts[members])
        start = torch.repeat_interleave(counts[members].cumsum(0) - counts[members], counts[members])
        offset = torch.arange(len(which)) - start
        deep, wide = spans[which, 2], spans[which, 1]
        at = torch.stack([offset // (deep * wide), offset // deep % wide, offset % deep], 1)
        at += torch.from_numpy(low)[which]
        points = (at.double() * h + torch.from_numpy(origin)).float()
        d2, _ = triangle_distance2(points, faces[which])
        flat = (at[:, 0] * int(nodes[1]) + at[:, 1]) * int(nodes[2]) + at[:, 2]
        lowest = distance2.scatter_reduce(0, flat, d2, "amin")
        won = (d2 == lowest[flat]) & (d2 < distance2[flat])
        nearest[flat[won]], distance2 = which[won], lowest
    shape = tuple(nodes.tolist())
    return distance2.sqrt().view(shape).numpy(), nearest.view(shape).numpy()


def _cut_edges(corners: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Which grid edges the triangles (in node units) cut, as bits of the lower node."""
    state = np.zeros(tuple(nodes), np.uint8)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        flat = corners[:, :, [u, v]]
        first = np.maximum(np.ceil(flat.min(1)), 0).astype(int)
        spans = np.maximum(np.floor(flat.max(1)).astype(int) - first + 1, 0)
        counts = spans.prod(1)
        which = np.repeat(np.arange(len(corners)), counts)
        offset = np.arange(len(which)) - np.repeat(counts.cumsum() - counts, counts)
        p = first[which, 0] + offset // np.maximum(spans[which, 1], 1)
        q = first[which, 1] + offset % np.maximum(spans[which, 1], 1)
        start, end = np.roll(flat, -1, 1)[which], np.roll(flat, -2, 1)[which]
        weight = (end[..., 0] - start[..., 0]) * (q[:, None] - start[..., 1])
        weight -= (end[..., 1] - start[..., 1]) * (p[:, None] - start[..., 0])
        area = weight.sum(1, keepdims=True)
        weight /= np.where(area == 0, np.nan, area)
        hit = (weight >= -1e-9).all(1)
        along = (weight * corners[which, :, axis]).sum(1)[hit]
        for shift in (-1e-6, 1e-6):
            at = np.floor(along + shift).astype(int)
            keep = (at >= 0) & (at + 1 < nodes[axis])
            index = [at[keep]] * 3
            index[u], index[v] = p[hit][keep], q[hit][keep]
            state[tuple(index)] |= 1 << axis
    return state


def _reach(free: np.ndarray, cut: np.ndarray, *, steps: float) -> np.ndarray:
    """Nodes connected to the grid's border through ``free`` ones, and on from there by ``steps`` uncut edges."""
    labels, _ = ndimage.label(free)  # pyright: ignore[reportGeneralTypeIssues]
    sides = [np.take(labels, [0, -1], axis=axis).ravel() for axis in range(3)]
    wanted = np.unique(np.concatenate(sides))
    outside = np.isin(labels, wanted[wanted > 0])
    away = ndimage.distance_transform_edt(~outside)
    allowed = np.asarray(away) <= steps
    while True:
        grown = outside.copy()
        for axis in range(3):
            lower, upper = [slice(None)] * 3, [slice(None)] * 3
            lower[axis], upper[axis] = slice(None, -1), slice(1, None)
            low, up = tuple(lower), tuple(upper)
            uncut = (cut[low] & (1 << axis)) == 0
            grown[up] |= outside[low] & uncut
            grown[low] |= outside[up] & uncut
        grown &= allowed | outside
        if (grown == outside).all():
            return outside
        outside = grown

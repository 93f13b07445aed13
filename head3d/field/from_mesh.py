"""Signed distance to the outer shell of the fitted head, as a volume: the field's zero.

The mesh of a head is neither closed (neck cut, eye sockets) nor simple (mouth bag, nostrils, eyeballs in sockets).
What counts is what can be reached from outside: holes are capped, the outside is flood-filled, and only the surface it
touches is kept.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from head3d.field.volumes import Volume, box_grid, grid_nodes
from head3d.geometry.mesh import Mesh


@dataclass(frozen=True)
class ShellConfig:
    """How the fitted mesh becomes a volume."""

    cell_m: float = 0.0025
    """Distance between nodes, metres."""
    margin_m: float = 0.045
    """Room round the mesh (and its hair), metres."""
    exact_m: float = 0.012
    """Within this distance the signed distance is exact, beyond it is that of the nearest node."""
    closing_cells: int = 2
    """Openings narrower than twice this many cells (nostrils, the lips) are shut before the outside is filled."""


def base_volume(
    mesh: Mesh, *, thickness: Float[Tensor, "V"] | None = None, config: ShellConfig = ShellConfig()
) -> Volume:
    """Signed distance (m, negative inside) to the closed outer shell of a mesh.

    Args:
        mesh: Head frame; faces counter-clockwise from outside.
        thickness: Per vertex, how far hair or clothes stand off the mesh, metres; the shell is moved out by it.
        config: Grid.

    Returns:
        One channel.
    """
    vertices = mesh.vertices.detach().double().numpy()
    faces = cap_holes(vertices, mesh.faces.numpy())
    vertices, faces = faces
    grown = (
        np.zeros(len(vertices))
        if thickness is None
        else np.pad(thickness.detach().double().numpy(), (0, len(vertices) - len(thickness)))
    )
    room = config.margin_m + float(grown.max())
    low, high = vertices.min(0) - room, vertices.max(0) + room
    shape, origin = box_grid(torch.tensor(low).float(), torch.tensor(high).float(), config.cell_m)
    points, triangle = scatter_on_faces(vertices, faces, spacing=0.7 * config.cell_m)
    outside = flood_outside(points, shape, origin.numpy(), config)
    index = np.clip(np.round((points - origin.numpy()) / config.cell_m).astype(int), 0, np.array(shape[::-1]) - 1)
    touched = ndimage.binary_dilation(outside, iterations=2)[index[:, 2], index[:, 1], index[:, 0]]
    points, triangle = points[touched], triangle[touched]

    away = ndimage.distance_transform_edt(outside) - ndimage.distance_transform_edt(~outside)
    value = away.astype(np.float32).ravel() * config.cell_m
    reach = config.exact_m + float(grown.max())
    near = np.nonzero(np.abs(value) < reach)[0]
    nodes = grid_nodes(shape, origin, config.cell_m)[torch.from_numpy(near)].numpy()
    distance, closest, weights = nearest_on_surface(nodes, points, triangle, vertices, faces)
    a, b, c = (vertices[faces[closest, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    on_surface = weights[:, :1] * a + weights[:, 1:2] * b + weights[:, 2:] * c
    facing = ((nodes - on_surface) * normal).sum(-1) >= 0
    # next to the surface the flood's stair-steps are wrong by a cell: the normal decides; further out, the flood does
    sign = np.where(distance < 1.5 * config.cell_m, np.where(facing, 1.0, -1.0), np.sign(value[near]))
    stand_off = (weights * grown[faces[closest]]).sum(-1)
    value[near] = sign * distance - stand_off
    return Volume(torch.from_numpy(value.reshape(1, *shape)), origin, config.cell_m)


def cap_holes(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Close every boundary loop by a fan to its middle."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    once = {tuple(edge) for edge in edges.tolist()}
    following = {
        a: b for b, a in once if (a, b) not in once
    }  # the missing twin of each border edge, so caps face outward
    added, fans = [], []
    while following:
        start = next(iter(following))
        loop, at = [start], following.pop(start)
        while at in following:
            loop.append(at)
            at = following.pop(at)
        if len(loop) < 3:
            continue
        middle = len(vertices) + len(added)
        added.append(vertices[loop].mean(0))
        fans += [(loop[k], loop[(k + 1) % len(loop)], middle) for k in range(len(loop))]
    if not added:
        return vertices, faces
    return np.concatenate([vertices, added]), np.concatenate([faces, np.array(fans)])


def scatter_on_faces(vertices: np.ndarray, faces: np.ndarray, *, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Points at most about ``spacing`` apart on every triangle, and the triangle of each."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    longest = np.max(
        [np.linalg.norm(b - a, axis=1), np.linalg.norm(c - b, axis=1), np.linalg.norm(a - c, axis=1)], axis=0
    )
    parts = np.maximum(np.ceil(longest / spacing).astype(int), 1)
    points, triangle = [], []
    for n in np.unique(parts):
        which = np.nonzero(parts == n)[0]
        i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        inside = i + j <= n
        u, v = i[inside] / n, j[inside] / n
        made = a[which, None] * (1 - u - v)[:, None] + b[which, None] * u[:, None] + c[which, None] * v[:, None]
        points.append(made.reshape(-1, 3))
        triangle.append(np.repeat(which, len(u)))
    return np.concatenate(points), np.concatenate(triangle)


def flood_outside(
    points: np.ndarray, shape: tuple[int, int, int], origin: np.ndarray, config: ShellConfig
) -> np.ndarray:
    """Nodes (z, y, x) that can be reached from the border without crossing the surface."""
    wall = np.zeros(shape, dtype=bool)
    index = np.round((points - origin) / config.cell_m).astype(int)
    wall[index[:, 2], index[:, 1], index[:, 0]] = True
    thick = ndimage.binary_dilation(wall, iterations=config.closing_cells) if config.closing_cells else wall
    labels, _ = ndimage.label(~thick)
    outside = labels == labels[0, 0, 0]
    if config.closing_cells:  # give back what the thickening took, without passing through the wall itself
        outside = ndimage.binary_dilation(outside, iterations=config.closing_cells, mask=~wall)
    return outside


def nearest_on_surface(
    query: np.ndarray, points: np.ndarray, triangle: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, triangle and barycentric weights of the nearest surface point (exact on four candidates)."""
    _, candidates = cKDTree(points).query(query, k=4, workers=-1)
    best = np.full(len(query), np.inf)
    chosen, weights = np.zeros(len(query), dtype=int), np.zeros((len(query), 3))
    for k in range(candidates.shape[1]):
        which = triangle[candidates[:, k]]
        found = closest_barycentrics(query, *(vertices[faces[which, corner]] for corner in range(3)))
        place = sum(found[:, corner : corner + 1] * vertices[faces[which, corner]] for corner in range(3))
        distance = np.linalg.norm(query - place, axis=1)
        better = distance < best
        best[better], chosen[better], weights[better] = distance[better], which[better], found[better]
    return best, chosen, weights


def closest_barycentrics(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Barycentrics (P, 3) of the point of triangle abc closest to p."""
    ab, ac, ap = b - a, c - a, p - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    scale = np.maximum(d00 * d11 - d01 * d01, 1e-30)
    v, w = (d11 * d20 - d01 * d21) / scale, (d00 * d21 - d01 * d20) / scale
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    result = np.stack([1 - v - w, v, w], axis=-1)
    best = np.where(inside, 0.0, np.inf)
    for i, j, start, edge in ((0, 1, a, ab), (0, 2, a, ac), (1, 2, b, c - b)):
        t = np.clip(((p - start) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-30), 0, 1)
        distance = ((p - start - t[:, None] * edge) ** 2).sum(-1)
        option = np.zeros_like(result)
        option[:, i], option[:, j] = 1 - t, t
        better = ~inside & (distance < best)
        best[better], result[better] = distance[better], option[better]
    return result

"""Texture coordinates for any mesh: charts that look one way each, flattened along it, and packed into a square.

The head model's own coordinates are no use: its mesh has one pair per vertex, so triangles across a seam smear over the
picture. Charts here share no vertex; what another triangle of its chart hides becomes a chart of its own, so no texel
is used twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage, signal, sparse
from scipy.sparse import csgraph
from torch import Tensor

from head3d.geometry.mesh import Mesh, face_normals, vertex_normals
from head3d.geometry.subdivide import face_edges
from head3d.kernels.raster import rasterize

AXES = torch.tensor([[0.0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
FRONT_BIAS = 0.25
"""The face shall lie in one chart, whose seams are behind the jaw."""
SMOOTHINGS = 12
"""Turns in which normals take the mean of their neighbours': charts are of shapes, not of wrinkles."""
LEAST_FACES = 40
"""Smaller charts join a neighbour."""
STEEP = 0.08
"""Triangles that look further aside than this cosine are not flattened along a chart's axis: they would be slivers."""
PEEL_PX = 768
PACK_PX = 256
GAP_PX = 1
"""Between charts, of ``PACK_PX``: 8 texels of 2048, room for the dilated seams."""


@dataclass(frozen=True)
class Chart:
    """Triangles that are flattened together.

    Attributes:
        mesh: Which of the meshes.
        faces: Their indices there.
        plane: Their corners on a plane, m (or what stands for it), x right and y up.
        height_m: Mean y of the head frame, m.
    """

    mesh: int
    faces: Int[Tensor, "F"]
    plane: Float[Tensor, "F 3 2"]
    height_m: float


@dataclass(frozen=True)
class Unwrapped:
    """A mesh whose vertices are doubled along seams.

    Attributes:
        mesh: With ``uv`` in [0, 1], v up.
        source: Vertex of the original mesh that each one is a copy of.
    """

    mesh: Mesh
    source: Int[Tensor, "V"]


def charts_of(mesh: Mesh, *, index: int = 0) -> list[Chart]:
    """Cut a surface into charts and flatten them, m."""
    normals = torch.nn.functional.normalize(face_normals(mesh.vertices, mesh.faces), dim=-1, eps=1e-20)
    neighbours = _face_neighbours(mesh.faces)
    label = _labels(mesh, neighbours)
    waiting = [torch.from_numpy(one) for one in _islands(label, neighbours)]
    made: list[Chart] = []
    while waiting:
        faces = waiting.pop()
        axis = torch.nn.functional.normalize(face_normals(mesh.vertices, mesh.faces[faces]).sum(0), dim=0, eps=1e-20)
        level = normals[faces] @ axis > STEEP
        if not level.any():  # a crumpled bit: each triangle for itself
            waiting.extend(faces[k : k + 1] for k in range(len(faces)))
            continue
        plane, depth = _flattened(mesh.vertices, mesh.faces[faces], axis)
        keep = level & ~_hidden(plane, depth, level) if len(faces) > 1 else torch.ones(1, dtype=torch.bool)
        if not keep.any():
            keep[0] = True
        made.append(_chart(mesh, index, faces[keep], plane[keep]))
        rest = faces[~keep]
        if len(rest):
            only = np.full(len(mesh.faces), -1)
            only[rest.numpy()] = 0
            waiting.extend(torch.from_numpy(one) for one in _islands(only, neighbours))
    return made


def ball_chart(mesh: Mesh, axis: Float[Tensor, "3"], *, index: int, density: float) -> Chart:
    """An eyeball as one disc about its gaze (azimuthal equidistant), ``density`` times as dense as metres."""
    centre = 0.5 * (mesh.vertices.amax(0) + mesh.vertices.amin(0))
    ray = mesh.vertices - centre
    radius = float(ray.norm(dim=-1).mean())
    ray = torch.nn.functional.normalize(ray, dim=-1)
    right, up = _tangents(axis)
    angle = torch.acos((ray @ axis).clamp(-1.0, 1.0))
    flat = torch.nn.functional.normalize(torch.stack([ray @ right, ray @ up], dim=-1), dim=-1, eps=1e-9)
    placed = flat * angle[:, None] * radius * density
    # a triangle about the pole opposite the gaze would span the whole disc
    front = (angle[mesh.faces] < 0.85 * torch.pi).all(1)
    faces = torch.nonzero(front)[:, 0]
    return _chart(mesh, index, faces, placed[mesh.faces[faces]])


def packed(meshes: Sequence[Mesh], charts: Sequence[Chart]) -> list[Unwrapped]:
    """Place charts in the unit square at the largest scale at which they all fit; one result per mesh."""
    order = sorted(range(len(charts)), key=lambda k: -float(_extent(charts[k]).prod()))
    area = sum(float(_area(chart.plane).sum()) for chart in charts)
    low, high = 0.0, 1.0 / area**0.5
    best: dict[int, tuple[float, float]] | None = None
    scale = 0.0
    for _ in range(9):
        middle = 0.5 * (low + high)
        places = _place(charts, order, middle)
        if places is None:
            high = middle
        else:
            low, best, scale = middle, places, middle
    assert best is not None, "at a small enough scale everything fits"
    result = []
    for number, mesh in enumerate(meshes):
        corners, texture, faces, count = [], [], [], 0
        for k, chart in enumerate(charts):
            if chart.mesh != number:
                continue
            used, flat = torch.unique(mesh.faces[chart.faces], return_inverse=True)
            at = torch.zeros(len(used), 2)
            at[flat.reshape(-1)] = chart.plane.reshape(-1, 2).float()
            at = (at - chart.plane.reshape(-1, 2).amin(0)) * scale + torch.tensor(best[k], dtype=torch.float32)
            corners.append(used)
            texture.append(at)
            faces.append(flat.reshape(-1, 3) + count)
            count += len(used)
        source = torch.cat(corners)
        made = Mesh(mesh.vertices[source], torch.cat(faces), torch.cat(texture).clamp(0.0, 1.0))
        result.append(Unwrapped(made, source))
    return result


def _chart(mesh: Mesh, index: int, faces: Tensor, plane: Tensor) -> Chart:
    return Chart(index, faces, plane, float(mesh.vertices[mesh.faces[faces]][..., 1].mean()))


def _place(charts: Sequence[Chart], order: Sequence[int], scale: float) -> dict[int, tuple[float, float]] | None:
    """Lower left corner of each chart, first fit by rows from the bottom; None if one does not fit."""
    taken = np.zeros((PACK_PX, PACK_PX), dtype=np.float32)
    places: dict[int, tuple[float, float]] = {}
    for k in order:
        shape = _mask(charts[k], scale)
        if shape is None:
            return None
        height, width = shape.shape
        hits = signal.fftconvolve(taken, shape[::-1, ::-1], mode="valid")
        free = np.argwhere(hits < 0.5)
        if not len(free):
            return None
        y, x = free[0]
        taken[y : y + height, x : x + width] = np.maximum(taken[y : y + height, x : x + width], shape)
        places[k] = ((x + GAP_PX + 0.5) / PACK_PX, (y + GAP_PX + 0.5) / PACK_PX)
    return places


def _mask(chart: Chart, scale: float) -> np.ndarray | None:
    """Cells a chart covers at a scale, with its gap; None if it is larger than the square."""
    plane = (chart.plane - chart.plane.reshape(-1, 2).amin(0)) * scale * PACK_PX + 0.5
    width, height = (int(value) + 2 for value in plane.reshape(-1, 2).amax(0).ceil())
    if max(width, height) + 2 * GAP_PX > PACK_PX:
        return None
    flat = torch.cat([plane.reshape(-1, 2), torch.ones(3 * len(plane), 1)], dim=-1)
    drawn = rasterize(flat, torch.arange(len(flat)).reshape(-1, 3), size=(height, width)).triangle >= 0
    cells = np.pad(drawn.numpy(), GAP_PX)
    corner = plane.reshape(-1, 2).long().numpy() + GAP_PX
    cells[corner[:, 1], corner[:, 0]] = True  # slivers that miss every cell's middle
    return ndimage.binary_dilation(cells, np.ones((3, 3)), iterations=GAP_PX).astype(np.float32)


def _labels(mesh: Mesh, neighbours: sparse.csr_matrix) -> Int[np.ndarray, "F"]:
    """The axis each triangle's surroundings look along."""
    smooth = vertex_normals(mesh.vertices, mesh.faces)[mesh.faces].mean(1).double().numpy()
    degree = np.maximum(np.asarray(neighbours.sum(1)).ravel(), 1)[:, None]
    for _ in range(SMOOTHINGS):
        smooth = 0.5 * smooth + 0.5 * (neighbours @ smooth) / degree
        smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)
    score = smooth @ AXES.T.double().numpy()
    score[:, 0] += FRONT_BIAS
    label = score.argmax(1)
    for _ in range(8):
        changed = False
        for island in _islands(label, neighbours):
            if len(island) >= LEAST_FACES:
                continue
            around = neighbours[island].indices
            others = label[around][label[around] != label[island[0]]]
            if len(others):
                label[island] = np.bincount(others).argmax()
                changed = True
        if not changed:
            break
    return label


def _islands(label: Int[np.ndarray, "F"], neighbours: sparse.csr_matrix) -> list[np.ndarray]:
    """Connected triangles of one label each; label -1 is nothing."""
    a, b = neighbours.nonzero()
    same = label[a] == label[b]
    links = sparse.coo_matrix((np.ones(same.sum()), (a[same], b[same])), shape=neighbours.shape)
    _, member = csgraph.connected_components(links, directed=False)
    member = np.where(label >= 0, member, -1)
    order = np.argsort(member, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(member[order])) + 1)
    return [part for part in parts if member[part[0]] >= 0]


def _face_neighbours(faces: Int[Tensor, "F 3"]) -> sparse.csr_matrix:
    """Triangles that share an edge."""
    edges = face_edges(faces)[1].numpy()
    rows = np.repeat(np.arange(len(faces)), 3)
    incidence = sparse.coo_matrix((np.ones(edges.size), (rows, edges.ravel()))).tocsr()
    links = (incidence @ incidence.T).tolil()
    links.setdiag(0)
    links = links.tocsr()
    links.eliminate_zeros()
    return links


def _flattened(vertices: Tensor, faces: Tensor, axis: Tensor) -> tuple[Float[Tensor, "F 3 2"], Float[Tensor, "F 3"]]:
    right, up = _tangents(axis)
    corners = vertices[faces]
    return torch.stack([corners @ right, corners @ up], dim=-1), corners @ axis


def _tangents(axis: Tensor) -> tuple[Tensor, Tensor]:
    """Right and up of a picture of what looks along an axis."""
    helper = torch.tensor([0.0, 1.0, 0.0]) if abs(float(axis[1])) < 0.9 else torch.tensor([0.0, 0.0, -1.0])
    right = torch.nn.functional.normalize(torch.linalg.cross(helper, axis), dim=0)
    return right, torch.linalg.cross(axis, right)


def _hidden(plane: Tensor, depth: Tensor, level: Bool[Tensor, "F"]) -> Bool[Tensor, "F"]:
    """Triangles that others cover in part, seen along the chart's axis."""
    low, high = plane.reshape(-1, 2).amin(0), plane.reshape(-1, 2).amax(0)
    scale = (PEEL_PX - 2) / float((high - low).max().clamp(min=1e-9))
    at = (plane - low) * scale + 1.0
    away = float(depth.max()) - depth + 1.0
    mine = torch.nonzero(level)[:, 0]
    flat = torch.cat([at[mine].reshape(-1, 2), away[mine].reshape(-1, 1)], dim=-1)
    order = torch.arange(len(flat)).reshape(-1, 3)
    shown = rasterize(flat, order, size=(PEEL_PX, PEEL_PX)).triangle
    # what each triangle covers by itself: the same picture without depth, by area; less is seen of it if it is hidden
    area = 0.5 * _area(at[mine])
    seen = torch.bincount(shown[shown >= 0], minlength=len(mine)).float()
    lost = (area > 12.0) & (seen < 0.75 * area - 6.0)
    middle = at[mine].mean(1).long().clamp(0, PEEL_PX - 1)
    top = shown[middle[:, 1], middle[:, 0]]
    other = (top >= 0) & (top != torch.arange(len(mine)))
    nearer = torch.zeros(len(mine), dtype=torch.bool)
    rows = torch.nonzero(other)[:, 0]
    nearer[rows] = away[mine].mean(1)[rows] > away[mine].amax(1)[top[rows]] + 3e-4
    result = torch.zeros(len(level), dtype=torch.bool)
    result[mine[lost | nearer]] = True
    return result


def _area(plane: Float[Tensor, "F 3 2"]) -> Float[Tensor, "F"]:
    """Twice the triangles' areas."""
    a, b = plane[:, 1] - plane[:, 0], plane[:, 2] - plane[:, 0]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).abs()


def _extent(chart: Chart) -> Float[Tensor, "2"]:
    flat = chart.plane.reshape(-1, 2)
    return flat.amax(0) - flat.amin(0)

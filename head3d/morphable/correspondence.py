"""From one head's surface to another's: nearest points that face the same way, and fields carried over them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree

CANDIDATES = 24
"""Triangles looked at per point, nearest middles first: enough on meshes whose triangles vary little in size nearby."""

SMOOTHING = 0.02
"""Weight of a carried field's bi-Laplacian against one carried value: fills gaps of a few vertices, blurs none."""

ANCHOR = 1e-7
"""Pull to zero of parts that nothing is carried to."""


@dataclass(frozen=True)
class SurfacePoints:
    """Points on a triangle mesh.

    Attributes:
        corners: Vertex indices of the triangle that carries each point.
        barycentrics: The place in it.
        distance_m: From the point that was asked for; infinite where no triangle nearby faces its way.
    """

    corners: Int[NDArray, "P 3"]
    barycentrics: Float[NDArray, "P 3"]
    distance_m: Float[NDArray, "P"]

    def carry(self, values: Float[NDArray, "V C"]) -> Float[NDArray, "P C"]:
        """Interpolate what the mesh's vertices carry."""
        return (values[self.corners] * self.barycentrics[..., None]).sum(1)

    def matrix(self, count: int) -> sparse.csr_matrix:
        """The same as a (P, count) matrix."""
        rows = np.repeat(np.arange(len(self.corners)), 3)
        entries = (self.barycentrics.ravel(), (rows, self.corners.ravel()))
        return sparse.csr_matrix(entries, shape=(len(self.corners), count))


def nearest_facing(
    points: Float[NDArray, "P 3"],
    normals: Float[NDArray, "P 3"] | None,
    vertices: Float[NDArray, "V 3"],
    faces: Int[NDArray, "F 3"],
    *,
    min_cosine: float = 0.3,
) -> SurfacePoints:
    """Nearest points (m) of a mesh among those triangles whose normal is within an angle of each point's own.

    The condition keeps an upper lip from sticking to the lower one, and the front of an ear from its back.
    """
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    facing = np.cross(b - a, c - a)
    facing /= np.linalg.norm(facing, axis=1, keepdims=True) + 1e-20
    _, near = KDTree((a + b + c) / 3).query(points, k=min(CANDIDATES, len(faces)))
    near = np.asarray(near).reshape(len(points), -1)
    weights = closest_barycentrics(np.broadcast_to(points[:, None], (*near.shape, 3)), a[near], b[near], c[near])
    found = weights[..., :1] * a[near] + weights[..., 1:2] * b[near] + weights[..., 2:] * c[near]
    distance = np.linalg.norm(found - points[:, None], axis=-1)
    if normals is not None:
        distance = np.where((facing[near] * normals[:, None]).sum(-1) < min_cosine, np.inf, distance)
    rows, best = np.arange(len(points)), distance.argmin(1)
    return SurfacePoints(faces[near[rows, best]], weights[rows, best], distance[rows, best])


def closest_barycentrics(p: NDArray, a: NDArray, b: NDArray, c: NDArray) -> Float[NDArray, "*B 3"]:
    """Place on the triangle abc that is nearest to p; Ericson 2005, "Real-Time Collision Detection", 5.1.5."""
    ab, ac = b - a, c - a
    d1, d2 = (ab * (p - a)).sum(-1), (ac * (p - a)).sum(-1)
    d3, d4 = (ab * (p - b)).sum(-1), (ac * (p - b)).sum(-1)
    d5, d6 = (ab * (p - c)).sum(-1), (ac * (p - c)).sum(-1)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    zero, one = np.zeros_like(d1), np.ones_like(d1)

    def ratio(part: NDArray, whole: NDArray) -> NDArray:
        return np.clip(part / np.where(np.abs(whole) < 1e-30, 1.0, whole), 0.0, 1.0)

    inside = va + vb + vc
    v, w = vb / np.where(np.abs(inside) < 1e-30, 1.0, inside), vc / np.where(np.abs(inside) < 1e-30, 1.0, inside)
    on_ab, on_ac = ratio(d1, d1 - d3), ratio(d2, d2 - d6)
    on_bc = ratio(d4 - d3, (d4 - d3) + (d5 - d6))
    regions = [
        ((d1 <= 0) & (d2 <= 0), (one, zero, zero)),
        ((d3 >= 0) & (d4 <= d3), (zero, one, zero)),
        ((d6 >= 0) & (d5 <= d6), (zero, zero, one)),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), (1 - on_ab, on_ab, zero)),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), (1 - on_ac, zero, on_ac)),
        ((va <= 0) & (d4 >= d3) & (d5 >= d6), (zero, 1 - on_bc, on_bc)),
    ]
    conditions = [region for region, _ in regions]
    return np.stack(
        [
            np.select(conditions, [weights[k] for _, weights in regions], default)
            for k, default in enumerate((1 - v - w, v, w))
        ],
        axis=-1,
    )


def vertex_normals(vertices: Float[NDArray, "V 3"], faces: Int[NDArray, "F 3"]) -> Float[NDArray, "V 3"]:
    """Unit area-weighted normals, float64."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normal, summed = np.cross(b - a, c - a), np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(summed, faces[:, corner], normal)
    return summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-20)


def mesh_edges(faces: Int[NDArray, "F 3"]) -> Int[NDArray, "E 2"]:
    """Every edge once."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def edge_laplacian(faces: Int[NDArray, "F 3"], count: int) -> sparse.csr_matrix:
    """Degree minus adjacency of the mesh's graph."""
    edges = mesh_edges(faces)
    adjacency = sparse.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    adjacency = adjacency + adjacency.T
    return sparse.csr_matrix(sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency)


class FieldCarrier:
    """Carries fields (displacements, say) from a source mesh to the vertices of another that lies on it.

    Trusted vertices take the value under them; where there is none the field goes on smoothly. Inner vertices (mouth
    bag, sockets) take the harmonic extension of the outer ones, which cannot overshoot.
    """

    def __init__(
        self,
        points: SurfacePoints,
        trust: Float[NDArray, "V"],
        faces: Int[NDArray, "F 3"],
        *,
        inner: Bool[NDArray, "V"],
    ) -> None:
        count = len(trust)
        laplacian = edge_laplacian(faces, count)
        degree = laplacian.diagonal()
        bending = sparse.diags(1.0 / np.maximum(degree, 1.0)) @ laplacian
        system = sparse.diags(trust + ANCHOR) + SMOOTHING * (bending.T @ bending)
        self._points, self._trust = points, trust
        self._smooth = splu(sparse.csc_matrix(system))
        self._inner, self._outer = np.flatnonzero(inner), np.flatnonzero(~inner)
        among = laplacian[self._inner][:, self._inner] + ANCHOR * sparse.identity(len(self._inner))
        self._harmonic = splu(sparse.csc_matrix(among))
        self._border = laplacian[self._inner][:, self._outer]

    def carry(self, values: Float[NDArray, "S C"]) -> Float[NDArray, "V C"]:
        """Field of the source's vertices, on the other mesh's vertices."""
        carried = self._smooth.solve(self._trust[:, None] * self._points.carry(values))
        carried[self._inner] = self._harmonic.solve(-(self._border @ carried[self._outer]))
        return carried

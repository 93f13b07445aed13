"""Pieces of cloth as triangle meshes with what fabric and light need to know of each vertex."""

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from head3d.geometry.mesh import vertex_normals

Array = NDArray[np.float64]

FAR_M = 1.0
"""Distance to an edge or seam that is not there."""


MIDDLE_M = (0.0, -0.22, -0.03)
"""Within the chest: what is outward looks away from here."""


class Fabric(IntEnum):
    """What a piece is made of; says how it reflects (see ``fabric.py``)."""

    JERSEY = 0
    RIB = 1
    COTTON = 2
    WOOL = 3
    SILK = 4
    BUTTON = 5


@dataclass(frozen=True)
class Cloth:
    """Pieces of cloth.

    Attributes:
        vertices: Metres.
        faces: Counter-clockwise from outside.
        uv: Along the weft and the warp, metres.
        edge: Distance to the piece's cut edge, metres.
        seam: Signed distance to the nearest seam, metres.
        fabric: ``Fabric`` of each face.
        dye: Which of the outfit's colours each face has.
        piece: Number of the piece of each vertex.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "V 2"]
    edge: Float[np.ndarray, "V"]
    seam: Float[np.ndarray, "V"]
    fabric: Int[np.ndarray, "F"]
    dye: Int[np.ndarray, "F"]
    piece: Int[np.ndarray, "V"]

    def normals(self) -> Array:
        """Unit, per vertex."""
        return vertex_normals(torch.from_numpy(self.vertices), torch.from_numpy(self.faces)).numpy()


def joined(pieces: list[Cloth]) -> Cloth:
    """All pieces as one; numbers of pieces run on."""
    moved, corners, number = [], 0, 0
    for one in pieces:
        moved.append(replace(one, faces=one.faces + corners, piece=one.piece + number))
        corners, number = corners + len(one.vertices), number + int(one.piece.max()) + 1
    return Cloth(*(np.concatenate([getattr(one, name.name) for one in moved]) for name in fields(Cloth)))


def sheet(
    points: Array,
    *,
    uv: Array,
    fabric: Fabric,
    dye: int = 0,
    edge: Array | None = None,
    seam: Array | None = None,
    closed: bool = False,
) -> Cloth:
    """A piece from a grid of places (N, M, 3), its outer side away from the body's middle.

    Args:
        points: Metres.
        uv: (N, M, 2).
        fabric: Of all of it.
        dye: Of all of it.
        edge: (N, M) distance to the cut edge.
        seam: (N, M) signed distance to a seam.
        closed: A ring: the last row is joined to the first.
    """
    rows, columns = points.shape[:2]
    faces = grid_faces(rows, columns, closed=closed)
    flat = points.reshape(-1, 3)
    count = len(flat)
    out = np.cross(flat[faces[:, 1]] - flat[faces[:, 0]], flat[faces[:, 2]] - flat[faces[:, 0]])
    if (out * (flat[faces].mean(1) - np.array(MIDDLE_M))).sum() < 0:
        faces = faces[:, ::-1].copy()

    def each(values: Array | None) -> Array:
        return np.full(count, FAR_M) if values is None else np.broadcast_to(values, (rows, columns)).reshape(-1)

    return Cloth(
        flat,
        faces,
        uv.reshape(-1, 2),
        each(edge),
        each(seam),
        np.full(len(faces), int(fabric)),
        np.full(len(faces), dye),
        np.zeros(count, dtype=int),
    )


def grid_faces(rows: int, columns: int, *, closed: bool = False) -> NDArray[np.int64]:
    """Triangles (F, 3) between the places of a grid, row by row; ``closed`` joins the last row to the first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    upper = index if closed else index[:-1]
    lower = np.roll(index, -1, axis=0) if closed else index[1:]
    a, b, c, d = upper[:, :-1], lower[:, :-1], lower[:, 1:], upper[:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def without(cloth: Cloth, drop: NDArray[np.bool_]) -> Cloth:
    """A piece without the faces that have a dropped vertex."""
    keep = ~drop[cloth.faces].any(1)
    return replace(cloth, faces=cloth.faces[keep], fabric=cloth.fabric[keep], dye=cloth.dye[keep])


def dyed(cloth: Cloth, dye: int) -> Cloth:
    """A piece whose main colour is another of the outfit's; the last colour stays the last."""
    return replace(cloth, dye=np.where(cloth.dye == 0, dye, cloth.dye))


def mirrored(cloth: Cloth) -> Cloth:
    """The same on the other side of the body."""
    return replace(cloth, vertices=cloth.vertices * np.array([-1.0, 1, 1]), faces=cloth.faces[:, ::-1].copy())


def lengths(points: Array, axis: int) -> Array:
    """Way along the rows or columns of a grid of places (N, M, 3), metres, 0 at their start."""
    steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
    start = np.zeros_like(np.take(steps, [0], axis=axis))
    return np.concatenate([start, np.cumsum(steps, axis=axis)], axis=axis)


def grid_uv(points: Array) -> Array:
    """Weft and warp of a grid of places, by its own lengths: rows run along the weft."""
    return np.stack([lengths(points, 0), lengths(points, 1)], axis=-1)


def coons(top: Array, bottom: Array, left: Array, right: Array) -> Array:
    """The patch (N, M, K) between four curves: top and bottom (M, K), left and right (N, K), corners shared."""
    v = np.linspace(0, 1, len(left))[:, None, None]
    u = np.linspace(0, 1, len(top))[None, :, None]
    across = (1 - u) * left[:, None] + u * right[:, None]
    along = (1 - v) * top[None] + v * bottom[None]
    corners = (1 - v) * ((1 - u) * top[0] + u * top[-1]) + v * ((1 - u) * bottom[0] + u * bottom[-1])
    return across + along - corners


def resampled(curve: Array, count: int) -> Array:
    """A polyline (N, K) as ``count`` places evenly along it."""
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, way[-1], count)
    return np.stack([np.interp(at, way, curve[:, k]) for k in range(curve.shape[1])], axis=-1)

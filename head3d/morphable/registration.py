"""Fits the package's head mesh to the mean of a statistical model: first by the artists' shapes, then freely.

Used when the default model is made (``head3d.morphable.prior``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from head3d.morphable.correspondence import SurfacePoints, edge_laplacian, nearest_facing, vertex_normals
from head3d.morphable.look_alike import EyedHead, landmark_places, lid_rims

SHAPE_LIMIT_M = 0.004
"""Each artists' shape is scaled to this largest displacement; its coefficient then has unit variance, roughly."""

SHAPE_RIDGE = 0.01
MATCH_M = 0.002
"""Error of a match in the fit by shapes."""

STIFFNESSES = (30.0, 30.0, 10.0, 10.0, 3.0, 3.0, 1.0, 1.0, 0.5, 0.5)
"""Weight of bending against one match, round by round of the free fit."""

LANDMARK_WEIGHT, LID_WEIGHT, SLIDE_WEIGHT, EAR_WEIGHT = 0.15, 2.0, 0.15, 0.1
LID_CLEARANCE_M = 2e-4
"""Lids keep this far off the eyeballs."""


@dataclass(frozen=True)
class Target:
    """The statistical model's mean.

    Attributes:
        head: Its whole mesh.
        skin: Its outer skin.
        ears: Vertices of the ears: meshes of ears differ, so matches there count little.
    """

    head: EyedHead
    skin: Int[NDArray, "S 3"]
    ears: Bool[NDArray, "U"]


@dataclass(frozen=True)
class _Pairs:
    """Points of the mesh that must meet given points."""

    places: SurfacePoints
    goals: Float[NDArray, "P 3"]


def register(
    head: EyedHead,
    shapes: Float[NDArray, "T V 3"],
    target: Target,
    *,
    skin: Int[NDArray, "F 3"],
    outer: Bool[NDArray, "V"],
    mirror: Int[NDArray, "V"],
) -> Float[NDArray, "V 3"]:
    """Vertices of the mesh (m) when it lies on the target; symmetric; eyeballs stay where they are.

    Args:
        head: The mesh, its eyes already at the target's.
        shapes: The artists' displacements, metres.
        target: What to lie on.
        skin: Faces of the mesh's skin.
        outer: Vertices of the skin that can be seen.
        mirror: Mirror vertices of the mesh.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    seen, agree = landmark_places(head)
    goals, goals_agree = landmark_places(target.head)
    both = agree & goals_agree
    places = SurfacePoints(seen.corners[both], seen.barycentrics[both], seen.distance_m[both])
    landmarks = _Pairs(places, goals.carry(target.head.vertices)[both])
    # below the chin the target's neck is another one: trust fades out
    reach = np.clip((head.vertices[:, 1] + 0.14) / 0.04, 0, 1) * outer
    shaped = _fit_shapes(head.vertices, shapes, target, skin=skin, landmarks=landmarks, reach=reach)
    shaped = (shaped + shaped[mirror] * flip) / 2
    eyeballs = np.unique(head.faces[head.eye > 0])
    shaped[eyeballs] = head.vertices[eyeballs]
    rims = [
        _Pairs(place, goal.carry(target.head.vertices))
        for place, goal in zip(lid_rims(head), lid_rims(target.head), strict=True)
    ]
    to_eye = np.linalg.norm(head.vertices[:, None] - head.eye_centres, axis=-1).min(1)
    reach = reach * np.clip((to_eye - 0.0175) / 0.002, 0, 1)  # rims of lids are matched as rims, not as surface
    twins = _Pairs(_mirrored(landmarks.places, mirror), landmarks.goals * flip)
    moved = shaped
    for stiffness in STIFFNESSES:
        pairs = [(landmarks, LANDMARK_WEIGHT), (twins, LANDMARK_WEIGHT), *((rim, LID_WEIGHT) for rim in rims)]
        moved = _bend(shaped, moved, target, skin=skin, pairs=pairs, reach=reach, fixed=eyeballs, stiffness=stiffness)
        moved = (moved + moved[mirror] * flip) / 2
    return _lids_off_eyeballs(moved, head, outer)


def _mirrored(places: SurfacePoints, mirror: NDArray) -> SurfacePoints:
    return SurfacePoints(mirror[places.corners], places.barycentrics, places.distance_m)


def _fit_shapes(
    start: NDArray,
    shapes: NDArray,
    target: Target,
    *,
    skin: NDArray,
    landmarks: _Pairs,
    reach: NDArray,
    rounds: int = 6,
) -> NDArray[np.float64]:
    """Gauss-Newton over the shapes' coefficients and a similarity, point to plane."""
    unit = shapes * (SHAPE_LIMIT_M / (np.linalg.norm(shapes, axis=-1).max(1) + 1e-9))[:, None, None]
    turns = [np.cross(axis, start) * 0.01 for axis in np.eye(3)]
    shifts = [np.broadcast_to(axis * 1e-3, start.shape) for axis in np.eye(3)]
    basis = np.concatenate([unit, np.stack([*shifts, *turns, start * 0.01])])
    ridge = np.concatenate([np.full(len(unit), SHAPE_RIDGE), np.full(7, 1e-6)])
    amounts, moved = np.zeros(len(basis)), start.astype(np.float64)
    carried = (basis[:, landmarks.places.corners] * landmarks.places.barycentrics[..., None]).sum(2)
    along = carried.reshape(len(basis), -1) / MATCH_M
    for _ in range(rounds):
        index, match, normal, weight = _matches(moved, target, skin=skin, reach=reach, reach_m=0.02)
        gap = ((match - moved[index]) * normal).sum(1) * weight / MATCH_M
        slope = (basis[:, index] * normal).sum(-1) * weight / MATCH_M
        miss = (landmarks.goals - landmarks.places.carry(moved)).ravel() / MATCH_M
        share = 0.3 / len(landmarks.goals)
        normal_matrix = slope @ slope.T / len(index) + share * along @ along.T + np.diag(ridge)
        step = np.linalg.solve(normal_matrix, slope @ gap / len(index) + share * along @ miss - ridge * amounts)
        amounts = amounts + step
        moved = moved + np.tensordot(step, basis, 1)
    return np.asarray(moved, dtype=np.float64)


def _matches(
    moved: NDArray, target: Target, *, skin: NDArray, reach: NDArray, reach_m: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Vertices that found a place on the target, the place, its normal, and how much it counts."""
    index = np.flatnonzero(reach > 0)
    goal = target.head.vertices
    found = nearest_facing(moved[index], vertex_normals(moved, skin)[index], goal, target.skin, min_cosine=0.4)
    near = found.distance_m < reach_m
    index, corners = index[near], found.corners[near]
    a, b, c = (goal[corners[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20
    weight = reach[index] * np.where(target.ears[corners].any(1), EAR_WEIGHT, 1.0)
    return index, found.carry(goal)[near], normal, weight


def _bend(
    base: NDArray,
    moved: NDArray,
    target: Target,
    *,
    skin: NDArray,
    pairs: list[tuple[_Pairs, float]],
    reach: NDArray,
    fixed: NDArray,
    stiffness: float,
) -> NDArray[np.float64]:
    """One linear solve: displacements of the base that meet the matches and bend little."""
    count = len(base)
    index, match, normal, weight = _matches(moved, target, skin=skin, reach=reach, reach_m=0.006)
    rows = np.arange(len(index))
    spread = np.repeat(rows, 3), (index[:, None] * 3 + np.arange(3)).ravel()
    planes = sparse.coo_matrix(((normal * weight[:, None]).ravel(), spread), (len(index), 3 * count))
    equations: list[Any] = [planes]
    right = [((match - base[index]) * normal).sum(1) * weight]

    def pull(matrix: sparse.csr_matrix, goals: NDArray, weights: NDArray | float) -> None:
        scaled = sparse.diags(np.broadcast_to(weights, len(goals))) @ matrix
        equations.append(sparse.kron(scaled, sparse.identity(3)))
        right.append(((goals - matrix @ base) * np.broadcast_to(weights, len(goals))[:, None]).ravel())

    pull(_rows(index, count), match, weight * SLIDE_WEIGHT)
    for pair, strength in pairs:
        pull(pair.places.matrix(count), pair.goals, strength)
    pull(_rows(fixed, count), base[fixed], 10.0)
    laplacian = edge_laplacian(skin, count)
    bending = sparse.diags(1.0 / np.maximum(laplacian.diagonal(), 1.0)) @ laplacian
    equations += [np.sqrt(stiffness) * sparse.kron(bending, sparse.identity(3)), 1e-3 * sparse.identity(3 * count)]
    right += [np.zeros(3 * count), np.zeros(3 * count)]
    system = sparse.vstack(equations).tocsr()
    solved = spsolve((system.T @ system).tocsc(), system.T @ np.concatenate(right))
    return base + np.asarray(solved).reshape(-1, 3)


def _rows(index: NDArray, count: int) -> sparse.csr_matrix:
    """Matrix that picks vertices."""
    return sparse.csr_matrix((np.ones(len(index)), (np.arange(len(index)), index)), shape=(len(index), count))


def _lids_off_eyeballs(moved: NDArray, head: EyedHead, outer: NDArray) -> NDArray[np.float64]:
    """Push lid vertices that ended up inside an eyeball out of it."""
    moved = moved.copy()
    for side in (0, 1):
        away = np.linalg.norm(moved - head.eye_centres[side], axis=1)
        near = np.flatnonzero(outer & (away > 0.0135) & (away < 0.022))
        ball = head.faces[head.eye == side + 1]
        found = nearest_facing(moved[near], None, moved, ball)
        a, b, c = (moved[found.corners[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20
        height = ((moved[near] - found.carry(moved)) * normal).sum(1)
        sunk = (height < LID_CLEARANCE_M) & (height > -0.003)
        moved[near[sunk]] += (LID_CLEARANCE_M - height[sunk])[:, None] * normal[sunk]
    return moved

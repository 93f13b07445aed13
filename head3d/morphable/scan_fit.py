"""A scan as part of the fit: carried into the head frame, matched to the head model, and followed beyond it."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from head3d.capture.scan import Scan
from head3d.errors import FitFailed
from head3d.morphable.correspondence import FieldCarrier, SurfacePoints, vertex_normals
from head3d.morphable.energies import SurfaceTarget
from head3d.morphable.types import HeadModel

STARTS = 96
"""Rotations tried."""
COARSE, FINE = 250, 2500
"""Points of the scan while many starts are tried, and while the best ones are refined."""
KEPT = 0.6
"""Part of the points that must lie on the head: the rest may be hair, clothes, a stand."""
LEAST_SCALE, MOST_SCALE = 0.75, 1.35
"""Scans are metric, heads of photos nearly: what must be shrunk further lies on a cheek, whatever it is."""
FACING = 0.5
"""Cosine between normals that may match."""
BAD_M = 6e-3
"""Mean distance of the kept points after placing, beyond which the scan is not this head."""
SCAN_SD_M = 1.5e-3
"""Of a match, as the fit weighs it against what photos say."""
WORTH = {"face": 1.0, "ears": 0.3, "neck": 0.3, "scalp": 0.1}
"""What parts of the head weigh: ears are full of holes, and scans show hair, not scalps."""
EYE_M, EYE_BORDER_M = 0.0175, 0.002
"""This near an eyeball's middle nothing is bent: lids would leave it."""


INNER = ("eye_left", "eye_right", "teeth", "mouth_inner", "sockets")


@dataclass(frozen=True)
class Shown:
    """What of the head model a scan can show.

    Attributes:
        worth: Weight of each vertex; 0 inside, and on the shoulders, which are mostly clothes.
        inner: What is inside.
        faces: Of the outside.
    """

    worth: Float[NDArray, "V"]
    inner: Bool[NDArray, "V"]
    faces: Int[NDArray, "F 3"]


def shown_of(model: HeadModel) -> Shown:
    """The outside of the head model."""
    worth = np.zeros(len(model.mean))
    for name, weight in WORTH.items():
        index = model.groups[name].numpy()
        worth[index] = np.maximum(worth[index], weight)
    inner = np.zeros(len(model.mean), dtype=bool)
    inner[torch.cat([model.groups[name] for name in INNER]).numpy()] = True
    worth[inner] = 0.0
    faces = model.faces.numpy()
    return Shown(worth, inner, faces[~inner[faces].any(1)])


def place_scan(scan: Scan, model: HeadModel, vertices: Float[Tensor, "V 3"]) -> Scan:
    """Carry a scan into the head frame, by a similarity that puts it onto a fitted head (neutral, m).

    Many starts, a few rounds of point to plane each; the best are refined with their scale free (Besl & McKay 1992;
    trimmed as in Chetverikov et al. 2002).

    Raises:
        FitFailed: It lies on the head nowhere.
    """
    shown = shown_of(model)
    head = vertices.double().numpy()
    normals = vertex_normals(head, shown.faces)
    order = np.random.default_rng(0).permutation(len(scan.points))
    small, larger = (Scan(scan.points[order[:count]], scan.normals[order[:count]]) for count in (COARSE, FINE))
    used = np.unique(shown.faces)  # shoulders, too: else those of a bust are pushed into the head
    surface = _Surface(head[used], normals[used])
    middles = [head[model.groups["face"].numpy()].mean(0), surface.points.mean(0)]
    tried = [
        _onto(surface, small, _Similarity(turn, middle - turn @ small.points.mean(0), 1.0), rounds=6, scaled=False)
        for turn in _rotations()
        for middle in middles
    ]
    tried.sort(key=lambda one: one[1])
    best, _ = min(
        (_onto(surface, larger, start, rounds=30, scaled=True) for start, _ in tried[:4]), key=lambda one: one[1]
    )
    # clothes are on the photos' shoulders and not on the scan's, or the other way round: the head decides
    used = np.flatnonzero(shown.worth > 0)
    high = best.points(larger.points)[:, 1] > head[used, 1].min()
    above = Scan(larger.points[high], larger.normals[high])
    best, far = _onto(_Surface(head[used], normals[used]), above, best, rounds=30, scaled=True)
    if far > BAD_M:
        raise FitFailed(
            f"the scan does not lie on the head the photos show: {far * 1e3:.1f} mm off.",
            hint="Give a scan of this person's face, in metres, centimetres or millimetres.",
        )
    return Scan(best.points(scan.points), scan.normals @ best.turn.T)


def match_scan(placed: Scan, model: HeadModel, vertices: Float[Tensor, "V 3"], *, reach_m: float) -> SurfaceTarget:
    """Where the scan says the head's vertices (neutral, m) lie, as planes."""
    shown = shown_of(model)
    index, points, normals, weight = _matches(placed, shown, vertices.double().numpy(), reach_m=reach_m)
    return SurfaceTarget(
        torch.from_numpy(index),
        torch.from_numpy(points),
        torch.from_numpy(normals),
        torch.from_numpy(SCAN_SD_M / np.sqrt(weight)),
    )


def beyond_model(placed: Scan, model: HeadModel, vertices: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Displacement (m) of each vertex from the model's head onto the scan; smooth, and none where it shows nothing."""
    shown = shown_of(model)
    head = vertices.double().numpy()
    index, points, normals, weight = _matches(placed, shown, head, reach_m=6e-3)
    moved = np.zeros_like(head)
    moved[index] = ((points - head[index]) * normals).sum(1, keepdims=True) * normals
    trust = np.zeros(len(head))
    trust[model.groups["shoulders"].numpy()] = 0.1
    trust[index] = weight
    eyes = model.eye_centres.double().numpy()
    eyes = eyes + np.stack([_shift(model, head, name) for name in ("eye_right", "eye_left")])
    away = np.linalg.norm(head[:, None] - eyes, axis=-1).min(1)
    still = away < EYE_M + EYE_BORDER_M
    trust[still], moved[still] = 1.0, moved[still] * np.clip((away[still] - EYE_M) / EYE_BORDER_M, 0, 1)[:, None]
    rows = np.arange(len(head))
    same = SurfacePoints(np.repeat(rows[:, None], 3, axis=1), np.tile([1.0, 0.0, 0.0], (len(rows), 1)), 0.0 * rows)
    carrier = FieldCarrier(same, trust, model.faces.numpy(), inner=shown.inner)
    return torch.from_numpy(carrier.carry(moved)).float()


def _shift(model: HeadModel, head: NDArray, name: str) -> NDArray:
    index = model.groups[name].numpy()
    return (head[index] - model.mean.double().numpy()[index]).mean(0)


def _matches(
    placed: Scan, shown: Shown, head: NDArray, *, reach_m: float
) -> tuple[NDArray[np.int64], NDArray, NDArray, NDArray]:
    """Vertices that have scan near them that faces their way: the place, its normal, the vertex' weight."""
    used = np.flatnonzero(shown.worth > 0)
    normals = vertex_normals(head, shown.faces)[used]
    distance, near = map(np.asarray, KDTree(placed.points).query(head[used], k=1, distance_upper_bound=reach_m))
    found = np.isfinite(distance)
    used, near, normals, distance = used[found], near[found], normals[found], distance[found]
    agree = (placed.normals[near] * normals).sum(1) > FACING
    used, near, distance = used[agree], near[agree], distance[agree]
    weight = shown.worth[used] * (1 - (distance / reach_m) ** 2) ** 2  # Tukey's
    return used, placed.points[near], placed.normals[near], np.maximum(weight, 1e-4)


@dataclass(frozen=True)
class _Similarity:
    """x -> scale * turn x + shift."""

    turn: NDArray
    shift: NDArray
    scale: float

    def points(self, points: NDArray) -> NDArray:
        return self.scale * points @ self.turn.T + self.shift


class _Surface:
    """Vertices to lie on, with their normals."""

    def __init__(self, points: NDArray, normals: NDArray) -> None:
        self.points, self.normals, self.tree = points, normals, KDTree(points)


def _onto(surface: _Surface, scan: Scan, start: _Similarity, *, rounds: int, scaled: bool) -> tuple[_Similarity, float]:
    """Move a scan onto a surface; how far its kept points are off at the end, m."""
    at, far = start, np.inf
    for _ in range(rounds):
        points, normals = at.points(scan.points), scan.normals @ at.turn.T
        distance, near = map(np.asarray, surface.tree.query(points))
        agree = (normals * surface.normals[near]).sum(1)
        cost = np.where(agree > FACING, distance, distance + 0.02)
        keep = np.argsort(cost)[: int(KEPT * len(cost))]
        far = float(cost[keep].mean())
        p, q, n = points[keep], surface.points[near[keep]], surface.normals[near[keep]]
        middle = p.mean(0)
        columns = [np.cross(p - middle, n), n]
        if scaled:
            columns.append(((p - middle) * n).sum(1, keepdims=True))
        rows = np.concatenate(columns, axis=1)
        ridge = np.diag([1e-6] * 6 + [1e-4] * scaled) * len(rows) * 1e-2
        step = np.linalg.solve(rows.T @ rows + ridge, rows.T @ ((q - p) * n).sum(1))
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        grow = float(np.clip(1 + step[6], LEAST_SCALE / at.scale, MOST_SCALE / at.scale)) if scaled else 1.0
        shift = grow * turn @ (at.shift - middle) + middle + step[3:6]
        at = replace(at, turn=turn @ at.turn, shift=shift, scale=at.scale * grow)
    return at, far


def _rotations() -> list[NDArray]:
    """The 24 that carry axes onto axes, as scanners differ, and others in between."""
    drawn = Rotation.random(STARTS - 24, np.random.default_rng(0))
    return [*Rotation.create_group("O").as_matrix(), *drawn.as_matrix()]

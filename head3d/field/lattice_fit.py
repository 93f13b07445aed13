"""A smooth vector field on a grid that takes given values at scattered points: regularised least squares.

Energy = sum_s w_s |d(x_s) - v_s|^2 + stiffness * integral |grad d|^2. Between the points the result is harmonic: the
field of least change, which crosses a gap between two surfaces linearly.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import ndimage, sparse
from torch import Tensor

from head3d.field.volumes import Volume, box_grid, sample_values

STIFFNESS = 8.0
"""Weight of the squared gradient's integral, per metre: soft against one sample a square millimetre of weight one."""
ROUNDS = (150, 60, 30)
"""Steps of conjugate gradients on the grids of four, two and one cells: a coarse answer starts the finer one."""
BAND = 3
"""Cells about the samples that the finer grids solve for; farther away the coarser answer is smooth enough."""


@dataclass(frozen=True)
class Lattice:
    """A grid to fit.

    Attributes:
        low: Corner of its box, head frame, metres.
        high: Opposite corner.
        cell_m: Distance between nodes.
    """

    low: Float[Tensor, "3"]
    high: Float[Tensor, "3"]
    cell_m: float

    def coarser(self, times: int) -> Volume:
        """Zeros at the nodes of a grid with larger cells."""
        shape, origin = box_grid(self.low, self.high, times * self.cell_m)
        return Volume(torch.zeros(3, *shape), origin, times * self.cell_m)


def fit_lattice(
    lattice: Lattice,
    points_m: Float[Tensor, "P 3"],
    values: Float[Tensor, "P 3"],
    weights: Float[Tensor, "P"],
) -> Volume:
    """Fit a grid whose trilinear interpolation goes through the samples; zero at its border.

    Args:
        lattice: The grid.
        points_m: Where values are known, head frame; those outside the box are left aside.
        values: Any unit.
        weights: Of the squared errors.
    """
    found: Volume | None = None
    for times, rounds in zip((4, 2, 1), ROUNDS, strict=True):
        empty = lattice.coarser(times)
        start = empty if found is None else _still_at_border(resampled(found, empty))
        found = refine_lattice(start, points_m, values, weights, rounds=rounds, everywhere=found is None)
    assert found is not None
    return found


def resampled(volume: Volume, like: Volume) -> Volume:
    """A volume's values at the nodes of another grid."""
    spread = sample_values(volume.values, volume.origin, volume.cell_m, like.nodes())
    return Volume(spread.T.reshape(-1, *like.shape).contiguous(), like.origin, like.cell_m)


def _still_at_border(volume: Volume) -> Volume:
    """The same volume with zeros at its border: a coarser grid covers a larger box, and ends farther out."""
    values = torch.zeros_like(volume.values)
    values[:, 1:-1, 1:-1, 1:-1] = volume.values[:, 1:-1, 1:-1, 1:-1]
    return Volume(values, volume.origin, volume.cell_m)


def refine_lattice(
    start: Volume,
    points_m: Float[Tensor, "P 3"],
    values: Float[Tensor, "P 3"],
    weights: Float[Tensor, "P"],
    *,
    rounds: int,
    everywhere: bool = False,
    stiffer: Float[Tensor, "D H W"] | None = None,
) -> Volume:
    """Conjugate gradients from a first answer on its own grid.

    Args:
        start: First answer; its border, and what lies far from all samples, stays.
        points_m: See :func:`fit_lattice`.
        values: See :func:`fit_lattice`.
        weights: See :func:`fit_lattice`.
        rounds: Steps.
        everywhere: Solve for all nodes inside the border.
        stiffer: Factor on the stiffness about each node.
    """
    shape, last = start.shape, torch.tensor([n - 1 for n in reversed(start.shape)])
    place = (points_m - start.origin) / start.cell_m
    inside = ((place > 0) & (place < last)).all(-1)
    where, known, trust = (one[inside].double().numpy() for one in (place, values, weights))
    full = _interpolation(where, shape)
    touched = np.zeros(shape, dtype=bool)
    touched.reshape(-1)[full.indices] = True
    free = np.zeros(shape, dtype=bool)
    free[1:-1, 1:-1, 1:-1] = True
    if not everywhere:
        free &= ndimage.binary_dilation(touched, iterations=BAND)
    unknown = np.flatnonzero(free)
    first = start.values.double().numpy().reshape(3, -1).T
    softness = np.full(shape, STIFFNESS * start.cell_m)
    if stiffer is not None:
        softness *= stiffer.double().numpy()
    spring = _springs(softness, unknown)
    interpolation = full[:, unknown]
    weighted = interpolation.multiply(trust[:, None]).tocsr()
    matrix = (interpolation.T @ weighted + spring[:, unknown]).tocsr()
    residual = weighted.T @ (known - full @ first) - spring @ first
    answer = first.copy()
    answer[unknown] += _conjugate_gradients(matrix, residual, rounds=rounds)
    return Volume(torch.from_numpy(answer.T.reshape(3, *shape).copy()).float(), start.origin, start.cell_m)


def _conjugate_gradients(matrix: sparse.csr_matrix, right: NDArray, *, rounds: int) -> NDArray[np.float64]:
    """Solve three systems with one matrix, from zero; the diagonal is the preconditioner."""
    diagonal = matrix.diagonal()[:, None]
    x, residual = np.zeros_like(right), right
    ready = residual / diagonal
    direction, strength = ready, (residual * ready).sum(0)
    for _ in range(rounds):
        image = matrix @ direction
        length = strength / np.maximum((direction * image).sum(0), 1e-30)
        x = x + length * direction
        residual = residual - length * image
        ready = residual / diagonal
        before, strength = strength, (residual * ready).sum(0)
        direction = ready + strength / np.maximum(before, 1e-30) * direction
    return x


def _springs(softness: NDArray, unknown: NDArray) -> sparse.csr_matrix:
    """Rows (of the unknown nodes) of the Laplacian, whose edges are as stiff as the mean of their ends."""
    flat, steps = softness.reshape(-1), (softness.shape[1] * softness.shape[2], softness.shape[2], 1)
    row = np.arange(len(unknown))
    rows, columns, weights = [], [], []
    total = np.zeros(len(unknown))
    for step in (*steps, *(-step for step in steps)):
        other = unknown + step
        edge = 0.5 * (flat[unknown] + flat[other])
        total += edge
        rows.append(row)
        columns.append(other)
        weights.append(-edge)
    entries = (
        np.concatenate([*weights, total]),
        (np.concatenate([*rows, row]), np.concatenate([*columns, unknown])),
    )
    return sparse.csr_matrix(entries, shape=(len(unknown), softness.size))


def _interpolation(place: NDArray, shape: tuple[int, int, int]) -> sparse.csr_matrix:
    """Trilinear weights (points, nodes); ``place`` (x, y, z) in cells, nodes in (z, y, x) order."""
    top = np.array(shape[::-1]) - 2
    cell = np.clip(np.floor(place).astype(np.int64), 0, top)
    part = np.clip(place - cell, 0.0, 1.0)
    rows, columns, weights = [], [], []
    for corner in np.ndindex(2, 2, 2):
        x, y, z = (cell + corner).T
        columns.append((z * shape[1] + y) * shape[2] + x)
        weights.append(np.where(np.array(corner) == 1, part, 1 - part).prod(1))
        rows.append(np.arange(len(place)))
    nodes = shape[0] * shape[1] * shape[2]
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(entries, shape=(len(place), nodes))

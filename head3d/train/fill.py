"""Values carried from nodes of a volume that are known to those that are not, along the surface."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse import linalg

SMOOTH = 0.1
"""Weight of the difference of neighbours against that of a fully known value."""
SKIN, USUAL = 0, 0.01
"""See ``as_usual``."""
TOLERANCE = 1e-4
ROUNDS = 400


def spread(
    start: Float[np.ndarray, "M K"],
    known: Float[np.ndarray, "M"],
    *,
    band: Bool[np.ndarray, "M"],
    kind: Int[np.ndarray, "M"] | None = None,
    shape: tuple[int, int, int],
    across: float = 0.0,
) -> Float[np.ndarray, "M K"]:
    """The smoothest values in a band about a surface that agree with what is known (screened Laplace equation).

    Unlike a mean of what is near in space it reaches any distance, meets the known values without a step, and does not
    cross from an ear to the neck behind it.

    Args:
        start: Values; where ``known`` is 0 only a first guess.
        known: Weight of each value, in [0, 1].
        band: Nodes to solve for.
        kind: Of each node; neighbours of different kinds are tied by ``across`` times the usual weight. All alike if
            None.
        shape: Nodes along z, y and x.
        across: See ``kind``.
    """
    inside = np.flatnonzero(band)
    place = np.full(len(band), -1)
    place[inside] = np.arange(len(inside))
    grid = place.reshape(shape)
    kinds = np.zeros(shape, dtype=np.int64) if kind is None else kind.reshape(shape)
    a, b, tie = [], [], []
    for axis in range(3):
        low = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        high = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        both = (grid[low] >= 0) & (grid[high] >= 0)
        a.append(grid[low][both])
        b.append(grid[high][both])
        tie.append(np.where(kinds[low][both] == kinds[high][both], 1.0, across))
    first, second, weight = np.concatenate(a), np.concatenate(b), SMOOTH * np.concatenate(tie)
    count = len(inside)
    links = sparse.coo_matrix((weight, (first, second)), shape=(count, count)).tocsr()
    links = links + links.T
    data = known[inside] + 1e-5  # a place that nothing is tied to keeps its first guess
    diagonal = np.asarray(links.sum(1)).ravel() + data
    system = sparse.diags(diagonal) - links
    scale = sparse.diags(1.0 / diagonal)
    values = start.copy()
    for column in range(start.shape[1]):
        guess = start[inside, column]
        found, _ = linalg.cg(system, data * guess, x0=guess, rtol=TOLERANCE, maxiter=ROUNDS, M=scale)
        values[inside, column] = found
    return values


def as_usual(values: Float[np.ndarray, "M K"], known: Float[np.ndarray, "M"], *, kind: Int[np.ndarray, "M"]) -> None:
    """Take unknown hair and cloth for what most of their kind is, with a faint word; in place.

    At their borders they are half of what is behind: far from those they are as usual. Skin changes slowly over a head,
    and is carried on as it is.
    """
    for which in np.unique(kind[kind != SKIN]):
        sure, far = (kind == which) & (known > USUAL), (kind == which) & (known < USUAL)
        if sure.any():
            values[far], known[far] = weighted_median(values[sure], known[sure]), USUAL


def weighted_median(values: Float[np.ndarray, "N K"], weights: Float[np.ndarray, "N"]) -> Float[np.ndarray, "K"]:
    """Median of every column: what most of a shirt looks like, whatever its folds and borders do."""
    order = np.argsort(values, axis=0)
    total = np.cumsum(weights[order], axis=0)
    place = (total < 0.5 * total[-1]).sum(0)
    return np.take_along_axis(np.take_along_axis(values, order, axis=0), place[None], axis=0)[0]

"""After training: the air about the head is made clear of specks that hang in it, and of film.

Photos' soft outlines are explained by a surface at one place and by mist at many. Both look alike in the photo; from
another side the mist is seen against the wall. What is no part of the head is taken away, and where the distance rises
far too slowly from the surface it is made to rise: by a change of the shell, which leaves what was learned as it is.
"""

import numpy as np
import torch
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField

LEAST_PIECE_M3 = 2e-5
"""A piece of its own that is smaller hangs in the air by error; a hand or a hat is larger."""
LEAST_RISE, SLACK_M = 0.7, 0.001
"""So many metres a metre, less the slack (about half a node), the distance must rise from the surface."""
ABOUT_M = 0.03
"""Farther from the surface nothing was learned."""
TOUCHING = ndimage.generate_binary_structure(3, 3)


@torch.no_grad()
def clear_air(trained: RadianceField, cache: ShellCache) -> int:
    """Take specks and film out of a trained field, in place.

    Args:
        trained: Its shell is changed.
        cache: Of its present surface; stale afterwards.

    Returns:
        Number of changed nodes of the shell.
    """
    values = cache.values[0].cpu()
    wanted = cleared(values, cell_m=cache.cell_m)
    changed = wanted != values
    trained.shape[0] += torch.where(changed, wanted - values, 0.0).to(trained.shape)
    return int(changed.sum())


def cleared(values: Tensor, *, cell_m: float) -> Tensor:
    """A signed distance (m) at the nodes of a grid (D, H, W) without specks and film."""
    told = values.numpy()
    solid = told < 0
    pieces = np.zeros(told.shape, np.int32)
    ndimage.label(solid, TOUCHING, output=pieces)
    if pieces.max() > 1:
        nodes = np.bincount(pieces.reshape(-1))
        large = nodes * cell_m**3 >= LEAST_PIECE_M3
        large[0], large[nodes[1:].argmax() + 1] = False, True
        solid &= large[pieces]
    if not solid.any():
        return values
    asked = ~solid & (told < LEAST_RISE * ABOUT_M)
    away, _ = spatial.KDTree(crossings(told, solid)).query(np.argwhere(asked), workers=-1)
    made = told.copy()
    made[asked] = np.maximum(made[asked], LEAST_RISE * cell_m * away - SLACK_M)
    return torch.from_numpy(made)


def crossings(values: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Where edges of a grid leave what is solid, in nodes: at the zeros of the values."""
    found = []
    for axis in range(3):
        one, other = (np.moveaxis(part, axis, 0)[:-1] for part in (values, solid))
        next_one, next_other = (np.moveaxis(part, axis, 0)[1:] for part in (values, solid))
        at = np.argwhere(other != next_other)
        first, second = one[tuple(at.T)], next_one[tuple(at.T)]
        places = at.astype(np.float64)
        places[:, 0] += first / np.where(first == second, 1.0, first - second)
        order = [axis, *(k for k in range(3) if k != axis)]
        found.append(places[:, np.argsort(order)])
    return np.concatenate(found)

"""What the surface is at every place: skin, hair or clothes.

Photos' labels say it where one looks, or at the mirrored place; from there it is carried on over the surface, so that a
collar goes on round the neck, and fades into what is usual: the head model's groups, or the word of the lift.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.volumes import Volume
from head3d.geometry.conventions import other_side
from head3d.perception.types import Region
from head3d.shapes import shaped
from head3d.train.fill import SKIN, SMOOTH, spread
from head3d.train.hair import BARE
from head3d.train.survey import Survey

HAIR, CLOTH = 1, 2
NEAR_CELLS = 2.0
"""Pixels this near to a node say what it is."""
MOVED, COLLAR_M = 0.2, 0.08
"""Word of a pixel whose colour counts for nothing (it shows a body that moved, or a border), and how far below the chin
it has one: collars move with the neck, arms do not. Hair always has."""
LOWEST, LOWER_M = 0.02, 0.005
"""Hair that no photo shows hangs at most so far below all but this part of that which one shows."""
BEARD_M = (0.06, 0.02)
"""Hair less far to the side than the first, and before the second, is no hair that hangs."""
BAND_CELLS = 3.75
"""Nodes within this distance of a surface are about it."""
MIRRORED = 0.3
GRAZED = 0.5
"""Outlines are told by pixels that see them at a slant: these have a word as well."""
CARRIED_M = 0.035
"""Over about this length what is seen outweighs what is usual."""


def kind_of(label: Int[Tensor, "P"]) -> Int[Tensor, "P"]:
    """0 skin, 1 hair, 2 cloth of labels (``Region``)."""
    return (label == Region.HAIR).long() + 2 * (label == Region.CLOTH).long()


@shaped
@dataclass(frozen=True)
class NodeKinds:
    """Kinds of a volume's nodes.

    Attributes:
        kind: 0 skin, 1 hair, 2 clothes; off the surface that of what is nearest.
        clothed: How surely it is clothes, in [-1, 1]: 0 at the border of clothes, between nodes.
    """

    kind: Int[Tensor, "M"]
    clothed: Float[Tensor, "M"]


def node_kinds(
    seen: Survey, paint: Volume, near: Int[Tensor, "N"], usual: Float[Tensor, "N K"], *, chin_y_m: float
) -> NodeKinds:
    """Kind of every node of a volume.

    Args:
        seen: What photos show of the surface.
        paint: Whose nodes are asked for.
        near: Indices of its nodes about the surface.
        usual: How likely each of these is of each kind if no photo tells.
        chin_y_m: Height of the chin, head frame.
    """
    places = paint.nodes()[near.to(paint.values.device)].cpu()
    nodes = places.numpy()
    told = torch.isin(seen.label, torch.tensor([int(one) for one in (*BARE, Region.HAIR, Region.CLOTH)]))
    points, kind = seen.points[told].numpy(), kind_of(seen.label[told]).numpy()
    votes = _votes(places, points, kind, _word(seen, chin_y_m=chin_y_m)[told].numpy(), cell_m=paint.cell_m)
    usual = usual.clone()
    beard = (np.abs(points[:, 0]) < BEARD_M[0]) & (points[:, 2] > BEARD_M[1])
    hair = points[(kind == HAIR) & ~beard, 1]
    if len(hair):  # none hangs lower than photos show it
        usual[torch.from_numpy(nodes[:, 1] < np.quantile(hair, LOWEST) - LOWER_M), HAIR] = 0.0
    faint = SMOOTH * (paint.cell_m / CARRIED_M) ** 2
    total = votes.sum(1) + faint
    at, count = near.numpy(), int(np.prod(paint.shape))
    start, known, band = np.zeros((count, usual.shape[1])), np.zeros(count), np.zeros(count, dtype=bool)
    start[at], known[at], band[at] = (votes + faint * usual.numpy()) / total[:, None], total, True
    share = spread(start, known, band=band, shape=paint.shape)
    nearest = ndimage.distance_transform_edt(~band.reshape(paint.shape), return_distances=False, return_indices=True)
    found = np.where(band, share.argmax(1), SKIN).reshape(paint.shape)
    clothed = share[:, CLOTH] - np.delete(share, CLOTH, axis=1).max(1)
    return NodeKinds(
        torch.from_numpy(found[tuple(np.asarray(nearest))].reshape(-1)), torch.from_numpy(np.float32(clothed * band))
    )


def _word(seen: Survey, *, chin_y_m: float) -> Float[Tensor, "P"]:
    """How much each pixel says about what it shows."""
    collar = (seen.points[:, 1] > chin_y_m - COLLAR_M) | (seen.label == Region.HAIR)
    return torch.where(seen.weight > 0, 1.0, torch.where(collar, MOVED, 0.0)) * seen.facing.clamp(GRAZED, 1.0)


def _votes(
    nodes: Float[Tensor, "N 3"], points: np.ndarray, kind: np.ndarray, word: np.ndarray, *, cell_m: float
) -> Float[np.ndarray, "N 3"]:
    """Votes of pixels for the nodes about them, and half-heartedly for their mirrors; at most one in all.

    Many looks tell no more than one: else the smoothness that cleans borders of labels would count for nothing.
    """
    votes = np.zeros((len(nodes), 3))
    if not len(points):
        return votes
    tree = spatial.KDTree(points)
    for places, worth in ((nodes, 1.0), (other_side(nodes), MIRRORED)):
        distance, index = tree.query(places.numpy(), k=8, distance_upper_bound=NEAR_CELLS * cell_m)
        found = np.isfinite(distance)
        index = np.where(found, index, 0)
        weight = worth * word[index] * np.where(found, np.exp(-((distance / cell_m) ** 2)), 0.0)
        for which in range(votes.shape[1]):
            votes[:, which] += (weight * (kind[index] == which)).sum(1)
    return votes / np.maximum(votes.sum(1, keepdims=True), 1.0)


def learned_kinds(
    seen: Survey, paint: Volume, distance_m: Float[Tensor, "M"], before: Int[Tensor, "M"]
) -> Int[Tensor, "M"]:
    """The same of a trained surface, which stands elsewhere than the shell did: locks lie on shoulders.

    Args:
        seen: What photos show of it.
        paint: Whose nodes are asked for.
        distance_m: Of each node to the surface.
        before: Kinds before training.
    """
    near = torch.nonzero(distance_m.abs() < BAND_CELLS * paint.cell_m)[:, 0]
    usual = torch.nn.functional.one_hot(before[near], 3).float()
    return node_kinds(seen, paint, near, usual, chin_y_m=torch.inf).kind

"""After training: the shape that photos taught runs out gently where none of them looks.

An outline says how far hair reaches, and nothing about what is behind. There the surface hardly moves, so what stands
out at the outline would be a crest a few millimetres thick: from another side a film before the wall. The change of the
shell at the border of what was seen is carried on over the surface, and fades within centimetres.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy import spatial
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.geometry.conventions import other_side
from head3d.train.fill import SMOOTH, spread

SHOWN_M = (0.003, 0.007)
"""A place so near to one that a photo shows has its shape from there, one farther off than the second has not."""
FADES_M = 0.03
"""Over about this length the change fades."""
BAND_CELLS = 4.0
"""Nodes of the paint within this distance of the surface take part."""
CHUNK = 65536


@torch.no_grad()
def ease_unseen(trained: RadianceField, cache: ShellCache, seen_m: Float[Tensor, "P 3"]) -> None:
    """Carry the learned change of shape over the border of what was seen, in place.

    Args:
        trained: Its shell is changed.
        cache: Of its present surface; stale afterwards.
        seen_m: Places on the surface that photos show, as densely as its details; their mirrors count as well.
    """
    grid = Volume(trained.paint, trained.paint_origin, trained.cells["paint"])
    nodes = grid.nodes()
    reach_m = BAND_CELLS * grid.cell_m
    band = cache.sdf(nodes).abs() < reach_m
    rows = torch.nonzero(band)[:, 0]
    feet = torch.cat([cache.onto_surface(nodes[part]) for part in rows.split(CHUNK)])
    moved = torch.cat([trained.residual_sdf(part) for part in feet.split(CHUNK)])
    shown = torch.cat([seen_m, other_side(seen_m)]).cpu().numpy()
    apart, _ = spatial.KDTree(shown).query(feet.cpu().numpy(), distance_upper_bound=SHOWN_M[1])
    known = torch.from_numpy((SHOWN_M[1] - apart) / (SHOWN_M[1] - SHOWN_M[0])).clamp(0.0, 1.0)  # inf where none is near
    faint = SMOOTH * (grid.cell_m / FADES_M) ** 2
    start, word = np.zeros((len(nodes), 1)), np.zeros(len(nodes))
    at = rows.cpu().numpy()
    start[at, 0] = (moved.cpu() * (known / (known + faint))).double().numpy()
    word[at] = (known + faint).numpy()
    carried = spread(start, word, band=band.cpu().numpy(), shape=grid.shape)
    change = torch.zeros(len(nodes), device=nodes.device)
    change[rows] = (torch.from_numpy(carried[at, 0]).to(moved) - moved) * (1 - known).to(moved)
    added = Volume(change.reshape(1, *grid.shape), grid.origin, grid.cell_m)
    values = cache.values.reshape(-1)
    near = torch.nonzero(values.abs() < reach_m)[:, 0]
    for part in near.split(CHUNK):
        fading = (2 - 2 * values[part].abs() / reach_m).clamp(0.0, 1.0)
        trained.shape.view(-1)[part] += fading * added.at(cache.places(part))[:, 0]

"""After training: what the photos taught about colour is carried on to where no photo looked.

Before training the paint is whole. Training then changes albedo and light where photos look, and nowhere else: without
this step the border of what they saw would show as a step of colour.
"""

import numpy as np
import torch
from jaxtyping import Int

from head3d.field.encodings import decoded
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.train.fill import as_usual, spread

BAND_CELLS = 3.0
"""Nodes of the paint within this distance of the surface are completed."""
CHUNK = 65536


@torch.no_grad()
def complete_unseen(trained: RadianceField, cache: ShellCache, *, kinds: Int[np.ndarray, "M"] | None = None) -> None:
    """Carry the learned change of albedo over the surface into the unseen paint, smoothly; in place.

    Args:
        trained: After training, on any device.
        cache: Of its surface, refreshed.
        kinds: Of each node of the paint, 0 skin, 1 hair, 2 clothes: what a shirt learned says nothing about a neck. All
            one kind if None.
    """
    paint = Volume(trained.paint, trained.paint_origin, trained.cells["paint"])
    nodes = paint.nodes()
    distance = cache.sdf(nodes)
    band = distance.abs() < BAND_CELLS * paint.cell_m
    rows = torch.nonzero(band)[:, 0]
    change = torch.zeros(len(nodes), 3, device=nodes.device)
    for part in rows.split(CHUNK):
        places = cache.onto_surface(nodes[part])
        change[part] = decoded(trained.color, trained.color_decoder, places)[:, :3]
    seen = trained.paint[3].reshape(-1)
    known = ((seen - 0.4) / 0.5).clamp(0.0, 1.0)
    kind = np.zeros(len(nodes), dtype=np.int64) if kinds is None else kinds
    start, word = (change * (known > 0)[:, None]).double().cpu().numpy(), known.double().cpu().numpy()
    as_usual(start, word, kind=kind)
    carried = spread(start, word, band=band.cpu().numpy(), kind=kind, shape=paint.shape)
    added = torch.from_numpy(carried).to(trained.paint).T.reshape(3, *paint.shape)
    trained.paint[:3] += added * (1 - trained.paint[3:])

"""A view tile by tile, so that whoever waits for something else can stop it within one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.render.config import RenderConfig
from head3d.render.relight import EDGE_PX
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view

Turn = Callable[[], AbstractContextManager[None]]
"""Entered for every tile: may wait for its turn, or raise to stop."""


def render_tiles(
    field: RadianceField,
    view: View,
    *,
    config: RenderConfig,
    cache: ShellCache,
    deformation: Deformation | None,
    side_px: int,
    turn: Turn,
) -> RenderOutput:
    """Render a view in squares of ``side_px``; ``turn`` is entered for each."""
    height, width = view.camera.size
    names = ["rgb_linear", "albedo", "normal", "alpha", "depth_m"] + ["sharp"] * bool(len(field.details))
    rows: list[list[Tensor]] = []
    for top in range(0, height, side_px):
        row: list[list[Tensor]] = []
        for left in range(0, width, side_px):
            # pixels across an edge take the light of those beside them: a tile sees a little of its neighbours
            y0, x0 = max(top - EDGE_PX - 1, 0), max(left - EDGE_PX - 1, 0)
            y1, x1 = min(top + side_px + EDGE_PX + 1, height), min(left + side_px + EDGE_PX + 1, width)
            part = replace(view, camera=view.camera.cropped(x0, y0, (y1 - y0, x1 - x0)))
            with turn():
                tile = render_view(field, part, config=config, cache=cache, deformation=deformation)
            bottom, right = min(top + side_px, height), min(left + side_px, width)
            inner = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
            row.append([getattr(tile, name)[inner] for name in names])
        rows.append([torch.cat(parts, dim=1) for parts in zip(*row, strict=True)])
    return RenderOutput(**{name: torch.cat(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)})

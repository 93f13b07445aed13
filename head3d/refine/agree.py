"""One detail for one place: what nets add to several views of a head is shared between them through depth.

Each view alone gives the same pore another place. Here a place of the surface takes its detail from the views that face
it most squarely, in every view alike: what is added belongs to the head again, not to the picture.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.geometry.reproject import backproject, reproject
from head3d.render.types import RenderOutput, View

SQUARELY = 12.0
"""Power of the cosine at which a view looks at a place: the squarest nearly decides alone, without a seam."""
MOST_APART = 0.35
"""Cosine between the directions of two views; those further apart share too little."""
LEAST = 1e-3
"""Weight of a view's own detail, which is what places keep that no view faces."""
EDGE_PX = 3
"""Pixels so near the outline lend no detail."""


def shared_detail(
    raw: Sequence[RenderOutput], refined: Sequence[RenderOutput], views: Sequence[View]
) -> list[RenderOutput]:
    """The refined views, with what was added taken by every view from the same views.

    Args:
        raw: Renders of one head with one expression under one light.
        refined: The same, refined.
        views: Their cameras.
    """
    details = [after.rgb_linear - before.rgb_linear for before, after in zip(raw, refined, strict=True)]
    says = [_weight(output, view) for output, view in zip(raw, views, strict=True)]
    axes = [view.camera.c2w[0, :3, 2] for view in views]
    shared = []
    for i, (output, view) in enumerate(zip(raw, views, strict=True)):
        total = LEAST * _weighted(details[i], torch.ones_like(says[i]))
        for j, (other, seen) in enumerate(zip(raw, views, strict=True)):
            if float(axes[i] @ axes[j]) < MOST_APART:
                continue
            lent = _weighted(details[j], says[j])
            if i != j:
                lent = reproject(
                    lent, other.depth_m, seen.camera, target_depth_m=output.depth_m, target_camera=view.camera
                ).values
            total = total + lent
        detail = total[..., :3] / total[..., 3:].clamp_min(1e-12)
        shared.append(replace(output, rgb_linear=output.rgb_linear + detail))
    return shared


def _weighted(detail: Float[Tensor, "H W 3"], weight: Float[Tensor, "H W"]) -> Float[Tensor, "H W 4"]:
    return torch.cat([detail * weight[..., None], weight[..., None]], dim=-1)


def _weight(output: RenderOutput, view: View) -> Float[Tensor, "H W"]:
    """How much a view has to say about each place it shows."""
    ray = functional.normalize(backproject(output.depth_m, view.camera) - view.camera.centre[0], dim=-1)
    facing = -(output.normal * ray).sum(-1).clamp(-1, 0)
    solid = ((output.alpha > 0.95) & (output.depth_m > 0)).float()[None, None]
    inner = -functional.max_pool2d(-solid, 2 * EDGE_PX + 1, 1, EDGE_PX)[0, 0]
    return facing**SQUARELY * inner

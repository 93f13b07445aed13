"""The gap between parted lips, which the field knows nothing of: it has learned a closed mouth."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from scipy import spatial
from torch import Tensor

from head3d.field.volumes import sample_values
from head3d.geometry.easing import smooth_rise
from head3d.geometry.reproject import backproject
from head3d.kernels.render_field import FieldVolume
from head3d.render.types import RenderOutput, View

OPEN_M = (0.0006, 0.002)
"""Farther from the lips than the closed ones were: begins to be a gap, is one."""
GAP_ALBEDO = 0.1
"""Of a dark mouth, over that of a lip."""
ROOM_M = 0.004
"""About the lips, where a gap between them is looked for."""


@dataclass(frozen=True)
class Lips:
    """Points of the skin about the mouth, head frame, metres.

    Attributes:
        neutral: Closed.
        posed: With the expression.
        rim: Points of the posed lips alone.
    """

    neutral: Float[Tensor, "P 3"]
    posed: Float[Tensor, "P 3"]
    rim: Float[Tensor, "Q 3"]


def darken_gap(output: RenderOutput, view: View, volume: FieldVolume, *, lips: Lips) -> RenderOutput:
    """Make the gap between parted lips dark.

    Whatever shows between them comes from the line where they met: a place that is far from the posed lips and comes
    from near the closed ones lies in the gap.

    Args:
        output: Picture of the posed head.
        view: Its camera.
        volume: Displacement to the neutral head, metres.
        lips: About the mouth.
    """
    points = backproject(output.depth_m, view.camera)
    low, high = lips.rim.amin(0) - ROOM_M, lips.rim.amax(0) + ROOM_M
    rows = (output.depth_m > 0) & (points > low).all(-1) & (points < high).all(-1)
    near = points[rows]
    if not len(near):
        return output
    moved = sample_values(volume.values.to(near), volume.origin.to(near), volume.cell_m, near)
    apart, _ = spatial.KDTree(lips.posed.numpy()).query(near.numpy())
    before, _ = spatial.KDTree(lips.neutral.numpy()).query((near + moved).numpy())
    opened = torch.from_numpy(apart - before).float()
    keep = 1 - (1 - GAP_ALBEDO) * smooth_rise(opened, *OPEN_M)[:, None]
    rgb, albedo = output.rgb_linear.clone(), output.albedo.clone()
    rgb[rows], albedo[rows] = rgb[rows] * keep, albedo[rows] * keep
    return replace(output, rgb_linear=rgb, albedo=albedo)

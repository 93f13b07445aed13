"""Light on a head that shows an expression: its normals turn with its skin."""

from dataclasses import replace

import torch

from head3d.field.volumes import sample_values
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import irradiance_basis
from head3d.kernels.render_field import FieldVolume
from head3d.render.types import RenderOutput, View

LEAST_LIGHT = 0.5
"""Of the light before: order-2 light may go negative, and the turn of a crease may be too strong."""


def relit(output: RenderOutput, view: View, volume: FieldVolume) -> RenderOutput:
    """Turn the normals of a picture with the skin and light it again.

    The field gives normals of the neutral head. Its signed distance seen through the map p -> q(p) has the gradient
    J^T n with J = dq/dp.

    Args:
        output: Picture of the posed head with normals of the neutral one.
        view: Its camera and light.
        volume: Displacement to the neutral head, metres.
    """
    where = output.depth_m > 0
    points = backproject(output.depth_m, view.camera)[where]
    step = 0.5 * volume.cell_m
    values, origin = volume.values.to(points), volume.origin.to(points)
    normal = output.normal[where]
    turned = normal.clone()
    last = torch.tensor([n - 1 for n in reversed(values.shape[1:])]) * volume.cell_m + origin
    moved = ((points > origin) & (points < last)).all(-1)
    near, own = points[moved], normal[moved]
    for axis in range(3):
        tap = torch.zeros(3).index_fill(0, torch.tensor([axis]), step)
        ahead = sample_values(values, origin, volume.cell_m, near + tap)
        behind = sample_values(values, origin, volume.cell_m, near - tap)
        turned[moved, axis] += ((ahead - behind) / (2 * step) * own).sum(-1)
    turned = torch.nn.functional.normalize(turned, dim=-1, eps=1e-6)
    light = (irradiance_basis(turned) - irradiance_basis(normal)) @ view.lighting.sh
    rgb, normals = output.rgb_linear.clone(), output.normal.clone()
    rgb[where] = torch.maximum(rgb[where] + output.albedo[where] * light, LEAST_LIGHT * rgb[where])
    normals[where] = turned
    return replace(output, rgb_linear=rgb, normal=normals)

"""Light on a head that shows an expression: its normals turn with its skin."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

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
    normal = output.normal[where]
    turned = torch.einsum("pij,pi->pj", derivatives(volume, points), normal)
    turned = torch.nn.functional.normalize(turned, dim=-1, eps=1e-6)
    light = (irradiance_basis(turned) - irradiance_basis(normal)) @ view.lighting.sh
    rgb, normals = output.rgb_linear.clone(), output.normal.clone()
    rgb[where] = torch.maximum(rgb[where] + output.albedo[where] * light, LEAST_LIGHT * rgb[where])
    normals[where] = turned
    return replace(output, rgb_linear=rgb, normal=normals)


def derivatives(volume: FieldVolume, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3 3"]:
    """J = dq/dp of the map p -> q(p) at points (head frame, m): rows are axes of q, columns axes of p."""
    values, origin = volume.values.to(points_m), volume.origin.to(points_m)
    last = torch.tensor([n - 1 for n in reversed(values.shape[1:])]) * volume.cell_m + origin
    moved = ((points_m > origin) & (points_m < last)).all(-1)
    found = torch.eye(3).repeat(len(points_m), 1, 1)
    near, step = points_m[moved], 0.5 * volume.cell_m
    slopes = []
    for axis in range(3):
        tap = torch.zeros(3).index_fill(0, torch.tensor([axis]), step)
        ahead = sample_values(values, origin, volume.cell_m, near + tap)
        behind = sample_values(values, origin, volume.cell_m, near - tap)
        slopes.append((ahead - behind) / (2 * step))
    found[moved] += torch.stack(slopes, dim=-1)
    return found

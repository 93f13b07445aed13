"""Pictures of a field with the detail of its photos (field/detail.py)."""

from dataclasses import replace

import torch

from head3d.field.deform import Deformation
from head3d.field.detail import changed
from head3d.field.radiance import RadianceField
from head3d.geometry.reproject import backproject
from head3d.render.types import RenderOutput, View

SOLID = 0.5
"""Pixels covered less show a mixture whose depth is nobody's."""


@torch.no_grad()
def with_detail(
    trained: RadianceField, output: RenderOutput, view: View, *, deformation: Deformation | None, photo: int
) -> RenderOutput:
    """A picture in which the albedo has the detail of the photos, and light falls on it."""
    rows = torch.nonzero(((output.alpha > SOLID) & (output.depth_m > 0)).reshape(-1))[:, 0]
    if not len(trained.details) + len(trained.grain):
        return output
    if not len(rows):
        return replace(output, sharp=torch.zeros_like(output.alpha))
    device, camera = trained.paint.device, view.camera
    points = backproject(output.depth_m, camera).reshape(-1, 3)[rows].to(device)
    if deformation is not None:
        points = deformation.to_canonical(points, torch.full((len(points),), photo, device=device))
    pixel_m = float(camera.centre[0].norm() / camera.K[0, 0, 0])  # one for all tiles of a picture
    change, word = trained.detail(points, pixel_m=pixel_m)
    before = output.albedo.reshape(-1, 3)
    after = changed(before[rows], change.to(before))
    factor = after / before[rows].clamp(min=1e-4)
    albedo = before.index_copy(0, rows, after).reshape(output.albedo.shape)
    lit = output.rgb_linear.reshape(-1, 3)
    lit = lit.index_copy(0, rows, lit[rows] * factor).reshape(output.rgb_linear.shape)
    sharp = torch.zeros_like(output.alpha).reshape(-1).index_copy(0, rows, word.to(before))
    return replace(output, albedo=albedo, rgb_linear=lit, sharp=sharp.reshape(output.alpha.shape))

"""From one view into another through depth: points of pixels, and the picture of one camera as another one sees it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from head3d.geometry.cameras import Cameras, pixel_grid, project
from head3d.shapes import shaped

DEPTH_TOLERANCE = 0.01
"""Two depths are the same surface if they differ by less than this fraction: 8 mm at 80 cm, less than a nose."""


@shaped
@dataclass(frozen=True)
class Reprojection:
    """A picture seen from another camera.

    Attributes:
        values: The source picture at each pixel of the target; zero where not ``visible``.
        visible: Where the target's surface is also seen by the source.
    """

    values: Float[Tensor, "H W C"]
    visible: Bool[Tensor, "H W"]


def backproject(depth_m: Float[Tensor, "H W"], camera: Cameras) -> Float[Tensor, "H W 3"]:
    """Points in the head frame (m) of all pixels with z-depth; garbage where depth is 0."""
    height, width = depth_m.shape
    c2w, K = camera.c2w[0].to(depth_m), camera.K[0].to(depth_m)
    pixels = pixel_grid(height, width, device=depth_m.device).to(depth_m)
    local = torch.cat([(pixels - K[:2, 2]) / K.diagonal()[:2], torch.ones_like(pixels[:, :1])], dim=-1)
    points = (local * depth_m.reshape(-1, 1)) @ c2w[:3, :3].T + c2w[:3, 3]
    return points.reshape(height, width, 3)


def reproject(
    source: Float[Tensor, "h w C"],
    source_depth_m: Float[Tensor, "h w"],
    source_camera: Cameras,
    *,
    target_depth_m: Float[Tensor, "H W"],
    target_camera: Cameras,
    tolerance: float = DEPTH_TOLERANCE,
) -> Reprojection:
    """Look at the source picture from the target's camera, through the target's own depth.

    A pixel is visible if its point falls into the source picture and lies there on the seen surface: all four depths
    that surround it agree with its own, so colours never mix across an edge.

    Args:
        source: Any values per pixel (colours, normals).
        source_depth_m: z-depth, 0 where there is no surface.
        target_depth_m: The same for the target.
        tolerance: Allowed difference of depth, as a fraction of it.
    """
    height, width = source_depth_m.shape
    points = backproject(target_depth_m, target_camera).reshape(-1, 3)
    c2w, K = source_camera.c2w[0].to(points), source_camera.K[0].to(points)
    pixels, depth = project(points, c2w, K)
    scale = torch.tensor([2 / width, 2 / height], dtype=points.dtype, device=points.device)
    grid = (pixels * scale - 1)[None, :, None].clamp(-4, 4)
    planes = source.to(points).permute(2, 0, 1)[None]
    values = functional.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    nearest = _corner_depths(source_depth_m.to(points), pixels)
    same = ((nearest - depth[:, None]).abs() < tolerance * depth[:, None]).all(1)
    inside = (pixels >= 0.5).all(1) & (pixels[:, 0] <= width - 0.5) & (pixels[:, 1] <= height - 0.5)
    visible = same & inside & (target_depth_m.reshape(-1) > 0) & (depth > 0)
    picture = values[0, :, :, 0].T * visible[:, None]
    return Reprojection(picture.reshape(*target_depth_m.shape, -1), visible.reshape(target_depth_m.shape))


def _corner_depths(depth: Float[Tensor, "H W"], pixels: Float[Tensor, "P 2"]) -> Float[Tensor, "P 4"]:
    height, width = depth.shape
    corner = (pixels - 0.5).floor().nan_to_num(0, 0, 0).clamp(-1e6, 1e6).long()
    found = []
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = (corner[:, 0] + dx).clamp(0, width - 1), (corner[:, 1] + dy).clamp(0, height - 1)
            found.append(depth[y, x])
    return torch.stack(found, dim=1)

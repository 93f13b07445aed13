"""From several rays per pixel to one value: what each ray covers is its weight."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.render.types import RenderOutput


def pool_rays(values: Float[Tensor, "Y X 11"], times: int) -> RenderOutput:
    """Pixels of ``times`` x ``times`` rays: radiance, albedo, normal, alpha and depth, by what each ray covers."""
    height, width = values.shape[0] // times, values.shape[1] // times
    flat = values.reshape(height, times, width, times, 11).permute(0, 2, 1, 3, 4).reshape(height, width, -1, 11)
    alpha = flat[..., 9]
    share = (alpha + 1e-9) / (alpha + 1e-9).sum(-1, keepdim=True)
    mixed = (flat * share[..., None]).sum(2)
    opaque = alpha.mean(-1)
    visible = (opaque > 1e-3)[..., None]
    rgb, albedo = (torch.where(visible, mixed[..., k : k + 3].clamp(min=0.0), 0.0) for k in (0, 3))
    normal = torch.nn.functional.normalize(mixed[..., 6:9], dim=-1, eps=1e-6) * visible
    depth = torch.where(opaque > 0.5, mixed[..., 10], torch.zeros_like(opaque))
    return RenderOutput(rgb, albedo, normal, opaque, depth)

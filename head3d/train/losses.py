"""What training minimises."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.imaging.color import srgb_from_linear
from head3d.perception.types import Region
from head3d.render.volume import RayColors
from head3d.train.rays import PixelBatch


def picture_terms(seen: RayColors, pixels: PixelBatch, *, directions: Float[Tensor, "R 3"]) -> dict[str, Tensor]:
    """Colour and opacity against the photos. All rays count in the mean, hits or not.

    A surface seen at a grazing angle says little about its colour: hair and background bleed into it.
    """
    normal = torch.nn.functional.normalize(seen.gradient.detach(), dim=-1, eps=1e-6)
    facing = facing_weight(-(normal * directions.detach()).sum(-1), pixels.label)
    predicted = srgb_from_linear(seen.radiance)
    difference = (predicted - pixels.rgb_srgb).abs().mean(-1)
    color = difference * pixels.color_weight * seen.alpha.detach() * facing
    mask = (seen.alpha - pixels.matte).abs() * pixels.alpha_weight
    return {
        "color": color.mean(),
        "mask": mask.mean(),
        "residual_color": (seen.residual.abs().mean(-1) * seen.alpha.detach()).mean(),
    }


def facing_weight(cosine: Float[Tensor, "*shape"], label: Tensor) -> Float[Tensor, "*shape"]:
    """How far a colour is believed, from the cosine between normal and ray; strands of hair have no one normal."""
    facing = ((cosine - 0.05) / 0.35).clamp(0.0, 1.0)
    return torch.where(label == Region.HAIR, torch.ones_like(facing), facing)


def shape_terms(
    seen: RayColors, base_normal: Float[Tensor, "R 3"], residual_m: Float[Tensor, "R"], *, softness: Float[Tensor, "R"]
) -> dict[str, Tensor]:
    """Priors of the surface where rays met it; soft places (hair) are held less."""
    weight = seen.hit / softness**2
    length = seen.gradient.norm(dim=-1)
    unit = seen.gradient / length.clamp(min=1e-6)[:, None]
    return {
        "eikonal": ((length - 1) ** 2 * seen.hit).mean(),
        "curvature": (seen.curvature.abs() * 1e3 * weight).mean(),
        "base_normal": ((1 - (unit * base_normal).sum(-1)) * weight).mean(),
        "residual": (residual_m.abs() * 1e3 * weight).mean(),
    }


def total_loss(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Weighted sum."""
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()

"""Sections of a ray: how much light each stops (NeuS: Wang et al. 2021), and how blurred the surface is in pictures."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras

OUTLINE_SD = 4.4
"""Blurs (the scale of a logistic) between a tenth and nine tenths of opacity."""
CRISPEST = 0.25
"""Samples along a ray are not dense enough for less, as a part of the field's blur."""


def section_weights(
    sdf: Float[Tensor, "R S"], valid: Bool[Tensor, "R S"], sd: Float[Tensor, "R S"]
) -> Float[Tensor, "R S"]:
    """Weights of the sections behind each sample.

    alpha_i = max((Phi(s_i) - Phi(s_i+1)) / Phi(s_i), 0) with the logistic Phi of the signed distance over the blur.
    Behind a ray's last sample nothing is known: it is solid if that sample was inside.
    """
    phi = torch.sigmoid(sdf / sd) * valid
    alpha = ((phi[:, :-1] - phi[:, 1:]) / (phi[:, :-1] + 1e-6)).clamp(0.0, 1.0)
    last = valid[:, :-1] & ~valid[:, 1:]
    inside = sdf.detach() < 0
    alpha = alpha * torch.where(last, inside[:, :-1], valid[:, :-1])
    alpha = torch.cat([alpha, (valid & inside)[:, -1:].to(alpha)], dim=1)
    clear = torch.cumprod(1 - alpha + 1e-7, dim=1)
    before = torch.cat([torch.ones_like(clear[:, :1]), clear[:, :-1]], dim=1)
    return alpha * before


def crispness(trained: RadianceField, camera: Cameras, *, oversample: int) -> float:
    """How blurred skin may be, as a part of the field's blur, to have an outline about a pixel wide.

    The field is trained with a blur that lets gradients reach its outlines; a picture does not need it.
    """
    pixel_m = float(camera.centre[0].norm() / camera.K[0, 0, 0]) / oversample
    return min(max(pixel_m / OUTLINE_SD / float(trained.sd_m), CRISPEST), 1.0)

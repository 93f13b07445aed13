"""How alike two pictures are: PSNR, SSIM, LPIPS. Metrics and losses use the same functions.

Pictures are HWC sRGB in [0, 1] unless said otherwise; a mask weights pixels, and pixels of weight zero never count.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.errors import ShapeError
from head3d.imaging.perceptual import Backbone, load_lpips

SSIM_SIGMA_PX = 1.5
"""Standard deviation of the window of Wang et al. 2004."""

SSIM_RADIUS_PX = 5
"""Half the window: 11 x 11 px."""


def _same_shape(first: Tensor, second: Tensor, mask: Tensor | None) -> None:
    if first.shape != second.shape:
        raise ShapeError("second", expected=str(tuple(first.shape)), actual=str(tuple(second.shape)))
    if mask is not None and mask.shape != first.shape[:2]:
        raise ShapeError("mask", expected=str(tuple(first.shape[:2])), actual=str(tuple(mask.shape)))


def mean_square_error(
    first: Float[Tensor, "H W C"], second: Float[Tensor, "H W C"], *, mask: Float[Tensor, "H W"] | None = None
) -> Float[Tensor, ""]:
    """Mean squared difference over the mask (or the whole picture)."""
    _same_shape(first, second, mask)
    error = ((first - second) ** 2).mean(-1)
    if mask is None:
        return error.mean()
    return (error * mask).sum() / mask.sum().clamp_min(1e-8)


def psnr_db(
    first: Float[Tensor, "H W C"], second: Float[Tensor, "H W C"], *, mask: Float[Tensor, "H W"] | None = None
) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite for equal pictures."""
    error = float(mean_square_error(first.double(), second.double(), mask=None if mask is None else mask.double()))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim_map(first: Float[Tensor, "H W C"], second: Float[Tensor, "H W C"]) -> Float[Tensor, "H W"]:
    """Structural similarity of each pixel's neighbourhood (Wang et al. 2004), mean over channels.

    Borders are mirrored, as in scikit-image.
    """
    _same_shape(first, second, None)
    offset = torch.arange(-SSIM_RADIUS_PX, SSIM_RADIUS_PX + 1, dtype=first.dtype, device=first.device)
    window = torch.exp(-0.5 * (offset / SSIM_SIGMA_PX) ** 2)
    window = window / window.sum()
    x, y = first.permute(2, 0, 1)[:, None], second.permute(2, 0, 1)[:, None]

    def blur(planes: Tensor) -> Tensor:
        # duplicate the border pixel when mirroring (scipy's "reflect"), which torch calls neither reflect nor replicate
        r = SSIM_RADIUS_PX
        planes = torch.cat([planes[..., :r].flip(-1), planes, planes[..., -r:].flip(-1)], dim=-1)
        planes = torch.cat([planes[..., :r, :].flip(-2), planes, planes[..., -r:, :].flip(-2)], dim=-2)
        return functional.conv2d(functional.conv2d(planes, window[None, None, None]), window[None, None, :, None])

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y, cov = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2  # (K1 L)^2, (K2 L)^2 for a data range L = 1
    value = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return value[:, 0].mean(0)


def ssim(
    first: Float[Tensor, "H W C"], second: Float[Tensor, "H W C"], *, mask: Float[Tensor, "H W"] | None = None
) -> Float[Tensor, ""]:
    """Mean structural similarity over the mask; over the whole picture half a window of border is left out."""
    _same_shape(first, second, mask)
    value = ssim_map(first, second)
    if mask is None:
        r = SSIM_RADIUS_PX
        return value[r:-r, r:-r].mean()
    return (value * mask).sum() / mask.sum().clamp_min(1e-8)


def lpips(
    first: Float[Tensor, "H W 3"],
    second: Float[Tensor, "H W 3"],
    *,
    mask: Float[Tensor, "H W"] | None = None,
    backbone: Backbone = "alex",
) -> Float[Tensor, ""]:
    """Learned perceptual distance, 0 for equal pictures; below 0.1 people hardly see a difference in a face."""
    _same_shape(first, second, mask)
    network = load_lpips(backbone).to(first.device)
    pair = [(image.float() * 2 - 1).permute(2, 0, 1)[None] for image in (first, second)]
    return network(pair[0], pair[1], None if mask is None else mask.float()[None])[0]

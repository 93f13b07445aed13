"""Resampling: resize, crop with padding, look up colours at positions in pixels (centres at +0.5)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.errors import ShapeError


def _planes(image: Tensor) -> Tensor:
    if image.ndim not in (2, 3):
        raise ShapeError("image", expected="(H, W) or (H, W, C)", actual=str(tuple(image.shape)))
    return (image[..., None] if image.ndim == 2 else image).permute(2, 0, 1)[None]


def _picture(planes: Tensor, *, like: Tensor) -> Tensor:
    image = planes[0].permute(1, 2, 0)
    return image[..., 0] if like.ndim == 2 else image


def resize(image: Float[Tensor, "..."], size: tuple[int, int]) -> Float[Tensor, "..."]:
    """Scale a picture (H, W) or (H, W, C) to ``size`` = (height, width) px.

    Antialiased when shrinking, bicubic when growing, never beyond the picture's own range.
    Colours with an alpha must be premultiplied first (see :func:`head3d.imaging.compose.resize_straight`).
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    mode = "area" if shrinks and image.shape[0] % size[0] == 0 and image.shape[1] % size[1] == 0 else "bicubic"
    if mode == "area":
        return _picture(functional.interpolate(_planes(image), size=size, mode="area"), like=image)
    scaled = functional.interpolate(_planes(image), size=size, mode="bicubic", antialias=True, align_corners=False)
    low, high = image.amin(), image.amax()  # bicubic rings beyond the picture's own range
    return _picture(scaled.clamp(low, high), like=image)


def sample_at(image: Float[Tensor, "H W C"], points_px: Float[Tensor, "P 2"]) -> Float[Tensor, "P C"]:
    """Bilinear colours at positions (x, y) px; positions outside take the nearest border pixel."""
    height, width = image.shape[:2]
    scale = torch.tensor([2 / width, 2 / height], dtype=image.dtype, device=image.device)
    grid = points_px.to(image) * scale - 1
    found = functional.grid_sample(
        _planes(image), grid[None, :, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[0, :, :, 0].T


def crop_padded(
    image: Float[Tensor, "..."], left: int, top: int, *, size: tuple[int, int], fill: float = 0.0
) -> Float[Tensor, "..."]:
    """Cut the window of ``size`` = (height, width) px that starts at (left, top); what lies outside is ``fill``."""
    out = torch.full((*size, *image.shape[2:]), fill, dtype=image.dtype, device=image.device)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + size[0], image.shape[0]), min(left + size[1], image.shape[1])
    if y1 > y0 and x1 > x0:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return out

"""Which photo the colours of a place come from.

The mean of two photos that differ by a millimetre is a blur, and with a smile in one of them a second mouth. So each
place is taken from the photo that shows it best; which one that is changes smoothly over the head.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.geometry.conventions import FIELD_HALF_SIZE_M

CELLS = 80
"""Across the field's box: cells of 8 mm, above the fit's error, below a nose."""
BLURS = 2
"""Times the qualities are averaged over neighbouring cells, so that a few pixels do not turn the choice."""
GLIMPSE = 0.1
"""A place glimpsed by so many pixels (of that mean) has half the say of one that is well covered."""
DECISIVE = 12.0
"""Power to which a photo's quality, as a part of the best one's of a place, decides how often its pixels are drawn."""
LEAD = 1.25
"""The photo that shows eyes and mouth best is preferred by this factor: features of one photo fit together."""
PRESENT = 0.1
"""A kind of thing (hair, cloth, skin) that fills less than this part of a place is not there."""


def photo_quality(
    points_m: Float[Tensor, "P 3"],
    photo: Int[Tensor, "P"],
    quality: Float[Tensor, "P"],
    feature: Bool[Tensor, "P"],
    *,
    count: int,
) -> Float[Tensor, "photos D H W"]:
    """How well each photo shows the places of the field's box.

    Args:
        points_m: Where pixels of all photos fall, neutral head frame.
        photo: Index of the photo of each.
        quality: Of each pixel: how squarely and finely its photo shows the surface.
        feature: Whether it shows eyes, brows or mouth.
        count: Of the photos.
    """
    cell = photo * CELLS**3 + _cell(points_m)
    sums = [torch.bincount(cell, weights=weight, minlength=count * CELLS**3) for weight in (quality, None)]
    total, pixels = (value.float().reshape(count, 1, CELLS, CELLS, CELLS) for value in sums)
    for _ in range(BLURS):
        total, pixels = (torch.nn.functional.avg_pool3d(value, 3, stride=1, padding=1) for value in (total, pixels))
    mean = (total / (pixels + GLIMPSE))[:, 0]
    if not feature.any():
        return mean
    shown = mean.reshape(count, -1)[:, torch.unique(_cell(points_m[feature]))]
    mean[shown.sum(1).argmax()] *= LEAD
    return mean


def decided(
    volume: Float[Tensor, "photos D H W"], points_m: Float[Tensor, "P 3"], photo: Int[Tensor, "P"]
) -> Float[Tensor, "P"]:
    """In [0, 1]: 1 for pixels of the photo that shows their place best, near 0 for those of a clearly worse one."""
    best = sampled(volume.amax(0), points_m).clamp(min=1e-9)
    own = torch.zeros_like(best)
    for number, values in enumerate(volume):
        rows = torch.nonzero(photo == number)[:, 0]
        own[rows] = sampled(values, points_m[rows])
    return (own / best).clamp(0.0, 1.0) ** DECISIVE


def agreed(
    volume: Float[Tensor, "photos D H W"],
    points_m: Float[Tensor, "P 3"],
    photo: Int[Tensor, "P"],
    kind: Int[Tensor, "P"],
) -> Bool[Tensor, "P"]:
    """Whether a pixel shows a kind of thing (0 skin, 1 hair, 2 cloth) that the best photo of its place shows there.

    Hair and clothes move between photos: a lock on a cheek or a collar that slipped is not to be mixed into the skin.
    """
    cells, key = torch.unique(_cell(points_m), return_inverse=True)
    best = volume.reshape(len(volume), -1).argmax(0)[cells]
    own = best[key] == photo
    shown = torch.bincount(key[own] * 3 + kind[own], minlength=3 * len(cells)).reshape(-1, 3)
    present = shown > PRESENT * shown.sum(1, keepdim=True)
    return own | present[key, kind]


def _cell(points_m: Float[Tensor, "P 3"]) -> Int[Tensor, "P"]:
    """Number of the cell each point lies in; those outside go to the border."""
    x, y, z = (((points_m / (2 * FIELD_HALF_SIZE_M) + 0.5) * CELLS).long().clamp(0, CELLS - 1)).unbind(-1)
    return (z * CELLS + y) * CELLS + x


def sampled(values: Float[Tensor, "D H W"], points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
    """Values of a volume over the field's box at points of the head frame (m)."""
    place = (points_m / FIELD_HALF_SIZE_M)[None, None, None]
    found = torch.nn.functional.grid_sample(values[None, None], place, align_corners=False, padding_mode="border")
    return found[0, 0, 0, 0]

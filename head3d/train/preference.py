"""Which photo to believe where several show the same skin.

Casual photos never agree to the pixel: expressions, retouching, a lens, a fit that is a millimetre off. A mean of them
is blurred. So every place is learned from the photo that shows it best, squarely and finely, and from others the less
the worse they show it.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.cameras import project
from head3d.train.rays import TrainPhoto
from head3d.train.survey import SURVEY_PX, Survey

CELL_M = 0.008
"""Places are compared in cubes of this edge: above the fit's error, below a nose."""
LEAST = 0.02
"""Weight that is left to the worst photo, so that no pixel is without a say."""


def prefer_best(photos: Sequence[TrainPhoto], seen: Survey, *, sharpness: float) -> tuple[list[TrainPhoto], Survey]:
    """Lower the colour weight of pixels whose place another photo shows better.

    Quality = cosine between surface and ray x weight (which knows the photo's detail and expression); the new weight is
    (quality / best quality there) ^ sharpness, so that the best photo of a place counts fully even if it is poor.

    Args:
        photos: Cropped photos.
        seen: Survey of the base shell from them.
        sharpness: 0 believes all alike; 4 leaves a photo half its say at 33 degrees off or at 84 % of the detail.

    Returns:
        The photos and the survey with new weights.
    """
    if len(photos) < 2 or sharpness == 0:
        return list(photos), seen
    quality = (seen.facing.clamp(min=0) * seen.weight).double().numpy()
    owner = seen.photo.numpy()
    best = best_in_cell(seen.points.numpy(), quality, owner, len(photos))
    relative = np.clip(quality / np.maximum(best, 1e-9), 0, 1)
    factor = relative**sharpness * (1 - LEAST) + LEAST
    changed, weight = [], seen.weight.clone()
    for number, photo in enumerate(photos):
        mine = np.flatnonzero(owner == number)
        full = max(float(photo.color_weight.max()), 1.0) / 255
        place, _ = project(seen.points[mine], photo.camera.c2w[0], photo.camera.K[0])
        scaled = np.clip(photo.color_weight / full * _spread(photo, place.numpy(), factor[mine]), 0, 255)
        changed.append(replace(photo, color_weight=np.round(scaled).astype(np.uint8)))
        weight[mine] = (seen.weight[mine] / full).clamp(max=1.0) * torch.from_numpy(factor[mine]).float()
    return changed, replace(seen, weight=weight)


def place_of(points_m: Float[Tensor, "P 3"]) -> Int[Tensor, "P"]:
    """Number of the cube of ``CELL_M`` each point lies in; only cubes with points have one."""
    cell = torch.floor(points_m / CELL_M).long() + 512
    return torch.unique((cell[:, 0] << 20) + (cell[:, 1] << 10) + cell[:, 2], return_inverse=True)[1]


def best_in_cell(points: np.ndarray, quality: np.ndarray, photo: np.ndarray, photos: int) -> np.ndarray:
    """For every point the best photo's mean quality in the point's cube."""
    key = place_of(torch.from_numpy(points)).numpy()
    pair = key * photos + photo
    count = np.bincount(pair, minlength=(key.max() + 1) * photos)
    total = np.bincount(pair, weights=quality, minlength=len(count))
    mean = (total / np.maximum(count, 1)).reshape(-1, photos)
    return mean.max(1)[key]


def _spread(photo: TrainPhoto, places: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A picture of the weights found at ``places`` (px), smooth between them; 1 where there are none."""
    height, width = photo.camera.size
    times = min(1.0, SURVEY_PX / max(height, width))
    small = (max(int(height * times), 8), max(int(width * times), 8))
    at = (places * times).astype(int).clip(0, [small[1] - 1, small[0] - 1])
    value, count = np.zeros(small, np.float32), np.zeros(small, np.float32)
    np.add.at(value, (at[:, 1], at[:, 0]), weight.astype(np.float32))
    np.add.at(count, (at[:, 1], at[:, 0]), 1.0)
    value, count = cv2.GaussianBlur(value, (0, 0), 2.0), cv2.GaussianBlur(count, (0, 0), 2.0)
    filled = np.where(count > 0.02, value / np.maximum(count, 1e-6), 1.0).astype(np.float32)
    return cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)

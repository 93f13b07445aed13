"""Shoulders and clothes are learned from one photo: between photos they move, and people change."""

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from head3d.geometry.cameras import project
from head3d.geometry.mesh import Mesh
from head3d.kernels.raster import rasterize
from head3d.morphable.types import HeadFit, HeadModel
from head3d.perception.types import Observation, Region
from head3d.train.rays import CropConfig, TrainPhoto

OUTLINE_PX = 320
"""Long side of the picture of the fitted head in which its shoulders are looked for."""
DRESSED = 0.2
"""Shoulders of which less is cloth are bare: they look the same in every photo."""
HAIR_DOWN_M = 0.06
"""Farther below the top of the shoulders, other photos' hair is left out as well."""


def body_photo(fit: HeadFit, observations: Sequence[Observation], crop: CropConfig) -> int:
    """The photo that shoulders and clothes are learned from: frontal, sharp, and showing enough of them."""
    best, chosen = -math.inf, 0
    for number, (observation, camera) in enumerate(zip(observations, fit.cameras, strict=True)):
        yaw = abs(float(camera.yaw_pitch[0, 0]))
        labels = observation.parsing.labels
        share = float((labels == Region.CLOTH).mean() / max((labels == Region.SKIN).mean(), 1e-3))
        fine = float(camera.K[0, 0, 0]) / float(camera.centre[0].norm()) * crop.pixel_m
        score = -yaw + 0.3 * min(share / 0.2, 1.0) + 0.3 * min(fine, 1.0)
        if score > best:
            best, chosen = score, number
    return chosen


def without_body(photo: TrainPhoto, posed: Mesh, model: HeadModel) -> TrainPhoto:
    """A photo that teaches nothing where it shows the fitted head's shoulders, whatever its labels say.

    Bare shoulders look the same in all photos and stay. A jacket's edge taken for neck, or a wall seen where the other
    photo has a shoulder, would stain the clothes. Hair stays down to where it hangs in other photos as well.

    Args:
        photo: Cropped.
        posed: Outside of the head with the photo's expression.
        model: Of the head, for which of its vertices are shoulders.
    """
    if "shoulders" not in model.groups:
        return photo
    y = posed.vertices[:, 1]
    shoulder = torch.zeros(len(y), dtype=torch.bool).index_fill(0, model.groups["shoulders"], True)
    low = shoulder & (y < y[shoulder].max() - HAIR_DOWN_M)
    shown = _shows(photo, posed, shoulder)
    if not shown.any() or float((photo.labels[shown] == Region.CLOTH).mean()) < DRESSED:
        return photo
    left_out = shown & (photo.labels != Region.HAIR) | _shows(photo, posed, low)
    kept = np.where(left_out, 0, 1).astype(np.uint8)
    return replace(
        photo,
        color_weight=photo.color_weight * kept,
        alpha_weight=photo.alpha_weight * kept,
        chance=photo.chance * kept,
    )


def _shows(photo: TrainPhoto, posed: Mesh, part: Bool[Tensor, "V"]) -> Bool[np.ndarray, "H W"]:
    """Pixels of triangles between vertices of a part of the head."""
    height, width = photo.camera.size
    times = min(1.0, OUTLINE_PX / max(height, width))
    small = photo.camera.resized((max(round(height * times), 8), max(round(width * times), 8)))
    px, depth = project(posed.vertices, small.c2w[0], small.K[0])
    triangle = rasterize(torch.cat([px, depth[:, None]], dim=1), posed.faces, size=small.size).triangle
    of_face = torch.cat([part[posed.faces].all(1), torch.zeros(1, dtype=torch.bool)])  # the last: no face (-1)
    shown = of_face[triangle.long()].numpy().astype(np.uint8)
    return cv2.resize(shown, (width, height), interpolation=cv2.INTER_NEAREST) > 0

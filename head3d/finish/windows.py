"""Framing: which window around the head a preset shows.

A window is found from two heights of the head in the picture (crown and chin), so that the head has the same size and
place in every headshot of a set. Turned into intrinsics it costs no resolution: the view is rendered inside the frame.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.cameras import Cameras, project

CropName = Literal["as-rendered", "square", "portrait-3x4", "portrait-4x5", "wide-3x2"]


@dataclass(frozen=True)
class Crop:
    """A frame.

    Attributes:
        aspect: Width over height.
        head_height: Crown to chin as a fraction of the frame's height.
        crown: Distance of the crown from the upper edge as a fraction of the frame's height.
    """

    aspect: float
    head_height: float
    crown: float


CROPS: dict[CropName, Crop] = {
    "square": Crop(aspect=1.0, head_height=0.55, crown=0.12),
    "portrait-3x4": Crop(aspect=3 / 4, head_height=0.46, crown=0.13),
    "portrait-4x5": Crop(aspect=4 / 5, head_height=0.48, crown=0.12),
    "wide-3x2": Crop(aspect=3 / 2, head_height=0.52, crown=0.12),
}


@dataclass(frozen=True)
class Window:
    """Part of a picture, px; may reach beyond it."""

    left: float
    top: float
    width: float
    height: float


def window_around(crop: Crop, *, crown_y: float, chin_y: float, centre_x: float) -> Window:
    """The window (px) that shows a head between ``crown_y`` and ``chin_y`` px as the preset wants it."""
    height = (chin_y - crown_y) / crop.head_height
    width = height * crop.aspect
    return Window(left=centre_x - width / 2, top=crown_y - crop.crown * height, width=width, height=height)


def aim(camera: Cameras, crop: Crop, *, head_points_m: Float[Tensor, "P 3"], height_px: int) -> Cameras:
    """The same camera with its frame around the head.

    Args:
        camera: One camera.
        head_points_m: Points of the head without neck and shoulders, head frame.
        height_px: Height of the new picture.
    """
    points, _ = project(head_points_m, camera.c2w[0], camera.K[0])
    (left, top), (right, bottom) = points.amin(0).tolist(), points.amax(0).tolist()
    window = window_around(crop, crown_y=top, chin_y=bottom, centre_x=(left + right) / 2)
    shape = (round(window.height), round(window.width))
    cut = camera.cropped(window.left, window.top, shape)
    return cut.resized((height_px, round(height_px * crop.aspect)))


def head_box_from_alpha(alpha: Float[Tensor, "H W"]) -> tuple[float, float, float]:
    """Crown, a chin estimate and centre column (px) where nothing is known but the silhouette.

    The head is the part above the narrowest row of the neck: the first minimum of the silhouette's width below its
    first maximum.
    """
    inside = alpha > 0.5
    rows = torch.nonzero(inside.any(1))[:, 0]
    if len(rows) == 0:
        return 0.0, float(alpha.shape[0]), alpha.shape[1] / 2
    widths = torch.nn.functional.avg_pool1d(inside.sum(1).float()[None, None], 9, 1, 4)[0, 0]
    crown = int(rows[0])
    widest, neck = crown, int(rows[-1])
    for row in range(crown, int(rows[-1]) + 1):
        if widths[row] > widths[widest]:
            widest = row
        elif widths[row] < 0.8 * widths[widest]:  # clearly narrower than the head: now going down to the neck
            below = widths[row : int(rows[-1]) + 1]
            rising = torch.nonzero(below > below.cummin(0).values * 1.08)
            neck = row + (int(rising[0, 0]) if len(rising) else len(below) - 1)
            break
    columns = torch.nonzero(inside[crown:neck].any(0))[:, 0]
    return float(crown), float(crown + 0.92 * (neck - crown)), float((columns[0] + columns[-1] + 1) / 2)

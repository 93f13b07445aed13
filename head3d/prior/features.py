"""Where lips, brows, beard and hairline are, painted on the skin map from the head model's landmarks and groups."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.outer_map import BOTTOM, RADIUS, TOP, map_place
from head3d.morphable.types import HeadModel
from head3d.prior.unwrap import HEIGHT, WIDTH, SkinMap

# MediaPipe's points, right side of the subject first.
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
BROWS_TOP = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))
BROWS_LOW = ((46, 53, 52, 65, 55), (276, 283, 282, 295, 285))
LIDS_UPPER = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (263, 466, 388, 387, 386, 385, 384, 398, 362))
LIDS_LOWER = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (263, 249, 390, 373, 374, 380, 381, 382, 362))
CHEEKS = (50, 280)
NOSE_TIP, CHIN = 4, 152

HAIRLINE = (
    (0.0, 0.060), (0.042, 0.062), (0.068, 0.052), (0.080, 0.025), (0.090, -0.005), (0.100, -0.020), (0.112, -0.018),
    (0.124, 0.004), (0.160, 0.010), (0.185, -0.002), (0.196, -0.030), (0.225, -0.062), (0.320, -0.078),
)  # fmt: skip
"""From the middle of the forehead over temple, sideburn and ear to the nape: metres along and up the map."""

FINE = 4
"""cv2 draws with this many fractional bits: 1/16 of a texel."""


@dataclass(frozen=True)
class Features:
    """Soft masks (0 to 1) on the skin map, the same for everybody.

    Attributes:
        lips: Inside the vermilion border.
        ears: Ears.
        eyes: Lids and the rings under the eyes.
        lash_line: The edge of the upper lid, and faintly of the lower.
        cheeks: Where blood shows: cheeks, nose, chin and ears.
        beard: Where a full beard grows.
        scalp: Where hair grows.
        calm: How much of the fine variation to keep: below the chin the surface turns level and the map stretches.
        sun: Faces up or forward: where freckles are.
        points: MediaPipe's points on the map, texels.
    """

    lips: Float[Tensor, "H W"]
    ears: Float[Tensor, "H W"]
    eyes: Float[Tensor, "H W"]
    lash_line: Float[Tensor, "H W"]
    cheeks: Float[Tensor, "H W"]
    beard: Float[Tensor, "H W"]
    scalp: Float[Tensor, "H W"]
    calm: Float[Tensor, "H W"]
    sun: Float[Tensor, "H W"]
    points: Float[Tensor, "478 2"]


def paint_features(model: HeadModel, skin: SkinMap) -> Features:
    """Paint the masks for a head model."""
    at = (model.mean[model.landmark_triangles] * model.landmark_barycentrics[..., None]).sum(1)
    points = map_place(at) * torch.tensor([WIDTH, HEIGHT])
    place = points.numpy()
    lips = _polygon([place[list(LIPS)]], blur=0.8)
    eyes = torch.zeros(HEIGHT, WIDTH)
    lash = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for upper, lower in zip(LIDS_UPPER, LIDS_LOWER, strict=True):
        centre = at[[*upper, *lower]].mean(0) - torch.tensor([0.0, 0.005, 0.0])
        reach = ((skin.position - centre) / torch.tensor([0.024, 0.015, 0.03])).norm(dim=-1)
        eyes = eyes + torch.exp(-(reach**4))
        _line(lash, place[list(upper)], 255, 2)
        _line(lash, place[list(lower)], 110, 1)
    cheeks = torch.zeros(HEIGHT, WIDTH)
    for index, size in ((CHEEKS[0], 0.02), (CHEEKS[1], 0.02), (NOSE_TIP, 0.013), (CHIN, 0.012)):
        cheeks = torch.maximum(cheeks, torch.exp(-(((skin.position - at[index]) / size) ** 2).sum(-1)))
    return Features(
        lips=lips,
        ears=skin.spread(near_group(model, "ears", 0.004)),
        eyes=eyes.clamp(max=1),
        lash_line=torch.from_numpy(cv2.GaussianBlur(lash, (0, 0), 0.6)).float() / 300,
        cheeks=torch.maximum(cheeks, 0.6 * skin.spread(near_group(model, "ears", 0.004))),
        beard=beard_level(skin.position, at).add(0.004).div(0.016).clamp(0, 1)
        * (1 - _polygon([place[list(LIPS)]], blur=2.0)),
        scalp=((skin.spread(scalp_level(model)) + 0.002) / 0.008).clamp(0, 1) * skin.filled,
        calm=((skin.position[..., 1] + 0.13) / 0.04).clamp(0.15, 1),
        sun=torch.exp(-(((skin.position - at[NOSE_TIP] - torch.tensor([0.0, 0.02, 0.0])) / 0.05) ** 2).sum(-1)),
        points=points,
    )


def scalp_level(model: HeadModel) -> Float[Tensor, "V"]:
    """Signed distance (m, on the map) of vertices from the hairline: positive where hair grows."""
    place = map_place(model.mean)
    along = (place[:, 0] - 0.5).abs() * 2 * torch.pi * RADIUS
    up = (TOP - place[:, 1] * (TOP - BOTTOM)) * RADIUS
    line = torch.tensor(HAIRLINE)
    start, step = line[:-1], line[1:] - line[:-1]
    from_start = torch.stack([along, up], dim=-1)[:, None] - start
    t = ((from_start * step).sum(-1) / (step * step).sum(-1)).clamp(0, 1)
    distance = (from_start - step * t[..., None]).norm(dim=-1).amin(1)
    border = torch.from_numpy(np.interp(along.numpy(), line[:, 0].numpy(), line[:, 1].numpy())).float()
    level = torch.where(up > border, distance, -distance)
    seen = torch.zeros(len(model.mean), dtype=torch.bool)
    seen[model.groups["skin"]] = True
    level[~seen] = -0.02
    ears = model.groups["ears"]
    level[ears] = level[ears].clamp(max=-0.003)
    return level.clamp(-0.03, 0.05)


def beard_level(position: Float[Tensor, "*B 3"], landmarks: Float[Tensor, "478 3"]) -> Float[Tensor, "*B"]:
    """Signed distance (m, roughly) from the border of a full beard: positive where it grows."""
    x, y, z = position[..., 0].abs(), position[..., 1], position[..., 2]
    nose, lip, chin = landmarks[2], landmarks[61], landmarks[CHIN]
    # Upper edge: under the nose, past the corners of the mouth, up the jaw to the sideburns.
    edge = torch.where(
        x < 0.026, nose[1] - 0.003 - 0.25 * x, lip[1] + 0.006 + 0.9 * (x - 0.026) + 14.0 * (x - 0.026) ** 2
    )
    below = edge.clamp(max=0.02) - y
    above_neck = y - (chin[1] - 0.012 + 0.25 * (chin[2] - z) * (z > 0.0))
    front = z - (-0.004)
    return torch.minimum(torch.minimum(below, above_neck), torch.minimum(front, 0.083 - x))


def near_group(model: HeadModel, group: str, fade_m: float) -> Float[Tensor, "V"]:
    """1 on a group's vertices, falling to 0 over a distance beside it."""
    distance = torch.cdist(model.mean, model.mean[model.groups[group]]).amin(1)
    return torch.exp(-((distance / fade_m) ** 2))


def _polygon(rings: list[np.ndarray], *, blur: float) -> Float[Tensor, "H W"]:
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for ring in rings:
        cv2.fillPoly(canvas, [np.round((ring - 0.5) * 2**FINE).astype(np.int32)], 255, cv2.LINE_AA, FINE)
    return torch.from_numpy(cv2.GaussianBlur(canvas, (0, 0), blur)).float() / 255


def _line(canvas: np.ndarray, points: np.ndarray, value: int, width: int) -> None:
    cv2.polylines(canvas, [np.round((points - 0.5) * 2**FINE).astype(np.int32)], False, value, width, cv2.LINE_AA, FINE)

"""Is the light on a face the light of its set? What a finished picture shows, against what its buffers would show.

All is measured in the window on the head, small.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from head3d.geometry.lamps import lamps_on_white
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting, irradiance_basis
from head3d.imaging.color import linear_from_levels, luminance
from head3d.perception.nets import Crop
from head3d.render.types import RenderOutput, View

SHADING_PX = 96
"""Side of the window."""
FACE_FRONT_M, FACE_FLOOR_M, FACE_TOP_M = 0.03, -0.11, 0.065
"""Head frame: where the bare face is."""
DARKEST = 0.02
"""Luminance of the albedo below which a place is hair, a brow or a pupil: it says nothing about light."""


def light_signs(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], output: RenderOutput, view: View, head: Crop, *, head_of_picture: Crop
) -> dict[str, float]:
    """How the light on the face departs from the light of the set, and whether light hides in the albedo.

    Args:
        rgb_srgb: The finished picture.
        output: The render.
        view: Its camera, and the light of the set.
        head: The window on the head, px of the render.
        head_of_picture: The same, px of the picture.

    Returns:
        Signs with names; none where too little of the bare face is seen.
    """
    face, points = _face(output, view, head)
    albedo, normal = _small(output.albedo, head), _small(output.normal, head)
    dark = luminance(torch.from_numpy(albedo)).numpy() < DARKEST
    face = cv2.erode((face & ~dark).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if int(face.sum()) < 60:
        return {}
    shown = linear_from_levels(head_of_picture.cut(rgb_srgb, SHADING_PX)).numpy()[face].clip(2e-3)
    albedo, normal, points = albedo[face].clip(DARKEST / 2), normal[face], points[face]
    normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True).clip(1e-6)
    light = _coming(view.lighting, torch.from_numpy(normal), torch.from_numpy(points)).numpy().clip(0.02)
    seen, wanted = np.log(shown / albedo), np.log(light)
    bright, meant = seen.mean(1), wanted.mean(1)
    gap = bright - meant
    basis = np.concatenate([normal, np.ones((len(normal), 1))], axis=1)
    slope = np.linalg.lstsq(basis, gap, rcond=None)[0]
    tint = (seen - wanted) - (seen - wanted).mean(1, keepdims=True)
    level = np.log(albedo.mean(1))
    place = points[:, 0] / 0.06
    return {
        "lit": 1.0,
        "level": float(np.median(gap)),
        "shade_spread": float((gap - np.median(gap)).std()),
        "shade_match": float(np.corrcoef(bright, meant)[0, 1]) if meant.std() > 1e-4 and bright.std() > 1e-4 else 0.0,
        "shade_x": abs(float(slope[0])),
        "shade_y": float(slope[1]),
        "shade_z": float(slope[2]),
        "cast_red": float(np.median(tint[:, 0])),
        "cast_blue": float(np.median(tint[:, 2])),
        "albedo_x": abs(_slope(place, level)),
        "albedo_y": float(level.std()),
        "albedo_cast_x": abs(_slope(place, np.log(albedo[:, 0] / albedo[:, 2]))),
    }


def _face(output: RenderOutput, view: View, head: Crop) -> tuple[Bool[np.ndarray, "S S"], Float32[np.ndarray, "S S 3"]]:
    """Where the window shows bare face, and points of the head frame."""
    points = _small(backproject(output.depth_m, view.camera), head)
    face = (points[..., 2] > FACE_FRONT_M) & (points[..., 1] > FACE_FLOOR_M) & (points[..., 1] < FACE_TOP_M)
    return face & (_small(output.alpha, head) > 0.95), points


def _small(values: Tensor, head: Crop) -> Float32[np.ndarray, "S S *C"]:
    return head.cut(np.ascontiguousarray(values.detach().float().cpu().numpy()), SHADING_PX)


def _coming(light: Lighting, normal: Float[Tensor, "P 3"], points: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
    """What a white matte surface shows of a light, shadows left out."""
    found = irradiance_basis(normal) @ light.sh.float()
    for one in lamps_on_white(light.lamps, normal, points):
        found = found + one
    return found


def _slope(place: np.ndarray, value: np.ndarray) -> float:
    spread = float(place.var())
    return float(((place - place.mean()) * (value - value.mean())).mean() / spread) if spread > 1e-6 else 0.0

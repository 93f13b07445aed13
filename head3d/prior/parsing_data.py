"""Pictures to learn parsing from: synthetic people with exact regions, and real portraits labelled by a teacher."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from head3d.geometry.cameras import Cameras
from head3d.imaging.color import levels_from_linear
from head3d.perception.parsing_net import SIDE_PX
from head3d.prior.backgrounds import Scenery, draw_background
from head3d.prior.photo_faults import photograph
from head3d.prior.picture import pictures
from head3d.prior.synthetic import draw_cameras, draw_light, make_person, truth_studio

UNKNOWN = 255
"""Label of pixels that teach nothing."""


@dataclass(frozen=True)
class ParsingSample:
    """A picture and its truth.

    Attributes:
        rgb_srgb: Straight colours.
        alpha: Coverage, 0 to 255; a photo, whose background is its own, has None.
        labels: ``Region``, or ``UNKNOWN``.
    """

    rgb_srgb: UInt8[np.ndarray, "S S 3"]
    alpha: UInt8[np.ndarray, "S S"] | None
    labels: UInt8[np.ndarray, "S S"]


def synthetic_sample(seed: int, *, data: Path) -> ParsingSample:
    """A synthetic person from any side but the back, near or far; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    person = make_person(truth_studio(data), seed)
    camera = draw_cameras(generator, count=1, size=(SIDE_PX, SIDE_PX), yaw_deg=95, pitch_deg=30, distance_m=(0.35, 1.6))
    K = camera.K.clone()
    zoom, right, down = torch.rand(3, generator=generator).tolist()
    K[:, :2, :2] *= 0.7 + 0.25 * zoom
    K[:, 0, 2] += (right - 0.5) * 0.12 * SIDE_PX
    K[:, 1, 2] += (down - 0.75) * 0.12 * SIDE_PX
    seen = pictures(person, Cameras(camera.c2w, K, camera.size), [draw_light(generator)])
    return ParsingSample(
        rgb_srgb=levels_from_linear(seen.rgb_linear[0].clamp(0, 1)),
        alpha=(seen.alpha[0] * 255).round().to(torch.uint8).numpy(),
        labels=seen.labels[0].numpy(),
    )


def training_picture(
    sample: ParsingSample, scenery: Scenery, draw: np.random.Generator, *, side: int
) -> tuple[UInt8[np.ndarray, "S S 3"], UInt8[np.ndarray, "S S"], UInt8[np.ndarray, "S S"]]:
    """A sample turned, shifted, enlarged or not, before a new background, as a phone would have stored it.

    Returns:
        Picture (sRGB), labels and coverage (``UNKNOWN`` where labels are, 0 to 254 elsewhere), ``side`` px.
    """
    full = sample.labels.shape[0]
    zoom = float(np.exp(draw.uniform(np.log(side / full * 0.9), np.log(1.15))))
    angle = float(draw.normal(0, 9))
    mirrored = draw.random() < 0.5
    slack = max(full * zoom - side, 0.0) / 2 + 0.08 * side
    shift = draw.uniform(-slack, slack, 2)
    matrix = cv2.getRotationMatrix2D((full / 2, full / 2), angle, zoom)
    matrix[:, 2] += side / 2 - full / 2 + shift
    if mirrored:
        matrix = matrix @ np.array([[-1.0, 0, full - 1], [0, 1, 0], [0, 0, 1]])

    def moved(values: np.ndarray, *, nearest: bool = False, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        flags = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if zoom < 0.7 else cv2.INTER_LINEAR
        outside = UNKNOWN if border == cv2.BORDER_CONSTANT and nearest and sample.alpha is None else 0
        return cv2.warpAffine(values, matrix, (side, side), flags=flags, borderMode=border, borderValue=outside)

    labels = moved(sample.labels, nearest=True)
    if sample.alpha is None:
        picture = moved(sample.rgb_srgb, border=cv2.BORDER_REPLICATE)
        cover = np.where(labels == UNKNOWN, UNKNOWN, np.where(labels > 0, 254, 0)).astype(np.uint8)
    else:
        share = sample.alpha.astype(np.float32)[..., None] / 255
        front = moved(sample.rgb_srgb * share)
        cover = moved(share[..., 0])
        picture = front + draw_background(scenery, draw, side) * (1 - cover[..., None])
        picture, cover = np.clip(picture + 0.5, 0, 255).astype(np.uint8), (cover * 254).astype(np.uint8)
    if draw.random() < 0.15:  # a hand, a cup, a strap: what covers the person is not the person
        picture, labels, cover = _covered(picture, labels, cover, scenery, draw)
    return photograph(picture, draw), labels, cover


def _covered(
    picture: np.ndarray, labels: np.ndarray, cover: np.ndarray, scenery: Scenery, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = labels.shape[0]
    mask = np.zeros((side, side), np.uint8)
    centre = draw.integers(0, side, 2).tolist()
    axes = draw.integers(side // 20, side // 5, 2).tolist()
    cv2.ellipse(mask, centre, axes, float(draw.uniform(0, 360)), 0, 360, 1, -1)
    over = draw_background(scenery, draw, side)
    return (
        np.where(mask[..., None] > 0, over, picture),
        np.where(mask > 0, 0, labels).astype(np.uint8),
        np.where(mask > 0, 0, cover).astype(np.uint8),
    )

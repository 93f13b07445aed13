"""Pixels to learn from: photos cropped to the head, how much each pixel says, and drawing rays from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.perception.types import Observation, Region
from head3d.shapes import shaped
from head3d.train.config import CropConfig

FEATURES = (Region.BROWS, Region.EYES, Region.LIPS, Region.MOUTH)
BORDER_M = 0.001
"""So near to where the parsing sees wall, a pixel's colour says nothing: some of it is wall."""
STRANDS_M = 0.008
"""So near to hair a matte may show a person where the parsing does not: strands are finer than its regions."""
HOLD_BLOCK_PX = 6
"""Held-out pixels come in squares of this side: larger ones leave blots where no other photo looks."""


@shaped
@dataclass(frozen=True)
class TrainPhoto:
    """One photo, cropped and scaled; weights are 0 to 255.

    Attributes:
        name: Of the photo.
        rgb_srgb: Pixels.
        matte: Person against background, 0 to 255.
        labels: Region per pixel.
        color_weight: How much the colour of a pixel says about the head.
        alpha_weight: How much its matte says.
        chance: How often it is drawn, relative.
        held_out: 1 where a pixel is never trained on.
        camera: Of the crop, head frame.
    """

    name: str
    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    matte: UInt8[np.ndarray, "H W"]
    labels: UInt8[np.ndarray, "H W"]
    color_weight: UInt8[np.ndarray, "H W"]
    alpha_weight: UInt8[np.ndarray, "H W"]
    chance: UInt8[np.ndarray, "H W"]
    held_out: UInt8[np.ndarray, "H W"]
    camera: Cameras


def crop_photo(
    observation: Observation,
    camera: Cameras,
    *,
    config: CropConfig,
    body: bool,
    chin_y_m: float,
    seed: int,
    trust: float = 1.0,
) -> TrainPhoto:
    """Cut the head out of a photo and weigh its pixels.

    Args:
        observation: With labels and matte.
        camera: One camera in px of the photo.
        config: Window.
        body: Whether clothes and shoulders are learned from this photo (from one only: they move between photos).
        chin_y_m: Height of the chin, head frame, metres: what is well below it is body.
        seed: Of the held-out blocks.
        trust: Of the photo's colours against those of the others.
    """
    centre = torch.tensor([[0.0, config.centre_y_m, 0.0]])
    middle, depth = project(centre, camera.c2w[0], camera.K[0])
    px_per_m = float(camera.K[0, 0, 0]) / float(depth[0])
    half = config.half_size_m * px_per_m
    height, width = observation.photo.size
    left, top = max(int(middle[0, 0] - half), 0), max(int(middle[0, 1] - half), 0)
    right, bottom = min(int(middle[0, 0] + half) + 1, width), min(int(middle[0, 1] + half) + 1, height)
    scale = min(1.0, 1.0 / (config.pixel_m * px_per_m))
    size = (max(round((bottom - top) * scale), 8), max(round((right - left) * scale), 8))
    window = (slice(top, bottom), slice(left, right))
    shrink = (size[1], size[0])
    rgb = cv2.resize(np.ascontiguousarray(observation.photo.rgb_srgb[window]), shrink, interpolation=cv2.INTER_AREA)
    matte = cv2.resize(np.ascontiguousarray(observation.parsing.matte[window]), shrink, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(
        np.ascontiguousarray(observation.parsing.labels[window]), shrink, interpolation=cv2.INTER_NEAREST
    )
    cut = camera.cropped(left, top, (bottom - top, right - left)).resized(size)
    color, alpha, chance = weigh_pixels(labels, matte, pixel_m=1 / (scale * px_per_m))
    color = color * trust
    if not body:
        _, below = row_of_height(cut, chin_y_m - 0.02)
        low = np.zeros(size, dtype=bool)
        low[below:] = True
        loose = (labels == Region.CLOTH) | (low & (labels == Region.BACKGROUND))
        color[loose], alpha[loose], chance[loose] = 0.0, 0.0, 0.0
    generator = np.random.default_rng(seed)
    blocks = generator.random((size[0] // HOLD_BLOCK_PX + 1, size[1] // HOLD_BLOCK_PX + 1)) < config.hold_out
    held = np.kron(blocks, np.ones((HOLD_BLOCK_PX, HOLD_BLOCK_PX), dtype=bool))[: size[0], : size[1]]
    byte = [np.round(part * 255).clip(0, 255).astype(np.uint8) for part in (matte, color, alpha, chance)]
    return TrainPhoto(
        observation.photo.name, rgb, byte[0], labels, byte[1], byte[2], byte[3], held.astype(np.uint8), cut
    )


def row_of_height(camera: Cameras, y_m: float) -> tuple[float, int]:
    """Row (px) at which a point of the head's axis at height y shows, clipped to the picture."""
    place, _ = project(torch.tensor([[0.0, y_m, 0.05]]), camera.c2w[0], camera.K[0])
    row = float(place[0, 1])
    return row, int(np.clip(row, 0, camera.size[0]))


def weigh_pixels(labels: np.ndarray, matte: np.ndarray, *, pixel_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much the colour and the matte of each pixel say, and how often to draw it; each in [0, 1].

    Mattes are soft, and some mm too wide about bright skin before a bright wall; regions end where the skin does.
    """
    sure = np.abs(matte * 2 - 1)
    color = np.where(matte > 0.9, 1.0, np.clip(matte * 1.25 - 0.25, 0, 1) ** 2)
    color = np.where(labels == Region.MOUTH, 0.2 * color, color)
    alpha = 0.25 + 0.75 * sure**2
    wall = labels == Region.BACKGROUND
    color = np.where(_grown(wall, BORDER_M / pixel_m), 0.0, color)
    alpha = np.where(wall & (matte > 0.5) & ~_grown(labels == Region.HAIR, STRANDS_M / pixel_m), 0.0, alpha)
    person = (matte > 0.1).astype(np.uint8)
    away = cv2.distanceTransform(1 - person, cv2.DIST_L2, 3)
    chance = np.where(person > 0, 0.4, np.where(away < 24, 0.25, 0.04))
    chance = np.where(np.isin(labels, (Region.CLOTH,)), 0.12, chance)
    chance = np.where(np.isin(labels, FEATURES), 1.0, chance)
    return color, alpha, chance


def _grown(mask: Bool[np.ndarray, "H W"], radius_px: float) -> Bool[np.ndarray, "H W"]:
    """A mask and what lies within so many pixels of it."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) <= radius_px


@shaped
@dataclass(frozen=True)
class PixelBatch:
    """Pixels of all photos.

    Attributes:
        photo: Index of the photo.
        camera_rays: Unit ray of each pixel in its camera's axes.
        rgb_srgb: In [0, 1].
        matte: In [0, 1].
        color_weight: In [0, 1].
        alpha_weight: In [0, 1].
        label: Region.
    """

    photo: Int[Tensor, "R"]
    camera_rays: Float[Tensor, "R 3"]
    rgb_srgb: Float[Tensor, "R 3"]
    matte: Float[Tensor, "R"]
    color_weight: Float[Tensor, "R"]
    alpha_weight: Float[Tensor, "R"]
    label: UInt8[Tensor, "R"]


class PixelSampler:
    """Draws pixels of all photos by their chance; every photo gets an equal share."""

    def __init__(self, photos: Sequence[TrainPhoto]) -> None:
        self.photos = photos
        flat = [
            np.concatenate(
                [
                    p.rgb_srgb.reshape(-1, 3),
                    p.matte.reshape(-1, 1),
                    p.color_weight.reshape(-1, 1),
                    p.alpha_weight.reshape(-1, 1),
                    p.labels.reshape(-1, 1),
                ],
                axis=1,
            )
            for p in photos
        ]
        self.data = torch.from_numpy(np.concatenate(flat))
        counts = [len(part) for part in flat]
        self.starts = torch.tensor([0, *np.cumsum(counts)[:-1]])
        self.widths = torch.tensor([p.rgb_srgb.shape[1] for p in photos])
        self.K = torch.cat([p.camera.K for p in photos])
        self.c2w = torch.cat([p.camera.c2w for p in photos])
        chance = []
        held = []
        for start, photo in zip(self.starts.tolist(), photos, strict=True):
            weight = photo.chance.reshape(-1).astype(np.float64)
            keep = photo.held_out.reshape(-1) == 0
            total = max((weight * keep).sum(), 1.0)
            chance.append(weight * keep / total)
            out = np.nonzero(~keep & (photo.color_weight.reshape(-1) > 0.8 * photo.color_weight.max()))[0]
            held.append(out + start)
        self.ladder = torch.from_numpy(np.cumsum(np.concatenate(chance)))
        self.held_out = torch.from_numpy(np.concatenate(held)).long()

    def to(self, device: torch.device) -> "PixelSampler":
        """Move the pixels and cameras to where training runs."""
        for name in ("data", "starts", "widths", "K", "c2w", "ladder", "held_out"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def draw(self, count: int, *, generator: torch.Generator) -> PixelBatch:
        """Random pixels, jittered within their area."""
        place = torch.rand(count, generator=generator, dtype=torch.float64).to(self.ladder) * self.ladder[-1]
        index = torch.searchsorted(self.ladder, place).clamp(max=len(self.data) - 1)
        return self.take(index, jitter=torch.rand(count, 2, generator=generator).to(self.K))

    def take(self, index: Int[Tensor, "R"], *, jitter: Float[Tensor, "R 2"] | None = None) -> PixelBatch:
        """Chosen pixels, by their place in the list of all."""
        photo = torch.searchsorted(self.starts, index.contiguous(), right=True) - 1
        local = index - self.starts[photo]
        width = self.widths[photo]
        pixel = torch.stack([local % width, local // width], dim=-1).float() + (0.5 if jitter is None else jitter)
        K = self.K[photo]
        focal, middle = torch.stack([K[:, 0, 0], K[:, 1, 1]], dim=-1), K[:, :2, 2]
        ray = torch.cat([(pixel - middle) / focal, pixel.new_ones(len(index), 1)], dim=-1)
        row = self.data[index].float() / 255
        return PixelBatch(
            photo,
            torch.nn.functional.normalize(ray, dim=-1),
            row[:, :3],
            row[:, 3],
            row[:, 4],
            row[:, 5],
            self.data[index, 6],
        )

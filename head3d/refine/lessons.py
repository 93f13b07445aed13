"""Pairs to learn refining from: portraits, and the same as a field or a small picture would show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from head3d.networks.portraits import portraits
from head3d.refine.generator import Factor


@dataclass(frozen=True)
class Album:
    """Portraits, sRGB."""

    pictures: tuple[UInt8[np.ndarray, "H W 3"], ...]
    weights: tuple[float, ...]
    """How often each is drawn, by its size."""


def load_album(data: Path, *, held_out: bool = False) -> Album:
    """Portraits to learn from, or London's people held out (see their licences in the card)."""
    pictures = []
    for path in portraits(data, held_out=held_out):
        with Image.open(path, formats=("JPEG",)) as opened:
            pictures.append(np.array(opened.convert("RGB")))
    return Album(tuple(pictures), tuple(float(np.sqrt(one.shape[0] * one.shape[1])) for one in pictures))


def draw_pairs(
    album: Album, draw: np.random.Generator, *, count: int, factor: Factor, side: int
) -> tuple[Float[Tensor, "N 3 h w"], Float[Tensor, "N 3 H W"]]:
    """Degraded pictures of ``side`` px and the sharp ones, ``factor`` times as large; in [-1, 1]."""
    chance = np.array(album.weights) / sum(album.weights)
    pairs = []
    for index in draw.choice(len(chance), count, p=chance):
        sharp = _crop(album.pictures[index], draw, side * factor)
        pairs.append((degraded(sharp, draw, factor=factor), sharp))
    return tuple(_tensor(part) for part in zip(*pairs, strict=True))  # pyright: ignore[reportReturnType]


def _crop(picture: UInt8[np.ndarray, "H W 3"], draw: np.random.Generator, side: int) -> UInt8[np.ndarray, "S S 3"]:
    """A square of a picture, which may be shrunk first: faces come in all sizes."""
    least = side / min(picture.shape[:2])
    scale = float(draw.uniform(max(least, 0.45), 1.0)) if least < 1 else least
    if scale != 1.0:
        size = [max(round(scale * length), side) for length in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (int(draw.integers(0, length - side + 1)) for length in picture.shape[:2])
    part = picture[top : top + side, left : left + side]
    gain = np.exp(draw.normal(0, 0.15)) * np.exp(draw.normal(0, 0.05, 3))
    part = np.clip(part * gain, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(part[:, ::-1] if draw.random() < 0.5 else part)


def degraded(sharp: UInt8[np.ndarray, "S S 3"], draw: np.random.Generator, *, factor: Factor) -> np.ndarray:
    """What a field makes of a portrait: soft, seen twice a little apart, ironed smooth here and there, and small."""
    made = sharp.astype(np.float32)
    side = made.shape[0]
    blur = float(draw.uniform(0.3, 1.4)) if factor == 1 else float(draw.uniform(0.0, 0.45)) * factor
    if draw.random() < 0.8 and blur > 0.2:
        made = cv2.GaussianBlur(made, (0, 0), blur)
    if draw.random() < 0.4:  # photos that disagree by a pixel
        shift = draw.normal(0, 0.6 * factor, 2)
        moved = cv2.warpAffine(
            made, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (side, side), borderMode=cv2.BORDER_REPLICATE
        )
        made = 0.65 * made + 0.35 * moved
    if draw.random() < 0.3:
        smooth = cv2.GaussianBlur(made, (0, 0), 2.5 * factor)
        cells = cv2.resize(draw.random((4, 4)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        share = np.clip(2 * cells - 0.9, 0, 0.8)[..., None]
        made = made * (1 - share) + smooth * share
    if factor > 1:
        made = cv2.resize(made, (side // factor, side // factor), interpolation=cv2.INTER_AREA)
    if draw.random() < 0.5:
        made = made + draw.normal(0, draw.uniform(0, 2.5), made.shape)
    levels = np.clip(made + 0.5, 0, 255).astype(np.uint8)
    if draw.random() < 0.25:
        done, packed = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(70, 98))])
        stored = cv2.imdecode(packed, cv2.IMREAD_COLOR) if done else None
        return levels if stored is None else stored.astype(np.uint8)
    return levels


def _tensor(pictures: Sequence[np.ndarray]) -> Float[Tensor, "N 3 H W"]:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1

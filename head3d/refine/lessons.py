"""Pairs to learn refining from: portraits, and the same as small pictures or renders show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from head3d.imaging.color import linear_from_levels, srgb_from_linear
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
        pairs.append((blurred(sharp, draw) if factor == 1 else degraded(sharp, draw, factor=factor), sharp))
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


def smaller(sharp: UInt8[np.ndarray, "H W 3"], *, factor: Factor, blur_px: float = 0.0) -> np.ndarray:
    """A picture made ``factor`` times smaller as a lens does it: means of linear light; float sRGB levels."""
    linear = linear_from_levels(sharp).numpy()
    if blur_px > 0:
        linear = cv2.GaussianBlur(linear, (0, 0), blur_px)
    small = cv2.resize(linear, (sharp.shape[1] // factor, sharp.shape[0] // factor), interpolation=cv2.INTER_AREA)
    return srgb_from_linear(torch.from_numpy(small)).numpy() * 255


def degraded(sharp: UInt8[np.ndarray, "S S 3"], draw: np.random.Generator, *, factor: Factor) -> np.ndarray:
    """A portrait small, and now and then a little soft, noisy or stored as JPEG."""
    made = smaller(sharp, factor=factor, blur_px=float(draw.uniform(0.3, 0.6)) * factor if draw.random() < 0.5 else 0.0)
    if draw.random() < 0.4:
        made = made + draw.normal(0, draw.uniform(0, 2.0), made.shape)
    levels = np.clip(made + 0.5, 0, 255).astype(np.uint8)
    if draw.random() < 0.2:
        done, packed = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(75, 98))])
        stored = cv2.imdecode(packed, cv2.IMREAD_COLOR) if done else None
        return levels if stored is None else stored.astype(np.uint8)
    return levels


def blurred(sharp: UInt8[np.ndarray, "S S 3"], draw: np.random.Generator) -> np.ndarray:
    """A portrait as a field shows it: the mean of photos that disagree by a pixel or two, ironed smooth in places."""
    linear = linear_from_levels(sharp).numpy()
    copies = int(draw.integers(1, 4))
    apart = float(draw.uniform(0.3, 1.8))
    weights = draw.dirichlet(np.full(copies, 2.0))
    made = np.zeros_like(linear)
    for weight in weights:
        made += float(weight) * _moved(linear, draw, apart_px=apart)
    made = cv2.GaussianBlur(made, (0, 0), float(draw.uniform(0.4, 1.5)))
    if draw.random() < 0.6:
        share = np.clip(2 * _cloud(made.shape[0], draw) - 0.4, 0, 1)[..., None]
        made = made * (1 - share) + cv2.GaussianBlur(made, (0, 0), float(draw.uniform(1.0, 2.5))) * share
    levels = srgb_from_linear(torch.from_numpy(np.clip(made, 0, 1))).numpy() * 255
    if draw.random() < 0.5:
        noise = draw.normal(0, draw.uniform(0, 2.5), levels.shape)
        levels = levels + cv2.GaussianBlur(noise, (0, 0), float(draw.uniform(0.3, 1.0)))
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


def _moved(linear: np.ndarray, draw: np.random.Generator, *, apart_px: float) -> np.ndarray:
    """A picture moved by about so many px, here more and there less."""
    side = linear.shape[0]
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    drift = draw.normal(0, 0.6 * apart_px, 2)
    right, down = (apart_px * 2 * (_cloud(side, draw) - 0.5) + one for one in drift)
    moved = cv2.remap(
        linear,
        (columns + right).astype(np.float32),
        (rows + down).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return moved


def _cloud(side: int, draw: np.random.Generator) -> np.ndarray:
    """A smooth field of numbers about 0.5."""
    cells = draw.random((5, 5)).astype(np.float32)
    return cv2.resize(cells, (side, side), interpolation=cv2.INTER_CUBIC)


def _tensor(pictures: Sequence[np.ndarray]) -> Float[Tensor, "N 3 H W"]:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1

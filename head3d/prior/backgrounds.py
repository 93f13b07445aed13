"""What stands behind people in training pictures: environment maps, photos, plain walls and patterns."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from head3d.imaging.color import levels_from_linear
from head3d.imaging.panorama import read_panorama


@dataclass(frozen=True)
class Scenery:
    """Pictures to cut backgrounds from, sRGB."""

    pictures: tuple[UInt8[np.ndarray, "H W 3"], ...]


def load_scenery(data: Path) -> Scenery:
    """Environment maps and photos of the truth data (``hdri_1k``, ``skull66``), whichever are there."""
    found = []
    for path in sorted((data / "hdri_1k").glob("*.hdr")):
        linear = read_panorama(path)
        for stops in (0.0, 1.5):
            bright = linear * 2.0**stops / float(linear.mean(-1).quantile(0.7))
            found.append(levels_from_linear((bright / (1 + 0.4 * bright)).clamp(0, 1)))
    for path in sorted((data / "skull66").glob("*.JPG"))[::6]:
        picture = cv2.imread(str(path))
        if picture is not None:
            found.append(np.ascontiguousarray(picture[..., ::-1]))
    return Scenery(tuple(found))


def draw_background(scenery: Scenery, draw: np.random.Generator, side: int) -> UInt8[np.ndarray, "S S 3"]:
    """A background: half of them cut from pictures, more or less out of focus, the rest walls and patterns."""
    if scenery.pictures and draw.random() < 0.6:
        picture = scenery.pictures[draw.integers(len(scenery.pictures))]
        reach = int(min(picture.shape[:2]) * draw.uniform(0.25, 0.9))
        top, left = (int(draw.integers(0, size - reach + 1)) for size in picture.shape[:2])
        part = picture[top : top + reach, left : left + reach]
        made = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA if reach > side else cv2.INTER_CUBIC)
        made = made[:, ::-1] if draw.random() < 0.5 else made
    else:
        made = _wall(draw, side)
    if draw.random() < 0.5:
        made = cv2.GaussianBlur(np.ascontiguousarray(made), (0, 0), float(draw.uniform(0.5, 12.0)))
    return np.ascontiguousarray(made)


def _wall(draw: np.random.Generator, side: int) -> UInt8[np.ndarray, "S S 3"]:
    """Two colours, one running into the other, with blots and some boxes."""
    first, second = draw.integers(0, 256, (2, 3)).astype(np.float32)
    if draw.random() < 0.6:  # walls are mostly grey
        first, second = (0.2 * one + 0.8 * one.mean() for one in (first, second))
    angle = draw.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    share = np.clip(0.5 + (x * np.cos(angle) + y * np.sin(angle)) * draw.uniform(0, 1.5), 0, 1)[..., None]
    cells = int(draw.integers(2, 40))
    blots = cv2.resize(draw.normal(0, draw.uniform(0, 40), (cells, cells)).astype(np.float32), (side, side))
    made = first * share + second * (1 - share) + blots[..., None]
    for _ in range(int(draw.integers(0, 7)) if draw.random() < 0.5 else 0):
        corner, size = draw.integers(0, side, 2), draw.integers(8, side, 2)
        color = draw.integers(0, 256, 3).astype(np.float32)
        made[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] = color
    return np.clip(made, 0, 255).astype(np.uint8)

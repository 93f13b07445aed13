"""The blind test: real photos and renders, shuffled and stripped of names and notes; how many are told apart?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from head3d.errors import InputError
from head3d.imaging.io import encode_png
from head3d.quality.preference import wilson
from head3d.store import write_bytes

BLIND_PX = 768
"""Both sides of what is shown: size and shape of the files must not tell."""


@dataclass(frozen=True)
class BlindResult:
    """What a rater told apart.

    Attributes:
        judged: Pictures that were answered.
        right: Of these, told rightly.
        share: Their part; 0.5 is guessing.
        interval: Its 95 % Wilson interval.
        renders_taken_for_photos: Part of the judged renders.
        photos_taken_for_renders: Part of the judged photos.
    """

    judged: int
    right: int
    share: float
    interval: tuple[float, float]
    renders_taken_for_photos: float
    photos_taken_for_renders: float

    @property
    def told_apart(self) -> bool:
        """Whether it was surely no guessing."""
        return self.interval[0] > 0.5


def shuffle(pictures: Mapping[str, UInt8[np.ndarray, "H W 3"]], folder: Path, *, seed: int) -> dict[str, str]:
    """Write the pictures into a folder as 01.png, 02.png, ... in a random order, without any note.

    Args:
        pictures: By name, sRGB.
        folder: Is made; holds nothing else.
        seed: Of the order.

    Returns:
        Name in the folder -> name of the picture.
    """
    if len(pictures) < 2:
        raise InputError("A blind test needs photos and renders.", hint="Put both kinds into one folder.")
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(pictures)
    order = np.random.default_rng(seed).permutation(len(names))
    width = max(len(str(len(names))), 2)
    key = {}
    for place, index in enumerate(order):
        shown = f"{place + 1:0{width}d}.png"
        write_bytes(folder / shown, encode_png(_square(pictures[names[index]])))
        key[shown] = names[index]
    return key


def score(answers: Mapping[str, bool], truth: Mapping[str, bool]) -> BlindResult:
    """Compare answers with the truth; True is a render. Pictures without an answer do not count."""
    judged = [name for name in answers if name in truth]
    right = sum(answers[name] == truth[name] for name in judged)
    renders = [name for name in judged if truth[name]]
    photos = [name for name in judged if not truth[name]]
    return BlindResult(
        judged=len(judged),
        right=right,
        share=right / max(len(judged), 1),
        interval=wilson(right, len(judged)),
        renders_taken_for_photos=_part([not answers[name] for name in renders]),
        photos_taken_for_renders=_part([answers[name] for name in photos]),
    )


def blind_text(result: BlindResult) -> str:
    """The result for a person."""
    low, high = result.interval
    verdict = "told apart" if result.told_apart else "not surely told apart"
    return (
        f"{result.right} of {result.judged} told rightly: {result.share:.0%} (95 % interval {low:.0%} to {high:.0%}; "
        f"guessing is 50 %): {verdict}.\n"
        f"renders taken for photos: {result.renders_taken_for_photos:.0%}; "
        f"photos taken for renders: {result.photos_taken_for_renders:.0%}"
    )


def _part(flags: Sequence[bool]) -> float:
    return sum(flags) / max(len(flags), 1)


def _square(pixels: np.ndarray) -> np.ndarray:
    """The middle square in the common size."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side, :3]))
    return np.asarray(cut.resize((BLIND_PX, BLIND_PX), Image.Resampling.LANCZOS))

"""Photos of a person who does not exist: for demos, tests and examples that nobody's privacy stands behind."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.imaging.color import levels_from_linear
from head3d.prior.light import draw_light
from head3d.prior.people import Casting
from head3d.prior.photo_faults import photograph
from head3d.prior.picture import pictures
from head3d.prior.synthetic import make_person

YAWS_DEG = (0.0, 38.0, -38.0, 8.0, 68.0, -68.0, 20.0, -20.0)
"""Where the head looks in the photos, in their order."""
SELFIE, SELFIE_M = 3, 0.5
"""The number of the photo that is taken at arm's length."""
APART_M = 1.3
FRAME_M = 0.52
"""Height of what a photo shows: head and shoulders."""
FAULTS = 0.25
"""How much a phone does to them, of what the nets' training draws."""


def photos_of_nobody(
    casting: Casting, seed: int, *, count: int, size_px: int
) -> Iterator[tuple[str, UInt8[np.ndarray, "H W 3"]]]:
    """Names and pixels (sRGB) of photos of a drawn person, under one light before one wall; the same for a seed.

    Args:
        casting: The people to draw from.
        seed: Of the person, its light and its phone.
        count: Up to eight: from the front, both three-quarter sides, a selfie, both profiles, and between.
        size_px: Height and width.
    """
    person = make_person(casting, seed)
    light = draw_light(torch.Generator().manual_seed(seed + 1), most_lamps=2)
    draw = np.random.default_rng(seed)
    wall = _wall(draw, size_px)
    for number, yaw in enumerate(YAWS_DEG[:count]):
        distance = SELFIE_M if number == SELFIE else APART_M
        pose = look_at_head(
            yaw_deg=yaw,
            pitch_deg=float(draw.normal(0, 4)),
            distance_m=distance,
            target_m=torch.tensor([0.0, -0.04, 0.0]),
        )
        K = intrinsics(size_px * distance / FRAME_M, (size_px, size_px))
        seen = pictures(person, Cameras(pose[None], K[None], (size_px, size_px)), [light])
        cover = seen.alpha[0, ..., None]
        levels = levels_from_linear((seen.rgb_linear[0] * cover + wall * (1 - cover)).clamp(0, 1))
        name = "selfie" if number == SELFIE else f"yaw{yaw:+.0f}"
        yield name, photograph(np.asarray(levels), draw, strength=FAULTS)


def _wall(draw: np.random.Generator, side_px: int) -> Float[Tensor, "S S 3"]:
    """A plain wall (linear), lighter to one side."""
    tint = torch.from_numpy(draw.uniform(0.15, 0.5) * np.exp(draw.normal(0, 0.05, 3))).float()
    right, down = draw.normal(0, 0.2, 2)
    across = torch.linspace(-0.5, 0.5, side_px)
    return tint * (1 + float(right) * across[None, :, None] + float(down) * across[:, None, None])

"""Gentle retouch: blotches of the skin evened on the 3D head; pores, moles and shade stay what they are.

What is evened is a band of the skin's albedo: its mean over 4 mm against its mean over 12. It is measured once, on the
field's surface, and kept as a volume in the head frame, so every picture of a head gets the same correction at the same
place, under any light. The correction itself is smooth over 4 mm: what is finer passes unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from head3d.field.volumes import Volume
from head3d.finish.apply import FACE_FLOOR_M, FACE_FRONT_M, FACE_TOP_M
from head3d.finish.harmonize import skin_weight
from head3d.geometry.reproject import backproject
from head3d.imaging.color import luminance
from head3d.render.types import RenderOutput, View
from head3d.shapes import shaped

FINE_M, BROAD_M = 4e-3, 12e-3
"""Standard deviations of the two means: a mole is smaller than the first, a cheek larger than the second."""
CELL_M = 2.5e-3
BEYOND_M = 0.05
"""How far round the face skin is evened: ears and neck, no shoulders."""
MOST = 0.12
"""Of the correction, as a logarithm: what differs more than by an eighth is no blotch but a beard or a scar."""
APART = 0.18
"""Logarithm by which a mole stands out of its surroundings: it has no say in what they are."""
LEAST = 1e-3
"""Share of skin about a place that says something."""


@shaped
@dataclass(frozen=True)
class Blotches:
    """What evens the skin of a head, as the logarithm of a factor on its colours.

    Attributes:
        volume: Three channels (linear RGB), head frame; 0 where there is no skin.
    """

    volume: Volume

    def evened(self, output: RenderOutput, view: View, *, strength: float) -> RenderOutput:
        """A render with its skin evened; ``strength`` 0 changes nothing, 1 takes the whole band."""
        if strength <= 0:
            return output
        points = backproject(output.depth_m, view.camera)
        at = self.volume.at(points.reshape(-1, 3).cpu()).reshape(points.shape).to(output.rgb_linear)
        factor = torch.exp(strength * at * (output.depth_m > 0)[..., None])
        return replace(output, rgb_linear=output.rgb_linear * factor, albedo=output.albedo * factor)

    def evened_set(
        self, outputs: Sequence[RenderOutput], views: Sequence[View], *, strength: float
    ) -> list[RenderOutput]:
        """The renders of a set, each as :meth:`evened` makes it."""
        return [self.evened(one, view, strength=strength) for one, view in zip(outputs, views, strict=True)]


def find_blotches(points_m: Float[Tensor, "P 3"], albedo: Float[Tensor, "P 3"], *, face: Bool[Tensor, "P"]) -> Blotches:
    """Measure the blotches of a head.

    Args:
        points_m: Places all over its surface, a millimetre or two apart, head frame.
        albedo: Their albedo, linear RGB.
        face: Which lie on the bare face: what is like them is skin.
    """
    points, colors, face = points_m.detach().cpu(), albedo.detach().cpu(), face.cpu()
    if not bool(face.any()):
        return Blotches(Volume(torch.zeros(3, 2, 2, 2), torch.zeros(3), CELL_M))
    near = ((points > points[face].amin(0) - BEYOND_M) & (points < points[face].amax(0) + BEYOND_M)).all(-1)
    points, colors, face = points[near], colors[near], face[near]
    level = colors.clamp_min(1e-3).log().numpy()
    skin = skin_weight(colors[:, None], face[:, None])[:, 0].numpy()
    low = points.amin(0) - 2 * BROAD_M
    shape = tuple(((points.amax(0) + 2 * BROAD_M - low) / CELL_M).ceil().int().flip(0).add(1).tolist())
    cells = ((points - low) / CELL_M).round().long().flip(1).numpy()
    flat = np.ravel_multi_index(tuple(cells.T), shape)

    def spread(weight: np.ndarray, sigma_m: float) -> np.ndarray:
        grid = np.bincount(flat, weights=weight, minlength=int(np.prod(shape))).reshape(shape)
        return ndimage.gaussian_filter(grid.astype(np.float32), sigma_m / CELL_M, mode="constant", truncate=3.0)

    def mean(weight: np.ndarray, sigma_m: float) -> np.ndarray:
        total = np.maximum(spread(weight, sigma_m), 1e-9)
        return np.stack([spread(weight * level[:, c], sigma_m) / total for c in range(3)])

    usual = mean(skin, BROAD_M)[:, cells[:, 0], cells[:, 1], cells[:, 2]].T
    fine = mean(skin, FINE_M)[:, cells[:, 0], cells[:, 1], cells[:, 2]].T
    # a mole differs from both: a patch that is as wide as a blotch differs from the broad mean alone
    spot = (np.abs(level - fine).mean(1) > APART) & (np.abs(level - usual).mean(1) > APART)
    skin = skin * ~spot
    band = np.clip(mean(skin, FINE_M) - mean(skin, BROAD_M), -MOST, MOST)
    share = spread(skin, FINE_M) / np.maximum(spread(np.ones_like(skin), FINE_M), LEAST)
    # lips, brows and the rim of hair have skin about them, and keep to themselves
    change = -band * np.clip((share - 0.5) / 0.45, 0, 1)
    return Blotches(Volume(torch.from_numpy(change.astype(np.float32)), low, CELL_M))


def bare_face(points_m: Float[Tensor, "P 3"], albedo: Float[Tensor, "P 3"]) -> Bool[Tensor, "P"]:
    """Which places of a surface lie on the face, in front of the ears, and are not black."""
    y, z = points_m[:, 1], points_m[:, 2]
    return (z > FACE_FRONT_M) & (y > FACE_FLOOR_M) & (y < FACE_TOP_M) & (luminance(albedo) > 0.02)

"""A map of the skin without seams: every place of the neutral head has an azimuth and a height about a fixed axis.

Looked up per pixel from the place on the neutral mean head, so no triangle ever straddles a seam. Below the crown's
centre the axis is vertical and heights are metres; above it directions are spherical, so the crown is covered too.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from head3d.field.outer_map import RADIUS, axis_foot, map_place
from head3d.kernels.raster import rasterize
from head3d.morphable.types import HeadModel

WIDTH, HEIGHT = 1024, 512
"""Texels: 0.7 mm wide on the face, 0.75 mm high."""


@dataclass(frozen=True)
class SkinMap:
    """Where each texel lies on the head.

    Attributes:
        corners: Vertices of the triangle seen outermost; of the nearest one where there is no skin.
        weights: And the place in it.
        filled: Whether there is skin at all.
        position: On the neutral mean head, metres.
        noise: Ready-made patterns, mean 0, deviation 1, from 2 cm to single texels (see ``NOISE_M``).
    """

    corners: Int[Tensor, "H W 3"]
    weights: Float[Tensor, "H W 3"]
    filled: Bool[Tensor, "H W"]
    position: Float[Tensor, "H W 3"]
    noise: Float[Tensor, "B H W"]

    def spread(self, values: Float[Tensor, "V"]) -> Float[Tensor, "H W"]:
        """Values of vertices at the texels."""
        return (values[self.corners] * self.weights).sum(-1)


NOISE_M = (0.03, 0.012, 0.005, 0.0022, 0.0013)
"""Grain of the noise patterns, metres."""


def unwrap(model: HeadModel) -> SkinMap:
    """Draw the neutral mean head's outer skin on the map."""
    outer = torch.zeros(len(model.mean), dtype=torch.bool)
    outer[model.groups["skin"]] = True
    faces = model.faces[outer[model.faces].all(1)]
    place = map_place(model.mean)
    reach = (model.mean - axis_foot(model.mean)).norm(dim=-1)
    px = torch.stack([place[:, 0] * WIDTH, place[:, 1] * HEIGHT, 1.0 - reach], dim=1)  # nearer = farther out
    corner = px[faces]
    wraps = corner[..., 0].amax(1) - corner[..., 0].amin(1) > WIDTH / 2
    # Triangles behind the head are drawn at both edges of the map.
    low, high = corner[wraps].clone(), corner[wraps].clone()
    low[..., 0] = torch.where(low[..., 0] > WIDTH / 2, low[..., 0] - WIDTH, low[..., 0])
    high[..., 0] = torch.where(high[..., 0] < WIDTH / 2, high[..., 0] + WIDTH, high[..., 0])
    drawn = torch.cat([corner[~wraps], low, high])
    source = torch.cat([faces[~wraps], faces[wraps], faces[wraps]])
    seen = rasterize(drawn.reshape(-1, 3), torch.arange(3 * len(drawn)).reshape(-1, 3), size=(HEIGHT, WIDTH))
    filled = seen.triangle >= 0
    # Beside holes (eyes, mouth, the rims) the nearest skin goes on, or colours would fade to nothing at the lids.
    nearest = distance_transform_edt(~filled.numpy(), return_distances=False, return_indices=True)
    row, column = torch.from_numpy(nearest).long()
    corners, weights = source[seen.triangle.clamp_min(0)][row, column], seen.barycentrics[row, column]
    return SkinMap(corners, weights, filled, (model.mean[corners] * weights[..., None]).sum(2), _noise())


def _noise() -> Float[Tensor, "B H W"]:
    """Blurred white noise that wraps round the head."""
    generator = torch.Generator().manual_seed(20)
    texel = 2 * math.pi * RADIUS / WIDTH
    rows, columns = torch.fft.fftfreq(HEIGHT), torch.fft.rfftfreq(WIDTH)
    frequency2 = rows[:, None] ** 2 + columns[None] ** 2
    layers = []
    for grain in NOISE_M:
        white = torch.fft.rfft2(torch.randn(HEIGHT, WIDTH, generator=generator))
        sigma = grain / texel / 2
        layer = torch.fft.irfft2(white * torch.exp(-2 * (math.pi * sigma) ** 2 * frequency2), s=(HEIGHT, WIDTH))
        layers.append(layer / layer.std())
    return torch.stack(layers)

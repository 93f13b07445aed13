"""What photos show that is finer than a field's colours: pores, lashes, single hairs.

A colour grid learns from a photo about two thirds of what is finer than a few millimetres, within minutes. The rest is
kept as the photo has it: how the albedo has to change, pixel by pixel, seen from the photo's own camera but on the
neutral head. A place of the head looks itself up there, so all views show the same pores, and light falls on them.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from head3d.geometry.cameras import Cameras

RANGE = 1.2
"""Largest change, as a logarithm."""
SOFT = 0.01
"""Albedo (linear) is changed as if it were this much brighter: the logarithm of black has no bottom."""
COARSER = 4
"""The depth that tells what the photo cannot see has one pixel for so many squared."""
DEPTH_TOLERANCE_M = (0.003, 0.006)
"""A place is the photo's own within the first, and hidden from it beyond the second."""
LEVELS = 4
"""Of half the size each, for views in which the head is smaller than in the photo."""


FAINT = 0.02
"""Pixels with less of a word are not kept."""

DETAIL_PARTS = ("change", "depth_m", "c2w", "K")


class PhotoDetail(nn.Module):
    """The detail of one photo.

    Attributes:
        change: Logarithm of a factor of the albedo as RGB levels (128 is none, 1 to 255 are -RANGE to RANGE), and how
            far this photo has the word there.
        depth_m: z-depth of the neutral surface, 0 where the photo says nothing.
        c2w: Of the camera, head frame.
        K: Of the pixels of ``change``.
    """

    change: Tensor
    depth_m: Tensor
    c2w: Tensor
    K: Tensor

    def __init__(
        self,
        change: UInt8[Tensor, "4 H W"],
        depth_m: Float[Tensor, "h w"],
        *,
        c2w: Float[Tensor, "4 4"],
        K: Float[Tensor, "3 3"],
    ) -> None:
        super().__init__()
        for name, value in (("change", change), ("depth_m", depth_m), ("c2w", c2w), ("K", K)):
            self.register_buffer(name, value.clone())
        self._kept: tuple[tuple[int, torch.device], Tensor] | None = None  # of the last look: pictures come in tiles

    def at(self, points_m: Float[Tensor, "P 3"], *, pixel_m: float) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
        """Changes of places of the neutral head (m), weighted, and their weights.

        Args:
            pixel_m: How large a pixel is that will show them: what is finer is averaged.
        """
        local = (points_m - self.c2w[:3, 3]) @ self.c2w[:3, :3]
        z = local[:, 2].clamp(min=1e-3)
        place = local[:, :2] / z[:, None] * self.K.diagonal()[:2] + self.K[:2, 2]
        own_m = float(self.c2w[:3, 3].norm() / self.K[0, 0])
        level = round(math.log2(max(pixel_m / own_m, 1.0)))
        values = self._level(min(level, LEVELS))
        height, width = self.change.shape[1:]
        at = (place / place.new_tensor([width, height]) * 2 - 1)[None, None]
        found = functional.grid_sample(values, at, align_corners=False, padding_mode="zeros")[0, :, 0].T
        depth = functional.grid_sample(
            self.depth_m[None, None].float(), at, mode="nearest", align_corners=False, padding_mode="zeros"
        )[0, 0, 0]
        near, far = DEPTH_TOLERANCE_M
        visible = ((far - (depth - z).abs()) / (far - near)).clamp(0, 1)
        return found[:, :3] * visible[:, None], found[:, 3] * visible

    def _level(self, level: int) -> Float[Tensor, "1 4 H W"]:
        """Weighted changes and weights, ``level`` times halved."""
        key = level, self.change.device
        if self._kept is not None and self._kept[0] == key:
            return self._kept[1]
        weight = self.change[3:].float() / 255
        values = torch.cat([(self.change[:3].float() - 128) / 127 * RANGE * weight, weight])[None]
        for _ in range(level):
            values = functional.avg_pool2d(values, 2, ceil_mode=True)
        self._kept = key, values
        return values


class PhotoDetails(nn.ModuleList):
    """The detail of all photos."""

    def __iter__(self) -> Iterator[PhotoDetail]:
        return super().__iter__()  # pyright: ignore[reportReturnType]

    def change(
        self, points_m: Float[Tensor, "P 3"], *, pixel_m: float
    ) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
        """Logarithm of the factor of the albedo at places of the neutral head, and how far a photo has its word."""
        change, weight = torch.zeros_like(points_m), torch.zeros_like(points_m[:, 0])
        for one in self:
            more, own = one.at(points_m, pixel_m=pixel_m)
            change, weight = change + more, weight + own
        return change / weight.clamp(min=1.0)[:, None], weight.clamp(max=1.0)


def changed(albedo: Float[Tensor, "*B 3"], change: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """Linear albedo with its detail."""
    return ((albedo + SOFT) * change.exp() - SOFT).clamp(0.0, 1.0)


def packed(
    change: Float[Tensor, "H W 3"], weight: Float[Tensor, "H W"], depth_m: Float[Tensor, "H W"], camera: Cameras
) -> PhotoDetail:
    """Levels of the part of a picture where something counts."""
    rows, columns = (torch.nonzero((weight > FAINT).any(axis))[:, 0] for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    part = (slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1))
    levels: UInt8[Tensor, "H W 3"] = (change[part] / RANGE * 127 + 128).round().clamp(1, 255).to(torch.uint8)
    full = (weight[part] * 255).round().clamp(0, 255).to(torch.uint8)
    cut = camera.cropped(left, top, (full.shape[0], full.shape[1]))
    coarse = depth_m[part][COARSER // 2 :: COARSER, COARSER // 2 :: COARSER].half()
    return PhotoDetail(
        torch.cat([levels, full[..., None]], dim=-1).permute(2, 0, 1).contiguous(),
        coarse.contiguous(),
        c2w=cut.c2w[0],
        K=cut.K[0],
    )

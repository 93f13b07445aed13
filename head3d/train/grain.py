"""What no photo saw gets grain like what photos saw: pores on a nape, stubble or single hairs on the back of a head.

Cameras about the head look where no photo has the word. What they see is covered (imaging/quilt.py) with pieces of the
photos' own detail (train/detail.py), and for hair of its locks, from places of the same kind and like colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from head3d.field.detail import FAINT, SOFT, PhotoDetail, packed
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting
from head3d.imaging.color import lab_from_linear
from head3d.imaging.quilt import Palette
from head3d.perception.types import Region
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view
from head3d.train.texture import edges, mean_about

PIXEL_M = 0.0005
"""Of pieces and of what is covered with them."""
SPACING_PX = (16, 36, 16)
"""How far pieces of skin, hair and clothes reach from their middles: locks are longer than pores are wide."""
LOCK_M = 0.008
"""Of hair, what is finer than this is missing where no photo looked."""
SIZE_PX, DISTANCE_M = 640, 1.0
"""Of the cameras' pictures, and from the head."""
ANGLES_DEG = ((180, 0), (120, 0), (-120, 0), (60, 0), (-60, 0), (0, 0), (180, 45), (0, 70), (0, -50))
"""Yaw and pitch of the head before the cameras."""
PLAIN = ((Region.SKIN, Region.NECK), (Region.HAIR,), (Region.CLOTH,))
"""Regions of each kind that pieces are cut from: lashes, lips and the folds of ears belong where they are."""
SQUARE = 0.6
"""Pieces come from surfaces that faced their photo by more than this cosine."""
ALIKE = 1 / 4
"""Of a unit of Lab: how much a difference of colour counts."""
NEAR = 20.0
"""Of a metre: how much a piece that comes from far away counts less."""
DECISIVE = 40.0
"""Power of the cosine to a camera that decides which of them covers a place."""
SURE = 0.9
"""What a photo says less surely gives no piece."""
LEAST_PX = 400
"""A camera with less to cover adds nothing."""
SMOOTH_M = 0.003
"""Colours are compared without what is finer."""


@dataclass(frozen=True)
class Swatch:
    """What one photo has to give, pixels of ``PIXEL_M``.

    Attributes:
        change: Its detail, as logarithms; of hair, its locks as well.
        whole: Where the middle of a piece of skin, hair or clothes may be.
        places: What makes places alike (see ``features``).
    """

    change: Float[np.ndarray, "H W 3"]
    whole: Bool[np.ndarray, "H W 3"]
    places: Float[np.ndarray, "H W F"]


class Kinds:
    """What places of a head are: 0 skin, 1 hair, 2 clothes."""

    def __init__(self, trained: RadianceField, kinds: Int[Tensor, "M"] | None) -> None:
        """Kinds of the nodes of the field's paint; all are skin if None."""
        self.shape = tuple(trained.paint.shape[1:])
        nodes = torch.zeros(self.shape, dtype=torch.long) if kinds is None else kinds.cpu().reshape(self.shape)
        self.nodes, self.origin, self.cell_m = nodes.numpy(), trained.paint_origin.cpu().numpy(), trained.cells["paint"]

    def at(self, points_m: Float[np.ndarray, "*B 3"]) -> Int[np.ndarray, "*B"]:
        """Of the nearest node."""
        x, y, z = np.moveaxis(np.rint((points_m - self.origin) / self.cell_m).astype(int), -1, 0)
        depth, height, width = (size - 1 for size in self.shape)
        return self.nodes[z.clip(0, depth), y.clip(0, height), x.clip(0, width)]


def shown_kinds(labels: UInt8[np.ndarray, "H W"]) -> Float[np.ndarray, "H W 3"]:
    """Whether pixels show plain skin, hair or clothes: features have a shape that is nobody's grain."""
    return np.stack([np.isin(labels, one) for one in PLAIN], axis=-1).astype(np.float32)


def swatch(
    neutral: RenderOutput,
    camera: Cameras,
    change: Float[np.ndarray, "H W 3"],
    says: Float[np.ndarray, "H W"],
    kinds: Float[np.ndarray, "H W 3"],
) -> Swatch | None:
    """The pieces of a photo, whose detail and kinds lie on its picture of the neutral head; None if it has none."""
    solid = neutral.depth_m > 0
    if not solid.any():
        return None
    sure = says * (facing_cosine(neutral, camera) > SQUARE).numpy()
    scale = float(neutral.depth_m[solid].median() / camera.K[0, 0, 0]) / PIXEL_M
    size = (round(solid.shape[1] * scale), round(solid.shape[0] * scale))

    def resized(values: np.ndarray) -> np.ndarray:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        threes = np.split(values, range(3, values.shape[-1], 3), axis=-1)  # OpenCV takes no more than four channels
        return np.concatenate([cv2.resize(three, size, interpolation=how) for three in threes], axis=-1)

    shown = resized(kinds * sure[..., None]) > SURE
    whole = np.stack([_eroded(shown[..., kind], SPACING_PX[kind]) for kind in range(len(PLAIN))], axis=-1)
    if not whole.any():
        return None
    hair = (kinds[..., 1] * says > SURE).astype(np.float32)
    fine = change + _locks(neutral, hair, sigma_px=LOCK_M / (scale * PIXEL_M))
    points = backproject(neutral.depth_m, camera).numpy()
    return Swatch(resized(fine), whole, resized(features(smooth_look(neutral), points)))


def _eroded(mask: Bool[np.ndarray, "H W"], by_px: int) -> Bool[np.ndarray, "H W"]:
    around = np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), around, borderValue=0)) > 0


def _locks(output: RenderOutput, hair: Float[np.ndarray, "H W"], *, sigma_px: float) -> Float[np.ndarray, "H W 3"]:
    """Logarithm of the albedo of hair over its mean about each pixel."""
    log = (output.albedo + SOFT).log().numpy()
    return (log - mean_about(log, hair, sigma_px=sigma_px)) * hair[..., None]


def facing_cosine(output: RenderOutput, camera: Cameras) -> Float[Tensor, "H W"]:
    """Cosine between the surface's normal and the way to the camera."""
    away = torch.nn.functional.normalize(camera.centre[0] - backproject(output.depth_m, camera), dim=-1)
    return (torch.nn.functional.normalize(output.normal, dim=-1, eps=1e-9) * away).sum(-1)


def smooth_look(output: RenderOutput) -> Float[np.ndarray, "H W 3"]:
    """Lab of the albedo's mean over some millimetres of surface."""
    there = (output.depth_m > 0).float().numpy()
    albedo = mean_about(output.albedo.numpy(), there, sigma_px=SMOOTH_M / PIXEL_M)
    return lab_from_linear(torch.from_numpy(albedo)).numpy().astype(np.float32)


@torch.no_grad()
def add_grain(
    trained: RadianceField,
    cache: ShellCache,
    swatches: Sequence[Swatch],
    *,
    kinds: Kinds,
    generator: torch.Generator,
) -> None:
    """Cover what no photo has the word for, in place."""
    if not swatches:
        return
    palettes = [_palette(swatches, kind) for kind in range(len(PLAIN))]
    cameras = [_camera(yaw, pitch) for yaw, pitch in ANGLES_DEG]
    light = Lighting(trained.sh[0].detach().cpu())
    made: list[PhotoDetail] = []
    for number, camera in enumerate(cameras):
        seen = render_view(trained, View("grain", camera, light), cache=cache)
        weight = _left(seen, cameras, number)
        if int((weight > 0.5).sum()) < LEAST_PX:
            continue
        points = backproject(seen.depth_m, camera).numpy()
        places, what = features(smooth_look(seen), points), kinds.at(points)
        change = np.zeros_like(points)
        for kind, palette in enumerate(palettes):
            wanted = (what == kind) & (weight > FAINT).numpy()
            if palette is not None and wanted.any():
                change += palette.cover(places, wanted, generator=generator)
        made.append(packed(torch.from_numpy(change), weight, seen.depth_m, camera))
    trained.grain.extend(made)  # not before: what is left is what photos leave
    trained.grain.to(trained.paint.device)


def _palette(swatches: Sequence[Swatch], kind: int) -> Palette | None:
    """Pieces of one kind, if any photo shows it."""
    some = [one for one in swatches if one.whole[..., kind].any()]
    if not some:
        return None
    return Palette(
        [one.change for one in some],
        [one.places for one in some],
        [one.whole[..., kind] for one in some],
        spacing_px=SPACING_PX[kind],
    )


def _camera(yaw_deg: float, pitch_deg: float) -> Cameras:
    size = (SIZE_PX, SIZE_PX)
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=pitch_deg, distance_m=DISTANCE_M)
    return Cameras(c2w[None], intrinsics(DISTANCE_M / PIXEL_M, size)[None], size)


def _left(seen: RenderOutput, cameras: Sequence[Cameras], number: int) -> Float[Tensor, "H W"]:
    """How far the pixels of one of the cameras are its own to cover: photos do not, and it faces them most."""
    solid = (seen.alpha > 0.97) & (seen.depth_m > 0) & ~edges(seen.depth_m)
    points = backproject(seen.depth_m, cameras[number])[solid]
    normal = torch.nn.functional.normalize(seen.normal[solid], dim=-1, eps=1e-9)
    away = [torch.nn.functional.normalize(camera.centre[0] - points, dim=-1) for camera in cameras]
    powers = torch.stack([(one * normal).sum(-1).clamp(min=1e-3) for one in away]) ** DECISIVE
    weight = torch.zeros_like(seen.depth_m)
    left = torch.ones_like(seen.depth_m) if seen.sharp is None else 1 - seen.sharp.clamp(max=1.0)
    weight[solid] = left[solid] * powers[number] / powers.sum(0)
    return weight


def features(look: Float[np.ndarray, "*B 3"], points_m: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 6"]:
    """What makes places alike: their colour (Lab), and being near each other or each other's mirror."""
    folded = points_m * NEAR
    folded[..., 0] = np.abs(folded[..., 0])
    return np.concatenate([look * ALIKE, folded], axis=-1).astype(np.float32)

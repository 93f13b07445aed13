"""Skin that clothes hid gets pores: pieces of the photos' own detail of bare skin cover it where a garment is open."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.field.detail import COARSER, FAINT, RANGE, PhotoDetail, packed
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting
from head3d.imaging.quilt import Palette
from head3d.morphable.region_votes import LabelledView
from head3d.perception.types import Region
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view

PIXEL_M = 0.0005
SPACING_PX = 16
"""How far pieces reach from their middles, as where no photo looked (train/grain.py)."""
BEARDLESS_M = -0.02
"""Pieces come from above the mouth: a chest has no stubble."""
SURE = 0.9
"""What a photo says less surely gives no piece."""
MIDDLE_M = (0.0, -0.19, 0.03)
"""Of the pictures: the pit of the throat."""
SIZE_PX, DISTANCE_M = (340, 440), 1.0
YAWS_DEG = (0.0, 65.0, -65.0, 180.0)
DECISIVE = 20.0
"""Power of the cosine to a camera that decides which of them covers a place."""
LEAST_PX = 200
"""A camera with less to cover adds nothing."""
NEAR = 20.0
"""Of a metre: how much a piece that comes from far away counts less."""


@torch.no_grad()
def add_pores(bare: RadianceField, painted: Volume, cache: ShellCache, photos: Sequence[LabelledView]) -> None:
    """Give painted skin the detail of skin that photos show, in place; nothing where no photo shows enough of it.

    Args:
        bare: A field without clothes (see bare.py).
        painted: How far places of it are painted, 0 to 1.
        cache: Its signed distance.
        photos: Regions of its photos and their cameras.
    """
    for one in bare.grain:  # that of clothes: they are gone
        one.change[3] = (one.change[3] * (1 - _painted_of(painted, one))).round().to(torch.uint8)
    palette = _palette(bare, photos)
    if palette is None:
        return
    cameras = [_camera(yaw) for yaw in YAWS_DEG]
    generator = torch.Generator().manual_seed(0)
    light = Lighting(bare.sh[0].detach().cpu())
    made = []
    for number, camera in enumerate(cameras):
        seen = render_view(bare, View("pores", camera, light), cache=cache)
        weight = _own_to_cover(seen, cameras, number) * _sampled(painted, seen, camera)
        if int((weight > 0.5).sum()) < LEAST_PX:
            continue
        places = _folded(backproject(seen.depth_m, camera).numpy())
        change = palette.cover(places, (weight > FAINT).numpy(), generator=generator)
        made.append(packed(torch.from_numpy(change), weight, seen.depth_m, camera))
    bare.grain.extend(made)  # after all are looked at: they are not to show in each other


def _palette(bare: RadianceField, photos: Sequence[LabelledView]) -> Palette | None:
    """Pieces of the plain skin of the upper face."""
    pictures, places, whole = [], [], []
    for one in bare.details:
        labels = _labels_in(one, photos)
        if labels is None:
            continue
        points = _points(one)
        change = (one.change[:3].float() - 128) / 127 * RANGE
        shown = np.isin(labels, (Region.SKIN,)) & (one.change[3].numpy() > 255 * SURE) & (points[..., 2] > 0)
        shown &= points[..., 1] > BEARDLESS_M
        scale = float(one.c2w[:3, 3].norm() / one.K[0, 0]) / PIXEL_M
        size = (max(round(shown.shape[1] * scale), 1), max(round(shown.shape[0] * scale), 1))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        free = cv2.resize(shown.astype(np.float32), size, interpolation=how) > SURE
        free = cv2.erode(free.astype(np.uint8), np.ones((2 * SPACING_PX + 1,) * 2, np.uint8), borderValue=0) > 0
        if free.any():
            pictures.append(cv2.resize(np.ascontiguousarray(change.permute(1, 2, 0).numpy()), size, interpolation=how))
            places.append(_folded(cv2.resize(points, size, interpolation=cv2.INTER_NEAREST)))
            whole.append(free)
    return Palette(pictures, places, whole, spacing_px=SPACING_PX) if whole else None


def _labels_in(detail: PhotoDetail, photos: Sequence[LabelledView]) -> np.ndarray | None:
    """Regions of the photo that a detail was taken from, in its pixels; None if it is not among the photos.

    The detail lies on the neutral head, and its camera was refined: some pixels of its photo, far less than a piece.
    """
    ahead = detail.c2w[:3, 2]
    for labels, camera in photos:
        near = (camera.c2w[0, :3, 3] - detail.c2w[:3, 3]).norm() < 0.1 * detail.c2w[:3, 3].norm()
        if not near or float(camera.c2w[0, :3, 2] @ ahead) < math.cos(math.radians(3.0)):
            continue
        height, width = detail.change.shape[1:]
        # through its own pixels onto the head, and from there into the photo
        px, _ = project(torch.from_numpy(_points(detail)).reshape(-1, 3), camera.c2w[0], camera.K[0])
        px = px.nan_to_num(-1.0).clamp(-1.0, 1e5)  # where the detail says nothing it has no place
        x, y = (px.reshape(height, width, 2).numpy() - 0.5).transpose(2, 0, 1).astype(np.float32)
        return cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderValue=int(Region.BACKGROUND))
    return None


def _points(detail: PhotoDetail) -> Float[np.ndarray, "H W 3"]:
    """Places of a detail's pixels, head frame, metres; the camera's own where it says nothing."""
    height, width = detail.change.shape[1:]
    rows = (torch.arange(height) // COARSER).clamp(max=detail.depth_m.shape[0] - 1)
    columns = (torch.arange(width) // COARSER).clamp(max=detail.depth_m.shape[1] - 1)
    depth = detail.depth_m.float()[rows][:, columns]
    camera = Cameras(detail.c2w[None], detail.K[None], (height, width))
    return backproject(depth, camera).numpy().astype(np.float32)


def _painted_of(painted: Volume, detail: PhotoDetail) -> Float[Tensor, "H W"]:
    points = torch.from_numpy(_points(detail)).reshape(-1, 3)
    share = sample_values(painted.values, painted.origin, painted.cell_m, points)[:, 0]
    return share.reshape(detail.change.shape[1:])


def _sampled(painted: Volume, seen: RenderOutput, camera: Cameras) -> Float[Tensor, "H W"]:
    points = backproject(seen.depth_m, camera).reshape(-1, 3)
    share = sample_values(painted.values, painted.origin, painted.cell_m, points)[:, 0]
    return share.reshape(seen.depth_m.shape).clamp(0, 1)


def _own_to_cover(seen: RenderOutput, cameras: Sequence[Cameras], number: int) -> Float[Tensor, "H W"]:
    """How far a camera faces what it sees more than the others do."""
    solid: Bool[Tensor, "H W"] = (seen.alpha > 0.97) & (seen.depth_m > 0)
    points = backproject(seen.depth_m, cameras[number])[solid]
    normal = torch.nn.functional.normalize(seen.normal[solid], dim=-1, eps=1e-9)
    away = [torch.nn.functional.normalize(camera.centre[0] - points, dim=-1) for camera in cameras]
    powers = torch.stack([(one * normal).sum(-1).clamp(min=1e-3) for one in away]) ** DECISIVE
    weight = torch.zeros_like(seen.depth_m)
    weight[solid] = powers[number] / powers.sum(0)
    return weight


def _camera(yaw_deg: float) -> Cameras:
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=DISTANCE_M)
    c2w = c2w.clone()
    c2w[:3, 3] += torch.tensor(MIDDLE_M)
    return Cameras(c2w[None], intrinsics(DISTANCE_M / PIXEL_M, SIZE_PX)[None], SIZE_PX)


def _folded(points_m: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    """What makes places alike: being near each other, or each other's mirror."""
    folded = points_m * np.float32(NEAR)
    folded[..., 0] = np.abs(folded[..., 0])
    return folded.astype(np.float32)

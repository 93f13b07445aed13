"""What no photo saw gets grain like what photos saw: pores on a nape, stubble or single hairs on the back of a head.

Cameras about the head look where no photo has the word. What they see is covered with pieces of the photos' own detail
(train/detail.py) from places of like colour: by-example noise after Heitz and Neyret, High-Performance By-Example Noise
using a Histogram-Preserving Blending Operator (2018). Pieces lie on a lattice of triangles; where three overlap, their
sum is divided by the root of the sum of squares of their weights, so that it is nowhere weaker than one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from head3d.field.detail import PhotoDetail, packed
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting
from head3d.imaging.color import lab_from_linear
from head3d.perception.types import Region
from head3d.render.types import RenderOutput, View
from head3d.render.volume import render_view
from head3d.train.texture import edges

PIXEL_M = 0.0005
"""Of pieces and of what is covered with them."""
SPACING_PX = 16
"""Of the lattice: a piece reaches so far from its middle."""
SIZE_PX, DISTANCE_M = 640, 1.0
"""Of the cameras' pictures, and from the head."""
ANGLES_DEG = ((180, 0), (120, 0), (-120, 0), (60, 0), (-60, 0), (0, 0), (180, 45), (0, 70), (0, -50))
"""Yaw and pitch of the head before the cameras."""
PLAIN = ((Region.SKIN, Region.NECK), (Region.HAIR,), (Region.CLOTH,))
"""Regions of each kind that pieces are cut from: lashes, lips and the folds of ears belong where they are."""
UNUSUAL = 2.0
"""Pieces with so many times the detail of most of their kind are something else: a nostril, a mole, a collar."""
SQUARE = 0.6
"""Pieces come from surfaces that faced their photo by more than this cosine."""
ALIKE = 1 / 4
"""Of a unit of Lab: how much a difference of colour counts."""
NEAR = 20.0
"""Of a metre: how much a piece that comes from far away counts less."""
UNLIKE = 100.0
"""How much hair, skin and clothes differ."""
CHOICE = 6
"""A piece is one of so many that fit best, so that none is repeated at once."""
STEP_PX = 4
"""Between middles of pieces."""
DECISIVE = 40.0
"""Power of the cosine to a camera that decides which of them covers a place."""
FAINT = 0.02
"""What would count less is not covered."""
LEAST_PX = 400
"""A camera with less to cover adds nothing."""
SMOOTH_M = 0.003
"""Colours are compared without what is finer."""


@dataclass(frozen=True)
class Swatch:
    """What one photo has to give, pixels of ``PIXEL_M``.

    Attributes:
        change: Its detail, as logarithms.
        whole: Where the middle of a piece may be.
        look: Smooth colour of the surface, Lab.
        points_m: Where that is, neutral head.
        kind: What it is: 0 skin, 1 hair, 2 clothes.
    """

    change: Float[np.ndarray, "H W 3"]
    whole: Bool[np.ndarray, "H W"]
    look: Float[np.ndarray, "H W 3"]
    points_m: Float[np.ndarray, "H W 3"]
    kind: Int[np.ndarray, "H W"]


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
        return cv2.resize(values, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)

    reach = np.ones((2 * SPACING_PX + 1, 2 * SPACING_PX + 1), np.uint8)
    there = (resized(kinds * sure[..., None]) > 0.9).astype(np.uint8)
    whole = np.stack([cv2.erode(there[..., kind], reach, borderValue=0) for kind in range(3)], axis=-1) > 0
    if not whole.any():
        return None
    look, points = smooth_look(neutral), backproject(neutral.depth_m, camera).numpy()
    return Swatch(resized(change), np.any(whole, axis=-1), resized(look), resized(points), whole.argmax(-1))


def facing_cosine(output: RenderOutput, camera: Cameras) -> Float[Tensor, "H W"]:
    """Cosine between the surface's normal and the way to the camera."""
    away = torch.nn.functional.normalize(camera.centre[0] - backproject(output.depth_m, camera), dim=-1)
    return (torch.nn.functional.normalize(output.normal, dim=-1, eps=1e-9) * away).sum(-1)


def smooth_look(output: RenderOutput) -> Float[np.ndarray, "H W 3"]:
    """Lab of the albedo's mean over some millimetres of surface."""
    weight = (output.depth_m > 0).float().numpy()[..., None]
    sigma = SMOOTH_M / PIXEL_M
    albedo = cv2.GaussianBlur(output.albedo.numpy() * weight, (0, 0), sigma)
    albedo = albedo / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma)[..., None], 1e-3)
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
    palette = Palette(swatches)
    cameras = [_camera(yaw, pitch) for yaw, pitch in ANGLES_DEG]
    light = Lighting(trained.sh[0].detach().cpu())
    made: list[PhotoDetail] = []
    for number, camera in enumerate(cameras):
        seen = render_view(trained, View("grain", camera, light), cache=cache)
        weight = _left(trained, seen, cameras, number)
        if int((weight > 0.5).sum()) < LEAST_PX:
            continue
        points = backproject(seen.depth_m, camera).numpy()
        place = features(smooth_look(seen), points, kinds.at(points))
        change = palette.cover(place, (weight > FAINT).numpy(), generator=generator)
        made.append(packed(torch.from_numpy(change), weight, seen.depth_m, camera))
    trained.grain.extend(made)  # not before: what is left is what photos leave
    trained.grain.to(trained.paint.device)


def _camera(yaw_deg: float, pitch_deg: float) -> Cameras:
    size = (SIZE_PX, SIZE_PX)
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=pitch_deg, distance_m=DISTANCE_M)
    return Cameras(c2w[None], intrinsics(DISTANCE_M / PIXEL_M, size)[None], size)


def _left(trained: RadianceField, seen: RenderOutput, cameras: Sequence[Cameras], number: int) -> Float[Tensor, "H W"]:
    """How far the pixels of one of the cameras are its own to cover: photos do not, and it faces them most."""
    solid = (seen.alpha > 0.97) & (seen.depth_m > 0) & ~edges(seen.depth_m)
    points = backproject(seen.depth_m, cameras[number])[solid]
    normal = torch.nn.functional.normalize(seen.normal[solid], dim=-1, eps=1e-9)
    _, word = trained.detail(points.to(trained.paint.device), pixel_m=PIXEL_M)
    away = [torch.nn.functional.normalize(camera.centre[0] - points, dim=-1) for camera in cameras]
    powers = torch.stack([(one * normal).sum(-1).clamp(min=1e-3) for one in away]) ** DECISIVE
    weight = torch.zeros_like(seen.depth_m)
    weight[solid] = (1 - word.cpu().clamp(max=1.0)) * powers[number] / powers.sum(0)
    return weight


class Palette:
    """Pieces of all photos."""

    def __init__(self, swatches: Sequence[Swatch]) -> None:
        width = max(one.change.shape[1] for one in swatches)
        self.canvas = np.concatenate(
            [np.pad(one.change, ((0, 0), (0, width - one.change.shape[1]), (0, 0))) for one in swatches]
        )
        middles, places, kinds, strengths, top = [], [], [], [], 0
        for one in swatches:
            rows, columns = np.nonzero(one.whole[::STEP_PX, ::STEP_PX])
            at = rows * STEP_PX, columns * STEP_PX
            middles.append(np.stack([at[0] + top, at[1]], axis=1))
            places.append(features(one.look[at], one.points_m[at], one.kind[at]))
            kinds.append(one.kind[at])
            side = 2 * SPACING_PX + 1
            strengths.append(cv2.blur(np.abs(one.change), (side, side)).mean(-1)[at])
            top += one.change.shape[0]
        usual = _usual(np.concatenate(strengths), np.concatenate(kinds))
        self.middles = torch.from_numpy(np.concatenate(middles)[usual])
        self.features = torch.from_numpy(np.concatenate(places)[usual])

    def cover(
        self, places: Float[np.ndarray, "H W F"], wanted: Bool[np.ndarray, "H W"], *, generator: torch.Generator
    ) -> Float[np.ndarray, "H W 3"]:
        """Detail for the wanted pixels of a picture, in pixels of ``PIXEL_M``; ``places`` tells what is there."""
        rows, columns = np.nonzero(wanted)
        corners, weights = lattice(np.stack([columns, rows], axis=1) + 0.5)
        keys, which = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
        which = which.reshape(corners.shape[:2])
        place = lattice_place(keys)
        height, width = wanted.shape
        at = place.round().astype(int)[:, ::-1].clip(0, (height - 1, width - 1))
        # of the pixels next to a corner, whose own may lie beside the surface
        nearest = np.zeros(len(keys), int)
        nearest[which.reshape(-1)] = np.repeat(np.arange(len(rows)), corners.shape[1])
        inside = wanted[at[:, 0], at[:, 1]]
        at[~inside] = np.stack([rows, columns], axis=1)[nearest[~inside]]
        chosen = self._chosen(places[at[:, 0], at[:, 1]], generator)
        change = np.zeros((len(rows), 3), np.float32)
        for corner in range(3):
            index = which[:, corner]
            offset = np.stack([rows, columns], axis=1) - place[index][:, ::-1]
            source = (chosen[index] + offset).round().astype(int)
            source = source.clip(0, np.array(self.canvas.shape[:2]) - 1)
            change += weights[:, corner, None] * self.canvas[source[:, 0], source[:, 1]]
        change /= np.sqrt((weights**2).sum(1))[:, None]
        covered = np.zeros((*wanted.shape, 3), np.float32)
        covered[rows, columns] = change
        return covered

    def _chosen(self, features: Float[np.ndarray, "V F"], generator: torch.Generator) -> Int[np.ndarray, "V 2"]:
        """Middle of the piece for each place."""
        best = (
            torch.cdist(torch.from_numpy(features), self.features)
            .topk(min(CHOICE, len(self.features)), largest=False)
            .indices
        )
        pick = torch.randint(best.shape[1], (len(best), 1), generator=generator)
        return self.middles[best.gather(1, pick)[:, 0]].numpy()


def _usual(strength: Float[np.ndarray, "N"], kind: Int[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
    """Which pieces have no more detail than pieces of their kind have."""
    most = np.array([np.median(strength[kind == one]) if (kind == one).any() else 0.0 for one in range(3)])
    return strength <= UNUSUAL * most[kind]


def features(
    look: Float[np.ndarray, "*B 3"], points_m: Float[np.ndarray, "*B 3"], kind: Int[np.ndarray, "*B"]
) -> Float[np.ndarray, "*B F"]:
    """What makes places alike: their kind, their colour, and being near each other or each other's mirror."""
    folded = points_m * NEAR
    folded[..., 0] = np.abs(folded[..., 0])
    return np.concatenate([look * ALIKE, folded, np.eye(3)[kind] * UNLIKE], axis=-1).astype(np.float32)


def lattice(pixels: Float[np.ndarray, "P 2"]) -> tuple[Int[np.ndarray, "P 3 2"], Float[np.ndarray, "P 3"]]:
    """Corners of the triangle about each pixel, as numbers of the lattice, and how much each counts there."""
    x = pixels[:, 0] / SPACING_PX
    y = pixels[:, 1] / SPACING_PX
    skewed = np.stack([x - y / np.sqrt(3), 2 * y / np.sqrt(3)], axis=1)
    base = np.floor(skewed).astype(int)
    part = skewed - base
    rest = 1 - part.sum(1)
    lower = (rest > 0)[:, None]
    one, right, up = np.array([1, 1]), np.array([1, 0]), np.array([0, 1])
    corners = np.stack([np.where(lower, base, base + one), base + up, base + right], axis=1)
    third = np.where(rest > 0, rest, -rest)
    weights = np.stack(
        [third, np.where(rest > 0, part[:, 1], 1 - part[:, 0]), np.where(rest > 0, part[:, 0], 1 - part[:, 1])], axis=1
    )
    return corners, weights.astype(np.float32)


def lattice_place(numbers: Int[np.ndarray, "V 2"]) -> Float[np.ndarray, "V 2"]:
    """Pixels where corners of the lattice are: the inverse of its skew."""
    y = numbers[:, 1] * np.sqrt(3) / 2
    return np.stack([numbers[:, 0] + numbers[:, 1] / 2, y], axis=1) * SPACING_PX

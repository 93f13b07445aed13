"""The last pass: colour alone, on a surface that stands still.

Training everything at once shows each pixel of the photos once or twice, through a blurred surface, while cameras and
geometry still move: the albedo comes out soft. Here every pixel's place on the finished surface is found once; then
only the colour grid learns, at one sample a pixel, many times over. Where several photos show a place the one that
shows it best is drawn far more often: a mean of photos that differ by a pixel is a blur.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from head3d.errors import TrainDiverged
from head3d.field.deform import Deformation
from head3d.geometry.conventions import FIELD_HALF_SIZE_M
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting
from head3d.imaging.color import srgb_from_linear
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.volume import render_view, shade
from head3d.shapes import shaped
from head3d.train.adam import Adam, Falling
from head3d.train.cameras import refined_cameras
from head3d.train.choice import agreed, decided, photo_quality
from head3d.train.kinds import kind_of
from head3d.train.losses import facing_weight
from head3d.train.rays import FEATURES, TrainPhoto
from head3d.train.state import TrainState

BATCH = 16384
"""Pixels per step."""
PRIOR_POINTS = 2048
"""Places on the surface, seen or not, whose albedo should agree with their neighbours'."""
SMOOTH = 0.3
"""Weight of that, as a part of its weight in training: here it need only hold places that no pixel holds."""
RATE = 0.5
"""Learning rate, as a part of that in training."""
EDGE_M = 0.004
"""Pixels whose neighbour lies this much nearer or farther may show either surface."""
SOLID = 235
"""Pixels of less matte (of 255) have some wall in them, which shows as light flecks in dark hair."""
TINT_CELL_M = 0.04
TINT_RATE = 0.01
TINT_PULL = 0.2
"""Weight of the squared logarithm of photos' tints."""
RESIDUAL = 2.0
"""Weight of radiance beyond the albedo: a part of an eye or a lip that hides there is lost under other light."""
LOOSE = 0.25
"""Part of a step's pixels that is drawn from all photos alike: they teach the tints alone."""


@shaped
@dataclass(frozen=True)
class SurfacePixels:
    """Pixels of all photos and where on the surface they fall.

    Attributes:
        points: Neutral head frame, metres.
        right: How far the point moves for one pixel to the right, metres.
        down: Likewise for one pixel down.
        normals: Unit.
        photo: Index of the photo.
        rgb_srgb: In [0, 1].
        usable: How much its colour says, whatever other photos show there; relative.
        chance: How often to draw it, relative.
        choice: How well each photo shows the places of the field's box.
    """

    points: Float[Tensor, "P 3"]
    right: Float[Tensor, "P 3"]
    down: Float[Tensor, "P 3"]
    normals: Float[Tensor, "P 3"]
    photo: Int[Tensor, "P"]
    rgb_srgb: Float[Tensor, "P 3"]
    usable: Float[Tensor, "P"]
    chance: Float[Tensor, "P"]
    choice: Float[Tensor, "photos D H W"]


@torch.no_grad()
def surface_pixels(state: TrainState, photos: Sequence[TrainPhoto], deformation: Deformation) -> SurfacePixels:
    """Find every useful pixel's place on the trained surface.

    Args:
        state: Finished: lights, cameras and blur are in its field; its cache is refreshed.
        photos: With colour weights.
        deformation: Their expressions.
    """
    trained = state.field
    cameras = refined_cameras(tuple(photo.camera for photo in photos), trained.turn.cpu(), trained.shift.cpu())
    rows, kinds, qualities, features = [], [], [], []
    for number, (photo, camera) in enumerate(zip(photos, cameras, strict=True)):
        view = View(photo.name, camera, Lighting(trained.sh[number].cpu()))
        seen = render_view(
            trained, view, config=RenderConfig(), cache=state.cache, deformation=deformation, photo=number
        )
        places = backproject(seen.depth_m, camera)
        weight = torch.from_numpy(photo.color_weight).float() / 255
        facing = -(seen.normal * torch.nn.functional.normalize(places - camera.centre[0], dim=-1)).sum(-1)
        label = torch.from_numpy(photo.labels)
        chance = weight * facing_weight(facing, label) * torch.from_numpy(photo.chance).float() / 255
        solid = (seen.alpha > 0.97) & (seen.depth_m > 0) & (torch.from_numpy(photo.held_out) == 0)
        solid &= (torch.from_numpy(photo.matte) > SOLID) & ~edges(seen.depth_m)
        use = solid & (chance > 1e-4)
        points = places[use]
        footprint = seen.depth_m[use, None] / camera.K[0].diagonal()[:2]
        own = torch.full((len(points),), number)
        device = trained.paint.device
        says = (chance[use] / chance[use].sum().clamp(min=1e-9)).to(device)
        rows.append(
            (
                deformation.to_canonical(points.to(device), own.to(device)),
                (camera.c2w[0, :3, 0] * footprint[:, :1]).to(device),
                (camera.c2w[0, :3, 1] * footprint[:, 1:]).to(device),
                seen.normal[use].to(device),
                own.to(device),
                (torch.from_numpy(photo.rgb_srgb)[use].float() / 255).to(device),
                says,
            )
        )
        kinds.append(kind_of(label[use]))
        qualities.append((weight * facing.clamp(min=0))[use])
        features.append(torch.isin(label[use], torch.tensor(FEATURES)))
    points, right, down, normals, photo, rgb_srgb, says = (torch.cat(column) for column in zip(*rows, strict=True))
    quality, kind, feature = (torch.cat(column).to(trained.paint.device) for column in (qualities, kinds, features))
    volume = photo_quality(points, photo, quality, feature, count=len(photos))
    usable = says * agreed(volume, points, photo, kind).float()
    chance = usable * decided(volume, points, photo)
    return SurfacePixels(points, right, down, normals, photo, rgb_srgb, usable, chance, volume)


class PhotoTints(torch.nn.Module):
    """A smooth factor of each photo's colours over space, dropped after training.

    Light of order 2 knows no shadow, and photos are balanced and retouched each in its own way. Where photos overlap
    their difference goes here instead of into blotches of the albedo.
    """

    def __init__(self, photos: int) -> None:
        super().__init__()
        cells = round(2 * FIELD_HALF_SIZE_M / TINT_CELL_M)
        self.log = torch.nn.Parameter(torch.zeros(photos, 3, cells, cells, cells))

    def forward(self, points_m: Float[Tensor, "P 3"], photo: Int[Tensor, "P"]) -> Float[Tensor, "P 3"]:
        """Factor of linear colours at points of the head frame (m)."""
        found = torch.zeros_like(points_m)
        for number in range(len(self.log)):
            rows = torch.nonzero(photo == number)[:, 0]
            place = (points_m[rows] / FIELD_HALF_SIZE_M)[None, None, None]
            value = torch.nn.functional.grid_sample(
                self.log[number : number + 1], place, align_corners=False, padding_mode="border"
            )
            found = found.index_copy(0, rows, value[0, :, 0, 0].T)
        return found.exp()


def polish_colors(state: TrainState, pixels: SurfacePixels, *, steps: int) -> None:
    """Train the colour grid on the finished surface, in place.

    Raises:
        TrainDiverged: The loss is no longer a number.
    """
    trained, config, generator = state.field, state.config, state.generator
    if steps < 1 or not len(pixels.points):
        return
    ladders = [chance.double().cumsum(0) for chance in (pixels.chance, pixels.usable)]
    loose = round(LOOSE * BATCH)
    learned = [*trained.color.parameters(), *trained.color_decoder.parameters()]
    tints = PhotoTints(len(pixels.choice)).to(trained.paint.device)
    groups = [{"params": learned, "lr": RATE * config.color_rate}, {"params": [tints.log], "lr": TINT_RATE}]
    optimiser = Adam(groups)
    schedule = Falling(optimiser, steps=steps)
    loss = torch.zeros(())
    for _ in range(steps):
        draws = zip(ladders, (BATCH - loose, loose), strict=True)
        index = torch.cat([_drawn(ladder, count, generator=generator) for ladder, count in draws])
        jitter = torch.rand(BATCH, 2, generator=generator).to(pixels.points) - 0.5
        points = pixels.points[index] + pixels.right[index] * jitter[:, :1] + pixels.down[index] * jitter[:, 1:]
        free = state.cache.surface_points(PRIOR_POINTS, generator=generator)
        near = torch.cat([free, points[:PRIOR_POINTS]])
        aside = torch.randn(near.shape, generator=generator).to(near) * 1.5e-3
        albedo, residual = trained.surface_color(torch.cat([points, near, near + aside]))
        # what the loose pixels show is compared, not learned: so photos meet without a step where the choice changes
        shown = torch.cat([albedo[: BATCH - loose], albedo[BATCH - loose : BATCH].detach()])
        radiance = shade(shown, pixels.normals[index], trained.sh, pixels.photo[index]) + residual[:BATCH]
        tint = tints(points, pixels.photo[index])
        color = (srgb_from_linear(radiance * tint) - pixels.rgb_srgb[index]).abs().mean()
        pair = albedo[BATCH:].chunk(2)
        loss = config.loss.color * color + RESIDUAL * residual[:BATCH].abs().mean()
        loss = loss + TINT_PULL * tint.log().pow(2).mean()
        loss = loss + SMOOTH * config.loss.albedo_smooth * (pair[0] - pair[1]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    if not torch.isfinite(loss):
        raise TrainDiverged("Training of the colours diverged.", hint="Run again with a lower --train.color-rate.")


def _drawn(ladder: Float64[Tensor, "P"], count: int, *, generator: torch.Generator) -> Int[Tensor, "C"]:
    """Random numbers of pixels, as often as the steps of the ladder are high."""
    place = torch.rand(count, generator=generator, dtype=torch.float64).to(ladder) * ladder[-1]
    return torch.searchsorted(ladder, place).clamp(max=len(ladder) - 1)


def mean_about(
    values: Float[np.ndarray, "H W C"], weight: Float[np.ndarray, "H W"], *, sigma_px: float
) -> Float[np.ndarray, "H W C"]:
    """Weighted means of a picture about each of its pixels."""
    total = cv2.GaussianBlur(values * weight[..., None], (0, 0), sigma_px)
    return total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), 1e-3)[..., None]


def edges(depth_m: Float[Tensor, "H W"]) -> Tensor:
    """Pixels next to a step of depth."""
    low = -torch.nn.functional.max_pool2d(-depth_m[None, None], 3, 1, 1)[0, 0]
    high = torch.nn.functional.max_pool2d(depth_m[None, None], 3, 1, 1)[0, 0]
    return high - low > EDGE_M

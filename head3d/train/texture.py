"""The last pass: colour alone, on a surface that stands still.

Training everything at once shows each pixel of the photos once or twice, through a blurred surface, while cameras and
geometry still move: the albedo comes out soft. Here every pixel's place on the finished surface is found once; then
only the colour grid learns, at one sample a pixel, many times over. Where several photos show a place the one that
shows it best is drawn far more often: a mean of photos that differ by a pixel is a blur.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import Lighting
from head3d.imaging.color import srgb_from_linear
from head3d.render.types import View
from head3d.render.volume import RenderConfig, render_view, shade
from head3d.shapes import shaped
from head3d.train.cameras import refined_cameras
from head3d.train.losses import facing_weight
from head3d.train.rays import TrainPhoto
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
WINNER = 3.0
"""Power to which a pixel's weight decides how often it is drawn."""


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
        chance: How often to draw it, relative.
    """

    points: Float[Tensor, "P 3"]
    right: Float[Tensor, "P 3"]
    down: Float[Tensor, "P 3"]
    normals: Float[Tensor, "P 3"]
    photo: Int[Tensor, "P"]
    rgb_srgb: Float[Tensor, "P 3"]
    chance: Float[Tensor, "P"]


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
    rows = []
    for number, (photo, camera) in enumerate(zip(photos, cameras, strict=True)):
        view = View(photo.name, camera, Lighting(trained.sh[number].cpu()))
        seen = render_view(
            trained, view, config=RenderConfig(), cache=state.cache, deformation=deformation, photo=number
        )
        places = backproject(seen.depth_m, camera)
        weight = torch.from_numpy(photo.color_weight).float() / 255
        facing = -(seen.normal * torch.nn.functional.normalize(places - camera.centre[0], dim=-1)).sum(-1)
        label = torch.from_numpy(photo.labels)
        chance = weight**WINNER * facing_weight(facing, label) * torch.from_numpy(photo.chance).float() / 255
        solid = (seen.alpha > 0.97) & (seen.depth_m > 0) & (torch.from_numpy(photo.held_out) == 0)
        solid &= (torch.from_numpy(photo.matte) > 200) & ~_edges(seen.depth_m)
        use = solid & (chance > 1e-4)
        points = places[use]
        footprint = seen.depth_m[use, None] / camera.K[0].diagonal()[:2]
        own = torch.full((len(points),), number)
        device = trained.paint.device
        rows.append(
            (
                deformation.to_canonical(points.to(device), own.to(device)),
                (camera.c2w[0, :3, 0] * footprint[:, :1]).to(device),
                (camera.c2w[0, :3, 1] * footprint[:, 1:]).to(device),
                seen.normal[use].to(device),
                own.to(device),
                (torch.from_numpy(photo.rgb_srgb)[use].float() / 255).to(device),
                (chance[use] / chance[use].sum().clamp(min=1e-9) * float(weight.max())).to(device),
            )
        )
    return SurfacePixels(*(torch.cat(column) for column in zip(*rows, strict=True)))


def polish_colors(
    state: TrainState, photos: Sequence[TrainPhoto], deformation: Deformation, *, steps: int
) -> list[float]:
    """Train the colour grid on the finished surface, in place; returns the loss of every step."""
    trained, config, generator = state.field, state.config, state.generator
    pixels = surface_pixels(state, photos, deformation)
    if not len(pixels.points):
        return []
    ladder = pixels.chance.double().cumsum(0)
    learned = [*trained.color.parameters(), *trained.color_decoder.parameters()]
    optimiser = torch.optim.Adam(learned, lr=RATE * config.color_rate, betas=(0.9, 0.99), eps=1e-15, fused=True)
    losses = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * config.color_rate * (0.05 + 0.95 * (1 - step / steps))
        place = torch.rand(BATCH, generator=generator, dtype=torch.float64).to(ladder) * ladder[-1]
        index = torch.searchsorted(ladder, place).clamp(max=len(ladder) - 1)
        jitter = torch.rand(BATCH, 2, generator=generator).to(pixels.points) - 0.5
        points = pixels.points[index] + pixels.right[index] * jitter[:, :1] + pixels.down[index] * jitter[:, 1:]
        free = state.cache.surface_points(PRIOR_POINTS, generator=generator)
        near = torch.cat([free, points[:PRIOR_POINTS]])
        aside = torch.randn(near.shape, generator=generator).to(near) * 1.5e-3
        albedo, residual = trained.surface_color(torch.cat([points, near, near + aside]))
        shown = albedo[:BATCH]
        radiance = shade(shown, pixels.normals[index], trained.sh, pixels.photo[index]) + residual[:BATCH]
        color = (srgb_from_linear(radiance) - pixels.rgb_srgb[index]).abs().mean()
        pair = albedo[BATCH:].chunk(2)
        loss = config.loss.color * color + config.loss.residual_color * residual[:BATCH].abs().mean()
        loss = loss + SMOOTH * config.loss.albedo_smooth * (pair[0] - pair[1]).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError
    return losses


def _edges(depth_m: Float[Tensor, "H W"]) -> Tensor:
    """Pixels next to a step of depth."""
    low = -torch.nn.functional.max_pool2d(-depth_m[None, None], 3, 1, 1)[0, 0]
    high = torch.nn.functional.max_pool2d(depth_m[None, None], 3, 1, 1)[0, 0]
    return high - low > EDGE_M

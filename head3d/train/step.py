"""One step of training: rays, what the field shows on them, losses, gradient; and a look at held-out pixels."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import TrainDiverged
from head3d.field.config import GridConfig
from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import slope_by_taps
from head3d.imaging.color import srgb_from_linear
from head3d.render.types import RayBundle
from head3d.render.volume import RayColors, render_rays
from head3d.train.losses import picture_terms, shape_terms, total_loss
from head3d.train.rays import PixelBatch, PixelSampler
from head3d.train.state import TrainState

PRIOR_RAYS = 1024
"""Rays whose surface points carry the priors of residual and albedo."""
NEIGHBOUR_M = 1.5e-3
"""Least distance between the two points whose albedo should agree; the largest is four of it."""


def train_step(state: TrainState, sampler: PixelSampler, deformation: Deformation) -> float:
    """Improve the field once; returns the loss.

    Raises:
        TrainDiverged: The loss is no longer a number.
    """
    config, trained, generator = state.config, state.field, state.generator
    progress = state.step / max(config.steps - 1, 1)
    state.sd_m = config.start_sd_m * (config.end_sd_m / config.start_sd_m) ** min(progress / 0.8, 1.0)
    state.scale_rates(0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))
    device = trained.sd_m.device
    shape_levels = fade_in(trained.config.geometry, progress / 0.6, first=3).to(device)
    color_levels = fade_in(trained.config.color, progress / 0.4, first=4).to(device)
    # also at checkpoints, so that a resumed run sees the same surface
    if state.step % config.refresh_every == 0 or state.step % config.checkpoint_every == 0:
        state.cache.refresh(trained, levels=shape_levels)
    pixels = sampler.draw(config.rays, generator=generator)
    rays = photo_rays(state, sampler, pixels)
    seen = render_rays(
        trained,
        state.cache,
        rays,
        state.sh,
        sd_m=state.sd_m,
        samples=config.samples,
        colors=config.colors,
        normal_step_m=max(1e-3, 2.5 * state.sd_m),
        levels=shape_levels,
        color_levels=color_levels,
        deformation=deformation,
        generator=generator,
    )
    terms = picture_terms(seen, pixels, directions=rays.directions) | prior_terms(
        trained, state.cache, seen, shape_levels=shape_levels, color_levels=color_levels, generator=generator
    )
    terms["sh"] = state.light.pow(2).mean()
    weights = {name: float(getattr(config.loss, name)) for name in terms}
    weights["base_normal"] *= 1 - 0.8 * progress
    loss = total_loss(terms, weights)
    if not torch.isfinite(loss):
        raise TrainDiverged(
            f"Training diverged at step {state.step}.", hint="Run again with a lower --train.geometry-rate."
        )
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    state.step += 1
    return float(loss.detach())


def photo_rays(state: TrainState, sampler: PixelSampler, pixels: PixelBatch) -> RayBundle:
    """Rays of pixels through the corrected cameras of their photos."""
    if state.refines:
        origins, directions = state.cameras.rays(sampler.c2w, pixels.photo, pixels.camera_rays)
    else:
        pose = sampler.c2w[pixels.photo]
        origins, directions = pose[:, :3, 3], torch.einsum("rij,rj->ri", pose[:, :3, :3], pixels.camera_rays)
    near, far = state.cache.span(origins.detach(), directions.detach())
    return RayBundle(origins, directions, near, far, pixels.photo)


def prior_terms(
    trained: RadianceField,
    cache: ShellCache,
    seen: RayColors,
    *,
    shape_levels: Float[Tensor, "C"],
    color_levels: Float[Tensor, "D"],
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Priors on the surface that rays met."""
    rows = torch.nonzero(seen.hit)[:, 0]
    with torch.no_grad():
        base = torch.zeros_like(seen.gradient).index_put((rows,), base_normals(trained, seen.point[rows]))
        soft = torch.ones_like(seen.alpha).index_put((rows,), trained.softness(seen.point[rows]))
    near = rows
    if len(rows) > PRIOR_RAYS:
        near = rows[torch.randint(len(rows), (PRIOR_RAYS,), generator=generator).to(rows.device)]
    places = seen.point.detach()[near]
    # also between the pixels that are drawn: what is held out, and what is never drawn, would keep the grid's noise
    places = torch.cat([places, cache.surface_points(PRIOR_RAYS, generator=generator)])
    noise = torch.randn(places.shape, generator=generator).to(places)
    apart = NEIGHBOUR_M * (1 + 3 * torch.rand(len(places), 1, generator=generator).to(places) ** 2)
    aside = torch.nn.functional.normalize(noise, dim=-1) * apart
    pairs = torch.cat([places, places + aside])
    moved, moved_aside = trained.residual_sdf(pairs, levels=shape_levels).chunk(2)
    residual = torch.zeros_like(seen.alpha).index_add(0, near, moved[: len(near)] * (len(rows) / max(len(near), 1)))
    terms = shape_terms(seen, base, residual, softness=soft)
    albedo, albedo_aside = trained.surface_color(pairs, levels=color_levels)[0].chunk(2)
    terms["albedo_smooth"] = (albedo - albedo_aside).abs().mean()
    terms["residual_smooth"] = ((moved - moved_aside) / apart[:, 0]).abs().mean()
    return terms


def fade_in(grid: GridConfig, progress: float, *, first: int) -> Float[Tensor, "C"]:
    """Weight of each feature: coarse levels first, the finest at ``progress`` = 1."""
    opened = first + (grid.levels - first) * min(progress, 1.0)
    return (opened - torch.arange(grid.levels)).clamp(0, 1).repeat_interleave(grid.features)


def base_normals(trained: RadianceField, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
    """Unit normals of the fitted head's shell, from taps one cell of its volume away."""
    slope = slope_by_taps(trained.base_sdf, points_m, step_m=trained.cells["shape"])
    return torch.nn.functional.normalize(slope, dim=-1, eps=1e-12)


@torch.no_grad()
def held_out_psnr(state: TrainState, sampler: PixelSampler, deformation: Deformation, *, most: int = 4096) -> float:
    """PSNR (dB, sRGB) of pixels of the head that training never sees."""
    index = sampler.held_out[:: max(len(sampler.held_out) // most, 1)]
    if not len(index):
        return float("nan")
    pixels = sampler.take(index)
    seen = render_rays(
        state.field,
        state.cache,
        photo_rays(state, sampler, pixels),
        state.sh,
        sd_m=state.sd_m,
        samples=state.config.samples,
        colors=state.config.colors,
        normal_step_m=1e-3,
        deformation=deformation,
    )
    mixed = srgb_from_linear(seen.radiance) * seen.alpha[:, None] + 0.5 * (1 - seen.alpha[:, None])
    return float(-10 * torch.log10((mixed.clamp(0, 1) - pixels.rgb_srgb).pow(2).mean().clamp(min=1e-10)))

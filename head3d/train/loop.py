"""Train a person's field on the photos: from the fitted head to what the pixels say."""

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from head3d.errors import TrainDiverged
from head3d.events import Emit, EvalStep, TrainStep, ignore
from head3d.field.deform import Deformation
from head3d.field.encodings import GridConfig
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import FieldConfig, RadianceField
from head3d.imaging.color import srgb_from_linear
from head3d.morphable.types import HeadFit
from head3d.perception.types import Observation
from head3d.render.types import RayBundle
from head3d.render.volume import render_rays
from head3d.train.cameras import SHIFT_M, TURN_RAD, CameraRefinement
from head3d.train.losses import LossWeights, picture_terms, shape_terms, total_loss
from head3d.train.prepare import prepare
from head3d.train.rays import CropConfig, PixelSampler, TrainPhoto


@dataclass(frozen=True)
class TrainConfig:
    """Training of one person's field."""

    steps: int = 500
    """Optimiser steps."""
    rays: int = 4096
    """Rays per step."""
    samples: int = 32
    """Samples per ray at most; a ray that meets the surface head-on takes about 10, a grazing one all."""
    colors: int = 3
    """Of these, how many are given a colour."""
    start_sd_m: float = 1.2e-3
    """Blur of the surface at the start, metres."""
    end_sd_m: float = 0.4e-3
    """Blur at the end, metres."""
    geometry_rate: float = 2e-3
    """Learning rate of the geometry grid."""
    color_rate: float = 1e-2
    """Learning rate of the colour grid."""
    decoder_rate: float = 2e-3
    """Learning rate of the decoders."""
    light_rate: float = 1e-3
    """Learning rate of the lights, times their ambient level."""
    refine_cameras: bool = True
    """Correct the fit's cameras (turn and slide; distance and scale stay)."""
    camera_rate: float = 4e-3
    """Learning rate of the cameras (times 0.05 rad, 0.02 m)."""
    light_ridge: float = 0.01
    """Stiffness of the first light; ten times it for a single photo."""
    refresh_every: int = 50
    """Steps between refreshes of the cached surface."""
    evaluate_every: int = 100
    """Steps between looks at the held-out pixels."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    patience: int = 2
    """Looks without gain after which training stops early."""
    seed: int = 0
    """Of everything random."""
    loss: LossWeights = dataclasses.field(default_factory=LossWeights)
    """Weights of the terms."""
    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    """Learned parts of the field."""
    crop: CropConfig = dataclasses.field(default_factory=CropConfig)
    """What part of the photos is used."""


def train_field(
    fit: HeadFit,
    observations: Sequence[Observation],
    *,
    config: TrainConfig = TrainConfig(),
    emit: Emit = ignore,
    checkpoints: Path | None = None,
) -> RadianceField:
    """Learn a person's field from the photos.

    Args:
        fit: One identity, and per photo expression, light and camera.
        observations: The photos the fit was made from, in its order.
        config: Options.
        emit: Receives TrainStep, EvalStep, Checkpoint and Notice.
        checkpoints: Folder; training resumes from the last checkpoint in it.

    Returns:
        The field; ``train.cameras.refined_cameras(fit.cameras, field.turn, field.shift)`` are the corrected cameras.
    """
    ready = prepare(
        fit, observations, field=config.field, crop=config.crop, light_ridge=config.light_ridge, seed=config.seed
    )
    optimise(ready.field, ready.photos, ready.deformation, config=config, emit=emit, checkpoints=checkpoints)
    return ready.field


def optimise(
    trained: RadianceField,
    photos: Sequence[TrainPhoto],
    deformation: Deformation,
    *,
    config: TrainConfig,
    emit: Emit = ignore,
    checkpoints: Path | None = None,
) -> None:
    """Train a prepared field in place.

    Raises:
        TrainDiverged: The loss is no longer a number.
    """
    generator = torch.Generator().manual_seed(config.seed)
    sampler = PixelSampler(photos)
    cameras = CameraRefinement(len(photos))
    single = len(photos) == 1
    refine = config.refine_cameras and not single
    light = torch.nn.Parameter(torch.ones_like(trained.sh))  # relative, so that one rate fits all exposures
    first_sh = trained.sh.detach().clone()
    ambient_level = first_sh[:, :1].abs().mean(-1, keepdim=True).clamp(min=1e-3)
    light = torch.nn.Parameter(torch.zeros_like(first_sh))
    groups = [
        {"params": list(trained.geometry.parameters()), "lr": config.geometry_rate},
        {"params": list(trained.color.parameters()), "lr": config.color_rate},
        {
            "params": [*trained.geometry_decoder.parameters(), *trained.color_decoder.parameters()],
            "lr": config.decoder_rate,
        },
        {"params": [light], "lr": config.light_rate},
        {"params": list(cameras.parameters()) if refine else [], "lr": config.camera_rate},
    ]
    groups = [group for group in groups if group["params"]]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)
    rates = [group["lr"] for group in optimiser.param_groups]
    cache = ShellCache(trained)
    started = time.monotonic()
    for step in range(config.steps):
        progress = step / max(config.steps - 1, 1)
        sd = config.start_sd_m * (config.end_sd_m / config.start_sd_m) ** min(progress / 0.8, 1.0)
        levels = fade_in(trained.config.geometry, progress / 0.6, first=3)
        color_levels = fade_in(trained.config.color, progress / 0.4, first=4)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * progress)) * 0.95 + rate * 0.05
        if step % config.refresh_every == 0:
            cache.refresh(trained, levels=levels)
        pixels = sampler.draw(config.rays, generator=generator)
        if refine:
            origins, directions = cameras.rays(sampler.c2w, pixels.photo, pixels.camera_rays)
        else:
            pose = sampler.c2w[pixels.photo]
            origins, directions = pose[:, :3, 3], torch.einsum("rij,rj->ri", pose[:, :3, :3], pixels.camera_rays)
        sh = first_sh + light * ambient_level
        rays = RayBundle(origins, directions, *cache.span(origins.detach(), directions.detach()), pixels.photo)
        seen = render_rays(
            trained,
            cache,
            rays,
            sh,
            sd_m=sd,
            samples=config.samples,
            colors=config.colors,
            normal_step_m=max(1e-3, 2.5 * sd),
            levels=levels,
            color_levels=color_levels,
            deformation=deformation,
            generator=generator,
        )
        terms = picture_terms(seen, pixels)
        rows = torch.nonzero(seen.hit)[:, 0]
        surface = seen.point.detach()[rows]
        with torch.no_grad():
            base = torch.zeros_like(seen.gradient).index_put((rows,), _base_normal(trained, surface))
            soft = torch.ones_like(seen.alpha).index_put((rows,), trained.softness(surface))
        near = rows[torch.randint(len(rows), (min(1024, len(rows)),), generator=generator)] if len(rows) else rows
        residual = torch.zeros_like(seen.alpha).index_put(
            (near,), trained.residual_sdf(seen.point.detach()[near], levels=levels)
        )
        terms |= shape_terms(seen, base, residual * len(rows) / max(len(near), 1), softness=soft)
        places = seen.point.detach()[near]
        shifted = places + 1.5e-3 * torch.nn.functional.normalize(
            torch.randn(places.shape, generator=generator), dim=-1
        )
        albedo = trained.surface_color(torch.cat([places, shifted]), levels=color_levels)[0]
        terms["albedo_smooth"] = (albedo[: len(places)] - albedo[len(places) :]).abs().mean()
        terms["sh"] = light.pow(2).mean()
        weights = {name: getattr(config.loss, name) for name in terms}
        weights["base_normal"] *= 1 - 0.8 * progress
        loss = total_loss(terms, weights)
        if not torch.isfinite(loss):
            raise TrainDiverged(
                f"training diverged at step {step}.", hint="run again with a lower --train.geometry-rate"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % 20 == 0 or step == config.steps - 1:
            elapsed = time.monotonic() - started
            emit(TrainStep(step, config.steps, float(loss.detach()), (step + 1) * config.rays / max(elapsed, 1e-6)))
        if (step + 1) % config.evaluate_every == 0:
            emit(
                EvalStep(
                    step,
                    _held_out_psnr(
                        trained, cache, sampler, cameras, first_sh + light.detach() * ambient_level, deformation, sd
                    ),
                )
            )
    with torch.no_grad():
        trained.sh.copy_(first_sh + light * ambient_level)
        trained.turn.copy_(cameras.turn * TURN_RAD)
        trained.shift.copy_(cameras.slide * SHIFT_M)
        trained.sd_m.fill_(sd)


def fade_in(grid: GridConfig, progress: float, *, first: int) -> Tensor:
    """Weight of each feature: coarse levels first, the finest at ``progress`` = 1."""
    opened = first + (grid.levels - first) * min(progress, 1.0)
    return (opened - torch.arange(grid.levels)).clamp(0, 1).repeat_interleave(grid.features)


def _base_normal(trained: RadianceField, points: Tensor) -> Tensor:
    """Normal of the fitted head's shell, by central differences two and a half millimetres wide."""
    corners = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    values = trained.base_sdf((points[:, None] + corners * 2.5e-3).reshape(-1, 3)).reshape(-1, 4)
    return torch.nn.functional.normalize((values[..., None] * corners).sum(1), dim=-1, eps=1e-9)


@torch.no_grad()
def _held_out_psnr(
    trained: RadianceField,
    cache: ShellCache,
    sampler: PixelSampler,
    cameras: CameraRefinement,
    sh: Tensor,
    deformation: Deformation,
    sd: float,
    *,
    most: int = 4096,
) -> float:
    """PSNR (dB, sRGB) of held-out pixels of the head."""
    index = sampler.held_out[:: max(len(sampler.held_out) // most, 1)]
    pixels = sampler.take(index)
    origins, directions = cameras.rays(sampler.c2w, pixels.photo, pixels.camera_rays)
    rays = RayBundle(origins, directions, *cache.span(origins, directions), pixels.photo)
    seen = render_rays(
        trained, cache, rays, sh, sd_m=sd, samples=32, colors=3, normal_step_m=1e-3, deformation=deformation
    )
    mixed = srgb_from_linear(seen.radiance) * seen.alpha[:, None] + 0.5 * (1 - seen.alpha[:, None])
    return float(-10 * torch.log10((mixed.clamp(0, 1) - pixels.rgb_srgb).pow(2).mean().clamp(min=1e-10)))

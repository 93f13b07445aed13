"""Train a person's field on the photos: from the fitted head to what the pixels say."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from head3d import store
from head3d.errors import CorruptPart, TrainDiverged
from head3d.events import Checkpoint, Emit, EvalStep, Notice, StageStart, TrainStep, ignore
from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.kernels.library import choose_device, library
from head3d.morphable.types import HeadFit
from head3d.perception.types import Observation
from head3d.train.clear import clear_air
from head3d.train.completion import complete_unseen
from head3d.train.config import TrainConfig
from head3d.train.detail import add_details
from head3d.train.ease import ease_unseen
from head3d.train.imagine import imagine_unseen
from head3d.train.kinds import learned_kinds
from head3d.train.prepare import prepare
from head3d.train.preview import Previews
from head3d.train.rays import PixelSampler, TrainPhoto
from head3d.train.state import TrainState
from head3d.train.step import held_out_psnr, train_step
from head3d.train.survey import survey
from head3d.train.symmetry import mirror_unseen
from head3d.train.texture import polish_colors, surface_pixels

SLOW_PART = 0.35
"""Without compiled kernels a step takes several times longer: this part of the steps is made."""
WORSE_DB = 0.3
"""A later state is kept although its held-out pixels are this much worse: it is sharper, which PSNR hardly rewards."""

__all__ = ["TrainConfig", "optimise", "train_field"]


def train_field(
    fit: HeadFit,
    observations: Sequence[Observation],
    *,
    config: TrainConfig = TrainConfig(),
    emit: Emit = ignore,
    checkpoints: Path | None = None,
    previews: Previews | None = None,
) -> RadianceField:
    """Learn a person's field from the photos.

    Args:
        fit: One identity, and per photo expression, light and camera.
        observations: The photos the fit was made from, in its order.
        config: Options.
        emit: Receives TrainStep, EvalStep, Checkpoint and Notice.
        checkpoints: Folder; training resumes from the last checkpoint in it.
        previews: Shows the head while it is trained.

    Returns:
        The field; ``train.cameras.refined_cameras(fit.cameras, field.turn, field.shift)`` are the corrected cameras.
    """
    ready = prepare(
        fit,
        observations,
        field=config.field,
        crop=config.crop,
        light_ridge=config.light_ridge,
        prefer=config.prefer,
        seed=config.seed,
        start=config.shape,
        cells_m=(config.shape_cell_m, config.paint_cell_m),
    )
    device = choose_device(config.device)
    ready.field.to(device)
    bent = ready.deformation.to(device)
    optimise(
        ready.field,
        ready.photos,
        bent,
        kinds=ready.kinds,
        tones=ready.tones,
        config=config,
        emit=emit,
        checkpoints=checkpoints,
        previews=previews,
    )
    return ready.field.cpu()


def optimise(
    trained: RadianceField,
    photos: Sequence[TrainPhoto],
    deformation: Deformation,
    *,
    kinds: Tensor | None = None,
    tones: Tensor | None = None,
    config: TrainConfig,
    emit: Emit = ignore,
    checkpoints: Path | None = None,
    previews: Previews | None = None,
) -> None:
    """Train a prepared field in place; stops early when held-out pixels no longer gain.

    ``kinds`` and ``tones`` are those of ``Prepared``.

    Raises:
        TrainDiverged: The loss is no longer a number.
    """
    device = trained.sd_m.device
    if library(device.type) is None:
        config = replace(config, steps=max(int(config.steps * SLOW_PART), 1))
        emit(Notice(f"Without compiled kernels training is slow: it makes {config.steps} steps only.", "warning"))
    if len(photos) == 1:
        config = stiffened(config)
    state = TrainState(trained, config=config)
    sampler = PixelSampler(photos).to(device)
    kept = last_checkpoint(checkpoints, emit=emit)
    if kept is not None:
        state.resume(kept)
    emit(StageStart("training", config.steps))
    best, best_psnr, best_sd, waited = state.snapshot(), -1.0, state.sd_m, 0
    if kept is not None:
        best = {name: kept[f"best.{name}"] for name in best}
        best_psnr, best_sd, waited = kept["progress"][0].item(), kept["progress"][1].item(), int(kept["progress"][2])
    started, first = time.monotonic(), state.step
    while state.step < config.steps and waited < config.patience:
        try:
            loss = train_step(state, sampler, deformation)
        except TrainDiverged as error:
            last = f" The last good checkpoint is {_newest(checkpoints)}." if _newest(checkpoints) else ""
            raise TrainDiverged(error.message + last, hint=error.hint) from error
        done = state.step
        if done % 10 == 0 or done == config.steps:
            rate = (done - first) * config.rays / max(time.monotonic() - started, 1e-6)
            emit(TrainStep(done, config.steps, loss, rate))
            if previews is not None:
                previews.offer(state)
        if done % config.evaluate_every == 0 or done == config.steps:
            psnr = held_out_psnr(state, sampler, deformation)
            emit(EvalStep(done, psnr))
            waited = 0 if psnr > best_psnr else waited + 1
            if psnr > best_psnr - WORSE_DB:
                best, best_sd, best_psnr = state.snapshot(), state.sd_m, max(psnr, best_psnr)
        if checkpoints is not None and done % config.checkpoint_every == 0 and done < config.steps:
            path = checkpoints / f"step_{done:05d}.safetensors"
            progress = torch.tensor([best_psnr, best_sd, waited], dtype=torch.float64)
            found = {f"best.{name}": value for name, value in best.items()}
            store.write_tensors(path, state.checkpoint() | found | {"progress": progress})
            for old in checkpoints.glob("step_*.safetensors"):
                if old != path:
                    old.unlink(missing_ok=True)
            emit(Checkpoint(done, str(path)))
    state.restore(best)
    state.sd_m = best_sd
    state.finish()
    state.cache.refresh(trained)
    mirror_unseen(state, steps=config.mirror_steps)
    seen = survey(trained, photos, deformation, cache=state.cache)
    if config.tidy:
        tidy(state, seen.points)
    if kinds is not None:
        paint = Volume(trained.paint, trained.paint_origin, trained.cells["paint"])
        kinds = learned_kinds(seen, paint, state.cache.sdf(paint.nodes()).cpu(), kinds)
    pixels = surface_pixels(state, photos, deformation)
    polish_colors(state, pixels, steps=config.polish_steps)
    if previews is not None:
        previews.offer(state)
    complete_unseen(trained, state.cache, kinds=None if kinds is None else kinds.numpy())
    imagine_unseen(state, steps=config.imagine_steps, seen_m=pixels.points, tones=tones, kinds=kinds)
    if config.detail:
        add_details(state, photos, deformation, pixels.choice, kinds=kinds)


def tidy(state: TrainState, seen_m: Float[Tensor, "P 3"]) -> None:
    """Let the learned shape run out gently beyond what photos show, and clear the air about it; it gets a new cache."""
    trained = state.field
    ease_unseen(trained, state.cache, seen_m)
    state.cache.refresh(trained)
    clear_air(trained, state.cache)
    state.cache = ShellCache(trained)
    state.cache.refresh(trained)


def stiffened(config: TrainConfig) -> TrainConfig:
    """Options for a single photo, which cannot tell shape, albedo and light apart: all stay near their start."""
    loss = replace(config.loss, residual=25 * config.loss.residual, residual_color=50 * config.loss.residual_color)
    return replace(config, loss=loss, light_rate=0.1 * config.light_rate)


def _newest(checkpoints: Path | None) -> Path | None:
    found = sorted(checkpoints.glob("step_*.safetensors")) if checkpoints is not None else []
    return found[-1] if found else None


def last_checkpoint(checkpoints: Path | None, *, emit: Emit = ignore) -> dict[str, Tensor] | None:
    """The newest checkpoint of a folder; a damaged one is left aside with a Notice."""
    path = _newest(checkpoints)
    if path is None:
        return None
    try:
        return store.read_tensors(path)
    except CorruptPart as error:
        emit(Notice(f"{error.message} Training starts anew.", "warning"))
        return None

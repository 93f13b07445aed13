"""Trains the lift: ``head3d train-lift``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from head3d.events import Emit, LearnStep, Notice, ignore
from head3d.networks.files import write_network
from head3d.networks.training import Training, TrainingConfig
from head3d.networks.volume_unet import VolumeUNet
from head3d.prior.head_maps import HELD_OUT, artist_paths
from head3d.prior.stream import SampleStream
from head3d.train.lift import CELL_M, NAME, PARTS, UNIT_M, lifted, make_lift_net, mirrored
from head3d.trials.lift_lessons import Lesson, artist_lesson, drawn_lesson

ARTISTS = 0.5
"""Share of artists' people among the lessons: few, but what they wear on their heads is real."""
NEAR = 0.3
"""Places farther (units) from both surfaces count a tenth."""
SHARP = 0.08
"""A signed distance (units) of this much is surely outside: how occupancy is told from it."""
HELD_SEED = 9_000_001
"""Seeds of lessons that are never learned from."""


@dataclass(frozen=True)
class LiftTraining(TrainingConfig):
    """How the lift is trained. Truth data: head_models, valid_heads, hdri_1k, skull66."""

    out: Path = Path(".cache/training/lift")
    """Folder of the checkpoint, the weights and of artists' people, perceived; what is there is gone on with."""
    batch: int = 2
    """Lessons a step."""
    rate: float = 6e-4
    """Learning rate."""
    fresh: float = 0.25
    """New lessons a step."""
    workers: int = 1
    """Processes that make lessons."""


def lift_lesson(seed: int, *, data: Path, folder: Path, held_out: bool = False) -> Lesson:
    """A lesson; the same for the same seed."""
    artists = artist_paths(data, held_out=held_out)
    generator = torch.Generator().manual_seed(seed)
    if artists and (held_out or bool(torch.rand((), generator=generator) < ARTISTS)):
        chosen = seed % len(artists) if held_out else int(torch.randint(len(artists), (), generator=generator))
        return artist_lesson(artists[chosen], seed, data=data, folder=folder)
    return drawn_lesson(seed, data=data)


def train_lift(config: LiftTraining, *, emit: Emit = ignore) -> dict[str, Any]:
    """Train within the budget, measure on people held out, write weights and card; returns the card's facts."""
    device = config.ready("head_models")
    torch.manual_seed(config.seed)
    net = make_lift_net().to(device)
    training = Training(
        {NAME: net}, config.out, minutes=config.minutes, rate=config.rate, seed=config.seed, averaged=(NAME,)
    )
    generator = torch.Generator().manual_seed(training.seed + training.step)
    maker = partial(lift_lesson, data=config.data, folder=config.out / "people")
    seed = 1_000_000 * training.seed + 4 * training.step  # a resumed run meets new people
    sums, shown = np.zeros(2), time.monotonic()
    with SampleStream(maker, seed=seed, first=16, capacity=500, fresh=config.fresh, workers=config.workers) as stream:
        for step in training.steps():
            batch = [flipped(one, generator) for one in stream.draw(config.batch, generator)]
            seen, distance, kinds = (torch.stack(part).to(device) for part in zip(*batch, strict=True))
            loss, told = lift_loss(net(seen), seen, distance, kinds)
            training.update(NAME, loss)
            sums += told
            if (step + 1) % 20 == 0:
                rate = 20 * config.batch / (time.monotonic() - shown)
                emit(LearnStep(step + 1, training.progress, sums[0] / 20, rate))
                emit(Notice(f"distance {50 * sums[0] / 20:.2f} mm, kinds {sums[1] / 20:.3f}"))
                sums, shown = np.zeros(2), time.monotonic()
    training.finished(NAME)
    facts = {
        "data": "synthetic people (MakeHuman CC0, ICT-FaceKit MIT), VALID library (MIT) without those held out",
        "held_out": list(HELD_OUT),
        **training.facts(device),
        "metrics": measure_lift(net, config),
    }
    write_network(config.out, NAME, net.state_dict(), facts)
    emit(Notice(f"{config.out / NAME}.safetensors: {facts['metrics']}"))
    return facts


def parts_of(lesson: Lesson) -> tuple[Tensor, Tensor, Tensor]:
    """Evidence, distance, kinds."""
    return lesson.seen.float(), lesson.distance.float(), lesson.kinds.long()


def flipped(lesson: Lesson, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The same, as it is or mirrored."""
    seen, distance, kinds = parts_of(lesson)
    if bool(torch.rand((), generator=generator) < 0.5):
        seen, distance, kinds = mirrored(seen), distance.flip(-1), kinds.flip(-1)
    return seen, distance, kinds


def lift_loss(
    out: Float[Tensor, "N O D H W"],
    seen: Float[Tensor, "N C D H W"],
    distance: Float[Tensor, "N D H W"],
    kinds: Int[Tensor, "N D H W"],
) -> tuple[Tensor, np.ndarray]:
    """Error of the distance near the surfaces, of what is inside, and of what the surface is."""
    start = seen[:, 2 * PARTS]
    made = (start + out[:, 0]).clamp(-1, 1)
    near = torch.minimum(distance.abs(), start.abs()) < NEAR
    weight = torch.where(near, 1.0, 0.1)
    apart = (made - distance).abs()
    inside = functional.binary_cross_entropy_with_logits(-made / SHARP, (distance < 0).float(), reduction="none")
    surface = (distance.abs() < NEAR / 2).float()
    what = functional.cross_entropy(out[:, 1:], kinds, reduction="none")
    what = (what * surface).sum() / surface.sum().clamp_min(1)
    loss = (weight * (apart + 0.1 * inside)).sum() / weight.sum() + 0.05 * what
    told = float((apart * near).detach().sum() / near.sum()), float(what.detach())
    return loss, np.array(told)


@torch.no_grad()
def measure_lift(net: VolumeUNet, config: LiftTraining, *, artists: int = 24, drawn: int = 8) -> dict[str, Any]:
    """How far shapes are off, before and after, of people held out."""
    folder = config.out / "people"
    facts: dict[str, Any] = {}
    if artist_paths(config.data, held_out=True):
        lessons = [lift_lesson(HELD_SEED + k, data=config.data, folder=folder, held_out=True) for k in range(artists)]
        facts["artists"] = _errors(net, lessons)
    facts["drawn"] = _errors(net, [drawn_lesson(HELD_SEED + k, data=config.data) for k in range(drawn)])
    return facts


def _errors(net: VolumeUNet, lessons: Sequence[Lesson]) -> dict[str, Any]:
    """By number of photos: overlap of volumes, error (mm) of the distance at the true surface, and kinds told right."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for lesson in lessons:
        seen, distance, kinds = parts_of(lesson)
        answer = lifted(net, seen)
        start = seen[2 * PARTS]
        made = (start + answer.change.values[0] / UNIT_M).clamp(-1, 1)
        surface = distance.abs() < CELL_M / UNIT_M
        row: list[float] = []
        for one in (start, made):
            row += [overlap(one < 0, distance < 0), float((one - distance)[surface].abs().mean() * 1000 * UNIT_M)]
        row.append(float((answer.kinds.values.argmax(0) == kinds)[surface].float().mean()))
        rows.setdefault("one_photo" if lesson.photos == 1 else "more_photos", []).append(tuple(row))
    names = ("iou_start", "surface_mm_start", "iou", "surface_mm", "kinds_right")
    return {
        key: {"lessons": len(values), **dict(zip(names, np.mean(values, axis=0).round(4).tolist(), strict=True))}
        for key, values in rows.items()
    }


def overlap(one: Tensor, other: Tensor) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum().clamp_min(1))

"""Trains the completion net: ``head3d train-completion``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.events import Emit, LearnStep, Notice, ignore
from head3d.field.completion_net import NAME, SURE, answer, completion_input, fill_map, make_completion_net
from head3d.imaging.perceptual import load_lpips
from head3d.networks.discriminator import PatchDiscriminator, contest
from head3d.networks.files import write_network
from head3d.networks.training import Training, TrainingConfig
from head3d.networks.unet import UNet, channels_last, fast_dtype
from head3d.prior.head_maps import HELD_OUT, HeadMap, artist_paths, map_lesson
from head3d.prior.stream import SampleStream

RIVAL = "discriminator"
ALONE = 0.3
"""First share of the first run without a discriminator: colours before texture."""
BACK = (slice(1), slice(None), slice(64, 192), slice(192, 320))
"""Part of a map, the back of one head, whose gradient is penalised."""
CROP = 224
"""Side of the part that LPIPS looks at, px: the back of the head."""


@dataclass(frozen=True)
class CompletionTraining(TrainingConfig):
    """How the completion net is trained. Truth data: head_models, valid_heads."""

    out: Path = Path(".cache/training/completion")
    """Folder of the checkpoint and of the weights; what is there is gone on with."""
    minutes: float = 60.0
    """For how long."""
    lpips: float = 1.0
    """Weight of LPIPS."""
    adversarial: float = 0.1
    """Weight of the discriminator's opinion."""
    penalty: float = 2.0
    """Weight of its gradient penalty, every eighth step."""
    workers: int = 1
    """Processes that make maps."""


def train_completion(config: CompletionTraining, *, emit: Emit = ignore) -> dict[str, Any]:
    """Train within the budget, measure on people held out, write weights and card; returns the card's facts."""
    device = config.ready("head_models")
    torch.manual_seed(config.seed)
    net = channels_last(make_completion_net().to(device))
    rival = channels_last(PatchDiscriminator(4).to(device))
    training = Training(
        {NAME: net, RIVAL: rival},
        config.out,
        minutes=config.minutes,
        rate=config.rate,
        seed=config.seed,
        averaged=(NAME,),
        betas=(0.5, 0.99),
    )
    generator = torch.Generator().manual_seed(training.seed + training.step)
    lpips = load_lpips("vgg").to(device)
    maker, seed = partial(map_lesson, data=config.data), 1_000_000 * training.seed + 4 * training.step
    begun, kind = training.step, fast_dtype(device)
    sums, shown = np.zeros(3), time.monotonic()
    with SampleStream(maker, seed=seed, first=48, capacity=600, fresh=1, workers=config.workers) as stream:
        for step in training.steps():
            lessons = stream.draw(config.batch, generator)
            truth, known, radius, there = _stacked(lessons, device, generator)
            given, start = completion_input(
                _filled(truth, known, generator), known, _smoothed(radius, known), generator=generator
            )
            have = (known > SURE).float()[:, None]
            made = answer(net, given, start)
            aim = 2 * truth - 1
            weight = there[:, None] * (0.15 + 0.85 * (1 - have))
            color = ((made - aim).abs() * weight).sum() / (3 * weight.sum())
            whole = torch.where(there[:, None] > 0, have * aim + (1 - have) * made, aim)
            side = torch.randint(0, made.shape[-1] - CROP + 1, (), generator=generator)
            part = np.s_[:, :, :, int(side) : int(side) + CROP]
            some = np.s_[: (config.batch + 1) // 2]  # VGG takes as long as all the rest: half of the maps must do
            with torch.autocast(device.type, kind, enabled=kind != torch.float32):
                seen = lpips(whole[part][some].clamp(-1, 1), aim[part][some])
            loss = color + config.lpips * seen.float().mean()
            opinion = torch.zeros(())
            if begun > 0 or training.progress > ALONE:
                opinion = contest(
                    training, RIVAL, real=aim, made=whole, beside=have, corner=BACK, penalty=config.penalty
                )
                loss = loss + config.adversarial * opinion
            training.update(NAME, loss)
            sums += [float(color.detach()), float(seen.detach().mean()), float(opinion.detach())]
            if (step + 1) % 25 == 0:
                rate = 25 * config.batch / (time.monotonic() - shown)
                emit(LearnStep(step + 1, training.progress, sums[0] / 25, rate))
                emit(Notice(f"colour {sums[0] / 25:.4f}, LPIPS {sums[1] / 25:.4f}, opinion {sums[2] / 25:.3f}"))
                sums, shown = np.zeros(3), time.monotonic()
    training.finished(NAME)
    facts = {
        "data": "synthetic people (MakeHuman CC0, ICT-FaceKit MIT), VALID library (MIT) without those held out",
        "held_out": list(HELD_OUT),
        **training.facts(device),
        "metrics": measure(net, config.data),
    }
    write_network(config.out, NAME, net.state_dict(), facts)
    emit(Notice(f"{config.out / NAME}.safetensors: {facts['metrics']}"))
    return facts


def _stacked(lessons: Sequence[HeadMap], device: torch.device, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Colours, known, radius, there; all of it a little soft, as fields are."""
    truth, known, radius, there = (
        torch.stack([getattr(one, name) for one in lessons]).to(device)
        for name in ("albedo_srgb", "known", "radius_m", "there")
    )
    sigma = 0.3 + 0.4 * float(torch.rand((), generator=generator))
    return _blurred(truth, sigma), known * there, radius, there


def _filled(
    truth: Float[Tensor, "N 3 H W"], known: Float[Tensor, "N H W"], generator: torch.Generator
) -> Float[Tensor, "N 3 H W"]:
    """A map whose gaps are as a field fills them: smooth, each thing in about its colour, borders about right."""
    have = (known > SURE).float()[:, None]
    sigma = 2.0 + 6.0 * float(torch.rand((), generator=generator))
    soft = _blurred(_blurred(truth, sigma / 1.4), sigma / 1.4)
    wave = torch.randn(len(truth), 3, 4, 8, generator=generator) * 0.02
    wave = wave + torch.randn(len(truth), 1, 4, 8, generator=generator) * 0.08
    wave = functional.interpolate(wave, truth.shape[-2:], mode="bicubic").to(truth)
    near = functional.avg_pool2d(have, 25, 1, 12)  # beside the photos the colour is right
    return have * truth + (1 - have) * (soft * (1 + wave * (1 - near))).clamp(0, 1)


def _blurred(pictures: Float[Tensor, "N C H W"], sigma: float) -> Float[Tensor, "N C H W"]:
    reach = max(1, round(2.5 * sigma))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).to(pictures) / sigma) ** 2)
    line = (line / line.sum()).expand(pictures.shape[1], 1, -1)
    padded = functional.pad(pictures, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, line[:, :, None], groups=pictures.shape[1])
    return functional.conv2d(across, line[..., None], groups=pictures.shape[1])


def _smoothed(radius: Float[Tensor, "N H W"], known: Float[Tensor, "N H W"]) -> Float[Tensor, "N H W"]:
    """What a field knows of its shape: smooth where no photo looked."""
    small = functional.avg_pool2d(radius[:, None], 16)
    soft = functional.interpolate(small, radius.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return torch.where(known > SURE, radius, soft)


def measure(net: UNet, data: Path, *, count: int = 24) -> dict[str, Any]:
    """LPIPS and colour error of the completed back, of artists' people held out; beside: a smooth fill."""
    if not artist_paths(data, held_out=True):
        return {}
    lpips = load_lpips("alex").cpu()
    rows = []
    for seed in range(count):
        head = map_lesson(seed, data=data, held_out=True)
        made = completed(net, head)
        smooth, mirrored = unlearned(head)
        part = np.s_[:, :, MIDDLE - CROP // 2 : MIDDLE + CROP // 2]
        row = []
        for one in (made, smooth, mirrored):
            pair = [2 * picture[part][None] - 1 for picture in (one, head.albedo_srgb * head.there)]
            row += [float(lpips(*pair)), float((pair[0] - pair[1]).abs().mean() / 2)]
        rows.append(row)
    values = np.mean(rows, axis=0).round(4).tolist()
    names = [f"{name}{of}" for of in ("", "_smooth", "_mirrored") for name in ("lpips", "colour_error")]
    return dict(zip(names, values, strict=True))


MIDDLE = 256


def lesson_map(head: HeadMap) -> HeadMap:
    """A lesson with its gaps filled smoothly (always the same way)."""
    known = head.known * head.there
    filled = _filled(head.albedo_srgb[None], known[None], torch.Generator().manual_seed(1))[0]
    return replace(head, albedo_srgb=filled, known=known)


def completed(net: UNet, head: HeadMap) -> Float[Tensor, "3 H W"]:
    """A map with what is not known filled by the net; black where nothing is."""
    given = lesson_map(head)
    smooth = _smoothed(head.radius_m[None], given.known[None])[0]
    made = fill_map(net, given.albedo_srgb, given.known, smooth)
    have = (given.known > SURE).float()
    return (have * head.albedo_srgb + (1 - have) * made) * head.there


def unlearned(head: HeadMap) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "3 H W"]]:
    """What can be had without the net: the smooth fill, and that with the strands beside the gap mirrored into it."""
    given = lesson_map(head)
    _, start = completion_input(given.albedo_srgb[None], given.known[None], head.radius_m[None], generator=None)
    return given.albedo_srgb * head.there, ((start[0] + 1) / 2).clamp(0, 1) * head.there

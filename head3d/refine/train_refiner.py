"""Trains the refiner: ``head3d train-refiner``."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.events import Emit, LearnStep, Notice, ignore
from head3d.imaging.perceptual import load_lpips
from head3d.networks.discriminator import PatchDiscriminator, contest
from head3d.networks.files import write_network
from head3d.networks.training import Training, TrainingConfig
from head3d.networks.unet import channels_last, fast_dtype
from head3d.refine.generator import Factor, NetName, Refiner
from head3d.refine.lessons import draw_pairs, load_album
from head3d.refine.measure import measure

RIVAL = "discriminator"
ALONE = 0.25
"""First share of the first run without a discriminator."""
CORNER = (slice(1), slice(None), slice(128), slice(128))
"""Part of the pictures whose gradient is penalised."""
SIDES: dict[Factor, int] = {1: 192, 2: 96, 4: 48}
"""Side of what goes in, px, by how many times larger the answer is."""
TWICE = 0.55
"""Chance that a lesson of the enlarger is one pass, not two."""
LOOKED_AT, LOOK_PX = 2, 96
"""LPIPS, which costs more than the net, sees a square of so many px of so many pictures of each step."""


@dataclass(frozen=True)
class RefinerTraining(TrainingConfig):
    """How refiner and enlarger are trained. Truth data: london512, openpeople."""

    net: NetName = "refiner"
    """Which: refiner (sharper) or enlarger (larger)."""
    out: Path = Path(".cache/training/refiner")
    """Folder of the checkpoint and of the weights; what is there is gone on with."""
    lpips: float = 0.5
    """Weight of LPIPS (VGG)."""
    adversarial: float = 0.015
    """Weight of the discriminator's opinion."""
    penalty: float = 2.0
    """Weight of its gradient penalty, every eighth step."""


def train_refiner(config: RefinerTraining, *, emit: Emit = ignore) -> dict[str, Any]:
    """Train within the budget, measure on people held out, write weights and card; returns the card's facts."""
    device = config.ready("london512")
    torch.manual_seed(config.seed)
    net, name = channels_last(Refiner(config.net).to(device)), config.net
    rival = channels_last(PatchDiscriminator(6, width=32).to(device))
    training = Training(
        {name: net, RIVAL: rival},
        config.out,
        minutes=config.minutes,
        rate=config.rate,
        seed=config.seed,
        averaged=(name,),
        betas=(0.7, 0.99),
    )
    album = load_album(config.data)
    draw = np.random.default_rng([training.seed, training.step])
    lpips, kind, begun = load_lpips("vgg").to(device), fast_dtype(device), training.step
    sums, shown = np.zeros(3), time.monotonic()
    for step in training.steps():
        factor: Factor = 1 if name == "refiner" else 2 if draw.random() < TWICE else 4
        given, sharp = (
            part.to(device) for part in draw_pairs(album, draw, count=config.batch, factor=factor, side=SIDES[factor])
        )
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            made = net(given)
            if factor == 4:
                made = net(made)
            seen = lpips(*_looked_at(made, sharp, draw))
        color = (made - sharp).abs().mean()
        loss = color + config.lpips * seen.float().mean()
        opinion = torch.zeros(())
        if begun > 0 or training.progress > ALONE:
            large = functional.interpolate(given, sharp.shape[-2:], mode="bilinear", align_corners=False)
            opinion = contest(
                training, RIVAL, real=sharp, made=made, beside=large, corner=CORNER, penalty=config.penalty
            )
            loss = loss + config.adversarial * opinion
        training.update(name, loss)
        sums += [float(color.detach()), float(seen.detach().float().mean()), float(opinion.detach())]
        if (step + 1) % 25 == 0:
            emit(LearnStep(step + 1, training.progress, sums[0] / 25, 25 * config.batch / (time.monotonic() - shown)))
            emit(Notice(f"colour {sums[0] / 25:.4f}, LPIPS {sums[1] / 25:.4f}, opinion {sums[2] / 25:.3f}"))
            sums, shown = np.zeros(3), time.monotonic()
    training.finished(name)
    facts = {
        "data": "Face Research Lab London Set (CC BY 4.0, doi:10.6084/m9.figshare.5047666) without 20 people held out, "
        "openpeople (MIT) P002, P006, P007, P010",
        **training.facts(device),
        "metrics": measure(net, config.data),
    }
    write_network(config.out, name, net.state_dict(), facts)
    emit(Notice(f"{config.out / name}.safetensors: {facts['metrics']}"))
    return facts


def _looked_at(
    made: Float[Tensor, "N 3 H W"], sharp: Float[Tensor, "N 3 H W"], draw: np.random.Generator
) -> list[Float[Tensor, "M 3 h w"]]:
    top, left = (int(draw.integers(0, max(length - LOOK_PX, 0) + 1)) for length in made.shape[-2:])
    return [one[:LOOKED_AT, :, top : top + LOOK_PX, left : left + LOOK_PX] for one in (made, sharp)]

"""Trains the refiner: ``head3d train-refiner``."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional

from head3d.events import Emit, Notice, TrainStep, ignore
from head3d.imaging.perceptual import load_lpips
from head3d.networks.discriminator import PatchDiscriminator, contest
from head3d.networks.files import write_network
from head3d.networks.training import Training, TrainingConfig
from head3d.networks.unet import channels_last, fast_dtype
from head3d.refine.generator import NAME, Factor, Refiner, refine
from head3d.refine.lessons import draw_pairs, load_album

RIVAL = "discriminator"
ALONE = 0.3
"""First share of the first run without a discriminator."""
CORNER = (slice(1), slice(None), slice(128), slice(128))
"""Part of the pictures whose gradient is penalised."""
SIDES: dict[Factor, int] = {1: 128, 2: 96, 4: 64}
"""Side of what goes in, px, by how many times larger the answer is."""
CHANCES: dict[Factor, float] = {1: 0.3, 2: 0.3, 4: 0.4}


@dataclass(frozen=True)
class RefinerTraining(TrainingConfig):
    """How the refiner is trained. Truth data: london512, openpeople."""

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
    net = channels_last(Refiner().to(device))
    rival = channels_last(PatchDiscriminator(6, width=40).to(device))
    training = Training(
        {NAME: net, RIVAL: rival},
        config.out,
        minutes=config.minutes,
        rate=config.rate,
        seed=config.seed,
        averaged=(NAME,),
        betas=(0.7, 0.99),
    )
    album = load_album(config.data)
    draw = np.random.default_rng([training.seed, training.step])
    lpips, kind, begun = load_lpips("vgg").to(device), fast_dtype(device), training.step
    sums, shown = np.zeros(3), time.monotonic()
    for step in training.steps():
        factor: Factor = (1, 2, 4)[int(draw.choice(3, p=list(CHANCES.values())))]
        given, sharp = (
            part.to(device) for part in draw_pairs(album, draw, count=config.batch, factor=factor, side=SIDES[factor])
        )
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            made = net(given, factor)
            seen = lpips(made.clamp(-1, 1), sharp)
        color = (made - sharp).abs().mean()
        loss = color + config.lpips * seen.float().mean()
        opinion = torch.zeros(())
        if begun > 0 or training.progress > ALONE:
            large = functional.interpolate(given, sharp.shape[-2:], mode="bilinear", align_corners=False)
            opinion = contest(
                training, RIVAL, real=sharp, made=made, beside=large, corner=CORNER, penalty=config.penalty
            )
            loss = loss + config.adversarial * opinion
        training.update(NAME, loss)
        sums += [float(color.detach()), float(seen.detach().float().mean()), float(opinion.detach())]
        if (step + 1) % 25 == 0:
            emit(TrainStep(step + 1, 0, sums[0] / 25, 25 * config.batch / (time.monotonic() - shown)))
            emit(Notice(f"colour {sums[0] / 25:.4f}, LPIPS {sums[1] / 25:.4f}, opinion {sums[2] / 25:.3f}"))
            sums, shown = np.zeros(3), time.monotonic()
    training.finished(NAME)
    facts = {
        "data": "Face Research Lab London Set (CC BY 4.0, doi:10.6084/m9.figshare.5047666) without 20 people held out, "
        "openpeople (MIT) P002, P006, P007, P010",
        **training.facts(device),
        "metrics": measure(net, config.data),
    }
    write_network(config.out, NAME, net.state_dict(), facts)
    emit(Notice(f"{config.out / NAME}.safetensors: {facts['metrics']}"))
    return facts


def measure(net: Refiner, data: Path, *, count: int = 20) -> dict[str, Any]:
    """Enlarging 128 px portraits of people held out four times: LPIPS (AlexNet) and PSNR beside Lanczos'."""
    lpips, rows = load_lpips("alex").cpu(), []
    for picture in load_album(data, held_out=True).pictures[:count]:
        small = cv2.resize(picture, (picture.shape[1] // 4, picture.shape[0] // 4), interpolation=cv2.INTER_AREA)
        truth = torch.from_numpy(picture).float() / 255
        made = refine(net, torch.from_numpy(small).float() / 255, factor=4)
        plain = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LANCZOS4)
        row = []
        for one in (made, torch.from_numpy(plain).float() / 255):
            a, b = (2 * part.permute(2, 0, 1)[None] - 1 for part in (one, truth))
            row += [float(lpips(a, b)), float(-10 * torch.log10((one - truth).square().mean()))]
        rows.append(row)
    values = np.mean(rows, axis=0).round(4).tolist()
    return dict(zip(("lpips_x4", "psnr_x4", "lpips_lanczos", "psnr_lanczos"), values, strict=True))

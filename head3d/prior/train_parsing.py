"""Trains the parsing net: ``head3d train-parsing``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.events import Emit, LearnStep, Notice, ignore
from head3d.networks.files import write_network
from head3d.networks.portraits import portraits
from head3d.networks.training import Training, TrainingConfig
from head3d.networks.unet import UNet, channels_last, fast_dtype
from head3d.perception.nets import load_face_nets
from head3d.perception.parsing_net import NAME, SIDE_PX, make_parsing_net, net_input
from head3d.perception.types import Region
from head3d.prior.backgrounds import Scenery, load_scenery
from head3d.prior.parsing_data import UNKNOWN, ParsingSample, synthetic_sample, training_picture
from head3d.prior.parsing_teacher import Teacher, teach
from head3d.prior.stream import SampleStream

HELD_OUT_SEEDS = 10_000_000
"""Synthetic people from here on are never trained on."""


@dataclass(frozen=True)
class ParsingTraining(TrainingConfig):
    """How the parsing net is trained. Truth data: head_models, hdri_1k, skull66, london512, openpeople, teachers."""

    out: Path = Path(".cache/training/parsing")
    """Folder of the checkpoint and of the weights; what is there is gone on with."""
    batch: int = 8
    """Pictures a step."""
    side: int = 192
    """Side of a training picture, px; windows are 256."""
    rate: float = 1.5e-3
    """Learning rate."""
    real_share: float = 0.3
    """Share of real portraits in a step."""
    workers: int = 1
    """Processes that make synthetic people."""


def train_parsing(config: ParsingTraining, *, emit: Emit = ignore) -> dict[str, Any]:
    """Train within the budget, measure on people held out, write weights and card; returns the card's facts."""
    device = config.ready("head_models")
    torch.manual_seed(config.seed)
    net = channels_last(make_parsing_net().to(device))
    training = Training(
        {NAME: net}, config.out, minutes=config.minutes, rate=config.rate, seed=config.seed, averaged=(NAME,)
    )
    scenery = load_scenery(config.data)
    taught, held = _portraits(config, emit)
    draw = np.random.default_rng([training.seed, training.step])
    generator = torch.Generator().manual_seed(training.seed + training.step)
    maker = partial(synthetic_sample, data=config.data)
    seed = 1_000_000 * training.seed + 4 * training.step  # a resumed run meets new people
    kind, loss_sum, shown = fast_dtype(device), 0.0, time.monotonic()
    with SampleStream(maker, seed=seed, first=64, capacity=800, fresh=1, workers=config.workers) as stream:
        for step in training.steps():
            real = int(draw.binomial(config.batch, config.real_share)) if taught else 0
            chosen = stream.draw(config.batch - real, generator)
            chosen += [taught[index] for index in draw.integers(0, max(len(taught), 1), real)]
            batch = [training_picture(one, scenery, draw, side=config.side) for one in chosen]
            rgb, labels, cover = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*batch, strict=True))
            with torch.autocast(device.type, kind, enabled=kind != torch.float32):
                logits = net(net_input(rgb))
            loss = parsing_loss(logits.float(), labels, cover)
            training.update(NAME, loss)
            loss_sum += float(loss.detach())
            if (step + 1) % 50 == 0:
                rate = 50 * config.batch / (time.monotonic() - shown)
                emit(LearnStep(step + 1, training.progress, loss_sum / 50, rate))
                loss_sum, shown = 0.0, time.monotonic()
    training.finished(NAME)
    facts = {
        "data": "synthetic people (MakeHuman CC0, ICT-FaceKit MIT); Face Research Lab London Set (CC BY 4.0) and "
        "openpeople (MIT) labelled by a PAN teacher (MIT) and landmarks; backgrounds Poly Haven (CC0), skull66 (CC BY)",
        **training.facts(device),
        "metrics": measure(net, config.data, scenery, held),
    }
    write_network(config.out, NAME, net.state_dict(), facts)
    emit(Notice(f"{config.out / NAME}.safetensors: {facts['metrics']}"))
    return facts


def parsing_loss(
    logits: Float[Tensor, "N C H W"], labels: UInt8[Tensor, "N H W"], cover: UInt8[Tensor, "N H W"]
) -> Float[Tensor, ""]:
    """Cross-entropy of the regions, small ones weighing more, an overlap term, and that of the coverage."""
    known = (labels != UNKNOWN) & (labels < len(Region))
    target = torch.where(known, labels, 0).long()
    regions = logits[:, :-1]
    weight = torch.ones(len(Region), device=logits.device)
    for small in (Region.BROWS, Region.EYES, Region.LIPS, Region.MOUTH, Region.EARS, Region.GLASSES):
        weight[int(small)] = 2.0
    entropy = torch.nn.functional.cross_entropy(regions, target, weight, reduction="none")
    entropy = (entropy * known).sum() / known.sum().clamp_min(1)
    # soft Dice over the batch: every region counts the same, however small
    share = regions.softmax(1) * known[:, None]
    truth = torch.nn.functional.one_hot(target, len(Region)).permute(0, 3, 1, 2) * known[:, None]
    both, sums = (share * truth).sum((0, 2, 3)), (share + truth).sum((0, 2, 3))
    there = truth.sum((0, 2, 3)) > 20
    dice = (1 - (2 * both + 1) / (sums + 1))[there].mean()
    sure = cover != UNKNOWN
    aim = torch.where(sure, cover, 0).float() / 254
    coverage = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, -1], aim, reduction="none")
    return entropy + 0.5 * dice + 1.5 * (coverage * sure).sum() / sure.sum().clamp_min(1)


def _portraits(config: ParsingTraining, emit: Emit) -> tuple[list[ParsingSample], list[ParsingSample]]:
    """Labelled real portraits: of people to learn from, and of London's people held out."""
    model = config.data / "teachers" / "skin_clothes_hair_pan.onnx"
    if not model.is_file():
        emit(Notice("No teacher: training on synthetic people alone.", "warning"))
        return [], []
    nets, teacher = load_face_nets(), Teacher(model)
    made = [
        [sample for path in portraits(config.data, held_out=held_out) for sample in teach(path, teacher, nets)]
        for held_out in (False, True)
    ]
    emit(Notice(f"{len(made[0])} real portraits to learn from, {len(made[1])} held out."))
    return made[0], made[1]


def measure(
    net: UNet, data: Path, scenery: Scenery, held: Sequence[ParsingSample], *, people: int = 60
) -> dict[str, Any]:
    """Mean IoU over regions on synthetic people and portraits held out, and the error of the coverage."""
    draw = np.random.default_rng(7)
    confusion = {"synthetic": np.zeros((len(Region), len(Region))), "portraits": np.zeros((len(Region), len(Region)))}
    error = []
    for k in range(people):
        sample = synthetic_sample(HELD_OUT_SEEDS + k, data=data)
        rgb, labels, cover = training_picture(sample, scenery, draw, side=SIDE_PX)
        found, alpha = _answer(net, rgb)
        count_pairs(confusion["synthetic"], labels, found)
        error.append(np.abs(alpha - cover / 254.0).mean())
    for sample in held:
        count_pairs(confusion["portraits"], sample.labels, _answer(net, sample.rgb_srgb)[0])
    return {
        "miou": {name: round(float(np.nanmean(iou(table))), 4) for name, table in confusion.items() if table.any()},
        "iou": {
            name: {
                region.name.lower(): round(float(value), 4)
                for region, value in zip(Region, iou(table), strict=True)
                if np.isfinite(value)
            }
            for name, table in confusion.items()
            if table.any()
        },
        "alpha_error": round(float(np.mean(error)), 5),
    }


def _answer(net: UNet, rgb: UInt8[np.ndarray, "S S 3"]) -> tuple[UInt8[np.ndarray, "S S"], np.ndarray]:
    with torch.inference_mode():
        logits = net(net_input(torch.from_numpy(rgb[None])))[0]
    return logits[:-1].argmax(0).to(torch.uint8).numpy(), logits[-1].sigmoid().numpy()


def count_pairs(table: np.ndarray, labels: UInt8[np.ndarray, "S S"], found: UInt8[np.ndarray, "S S"]) -> None:
    """Add the pairs (truth, answer) of a picture to a confusion table, in place."""
    known = labels < len(Region)
    pairs = labels[known].astype(np.int64) * len(Region) + found[known]
    table += np.bincount(pairs, minlength=len(Region) ** 2).reshape(table.shape)


def iou(table: np.ndarray) -> np.ndarray:
    """Intersection over union of each region; NaN where there was none of it."""
    both = np.diag(table)
    either = table.sum(0) + table.sum(1) - both
    return np.where(table.sum(1) > 0, both / np.maximum(either, 1), np.nan)

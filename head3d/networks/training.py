"""Training networks for so many minutes: averaged weights, and checkpoints to go on from."""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from head3d.errors import CorruptPart, InputError
from head3d.store import make_folder, read_tensors, write_bytes, write_tensors

WARM_STEPS = 100
"""Steps over which the learning rate rises."""
COOL_SHARE = 0.4
"""Last share of the budget, over which it falls to nothing."""
AVERAGE = 0.995
"""Of the running mean of the weights; it starts quickly: min(this, (step + 1) / (step + 10))."""


@dataclass(frozen=True)
class TrainingConfig:
    """What trainings of networks have in common."""

    out: Path = Path(".cache/training")
    """Folder of the checkpoint and of the weights; what is there is gone on with."""
    data: Path = Path(os.environ.get("HEAD3D_DATA", "../shared/data"))
    """Truth data, from outside the project."""
    minutes: float = 40.0
    """For how long."""
    batch: int = 4
    """Pictures a step."""
    rate: float = 4e-4
    """Learning rate."""
    seed: int = 1
    """Of everything random."""
    device: str = "auto"
    """auto, cpu or cuda."""

    def ready(self, needs: str) -> torch.device:
        """The device; InputError if the truth data lacks a folder."""
        if not (self.data / needs).is_dir():
            raise InputError(f"{self.data} has no {needs}.", hint="Give the truth data with --data or HEAD3D_DATA.")
        wanted = self.device
        if wanted == "auto":
            wanted = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(wanted)


class Training:
    """Networks under training, their averages, and where this stands.

    Args:
        nets: By name; those of ``averaged`` get a running mean of their weights, which is what is used later.
        folder: Of the checkpoint; what is there is resumed.
        minutes: For how long.
        rate: Learning rate of Adam by net.
        seed: Of everything random; kept with the checkpoint.
    """

    def __init__(
        self,
        nets: dict[str, nn.Module],
        folder: Path,
        *,
        minutes: float,
        rate: float,
        seed: int,
        averaged: tuple[str, ...],
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        self.nets, self.folder, self.rate, self.seed = nets, make_folder(folder), rate, seed
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), lr=rate, betas=betas, fused=True) for name, net in nets.items()
        }
        self.average = {
            f"{name}.{key}": value.detach().clone() for name in averaged for key, value in nets[name].named_parameters()
        }
        self.averaged = averaged
        self.step, self.seconds = 0, 0.0
        self.budget_s = minutes * 60
        self._resume()
        self._before_s, self._start = self.seconds, time.monotonic()

    @property
    def progress(self) -> float:
        """Share of this run's budget that is used, 0 to 1."""
        return min((time.monotonic() - self._start) / max(self.budget_s, 1e-9), 1.0)

    def steps(self, *, save_every_s: float = 120.0) -> Iterator[int]:
        """Numbers of steps until the budget is used; sets the learning rate, saves now and then and at the end."""
        saved = self._start = time.monotonic()  # what was prepared before does not count
        while self.progress < 1.0:
            left = 1.0 - self.progress
            cool = 0.5 - 0.5 * math.cos(math.pi * min(left / COOL_SHARE, 1.0))
            for optimizer in self.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = self.rate * min((self.step + 1) / WARM_STEPS, 1.0) * max(cool, 0.01)
            yield self.step
            self.step += 1
            self._follow()
            if time.monotonic() - saved > save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()

    def update(self, name: str, loss: Tensor, *, clip: float = 1.0) -> float:
        """One step down a loss, left out if its gradient is not finite; returns the gradient's norm."""
        net, optimizer = self.nets[name], self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(net.parameters(), clip))
        if math.isfinite(norm):
            optimizer.step()
        return norm

    def averages(self, name: str) -> dict[str, Tensor]:
        """The running mean of a net's weights."""
        return {
            key.removeprefix(f"{name}."): value for key, value in self.average.items() if key.startswith(f"{name}.")
        }

    def finished(self, name: str) -> nn.Module:
        """A net with its averaged weights, on the CPU, ready to be measured."""
        net = self.nets[name]
        net.load_state_dict({**net.state_dict(), **self.averages(name)})
        return net.cpu().eval()

    def facts(self, device: torch.device) -> dict[str, Any]:
        """For the card of the weights: how long they were trained, where, from which seed."""
        return {
            "licence": "Apache-2.0",
            "steps": self.step,
            "seconds": round(self.seconds),
            "seed": self.seed,
            "device": str(device),
        }

    def save(self) -> None:
        """Write the checkpoint: weights, averages, Adam's moments and the step."""
        self.seconds = self._before_s + time.monotonic() - self._start
        kept: dict[str, Tensor] = {f"average.{key}": value for key, value in self.average.items()}
        for name, net in self.nets.items():
            kept |= {f"net.{name}.{key}": value.detach() for key, value in net.named_parameters()}
            state = self.optimizers[name].state
            for key, parameter in net.named_parameters():
                for moment in ("exp_avg", "exp_avg_sq", "step"):
                    if parameter in state:
                        kept[f"{moment}.{name}.{key}"] = state[parameter][moment]
        write_tensors(self.folder / "checkpoint.safetensors", kept)
        facts = {"step": self.step, "seconds": round(self.seconds, 1), "seed": self.seed}
        write_bytes(self.folder / "checkpoint.json", json.dumps(facts).encode())

    def _follow(self) -> None:
        share = min(AVERAGE, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name in self.averaged:
                for key, value in self.nets[name].named_parameters():
                    self.average[f"{name}.{key}"].lerp_(value, 1 - share)

    def _resume(self) -> None:
        place = self.folder / "checkpoint.json"
        if not place.exists():
            return
        try:
            facts = json.loads(place.read_text(encoding="utf-8"))
            kept = read_tensors(self.folder / "checkpoint.safetensors")
            self.step, self.seconds, self.seed = int(facts["step"]), float(facts["seconds"]), int(facts["seed"])
            with torch.no_grad():
                for key, value in self.average.items():
                    value.copy_(kept[f"average.{key}"])
                for name, net in self.nets.items():
                    for key, parameter in net.named_parameters():
                        parameter.copy_(kept[f"net.{name}.{key}"])
                        if f"step.{name}.{key}" in kept:
                            self.optimizers[name].state[parameter] = {
                                moment: kept[f"{moment}.{name}.{key}"].clone()
                                for moment in ("exp_avg", "exp_avg_sq", "step")
                            }
        except (KeyError, ValueError, RuntimeError, OSError) as error:
            raise CorruptPart(
                f"{self.folder}: its checkpoint is of another network or damaged ({error}).",
                hint="Delete the folder, or give another one.",
            ) from error

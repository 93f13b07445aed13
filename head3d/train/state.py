"""Everything that changes while a field is trained, and how it is kept and taken up again."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.train.adam import Adam
from head3d.train.cameras import SHIFT_M, TURN_RAD, CameraRefinement
from head3d.train.config import TrainConfig


class TrainState:
    """A field under training: its parameters, the photos' lights and cameras, the optimiser, the random numbers."""

    def __init__(self, trained: RadianceField, *, config: TrainConfig) -> None:
        count = len(trained.sh)
        self.field = trained
        self.config = config
        self.cameras = CameraRefinement(count).to(trained.sd_m.device)
        self.refines = config.refine_cameras and count > 1  # one photo alone cannot tell its camera from the head
        self.first_sh = trained.sh.detach().clone()
        self.ambient = self.first_sh[:, :1].abs().mean(-1, keepdim=True).clamp(min=1e-3)
        self.light = torch.nn.Parameter(torch.zeros_like(self.first_sh))
        self.generator = torch.Generator().manual_seed(config.seed)
        decoders = [*trained.geometry_decoder.parameters(), *trained.color_decoder.parameters()]
        groups = [
            {"params": list(trained.geometry.parameters()), "lr": config.geometry_rate},
            {"params": list(trained.color.parameters()), "lr": config.color_rate},
            {"params": decoders, "lr": config.decoder_rate},
            {"params": [self.light], "lr": config.light_rate},
        ]
        if self.refines:
            groups.append({"params": list(self.cameras.parameters()), "lr": config.camera_rate})
        self.optimiser = Adam(groups)
        self.rates = [float(group["lr"]) for group in groups]
        self.cache = ShellCache(trained)
        self.sd_m = config.start_sd_m
        self.step = 0

    @property
    def sh(self) -> Float[Tensor, "N 9 3"]:
        """Present light of each photo."""
        return self.first_sh + self.light * self.ambient

    def scale_rates(self, factor: float) -> None:
        """Set every learning rate to a part of its first value."""
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def learned(self) -> dict[str, Tensor]:
        """What is being learned, by name."""
        named: dict[str, Tensor] = {
            f"field.{name}": value for name, value in self.field.named_parameters() if name != "sh"
        }
        named |= {f"cameras.{name}": value for name, value in self.cameras.named_parameters()}
        return named | {"light": self.light}

    def snapshot(self) -> dict[str, Tensor]:
        """Copy of what is learned."""
        return {name: value.detach().clone() for name, value in self.learned().items()}

    @torch.no_grad()
    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`snapshot` copied."""
        for name, value in self.learned().items():
            value.copy_(kept[name])

    def checkpoint(self) -> dict[str, Tensor]:
        """All that is needed to go on as if nothing had happened."""
        kept = self.snapshot()
        for name, value in self.learned().items():
            moments = self.optimiser.state.get(value, {})
            kept |= {f"adam.{key}.{name}": moment.detach().clone() for key, moment in moments.items()}
        kept["generator"] = self.generator.get_state()
        kept["step"] = torch.tensor(self.step)
        return kept

    def resume(self, kept: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint of the same photos and options."""
        self.restore(kept)
        for name, value in self.learned().items():
            moments = {
                key: kept[f"adam.{key}.{name}"]
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in kept
            }
            if moments:
                self.optimiser.state[value] = {
                    key: moment.to(value.device, copy=True) for key, moment in moments.items()
                }
        self.generator.set_state(kept["generator"])
        self.step = int(kept["step"])

    @torch.no_grad()
    def finish(self) -> None:
        """Write lights, cameras and blur into the field."""
        self.field.sh.copy_(self.sh)
        self.field.turn.copy_(self.cameras.turn * TURN_RAD)
        self.field.shift.copy_(self.cameras.slide * SHIFT_M)
        self.field.sd_m.fill_(self.sd_m)

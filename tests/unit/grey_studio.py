"""A studio without a head: what sets need of one, with grey pictures and a gate that was told what to say."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from head3d.config import Config
from head3d.export.signing import SigningConfig
from head3d.finish.apply import Headshot
from head3d.looks import Look
from head3d.quality.config import GateConfig
from head3d.quality.gate import Level, SightVerdict
from head3d.quality.picture_gate import PictureGate, PictureVerdict
from head3d.render.confidence import Confidence, Shares

SHARES = Shares(seen=1.0, extrapolated=0.0, invented=0.0)
OUTPUT = SimpleNamespace(alpha=torch.ones(16, 16))


class GreyStudio:
    """Makes grey pictures; ``sight`` holds the levels of looks that photos do not show."""

    def __init__(self, subject: Any, sight: Mapping[str, Level] | None = None, *, sign: bool = False) -> None:
        self.subject, self.sight = subject, sight or {}
        self.harmonies: dict[str, Any] = {}
        self.config = replace(Config(), provenance=SigningConfig("require" if sign else "off"))

    def light(self, look: Look) -> Any:
        return SimpleNamespace(name=look.light)

    def gain(self, pictures: object) -> float:
        return 1.0

    def picture(self, look: Look, height_px: int, **how: Any) -> Any:
        return SimpleNamespace(look=look, view=SimpleNamespace(name=look.name), output=OUTPUT)

    def shown_as(self, picture: Any, look: Look) -> Any:
        return SimpleNamespace(look=look, view=SimpleNamespace(name=look.name), output=OUTPUT)

    def confidence(self, picture: Any) -> Confidence:
        return Confidence(torch.ones(8, 8), SHARES)

    def refined(self, picture: Any) -> Any:
        return picture

    def harmony(self, pictures: Any, gains: Any) -> Any:
        return tuple(one.look.name for one in pictures), tuple(gains)

    def finish(self, picture: Any, *, size: int, gain: float, harmony: Any = None, deep: bool = False) -> Headshot:
        self.harmonies[picture.look.name] = harmony
        fine = np.full((16, 16, 3), 90 * 257 + 5, np.uint16) if deep else None
        name = picture.look.name
        return Headshot(np.full((16, 16, 3), 90, np.uint8), name, "grey", {"view": name}, fine)

    def vertices(self, look: Look) -> torch.Tensor:
        return torch.zeros(1, 3)

    def verdict(self, picture: Any, confidence: Confidence) -> SightVerdict:
        level = self.sight.get(picture.look.name, "good")
        return SightVerdict(picture.look.name, level, SHARES, "" if level == "good" else f"{picture.look.name}: unseen")

    def eye_contact_deg(self, picture: Any) -> float | None:
        return 7.0

    def checks(self, picture: Any, shot: Headshot) -> None:
        return None


class ToldGate(PictureGate):
    """Says of every picture what it was told of its name; nothing of others."""

    def __init__(self, levels: Mapping[str, Level]) -> None:
        super().__init__(lambda: (_ for _ in ()).throw(AssertionError("nobody is compared")), config=GateConfig())
        self.levels, self.names, self.sets = levels, [], []

    def see(self, pixels: Any, output: Any, view: Any, *, vertices: Any = None, among: Any = None) -> None:
        self.names.append(view.name)
        self.sets.append(among)

    def verdicts(self) -> list[PictureVerdict | None]:
        return [self._verdict(name) for name in self.names]

    def _verdict(self, name: str) -> PictureVerdict | None:
        if name not in self.levels:
            return None
        level = self.levels[name]
        sentence = "" if level == "good" else f"{name}: {level}, it is blurred. Add a sharper photo."
        return PictureVerdict(name, level, "blur", 9.0, 0.3, sentence)


def told(levels: Mapping[str, Level]) -> Callable[..., ToldGate]:
    """In place of ``head3d.rendering.gate_of``."""
    return lambda subject, config: ToldGate(levels)


def names_in(folder: Path) -> list[str]:
    """Pictures in a folder and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))

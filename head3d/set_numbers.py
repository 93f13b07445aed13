"""How good the pictures of a set are, picture by picture: skin, outline, identity, time."""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from head3d.finish.apply import face_mask, roll_off
from head3d.imaging.color import lab_from_linear, linear_from_levels
from head3d.quality.gate import Level
from head3d.quality.picture_gate import PictureVerdict
from head3d.quality.picture_numbers import mean_interval, numbers_of
from head3d.quality.picture_signs import outline_of
from head3d.render.types import RenderOutput, View

DIGITS = 4
BETTER: Mapping[str, str] = {"sharpness": "larger", "consistency": "larger", "exposure": "either"}
"""Numbers that are not the better the smaller they are."""


@dataclass
class Clock:
    """Seconds by what they were spent on, of the wall's clock and of all cores together."""

    wall: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def spent_on(self, what: str) -> Iterator[None]:
        """Count what is done inside."""
        wall, cores = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.wall[what] = self.wall.get(what, 0.0) + time.monotonic() - wall
            self.cores[what] = self.cores.get(what, 0.0) + time.process_time() - cores

    def plain(self) -> dict[str, Any]:
        """For a file."""
        return {"wall": _rounded(self.wall), "cores": _rounded(self.cores)}


@dataclass(frozen=True)
class _Skin:
    """The face of a picture, CIE Lab at the pixels of ``where``: as finished, and as the head is lit before that."""

    where: Bool[Tensor, "H W"]
    shown: Float[Tensor, "P 3"]
    lit: Float[Tensor, "P 3"]


@dataclass(frozen=True)
class _Measured:
    angle: Hashable
    own: bool
    skin: _Skin
    outline: Mapping[str, float]
    eye_contact_deg: float | None


class SetNumbers:
    """Measures pictures as they are made, and tells when all of them are there."""

    def __init__(self) -> None:
        self._all: list[_Measured] = []
        self._bare: dict[Hashable, _Skin] = {}

    def see(
        self,
        pixels: UInt8[np.ndarray, "H W 3"],
        output: RenderOutput,
        view: View,
        *,
        gain: float,
        shoulder: float,
        angle: Hashable,
        own_clothes: bool,
        eye_contact_deg: float | None = None,
    ) -> None:
        """Look at a picture.

        Args:
            pixels: As it would be delivered, in the size of its render.
            output: The render.
            view: Its camera.
            gain: Exposure of its session.
            shoulder: Where highlights are rolled off (see FinishConfig).
            angle: Names pictures that show the same face under the same light, whatever is worn and stands behind.
            eye_contact_deg: How far past the camera the eyes look; None where no eye shows.
            own_clothes: Whether it shows those of the photos; its skin is what others are compared with.
        """
        where = face_mask(output, view)
        lit = roll_off((output.rgb_linear[where] * gain).clamp_min(0), shoulder=shoulder)
        shown = linear_from_levels(pixels)[where.cpu()]
        skin = _Skin(where.cpu(), lab_from_linear(shown).half(), lab_from_linear(lit.clamp_max(1)).half().cpu())
        if own_clothes:
            self._bare.setdefault(angle, skin)
        self._all.append(_Measured(angle, own_clothes, skin, outline_of(output, view.camera), eye_contact_deg))

    def rows(self, verdicts: Sequence[PictureVerdict | None], levels: Sequence[Level]) -> list[dict[str, Any]]:
        """Numbers of every picture, in the order they were seen.

        ``skin_delta_e`` is the mean CIE 1976 difference of the finished face from the same head in its own clothes
        under the same light before finishing; None where the set shows no own clothes from there.

        Args:
            verdicts: Of the gate on the pictures, in the same order.
            levels: What became of them; what photos saw of them counts, too.
        """
        found = []
        for one, verdict, level in zip(self._all, verdicts, levels, strict=True):
            row: dict[str, Any] = {"level": level}
            row["skin_delta_e"] = self._skin_delta_e(one)
            row |= {f"alpha_{name}": round(value, DIGITS) for name, value in one.outline.items()}
            row["identity"] = None if verdict is None else _round(verdict.identity)
            row["identity_nearest"] = None if verdict is None else _round(verdict.nearest)
            row |= {name: _round(value) for name, value in numbers_of(verdict.numbers if verdict else None).items()}
            row["eye_contact_deg"] = _round(one.eye_contact_deg)
            found.append(row)
        return found

    def _skin_delta_e(self, one: _Measured) -> float | None:
        own = self._bare.get(one.angle)
        if own is None or own.where.shape != one.skin.where.shape:
            return None
        both = own.where & one.skin.where
        if not bool(both.any()):
            return None
        shown, meant = one.skin.shown[both[one.skin.where]].float(), own.lit[both[own.where]].float()
        return _round(float((shown - meant).norm(dim=-1).mean()))


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean with its 95 % interval and worst of every number of a set, and how many pictures the gate let pass.

    ``worst`` is the largest, but the smallest of numbers that are better when larger; None where neither is better.
    """
    found: dict[str, Any] = {"pictures": len(rows)}
    found["levels"] = {name: sum(row["level"] == name for row in rows) for name in ("good", "warned", "refused")}
    for key in rows[0] if rows else ():
        values = [row[key] for row in rows if isinstance(row[key], float)]
        if values:
            bad = {"larger": min, "either": lambda _: None}.get(BETTER.get(key, ""), max)(values)
            low, high = (round(value, DIGITS) for value in mean_interval(values))
            mean = _round(float(np.mean(values)))
            found[key] = {"mean": mean, "interval": [low, high], "worst": _round(bad), "of": len(values)}
    return found


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in seconds.items()}

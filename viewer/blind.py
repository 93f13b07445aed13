"""The blind test on a page: the person's photos and the head's renders, cut alike, before one backdrop."""

import secrets
import shutil
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from head3d.errors import ConfigError, InputError
from head3d.finish.apply import backdrop_picture
from head3d.imaging.color import levels_from_linear, linear_from_levels
from head3d.imaging.compose import over, spread_colors
from head3d.looks import Look
from head3d.quality.blind import BLIND_PX, BlindResult, score, shuffle
from head3d.records import to_plain
from head3d.store import write_json
from head3d.studio import Studio, Turn

from .photo_views import through_window

MOST = 8
"""Tests that are under way; an older one is forgotten."""


@dataclass(frozen=True)
class _Test:
    rater: str
    folder: Path
    key: dict[str, str]
    truth: dict[str, bool]


class BlindTests:
    """Tests under way. What is a photo is known here alone until the answers are in."""

    def __init__(self) -> None:
        self._tests: dict[str, _Test] = {}
        self._lock = threading.Lock()

    def begin(self, studio: Studio, rater: str, *, turn: Turn = nullcontext) -> dict[str, Any]:
        """Make a test of a subject: each photo, and the head as that photo's camera saw it, in a random order.

        Both are cut out and stand before the same backdrop, so that only the person tells.
        """
        pictures: dict[str, np.ndarray] = {}
        truth: dict[str, bool] = {}
        observed = {one.photo.name: one for one in studio.subject.observations()}
        for name in studio.photos:
            if name not in observed:
                continue
            look = Look(seen_from=f"photo:{name}", light=f"photo:{name}", expression=f"photo:{name}", crop="square")
            one = observed[name]
            photo = _cut_out(studio, look, one.photo.rgb_srgb, np.asarray(one.parsing.matte, np.float32))
            picture = studio.picture(look, BLIND_PX, turn=turn)
            with turn():
                made = studio.finish(studio.refined(picture), size=BLIND_PX)
            both = _shared(studio, look, one.photo.rgb_srgb.shape[:2])
            pictures |= {f"photo {name}": photo[both], f"render {name}": made.rgb_srgb[both]}
            truth |= {f"photo {name}": False, f"render {name}": True}
        if len(pictures) < 2:
            raise InputError("There are no photos to compare with.", hint="Make the head from photos first.")
        folder, ident = Path(tempfile.mkdtemp(prefix="head3d_blind_")), secrets.token_hex(6)
        key = shuffle(pictures, folder, seed=secrets.randbits(31))
        with self._lock:
            self._tests[ident] = _Test(rater, folder, key, truth)
            while len(self._tests) > MOST:
                self._forget(next(iter(self._tests)))
        return {"id": ident, "shown": list(key)}

    def picture(self, ident: str, shown: str) -> bytes:
        """One picture of a test."""
        test = self._known(ident)
        if shown not in test.key:
            raise ConfigError("There is no such picture.", hint="Begin the test again.")
        return (test.folder / shown).read_bytes()

    def score(self, ident: str, answers: Any, subject: Path) -> BlindResult:
        """End a test: what was told apart, written as ``blind.json`` into the subject folder.

        Args:
            ident: Of the test.
            answers: True for a render, by the name a picture was shown under.
            subject: The folder.
        """
        test = self._known(ident)
        if not isinstance(answers, dict) or not answers:
            raise ConfigError("There are no answers yet.", hint="Judge at least one picture.")
        if any(name not in test.key or not isinstance(said, bool) for name, said in answers.items()):
            raise ConfigError("These are no answers to this test.", hint="Begin the test again.")
        result = score({test.key[name]: said for name, said in answers.items()}, test.truth)
        write_json(subject / "blind.json", {"rater": test.rater, **to_plain(result)}, kind="head3d.blind", version=1)
        with self._lock:
            self._forget(ident)
        return result

    def _known(self, ident: str) -> _Test:
        with self._lock:
            if ident not in self._tests:
                raise ConfigError("There is no such test.", hint="Begin it again.")
            return self._tests[ident]

    def _forget(self, ident: str) -> None:
        if (gone := self._tests.pop(ident, None)) is not None:
            shutil.rmtree(gone.folder, ignore_errors=True)


def _shared(studio: Studio, look: Look, size: tuple[int, int]) -> tuple[slice, slice]:
    """The largest square of a look's window that the photo fills: where a photo ends must not tell."""
    filled = through_window(studio, look, BLIND_PX, np.ones(size, np.float32), beyond=0.0) > 0.99
    rows, columns = np.nonzero(filled.any(1))[0], np.nonzero(filled.any(0))[0]
    if not len(rows) or not len(columns):
        return slice(None), slice(None)
    side = min(len(rows), len(columns))
    left = min(max(filled.shape[1] // 2 - side // 2, columns[0]), columns[-1] + 1 - side)
    return slice(int(rows[0]), int(rows[0]) + side), slice(int(left), int(left) + side)


def _cut_out(studio: Studio, look: Look, photo_srgb: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """A photo through a look's window, before the look's backdrop; uint8 sRGB."""
    pixels = linear_from_levels(through_window(studio, look, BLIND_PX, photo_srgb))
    alpha = torch.from_numpy(through_window(studio, look, BLIND_PX, matte, beyond=0.0)).clamp(0, 1)
    behind = backdrop_picture(studio.finish_config(look, size=BLIND_PX), tuple(alpha.shape))  # type: ignore[arg-type]
    return levels_from_linear(over(spread_colors(pixels, alpha), alpha, behind))

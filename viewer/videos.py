"""Videos: a turn round the head, or a path through the picks, made in the background, each in a folder of its own.

``exports/videos/<id>/`` holds ``video.mp4``, ``looks.json`` (``head3d export --looks`` makes the same from it) and
``video.json``, which says what became of it.
"""

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from head3d import store
from head3d.errors import ConfigError, optional_package
from head3d.events import Emit, Progress, StageStart
from head3d.export.signing import identity_of
from head3d.export.video import write_video
from head3d.looks import Look, write_looks
from head3d.moving import Moment, path, turntable, video_facts, video_frames
from head3d.studio import Studio

from .makings import Makings
from .render_loop import Turns

SIZES, SECONDS, FPS = (128, 1080), (1.0, 60.0), (8, 30)


@dataclass(frozen=True)
class VideoPlan:
    """What is asked for.

    Attributes:
        kind: ``turntable`` of the first look, or ``path`` through all.
        looks: Which.
        size: Longer side, px.
        seconds: Of the whole.
        fps: Pictures a second.
    """

    kind: Literal["turntable", "path"]
    looks: tuple[Look, ...]
    size: int = 512
    seconds: float = 6.0
    fps: int = 24

    def __post_init__(self) -> None:
        if self.kind not in ("turntable", "path") or not self.looks:
            raise ConfigError("There is nothing to show.", hint="Keep a picture first.")
        for name, value, (low, high) in (
            ("size", self.size, SIZES), ("length", self.seconds, SECONDS), ("rate", self.fps, FPS),
        ):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ConfigError(f"A video's {name} of {value!r} is not made.", hint=f"Use {low:g} to {high:g}.")

    @property
    def frames(self) -> int:
        """How many pictures."""
        return max(round(self.seconds * self.fps), 2)

    def moments(self) -> list[Moment]:
        """The pictures."""
        return turntable(self.looks[0], self.frames) if self.kind == "turntable" else path(self.looks, self.frames)

    def command(self, subject: Path, looks: Path) -> str:
        """The command line that makes the same."""
        words = ["head3d", "export", str(subject), "--format", "mp4", "--looks", str(looks), "--size", str(self.size)]
        return shlex.join([*words, "--frames", str(self.frames), "--fps", str(self.fps)])


class VideoMaker(Makings):
    """Makes one video at a time; of a cancelled one nothing stays."""

    def __init__(self, subject: Path, turns: Turns, emit: Emit) -> None:
        super().__init__(subject / "exports" / "videos", turns, emit, stage="video", version=1)
        self.subject = subject

    def start(self, studio: Studio, plan: VideoPlan) -> str:
        """Begin a video; its id. ConfigError while another is being made."""
        optional_package(
            "imageio_ffmpeg", "To write videos one more package is needed.", hint="pip install imageio-ffmpeg"
        )
        moments = plan.moments()
        return self._begin(lambda ident: self._work(studio, plan, moments, ident))

    def file(self, ident: str) -> Path:
        """A finished video; ConfigError if there is none."""
        for one in self.all():
            if one["id"] == ident and one["state"] == "done":
                return self.folder / ident / "video.mp4"
        raise ConfigError("There is no such video.", hint="Make it again.")

    def _work(self, studio: Studio, plan: VideoPlan, moments: Sequence[Moment], ident: str) -> None:
        place, started = self.folder / ident, time.monotonic()
        looks = plan.looks[:1] if plan.kind == "turntable" else plan.looks

        def note(state: str) -> None:
            payload = {
                "state": state, "kind": plan.kind, "size": plan.size, "frames": plan.frames, "fps": plan.fps,
                "command": plan.command(self.subject, place / "looks.json"), "seconds": time.monotonic() - started,
            }  # fmt: skip
            self._write_note(ident, payload)

        def make() -> None:
            store.make_folder(place)
            write_looks(place / "looks.json", looks)
            note("working")
            self.emit(StageStart(self.stage, len(moments)))
            signer = identity_of(studio.config.provenance)
            frames = self._frames(studio, plan, moments)
            write_video(place / "video.mp4", frames, fps=plan.fps, facts=video_facts(studio, looks), signer=signer)

        self._see_through(make, note)

    def _frames(self, studio: Studio, plan: VideoPlan, moments: Sequence[Moment]) -> Iterator[np.ndarray]:
        return video_frames(
            studio, moments, size=plan.size,
            turn=self.take_turn,
            tell=lambda step: self.emit(Progress(self.stage, step, len(moments), "")),
        )  # fmt: skip

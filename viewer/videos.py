"""Videos: a turn round the head, or a path through the picks, made in the background, each in a folder of its own.

``exports/videos/<id>/`` holds ``video.mp4``, ``looks.json`` (``head3d export --looks`` makes the same from it) and
``video.json``, which says what became of it.
"""

import secrets
import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from head3d import store
from head3d.errors import ConfigError, FormatError, Head3DError, optional_package
from head3d.events import Emit, Notice, Progress, StageDone, StageStart
from head3d.export.provenance import NOTE
from head3d.export.video import write_video
from head3d.looks import Look, write_looks
from head3d.moving import Moment, path, turntable, video_frames
from head3d.studio import Studio

from .render_loop import PRIORITY, Stopped, Turns

KIND, VERSION = "head3d.video", 1
STAGE = "video"
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


class VideoMaker:
    """Makes one video at a time."""

    def __init__(self, subject: Path, turns: Turns, emit: Emit) -> None:
        self.subject, self.folder = subject, subject / "exports" / "videos"
        self.turns, self.emit = turns, emit
        self.current = ""
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def start(self, studio: Studio, plan: VideoPlan) -> str:
        """Begin a video; its id. ConfigError while another is being made."""
        optional_package(
            "imageio_ffmpeg", "To write videos one more package is needed.", hint="pip install imageio-ffmpeg"
        )
        moments = plan.moments()
        with self._lock:
            if self.current:
                raise ConfigError("A video is being made already.", hint="Wait for it, or cancel it.")
            self.current = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
            self._stop.clear()
        arguments = (studio, plan, moments, self.current)
        threading.Thread(target=self._work, args=arguments, name="video", daemon=True).start()
        return self.current

    def cancel(self) -> None:
        """Stop at the next tile; nothing of the video stays."""
        self._stop.set()

    def all(self) -> list[dict[str, Any]]:
        """What is known of every video, the newest first."""
        found = []
        for file in sorted(self.folder.glob("*/video.json"), reverse=True):
            try:
                payload = store.read_json(file, kind=KIND, version=VERSION)
            except FormatError:
                continue
            if payload["state"] == "working" and file.parent.name != self.current:
                payload["state"] = "interrupted"
            found.append({**payload, "id": file.parent.name})
        return found

    def file(self, ident: str) -> Path:
        """A finished video; ConfigError if there is none."""
        for one in self.all():
            if one["id"] == ident and one["state"] == "done":
                return self.folder / ident / "video.mp4"
        raise ConfigError("There is no such video.", hint="Make it again.")

    def _work(self, studio: Studio, plan: VideoPlan, moments: Sequence[Moment], ident: str) -> None:
        place, started, state = self.folder / ident, time.monotonic(), "working"
        looks = plan.looks[:1] if plan.kind == "turntable" else plan.looks

        def note() -> None:
            payload = {
                "state": state, "kind": plan.kind, "size": plan.size, "frames": plan.frames, "fps": plan.fps,
                "command": plan.command(self.subject, place / "looks.json"), "seconds": time.monotonic() - started,
            }  # fmt: skip
            store.write_json(place / "video.json", payload, kind=KIND, version=VERSION)

        try:
            store.make_folder(place)
            write_looks(place / "looks.json", looks)
            note()
            self.emit(StageStart(STAGE, len(moments)))
            write_video(place / "video.mp4", self._frames(studio, plan, moments), fps=plan.fps, comment=NOTE)
            state = "done"
        except Stopped:
            state = "cancelled"
        except Head3DError as error:
            state = "failed"
            self.emit(Notice(str(error), "warning"))
        finally:
            state = "failed" if state == "working" else state
            note()
            self.current = ""
            self.emit(StageDone(STAGE, time.monotonic() - started))

    def _frames(self, studio: Studio, plan: VideoPlan, moments: Sequence[Moment]) -> Iterator[np.ndarray]:
        return video_frames(
            studio, moments, size=plan.size,
            turn=lambda: self.turns.take(PRIORITY["set"], self._stop.is_set),
            tell=lambda step: self.emit(Progress(STAGE, step, len(moments), "")),
        )  # fmt: skip

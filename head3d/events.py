"""What a running stage tells the world.

CLI, viewer, batch worker and tests read this one stream; nothing else reports progress.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class StageStart:
    """A stage begins. ``steps`` is its number of steps, 0 if unknown."""

    stage: str
    steps: int = 0


@dataclass(frozen=True)
class Progress:
    """A step of a stage that is not training: photo 3 of 8, view 5 of 12."""

    stage: str
    step: int
    steps: int
    what: str = ""


@dataclass(frozen=True)
class TrainStep:
    """Training went on. ``loss`` is the total, ``rays_per_s`` the rate since the last event."""

    step: int
    steps: int
    loss: float
    rays_per_s: float


@dataclass(frozen=True)
class LearnStep:
    """The training of one of head3d's networks went on: it ends with its time. ``share`` of it is used, 0 to 1."""

    step: int
    share: float
    loss: float
    samples_per_s: float


@dataclass(frozen=True)
class EvalStep:
    """Held-out pixels were looked at."""

    step: int
    psnr_db: float


@dataclass(frozen=True)
class Checkpoint:
    """Training can resume from here."""

    step: int
    path: str


@dataclass(frozen=True)
class Preview:
    """What is being trained looks like this by now; emitted only where somebody asked for it.

    ``jpeg_base64`` is a small picture of the person: it goes by in the stream and is nowhere on the disk.
    """

    step: int
    jpeg_base64: str


@dataclass(frozen=True)
class Notice:
    """Something a person should know: a rejected photo, a fallback taken."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class StageDone:
    """A stage ended; ``fresh`` is True if there was nothing to do."""

    stage: str
    seconds: float
    fresh: bool = False


@dataclass(frozen=True)
class JobStart:
    """A subject of a batch, or a job of the server, starts in a process of its own. ``attempt`` counts from 1."""

    job: str
    attempt: int = 1


@dataclass(frozen=True)
class JobEnd:
    """It ended. ``state``: done; dead (given up); waiting (to be tried again); cancelled. ``why``: a sentence."""

    job: str
    state: Literal["done", "dead", "waiting", "cancelled"]
    seconds: float
    peak_rss_mb: float = 0.0
    why: str = ""


Event = (
    StageStart
    | Progress
    | TrainStep
    | LearnStep
    | EvalStep
    | Checkpoint
    | Preview
    | Notice
    | StageDone
    | JobStart
    | JobEnd
)
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An ``Emit`` for callers who do not listen."""
    del event

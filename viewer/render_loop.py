"""Moving and still: what one client gets to see, and when work on it is dropped.

While a client moves, its browser shows the proxy mesh and nothing is rendered; where 30 pictures of the field can be
had a second (see pace.py), it gets these instead, each of the newest look. Still for 150 ms, it gets a draft, then the
full picture, then a refined one. Whatever a client says raises its generation; work of an older one stops at the next
tile (less than 0.1 s). Only a moving picture is not dropped for a newer moving look: it would never be finished.
"""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from head3d.errors import Head3DError
from head3d.looks import Look
from head3d.memory import return_memory
from head3d.quality.sight_overlay import BETWEEN_SRGB, INVENTED_SRGB, TINT
from head3d.render.confidence import EXTRAPOLATED, SEEN
from head3d.studio import Picture, Studio

from .pace import Pace

STILL_S = 0.15
FIRST_DRAFT_PX, LEAST_PX, MOST_PX = 192, 128, 1024
DRAFT_S = 0.25
"""A draft is as large as can be made in this time: on a GPU it is the full picture."""
UNDERWAY = 2
"""Moving pictures that a slow line may hold: what waits in it is old when it is shown."""
PRIORITY = {"moving": 0, "draft": 0, "full": 1, "thumb": 2, "refined": 3, "set": 2}
"""Who goes first at the next tile; among equals turns are taken."""
JPEG_QUALITY, MOVING_QUALITY = 90, 80


class Stopped(Exception):
    """The client has moved on."""


class Turns:
    """One tile at a time for the whole server, the most urgent first."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._tickets = itertools.count()
        self._busy = False

    @contextmanager
    def take(self, priority: int, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold the machine for one tile; Stopped if ``stopped`` says so before."""
        ticket = (priority, next(self._tickets))
        with self._condition:
            heapq.heappush(self._waiting, ticket)
            try:
                while self._busy or self._waiting[0] != ticket:
                    if stopped():
                        raise Stopped
                    self._condition.wait(0.02)
                if stopped():
                    raise Stopped
                self._busy = True
            finally:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
                self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._busy = False
                self._condition.notify_all()


@dataclass(frozen=True)
class Ask:
    """What a client wants to see.

    Attributes:
        number: The client's own count, returned with the pictures.
        look: The look.
        height_px: Of the full picture.
        overlay: Mark what no photo saw.
        moving: The client moves: one quick picture, if it can be had at all.
        heard: Of a client that moves: number of the last picture it got.
    """

    number: int
    look: Look
    height_px: int
    overlay: bool = False
    moving: bool = False
    heard: int = 0


class LookLoop:
    """The loop of one client."""

    def __init__(
        self,
        studio: Studio,
        turns: Turns,
        pool: ThreadPoolExecutor,
        send: Callable[[dict[str, Any], bytes], Awaitable[None]],
        *,
        gpu: bool = False,
    ) -> None:
        self.studio, self.turns, self.pool, self.send = studio, turns, pool, send
        self.generation = 0
        self.stopped_ms: list[float] = []
        """How long each dropped picture went on after it was dropped."""
        self.stopped_cpu_ms: list[float] = []
        """What the process worked meanwhile: the same on a machine that does other things."""
        self.pixels_per_s = FIRST_DRAFT_PX**2 / DRAFT_S
        self.pace = Pace(gpu=gpu)
        """How large moving pictures can be."""
        self._making = ""
        self._prepared: tuple[Any, ...] | None = None
        self._underway: list[int] = []
        self._ask: Ask | None = None
        self._asked = 0.0
        self._said = asyncio.Event()
        self._dropped, self._dropped_cpu = time.monotonic(), time.process_time()

    def ask(self, ask: Ask | None) -> None:
        """Something new to see; None: the client moves, and shows the proxy. Drops what is being made.

        A moving look that comes while a moving picture is made waits until it is done, and takes the place of one that
        waits already.
        """
        if not (ask is not None and ask.moving and self._making == "moving"):
            self.generation += 1
            self._dropped, self._dropped_cpu = time.monotonic(), time.process_time()
        self._ask, self._asked = ask, time.monotonic()
        self._said.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._said.wait()
            self._said.clear()
            ask, generation, since = self._ask, self.generation, self._asked
            if ask is None:
                continue
            if ask.moving:
                await self._move(ask, generation, since)
                continue
            await asyncio.sleep(STILL_S)
            if generation != self.generation:
                continue  # moved on before anything was begun
            try:
                for kind, height, oversample in steps(ask.height_px, draft_px=self._draft_px()):
                    await self._one(ask, kind, height, oversample, generation, since)
                self.pool.submit(return_memory)
            except Stopped:
                self.stopped_ms.append(1000 * (time.monotonic() - self._dropped))
                self.stopped_cpu_ms.append(1000 * (time.process_time() - self._dropped_cpu))
                del self.stopped_ms[:-50], self.stopped_cpu_ms[:-50]
            except Head3DError as error:
                await self.send({"type": "error", "number": ask.number, "text": str(error)}, b"")

    async def _move(self, ask: Ask, generation: int, since: float) -> None:
        """One moving picture, or none where it would come too late to be of use."""
        self._underway = [number for number in self._underway if number > ask.heard]
        height = min(self.pace.height_px, ask.height_px, MOST_PX)
        if not height or len(self._underway) >= UNDERWAY or shape_of(ask.look) != self._prepared:
            return
        self._making = "moving"
        try:
            await self._one(ask, "moving", height, 1, generation, since)
            self._underway.append(ask.number)
        except (Stopped, Head3DError):
            pass  # the still look that follows tells what is wrong
        finally:
            self._making = ""

    async def _one(self, ask: Ask, kind: str, height: int, oversample: int, generation: int, since: float) -> None:
        loop = asyncio.get_running_loop()

        def stopped() -> bool:
            return generation != self.generation

        if stopped():
            raise Stopped
        asked = time.monotonic()
        ready = asyncio.ensure_future(loop.run_in_executor(self.pool, self.studio.prepare, ask.look))
        while not ready.done():  # a new expression takes seconds: go on with something else meanwhile
            await asyncio.wait({ready}, timeout=0.02)
            if stopped():
                ready.add_done_callback(lambda done: done.exception())
                raise Stopped
        ready.result()
        self._prepared = shape_of(ask.look)
        started = time.monotonic()
        picture, jpeg, facts = await loop.run_in_executor(self.pool, self._make, ask, kind, height, oversample, stopped)
        now = time.monotonic()
        pixels = picture.output.alpha.numel()
        if kind == "moving":  # its eyes may follow the camera: that has to be in time as well
            self.pace.moved(pixels, now - asked)
        elif kind != "refined":
            self.pixels_per_s = pixels / max(now - started, 1e-3)
            self.pace.rested(pixels, now - started)
        header = {
            "type": "frame",
            "kind": kind,
            "number": ask.number,
            "since_ms": round(1000 * (now - since)),
            "made_ms": round(1000 * (now - started)),
            "size": list(picture.output.alpha.shape),
            "moving_px": self.pace.height_px,
            **facts,
        }
        if stopped():
            raise Stopped
        await self.send(header, jpeg)

    def _draft_px(self) -> int:
        return int((self.pixels_per_s * DRAFT_S) ** 0.5)

    def _make(
        self, ask: Ask, kind: str, height: int, oversample: int, stopped: Callable[[], bool]
    ) -> tuple[Picture, bytes, dict[str, Any]]:
        studio, priority = self.studio, PRIORITY[kind]
        picture = studio.picture(
            ask.look, height, oversample=oversample, turn=lambda: self.turns.take(priority, stopped)
        )
        belief = None
        if ask.overlay or kind != "moving":
            with self.turns.take(priority, stopped):
                belief = studio.confidence(picture)
        with self.turns.take(priority, stopped):
            gain = studio.gain([picture])
        with self.turns.take(priority, stopped):
            shot = studio.finish(picture, size=max(picture.output.alpha.shape), gain=gain)
        with self.turns.take(priority, stopped):
            pixels = shot.rgb_srgb
            if ask.overlay and belief is not None:
                pixels = marked(pixels, belief.map.numpy(), picture.output.alpha.numpy())
            if belief is None or kind == "moving":
                return picture, jpeg_of(pixels, quality=MOVING_QUALITY), {"gain": gain}
            verdict = studio.verdict(picture, belief)
            shares = {name: round(getattr(belief.shares, name), 3) for name in ("seen", "extrapolated", "invented")}
            facts = {"gain": gain, "shares": shares, "level": verdict.level, "sentence": verdict.sentence}
            office = studio.checks(picture, shot) if kind != "draft" else None
            if office is not None:
                facts["checks"] = [asdict(one) for one in office[0]]
            return picture, jpeg_of(pixels), facts


def shape_of(look: Look) -> tuple[Any, ...]:
    """What of a look may take seconds to make ready, before the first picture of it."""
    return look.expression, tuple(sorted(look.units.items())), look.garment, look.garment_color


def steps(height_px: int, *, draft_px: int = FIRST_DRAFT_PX) -> list[tuple[str, int, int]]:
    """Kinds of pictures with their height (px) and rays per pixel side, in the order they are made."""
    height = max(LEAST_PX, min(height_px, MOST_PX))
    draft = max(LEAST_PX, min(draft_px, height))
    return [("draft", draft, 1), ("full", height, 1), ("refined", height, 2)]


def marked(pixels: np.ndarray, confidence: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Tint a finished picture by what photos saw, as the report does; uint8 sRGB."""
    invented, between = confidence < EXTRAPOLATED, confidence < SEEN
    tint = np.where(invented[..., None], np.array(INVENTED_SRGB), np.array(BETWEEN_SRGB)) * 255
    share = TINT * (between * alpha)[..., None]
    return (pixels * (1 - share) + tint * share).round().astype(np.uint8)


def jpeg_of(pixels: np.ndarray, *, quality: int = JPEG_QUALITY) -> bytes:
    """A uint8 RGB picture as JPEG."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return encoded.tobytes()

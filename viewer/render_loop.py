"""Moving and still: what one client gets to see, and when work on it is dropped.

While a client moves, its browser shows the proxy mesh and nothing is rendered. Still for 150 ms, it gets a draft, then
the full picture, then a refined one. Whatever a client says raises its generation; work of an older one stops at the
next tile (less than 0.1 s).
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

STILL_S = 0.15
FIRST_DRAFT_PX, LEAST_PX, MOST_PX = 192, 128, 1024
DRAFT_S = 0.25
"""A draft is as large as can be made in this time: on a GPU it is the full picture."""
PRIORITY = {"draft": 0, "full": 1, "thumb": 2, "refined": 3, "set": 2}
"""Who goes first at the next tile; among equals turns are taken."""
JPEG_QUALITY = 90


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
    """

    number: int
    look: Look
    height_px: int
    overlay: bool = False


class LookLoop:
    """The loop of one client."""

    def __init__(
        self,
        studio: Studio,
        turns: Turns,
        pool: ThreadPoolExecutor,
        send: Callable[[dict[str, Any], bytes], Awaitable[None]],
    ) -> None:
        self.studio, self.turns, self.pool, self.send = studio, turns, pool, send
        self.generation = 0
        self.stopped_ms: list[float] = []
        """How long each dropped picture went on after it was dropped."""
        self.stopped_cpu_ms: list[float] = []
        """What the process worked meanwhile: the same on a machine that does other things."""
        self.pixels_per_s = FIRST_DRAFT_PX**2 / DRAFT_S
        self._ask: Ask | None = None
        self._said = asyncio.Event()
        self._dropped, self._dropped_cpu = time.monotonic(), time.process_time()

    def ask(self, ask: Ask | None) -> None:
        """Something new to see; None: the client moves. Drops what is being made."""
        self.generation += 1
        self._dropped, self._dropped_cpu = time.monotonic(), time.process_time()
        self._ask = ask
        self._said.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._said.wait()
            self._said.clear()
            ask, generation, since = self._ask, self.generation, self._dropped
            if ask is None:
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

    async def _one(self, ask: Ask, kind: str, height: int, oversample: int, generation: int, since: float) -> None:
        loop = asyncio.get_running_loop()

        def stopped() -> bool:
            return generation != self.generation

        if stopped():
            raise Stopped
        ready = asyncio.ensure_future(loop.run_in_executor(self.pool, self.studio.prepare, ask.look))
        while not ready.done():  # a new expression takes seconds: go on with something else meanwhile
            await asyncio.wait({ready}, timeout=0.02)
            if stopped():
                ready.add_done_callback(lambda done: done.exception())
                raise Stopped
        ready.result()
        started = time.monotonic()
        picture, jpeg, facts = await loop.run_in_executor(self.pool, self._make, ask, kind, height, oversample, stopped)
        now = time.monotonic()
        header = {
            "type": "frame",
            "kind": kind,
            "number": ask.number,
            "since_ms": round(1000 * (now - since)),
            "made_ms": round(1000 * (now - started)),
            "size": list(picture.output.alpha.shape),
            **facts,
        }
        if stopped():
            raise Stopped
        if kind != "refined":
            self.pixels_per_s = picture.output.alpha.numel() / max(now - started, 1e-3)
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
        with self.turns.take(priority, stopped):
            belief = studio.confidence(picture)
        with self.turns.take(priority, stopped):
            gain = studio.gain([picture])
        with self.turns.take(priority, stopped):
            shot = studio.finish(picture, size=max(picture.output.alpha.shape), gain=gain)
        with self.turns.take(priority, stopped):
            pixels = shot.rgb_srgb
            if ask.overlay:
                pixels = marked(pixels, belief.map.numpy(), picture.output.alpha.numpy())
            verdict = studio.verdict(picture, belief)
            shares = {name: round(getattr(belief.shares, name), 3) for name in ("seen", "extrapolated", "invented")}
            facts = {"gain": gain, "shares": shares, "level": verdict.level, "sentence": verdict.sentence}
            office = studio.checks(picture, shot) if kind != "draft" else None
            if office is not None:
                facts["checks"] = [asdict(one) for one in office[0]]
            return picture, jpeg_of(pixels), facts


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

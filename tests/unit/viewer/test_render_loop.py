"""Turns of the machine, and what one client gets to see; with a studio that only takes time."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from head3d.errors import ConfigError
from head3d.looks import Look
from head3d.render.confidence import Confidence, Shares
from head3d.studio import Studio
from head3d.viewer.pace import Pace  # pyright: ignore[reportMissingImports]
from head3d.viewer.render_loop import (  # pyright: ignore[reportMissingImports]
    Ask,
    LookLoop,
    Stopped,
    Turns,
    marked,
    steps,
)

TILE_S = 0.02


class SlowStudio:
    """Pictures of grey, a row of tiles each; counts the tiles."""

    def __init__(self, tile_s: float = TILE_S) -> None:
        self.tile_s = tile_s
        self.tiles: list[int] = []
        self.looks: list[Look] = []
        self.beliefs = 0

    def prepare(self, look: Look) -> None:
        if look.expression == "frown":
            raise ConfigError("There is no expression 'frown'.")

    def picture(self, look: Look, height_px: int, *, oversample: int = 1, turn: Any) -> Any:
        self.looks.append(look)
        for _ in range(2 if height_px < 200 else 20):
            with turn():
                self.tiles.append(height_px)
                time.sleep(self.tile_s)
        return SimpleNamespace(output=SimpleNamespace(alpha=torch.ones(height_px, height_px)), look=look)

    def confidence(self, picture: Any) -> Confidence:
        self.beliefs += 1
        return Confidence(torch.ones_like(picture.output.alpha), Shares(1.0, 0.0, 0.0))

    def gain(self, pictures: Any) -> float:
        return 1.0

    def finish(self, picture: Any, *, size: int, gain: float) -> Any:
        return SimpleNamespace(rgb_srgb=np.full((size, size, 3), 128, np.uint8))

    def checks(self, picture: Any, shot: Any) -> None:
        return None

    def verdict(self, picture: Any, belief: Confidence) -> Any:
        return SimpleNamespace(level="good", sentence="")


def run(script: Any, *, gpu: bool = False, tile_s: float = TILE_S) -> tuple[list[dict[str, Any]], LookLoop, SlowStudio]:
    """Run a loop while a script says things to it; what was sent, the loop, the studio."""
    sent: list[dict[str, Any]] = []
    studio = SlowStudio(tile_s)

    async def send(header: dict[str, Any], body: bytes) -> None:
        assert header["type"] == "error" or body[:2] == b"\xff\xd8"
        sent.append(header)

    async def everything() -> LookLoop:
        with ThreadPoolExecutor(4) as pool:
            loop = LookLoop(cast(Studio, studio), Turns(), pool, send, gpu=gpu)
            task = asyncio.create_task(loop.run())
            await script(loop, sent)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return loop

    return sent, asyncio.run(everything()), studio


def studio_of(loop: LookLoop) -> SlowStudio:
    return cast(SlowStudio, loop.studio)


async def until(true: Any) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never true")


def test_a_still_client_gets_draft_picture_and_refined_picture():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(7, Look(), 256))
        await until(lambda: len(sent) == 3)

    sent, _, _ = run(script)
    assert [one["kind"] for one in sent] == ["draft", "full", "refined"]
    assert {one["number"] for one in sent} == {7}
    assert sent[0]["since_ms"] >= 150 and sent[1]["size"] == [256, 256]


def test_a_move_stops_what_is_being_made_and_only_the_last_look_is_shown():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(1, Look(), 256))
        await until(lambda: len(sent) == 1)  # the full picture has begun
        await asyncio.sleep(3 * TILE_S)
        loop.ask(None)
        await until(lambda: loop.stopped_ms)
        for number in range(2, 6):
            loop.ask(Ask(number, Look(), 256))
            await asyncio.sleep(0.03)
        await until(lambda: len(sent) == 4)

    sent, loop, studio = run(script)
    assert [(one["number"], one["kind"]) for one in sent] == [
        (1, "draft"), (5, "draft"), (5, "full"), (5, "refined"),
    ]  # fmt: skip
    assert loop.stopped_ms[0] < 1000  # one tile; a busy machine may sleep longer
    assert studio.tiles.count(256) < 4 * 20  # the first was not finished; the last draft is as large as its picture


def test_an_error_is_told_and_the_loop_goes_on():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(1, Look(expression="frown"), 128))
        await until(lambda: len(sent) == 1)
        loop.ask(Ask(2, Look(), 128))
        await until(lambda: len(sent) == 2)

    sent, _, _ = run(script)
    assert sent[0]["type"] == "error" and "frown" in sent[0]["text"]
    assert sent[1]["kind"] == "draft"


class Trusting(Pace):
    """Of a machine that is always fast enough, however busy the one is that runs this test."""

    def moved(self, pixels: int, seconds: float) -> None:
        pass


def turned(number: int, **more: Any) -> Ask:
    """A moving look; its yaw tells which."""
    return Ask(number, Look(yaw_deg=float(number)), 512, moving=True, **more)


def test_on_a_gpu_the_field_is_shown_while_it_moves_and_the_newest_look_wins():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.pace = Trusting(gpu=True)
        loop.ask(Ask(1, Look(), 256))
        await until(lambda: len(sent) == 3)
        loop.ask(turned(2))
        await until(lambda: studio_of(loop).looks[-1].yaw_deg == 2.0)  # begun: the next ones do not stop it
        for number in range(3, 8):
            loop.ask(turned(number, heard=1))
        await until(lambda: len(sent) == 5)
        loop.ask(Ask(8, Look(yaw_deg=8.0), 256))
        await until(lambda: len(sent) == 8)

    sent, _, studio = run(script, gpu=True, tile_s=0.0005)
    assert [(one["number"], one["kind"]) for one in sent[3:]] == [
        (2, "moving"), (7, "moving"), (8, "draft"), (8, "full"), (8, "refined"),
    ]  # fmt: skip
    assert {3.0, 4.0, 5.0, 6.0}.isdisjoint(look.yaw_deg for look in studio.looks)  # none waited in a queue
    assert sent[3]["size"][0] >= 256 and "verdict" not in sent[3] and studio.beliefs == 6


def test_a_gpu_that_is_too_slow_leaves_moving_to_the_proxy():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(1, Look(), 256))
        await until(lambda: len(sent) == 3)
        for number in range(2, 12):
            loop.ask(turned(number, heard=number - 1))
            await asyncio.sleep(0.6)
            if not sent[-1]["moving_px"]:
                break

    sent, loop, _ = run(script, gpu=True)  # a picture takes 0.4 s
    assert sent[0]["moving_px"] == 256
    assert [one["kind"] for one in sent[3:]] == ["moving", "moving"] and sent[-1]["moving_px"] == 0
    assert loop.pace.height_px == 0


def test_without_a_gpu_nothing_is_made_while_it_moves():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(1, Look(), 256))
        await until(lambda: len(sent) == 3)
        loop.ask(turned(2))
        await asyncio.sleep(0.3)

    sent, _, studio = run(script)
    assert len(sent) == 3 and {one["moving_px"] for one in sent} == {0}
    assert {look.yaw_deg for look in studio.looks} == {0.0}


def test_a_moving_look_stops_a_still_picture_and_a_still_look_a_moving_one():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(1, Look(), 256))
        await until(lambda: len(sent) == 1)
        loop.ask(turned(2))  # the full picture has begun
        await until(lambda: loop.stopped_ms and studio_of(loop).looks[-1].yaw_deg == 2.0)
        loop.ask(Ask(3, Look(), 256))
        await until(lambda: len(sent) == 2)

    sent, _, _ = run(script, gpu=True)
    assert [(one["number"], one["kind"]) for one in sent] == [(1, "draft"), (3, "draft")]


def test_a_slow_line_holds_two_moving_pictures_and_a_new_expression_none():
    async def script(loop: LookLoop, sent: list) -> None:
        loop.ask(Ask(1, Look(), 256))
        await until(lambda: len(sent) == 3)
        loop.pace = Trusting(gpu=True)
        for number, heard in ((2, 1), (3, 1), (4, 1), (5, 2), (6, 5)):
            loop.ask(turned(number, heard=heard))
            await asyncio.sleep(0.5)
        loop.ask(Ask(7, Look(expression="frown"), 256, moving=True, heard=6))
        await asyncio.sleep(0.3)

    sent, _, _ = run(script, gpu=True, tile_s=0.0005)
    assert [one["number"] for one in sent[3:]] == [2, 3, 5, 6]


def test_the_most_urgent_goes_first_and_equals_take_turns():
    turns, order, ready = Turns(), [], threading.Barrier(4)

    def work(name: str, priority: int) -> None:
        ready.wait()
        time.sleep(0.05 * priority)  # the less urgent ones queue later
        with turns.take(priority):
            order.append(name)

    threads = [
        threading.Thread(target=work, args=(name, priority)) for name, priority in (("b", 2), ("a", 1), ("c", 3))
    ]
    with turns.take(0):
        for one in threads:
            one.start()
        ready.wait()
        time.sleep(0.5)
    for one in threads:
        one.join()
    assert order == ["a", "b", "c"]


def test_whoever_gave_up_does_not_hold_up_others():
    turns = Turns()
    with pytest.raises(Stopped), turns.take(0, lambda: True):
        pass
    with turns.take(5):
        pass


def test_a_draft_is_as_large_as_time_allows():
    assert steps(512, draft_px=100) == [("draft", 128, 1), ("full", 512, 1), ("refined", 512, 2)]
    assert steps(512, draft_px=9000)[0] == ("draft", 512, 1)
    assert steps(9000)[1] == ("full", 1024, 1)


def test_marks_are_only_on_the_person():
    grey = np.full((1, 3, 3), 100, np.uint8)
    tinted = marked(grey, np.array([[0.0, 0.3, 1.0]]), np.array([[1.0, 0.0, 1.0]]))
    assert tinted[0, 0, 0] > 150 and tinted[0, 0, 1] < 80
    assert (tinted[0, 1:] == 100).all()

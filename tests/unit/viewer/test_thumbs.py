"""Small pictures: once each, few waiting, none for pages that have gone, and everything else goes on meanwhile."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from head3d.errors import ConfigError
from head3d.viewer import thumbs  # pyright: ignore[reportMissingImports]
from head3d.viewer.thumbs import Busy, Thumbs  # pyright: ignore[reportMissingImports]


class Maker:
    """Makes pictures when it is let to, and writes down which."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.made: list[str] = []
        self.goes_on = threading.Event()
        if at_once:
            self.goes_on.set()

    def __call__(self, text: str, size: int) -> bytes:
        assert self.goes_on.wait(20)
        self.made.append(text)
        if text == "bad":
            raise ConfigError("This is no look.", hint="Reload the page.")
        return f"{text} {size}".encode()


async def stays() -> bool:
    return False


async def has_gone() -> bool:
    return True


def played(maker: Maker, play: Callable[[Thumbs, ThreadPoolExecutor], Awaitable[Any]]) -> Any:
    """What comes of using them on a loop, with a pool of two threads."""

    async def main() -> Any:
        with ThreadPoolExecutor(2) as pool:
            try:
                return await asyncio.wait_for(play(Thumbs(maker, pool), pool), 30)
            finally:
                maker.goes_on.set()

    return asyncio.run(main())


def test_each_is_made_once_however_many_ask():
    maker = Maker()

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> list[bytes | None]:
        both = await asyncio.gather(*(small.get("a", 96, gone=stays) for _ in range(3)))
        return [*both, await small.get("a", 96, gone=stays), await small.get("a", 48, gone=stays)]

    assert played(maker, play) == [b"a 96"] * 4 + [b"a 48"]
    assert maker.made == ["a", "a"]


def test_one_more_than_may_wait_is_turned_away_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(thumbs, "MOST_WAITING", 3)
    maker = Maker(at_once=False)

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> list[Any]:
        asked = [asyncio.create_task(small.get(str(at), 96, gone=stays)) for at in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await small.get("one too many", 96, gone=stays)
        again = asyncio.create_task(small.get("3", 96, gone=stays))  # one that waits already takes no room
        maker.goes_on.set()
        return [*await asyncio.gather(*asked, again), await small.get("one too many", 96, gone=stays)]

    assert played(maker, play) == [b"0 96", b"1 96", b"2 96", b"3 96", b"3 96", b"one too many 96"]


def test_what_nobody_waits_for_any_more_is_not_made(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(thumbs, "LOOK_S", 0.01)
    maker = Maker(at_once=False)

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> list[bytes | None]:
        first = asyncio.create_task(small.get("first", 96, gone=stays))
        await asyncio.sleep(0.02)
        left = await asyncio.gather(*(small.get(f"left {at}", 96, gone=has_gone) for at in range(50)))
        assert left == [None] * 50
        shared = [asyncio.create_task(small.get("shared", 96, gone=gone)) for gone in (has_gone, stays)]
        await asyncio.sleep(0.1)
        maker.goes_on.set()
        return await asyncio.gather(first, *shared)

    assert played(maker, play) == [b"first 96", None, b"shared 96"]
    assert maker.made == ["first", "shared"]


def test_they_take_one_thread_and_leave_the_others():
    maker = Maker(at_once=False)

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> str:
        asked = [asyncio.create_task(small.get(str(at), 96, gone=stays)) for at in range(8)]
        await asyncio.sleep(0.05)
        kept = await asyncio.get_running_loop().run_in_executor(pool, lambda: "a pick is kept meanwhile")
        maker.goes_on.set()
        await asyncio.gather(*asked)
        return kept

    assert played(maker, play) == "a pick is kept meanwhile"


def test_an_error_is_told_and_not_kept():
    maker = Maker()

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> None:
        for _ in range(2):
            with pytest.raises(ConfigError):
                await small.get("bad", 96, gone=stays)

    played(maker, play)
    assert maker.made == ["bad", "bad"]


def test_another_head_has_other_pictures_and_one_half_made_is_not_kept():
    maker = Maker(at_once=False)

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> None:
        half_made = asyncio.create_task(small.get("a", 96, gone=stays))
        await asyncio.sleep(0.02)
        small.forget()
        maker.goes_on.set()
        await half_made
        await small.get("a", 96, gone=stays)
        await small.get("a", 96, gone=stays)

    played(maker, play)
    assert maker.made == ["a", "a"]


def test_no_more_than_some_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(thumbs, "KEPT", 2)
    maker = Maker()

    async def play(small: Thumbs, pool: ThreadPoolExecutor) -> None:
        for text in ("a", "b", "a", "c", "a", "b"):
            await small.get(text, 96, gone=stays)

    played(maker, play)
    assert maker.made == ["a", "b", "c", "b"]

"""Small pictures of looks: each made once, one after the other, and no more waiting than a few pages ask for."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

Key = tuple[str, int]
"""The text of a look, and the height of its picture, px."""
MOST_WAITING = 64
"""A browser asks for six at a time: ten of them at once. Whoever comes later asks again."""
KEPT = 400
LOOK_S = 0.2
"""Between two looks whether anybody still waits for a picture that is not made yet."""


class Busy(Exception):
    """So many wait that one more is not taken."""


class Thumbs:
    """Used from the thread of the event loop alone; pictures are made in ``pool``, by one of its threads at a time, so
    that however many are asked for, the others answer everything else."""

    def __init__(self, make: Callable[[str, int], bytes], pool: Executor) -> None:
        self._make, self._pool = make, pool
        self._made: OrderedDict[Key, bytes] = OrderedDict()
        self._asked: dict[Key, asyncio.Task[bytes]] = {}
        self._pages: dict[Key, int] = {}
        self._turn = asyncio.Lock()
        self._now: Key | None = None
        self._edition = 0

    async def get(self, text: str, size: int, *, gone: Callable[[], Awaitable[bool]]) -> bytes | None:
        """The picture of a look; None if whoever asked has gone before it was made.

        Args:
            text: The look.
            size: Height, px.
            gone: Tells whether the one who asks has left: browsers do as soon as another picture is wanted in its
                place. What nobody waits for any more is not made.

        Raises:
            Busy: ``MOST_WAITING`` others wait.
        """
        key = text, size
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        if key not in self._asked:
            if len(self._asked) > MOST_WAITING:  # one of them is being made
                raise Busy
            self._asked[key] = asyncio.create_task(self._one(key))
        task = self._asked[key]
        self._pages[key] = self._pages.get(key, 0) + 1
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_S)
                if not task.done() and await gone():
                    return None
            return task.result()
        finally:
            self._leave(key, task)

    def forget(self) -> None:
        """Make everything anew: the head is another. From any thread."""
        self._edition += 1
        self._made.clear()

    async def _one(self, key: Key) -> bytes:
        async with self._turn:
            self._now, edition = key, self._edition
            try:
                body = await asyncio.get_running_loop().run_in_executor(self._pool, self._make, *key)
            finally:
                self._now = None
                self._asked.pop(key, None)
        if edition == self._edition:
            self._made[key] = body
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return body

    def _leave(self, key: Key, task: asyncio.Task[bytes]) -> None:
        self._pages[key] -= 1
        if self._pages[key]:
            return
        del self._pages[key]
        if task.done():
            if not task.cancelled():
                task.exception()  # heard, if by nobody else
        elif self._now != key:  # one that is being made may as well be kept
            task.cancel()
            self._asked.pop(key, None)
        else:
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

"""What happens, told to every open page: typed events of the pipeline as server-sent events."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

from head3d.events import Event

PING_S = 15.0
MOST_WAITING = 200


class Hub:
    """Events from any thread to any number of pages."""

    def __init__(self) -> None:
        self._pages: set[asyncio.Queue[dict[str, Any]]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    def emit(self, event: Event) -> None:
        """An ``Emit``: tell all pages."""
        self.say(type(event).__name__, dataclasses.asdict(event))

    def say(self, name: str, fields: dict[str, Any]) -> None:
        """Tell all pages something of our own: "Picks" for changed picks."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._spread, {**fields, "event": name})

    def _spread(self, message: dict[str, Any]) -> None:
        for page in self._pages:
            if page.qsize() < MOST_WAITING:  # a page that sleeps catches up by asking
                page.put_nowait(message)

    async def listen(self) -> AsyncIterator[str]:
        """Text of the stream of one page."""
        page: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._pages.add(page)
        try:
            yield ": hello\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(page.get(), PING_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                yield f"data: {json.dumps(message, ensure_ascii=False)}\n\n"
        finally:
            self._pages.discard(page)

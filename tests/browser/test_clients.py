"""What each page more costs the server in memory: a camera and a line of its own, all else is shared."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.browser.conftest import Server, cookie_line, picture_of, say

FEW, MORE = 2, 8
READINGS = 10
"""Freed memory goes back to the system now and then, 12 MB at once: the least of so many readings stands."""
MOST_MB = 2.0
"""Of a client: what is its own are two lines and a look; 0.04 was measured, and the allocator keeps what it likes."""
TALL_PX = 256
ALONE_PX = 16
"""Height of the pictures that only bring a client into being: eight of 256 px take a minute."""


class Client:
    """What a page holds open: its live line, and the stream of what happens."""

    numbers = count(1)

    def __init__(self, socket: Any, yaw_deg: float) -> None:
        self.socket, self.yaw_deg = socket, yaw_deg

    def look(self, *, height_px: int = TALL_PX) -> None:
        """Have a picture made of one's own angle, then rest: the fine one after it would keep the others waiting."""
        self.yaw_deg += 1.0
        picture_of(self.socket, next(self.numbers), {"yaw_deg": self.yaw_deg}, height_px=height_px)
        self.socket.send(json.dumps({"type": "moving"}))


@contextmanager
def client_of(server: Server, cookie: str, yaw_deg: float) -> Iterator[Client]:
    """One page more."""
    told = {"Cookie": cookie}
    line = server.address.replace("http", "ws") + "/api/live"
    with (
        httpx.stream("GET", f"{server.address}/api/events", headers=told, timeout=120) as events,
        connect(line, origin=server.address, additional_headers=told, max_size=None) as socket,  # type: ignore[arg-type]
    ):
        assert next(events.iter_text()).startswith(": hello")
        yield Client(socket, yaw_deg)


def test_a_client_more_costs_little_and_leaves_nothing(server: Server, session: Any):
    cookie = cookie_line(session)
    with (
        httpx.Client(base_url=server.address, headers={"Cookie": cookie}, timeout=120) as asking,
        ExitStack() as here,
    ):

        def stats() -> dict[str, Any]:
            return asking.get("/api/stats").json()

        def stands(clients: list[Client]) -> float:
            """Least memory (MB) of several readings while some of the clients look around."""
            seen = []
            for turn in range(READINGS):
                clients[turn % len(clients)].look()
                seen.append(stats()["rss_mb"])
            return min(seen)

        before = stats()["clients"]
        few = [here.enter_context(client_of(server, cookie, 10.0 * k)) for k in range(FEW)]
        stands(few)  # what is kept ready is made
        with_few = stands(few)
        with ExitStack() as there:
            more = [there.enter_context(client_of(server, cookie, -10.0 * k)) for k in range(MORE)]
            for one in more:
                one.look(height_px=ALONE_PX)
            assert stats()["clients"] == before + FEW + MORE
            with_more = stands([*few, *more])
        each = (with_more - with_few) / MORE
        say(f"server with {FEW} clients {with_few:.0f} MB, with {FEW + MORE} {with_more:.0f} MB: {each:.2f} MB each")
        assert each < MOST_MB
        few[0].look()
        assert stats()["clients"] == before + FEW

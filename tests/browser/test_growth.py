"""Use without end: what a person who tries everything at random costs in memory, on the server and in the browser."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.browser.conftest import Server, cookie_line, forget_picks, picture_of, say, until

LIGHTS = ("soft-front", "rembrandt", "loop", "butterfly", "split", "rim")
BACKDROPS = ("white", "charcoal", "blue")
MINUTES, WARM_MIN, SPAN_MIN = 60, 10, 10
"""Of the long form; caches fill while it warms up; what then stands in so many minutes is told by its median."""
ACTIONS = 40
"""Between two looks at the memory: a minute, where the machine has time."""
PATIENCE_S = 900.0
"""With a machine that does other things, and a fine picture that waits for all thumbnails asked for before."""


@dataclass(frozen=True)
class Sample:
    """What stands in memory: of the server, of the page's scripts (both MB, garbage collected), and DOM nodes."""

    server_mb: float
    heap_mb: float = 0.0
    nodes: float = 0.0

    def __str__(self) -> str:
        return f"server {self.server_mb:.0f} MB, scripts {self.heap_mb:.1f} MB, {self.nodes:.0f} nodes"


SHORT_PX = 256
"""Height of the short form's pictures: a picture kept by each look would be twice its bound."""
BOUNDS = {"short": Sample(10.0), "long": Sample(48.0, 2.0, 400.0)}
"""Growth that is none: what the allocator keeps, and one card or list more or less."""


def middle(samples: list[Sample]) -> Sample:
    """Their median, each number by itself."""
    return Sample(*(median(getattr(one, field.name) for one in samples) for field in fields(Sample)))


def assert_no_growth(before: Sample, after: Sample, *, bound: Sample) -> None:
    """Say both; fail where something grew by its bound."""
    say(f"before: {before}; after: {after}")
    for field in fields(Sample):
        grown = getattr(after, field.name) - getattr(before, field.name)
        assert grown <= getattr(bound, field.name), f"{field.name} grew by {grown:.1f}"


def random_look(chance: random.Random) -> dict[str, Any]:
    """Part of a look."""
    return {
        "yaw_deg": chance.randint(-90, 90),
        "backdrop": chance.choice(BACKDROPS),
        "light": chance.choice(LIGHTS),
    }


class Somebody:
    """Who sits before a page and does this and that."""

    def __init__(self, page: Any, chance: random.Random) -> None:
        self.page, self.chance = page, chance
        self.tools = page.context.new_cdp_session(page)
        self.actions: dict[Callable[[], None], int] = {
            self.drag: 8,
            self.change_light: 4,
            self.change_backdrop: 4,
            self.turn_light: 2,
            self.smile: 1,
            self.dress: 1,
            self.keep_or_forget: 3,
            self.undo: 1,
        }
        """With how often each comes."""

    def act(self) -> None:
        """Do one thing."""
        (action,) = self.chance.choices(list(self.actions), weights=list(self.actions.values()))
        action()

    def rest(self) -> Sample:
        """Wait for the fine picture, then look at the memory."""
        number = self.page.evaluate("head3d.number")
        until(self.page, f"head3d.number >= {number} && head3d.shown === 'refined'", seconds=PATIENCE_S)
        self.tools.send("HeapProfiler.collectGarbage")
        return Sample(
            self.page.evaluate("async () => (await (await fetch('/api/stats')).json()).rss_mb"),
            self.tools.send("Runtime.getHeapUsage")["usedSize"] / 2**20,
            self.tools.send("Memory.getDOMCounters")["nodes"],
        )

    def drag(self) -> None:
        """Turn the head; with Shift, carry the light."""
        stage, carry = self.page.locator("#stage"), self.chance.random() < 0.25
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        if carry:
            self.page.keyboard.down("Shift")
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + self.chance.randint(-120, 120), y + self.chance.randint(-40, 40), steps=4)
        self.page.mouse.up()
        if carry:
            self.page.keyboard.up("Shift")

    def change_light(self) -> None:
        """Thumbnails of all angles follow."""
        self.page.click(f"#lights [data-value={random_look(self.chance)['light']}]")

    def change_backdrop(self) -> None:
        """One of the list."""
        self.page.click(f"#backdrops [data-value={random_look(self.chance)['backdrop']}]")

    def turn_light(self) -> None:
        """By its slider."""
        self.page.fill("#light_yaw_deg", str(5 * self.chance.randint(-36, 36)))

    def smile(self) -> None:
        """Or stop smiling."""
        self.page.select_option("#expression", self.chance.choice(["neutral", "smile:0.5", "smile"]))

    def dress(self) -> None:
        """Any garment: more than the server keeps on."""
        values = self.page.eval_on_selector_all("#garment option", "all => all.map(one => one.value)")
        self.page.select_option("#garment", self.chance.choice(values))

    def keep_or_forget(self) -> None:
        """Keep the picture; from six on, delete one."""
        many = self.page.locator("#pick-list > li").count() >= 6
        self.page.click("#pick-list > li:nth-child(3) [data-action=delete]" if many else "#keep")

    def undo(self) -> None:
        """What was done to the picks last."""
        self.page.click("#undo")


def test_many_random_looks_do_not_grow(server: Server, session: Any):
    """The short form: through the page's own line, without a browser."""
    cookie = cookie_line(session)
    chance, line = random.Random(0), server.address.replace("http", "ws") + "/api/live"
    with (
        connect(line, origin=server.address, additional_headers={"Cookie": cookie}, max_size=None) as socket,  # type: ignore[arg-type]
        httpx.Client(base_url=server.address, headers={"Cookie": cookie}, timeout=120) as client,
    ):

        def use(times: int, first: int) -> Sample:
            seen: list[float] = []
            for number in range(first, first + times):
                look = random_look(chance)
                client.get("/api/light", params={"look": json.dumps(look)})
                picture_of(socket, number, look, height_px=SHORT_PX)
                seen.append(client.get("/api/stats").json()["rss_mb"])
            # what stands in every look: freed memory goes back only now and then, 12 MB at once
            return Sample(min(seen))

        use(8, 0)  # what is kept ready is made
        before = use(24, 8)
        after = use(24, 32)
    assert_no_growth(before, after, bound=BOUNDS["short"])


@pytest.mark.slow
@pytest.mark.timeout(60 * (MINUTES + 30))
def test_an_hour_on_the_page_does_not_grow(open_page: Callable[..., Any]):
    """The long form: one thing every one or two seconds, in a picture so small that the machine can do others."""
    page, chance = open_page(tall=160), random.Random(1)
    page.set_default_timeout(1000 * PATIENCE_S)
    forget_picks(page)
    somebody, started, samples = Somebody(page, chance), time.monotonic(), dict[float, Sample]()

    def minute() -> float:
        return (time.monotonic() - started) / 60

    while minute() < MINUTES:
        for _ in range(ACTIONS):
            somebody.act()
            page.wait_for_timeout(1000 * chance.uniform(1.0, 2.0))
        samples[minute()] = somebody.rest()
        say(f"minute {minute():.0f}, {ACTIONS * len(samples)} actions: {samples[max(samples)]}")
    warm = [one for at, one in samples.items() if WARM_MIN <= at < WARM_MIN + SPAN_MIN]
    last = [one for at, one in samples.items() if at >= MINUTES - SPAN_MIN]
    assert_no_growth(middle(warm), middle(last), bound=BOUNDS["long"])

"""A browser, and a viewer started as a user starts it, on a subject that is made once."""

import importlib.util
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.conftest import environment, finished, people, photo  # noqa: F401

NEEDED = ("playwright", "fastapi", "uvicorn", "websockets", "httpx")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip
"""A machine without a screen and a GPU, and nothing that calls home."""
SECONDS = 120.0
"""A tile that takes 0.1 s alone takes seconds where ten programs share two cores."""

TALL_PX = 256
"""Height of a picture that is not what a test is about: 512 px, the page's own, take four times the work."""
SMALLER = (
    "addEventListener('DOMContentLoaded', () => {"
    " document.querySelector('#window')?.style.setProperty('--tall', '%dpx'); })"
)

IMPACTS = ("serious", "critical")

MADE = "['full', 'refined'].includes(head3d.shown)"
"""For :func:`until`: the picture is there; the page may have gone on to the fine one when it is asked."""


def chromium() -> str | None:
    """Debian's browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is no browser, and say so."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    reason = f"not installed: {', '.join(missing)}" if missing else ""
    if chromium() is None:
        reason = "no Chromium: apt-get install chromium"
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


class Server:
    """A viewer in a process of its own."""

    def __init__(self, subject: Path, port: int = 0) -> None:
        self.subject, self.port = subject, port
        self.start()

    def start(self) -> None:
        """Start, or start again on the same port."""
        command = [sys.executable, "-m", "head3d.cli", "view", str(self.subject), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/enter\?token=\S+", line)
        assert found, f"no link: {line!r}"
        self.link, self.port = found[0], int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self._wait()

    def _wait(self) -> None:
        import httpx

        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                httpx.get(self.address, timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the viewer does not answer")

    def kill(self) -> None:
        """As the power cut does it."""
        self.process.send_signal(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """End it, and leave nothing open."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="session")
def subject_folder(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A copy that the browser may change."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("browser") / "Ada & søn"))


@pytest.fixture(scope="session")
def server(subject_folder: Path) -> Iterator[Server]:
    """The viewer all tests share; one that kills it starts it again."""
    made = Server(subject_folder)
    yield made
    made.close()


@pytest.fixture(scope="session")
def webcam(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """What Chromium takes for a webcam: the sample person, who sways a little."""
    import cv2

    picture = cv2.imread(str(photo))
    assert picture is not None
    scale = 420 / picture.shape[0]
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left, top = (640 - picture.shape[1]) // 2, (480 - picture.shape[0]) // 2
    frames = []
    for k in range(12):
        wall = np.full((480, 640, 3), 90, np.uint8)
        at = left + 6 * abs(6 - k)
        wall[top : top + picture.shape[0], at : at + picture.shape[1]] = picture
        frames.append(cv2.imencode(".jpg", wall)[1].tobytes())
    path = tmp_path_factory.mktemp("webcam") / "webcam.mjpeg"
    path.write_bytes(b"".join(frames))
    return path


@pytest.fixture(scope="session")
def browser(webcam: Path) -> Iterator[Any]:
    """One Chromium for all."""
    from playwright.sync_api import sync_playwright

    flags = [*FLAGS, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={webcam}")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield made
        made.close()


@pytest.fixture(scope="session")
def session(server: Server, browser: Any) -> Any:
    """Cookies of somebody who opened the printed link."""
    context = browser.new_context()
    context.set_default_timeout(1000 * SECONDS)
    page = context.new_page()
    page.goto(server.link)
    page.wait_for_url(f"{server.address}/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(server: Server, browser: Any, session: Any) -> Iterator[Callable[..., Any]]:
    """Opens the page in a context of its own; fails if anything was asked of another machine, or a script broke.

    Without a viewport of the test's own, the picture is ``tall`` px high (0: as the page has it).
    """
    contexts, asked, broken = [], [], []

    def opening(path: str = "/", *, tall: int = TALL_PX, **how: Any) -> Any:
        own = "viewport" in how
        how = {"viewport": {"width": 1100, "height": 800}, "reduced_motion": "reduce", **how}
        context = browser.new_context(storage_state=session, **how)
        context.set_default_timeout(1000 * SECONDS)
        if tall and not own:
            context.add_init_script(SMALLER % tall)
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(server.address + path)
        if path == "/":
            until(page, "Boolean(window.head3d && head3d.look && head3d.times.proxy)")
        return page

    yield opening
    for context in contexts:
        context.close()
    foreign = [url for url in asked if not url.startswith((server.address, "blob:", "data:"))]
    assert asked and foreign == []
    assert broken == []


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    """A viewer for a subject that is not there yet."""
    made = Server(tmp_path / "new person")
    yield made
    made.close()


@pytest.fixture
def capture_page(empty: Server, browser: Any) -> Iterator[Any]:
    """Its capture page, as the printed link opens it; fails if anything was asked of another machine."""
    context = browser.new_context(viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(1000 * SECONDS)
    context.add_init_script(SMALLER % TALL_PX)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    made = context.new_page()
    made.goto(empty.link)
    made.wait_for_url("**/capture")
    yield made
    context.close()
    assert asked and [url for url in asked if not url.startswith((empty.address, "blob:", "data:"))] == []


def until(page: Any, expression: str, *, seconds: float = SECONDS) -> Any:
    """Wait until an expression is true in the page (its policy forbids Playwright's own waiting, which uses eval)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = page.evaluate(expression)
        if found:
            return found
        page.wait_for_timeout(40)
    raise AssertionError(f"never true: {expression}; the page says {page.inner_text('#status')!r}")


def axe_source() -> str:
    """axe itself; skips where it is not installed."""
    axe = pytest.importorskip("axe_core_python")
    return (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def faults_of(page: Any, source: str, *, rules: tuple[str, ...] = ()) -> list[list[Any]]:
    """What axe finds in a page or frame, without the frames in it: impact, rule, places."""
    page.evaluate(source)
    options = {"iframes": False, **({"runOnly": list(rules)} if rules else {})}
    return page.evaluate(
        "async options => (await axe.run(document, options)).violations"
        ".map(v => [v.impact, v.id, v.nodes.map(n => n.html)])",
        options,
    )


def picture_of(socket: Any, number: int, look: dict[str, Any], *, height_px: int) -> None:
    """Ask for a look on a page's own line, and wait for its picture."""
    socket.send(json.dumps({"type": "look", "number": number, "look": look, "height_px": height_px}))
    kind = ""
    while kind != "full":
        message = socket.recv(timeout=SECONDS)
        header = json.loads(message[4 : 4 + struct.unpack("<I", message[:4])[0]])
        assert header["type"] != "error", header
        kind = header["kind"] if header["number"] == number else ""


def cookie_line(session: Any) -> str:
    """Cookies of a session as a header."""
    return "; ".join(f"{one['name']}={one['value']}" for one in session["cookies"])


def forget_picks(page: Any) -> None:
    """Delete all picks through the page's own API."""
    page.evaluate(
        "async () => { for (const p of await (await fetch('/api/picks')).json())"
        " await fetch(`/api/picks/${p.id}`, {method: 'DELETE'}); }"
    )
    # else the list may still show one, and the next key goes to what is gone
    until(page, "document.querySelectorAll('#pick-list > li').length === 0")


def say(text: str) -> None:
    """A measured number, into the log of the tests."""
    sys.stdout.write(f"\n[viewer] {text}\n")


CORES = os.cpu_count() or 1

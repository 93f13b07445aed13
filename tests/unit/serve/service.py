"""A server with fake workers, and what tests do with it."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from PIL import Image

from head3d.jobs.process import Limits
from head3d.jobs.slots import Slot
from head3d.serve.api import make_app
from head3d.serve.auth import new_token
from head3d.serve.context import Server
from head3d.serve.settings import Settings
from head3d.serve.workers import LocalWorkers, Workers
from tests.unit.jobs.workers import fake_command


def photo(
    color: tuple[int, int, int] = (120, 90, 80), *, size: tuple[int, int] = (200, 160), comment: bytes = b""
) -> bytes:
    """A JPEG of one colour, with a comment if there is one to find again."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "JPEG", comment=comment)
    return out.getvalue()


class Client:
    """What one tenant does."""

    def __init__(self, http: httpx.Client, token: str, server: Server) -> None:
        self.http, self.server, self.headers = http, server, {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request to /v1."""
        headers = {**self.headers, **more.pop("headers", {})}
        return self.http.request(method, f"/v1{path}", headers=headers, **more)

    def subject(self, scope: str = "ok", *, by: str = "Ada", **more: Any) -> str:
        """A subject's id; the scope tells the fake worker what to do."""
        answer = self.ask("POST", "/subjects", json={"consent": {"by": by, "scope": scope}}, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def add(self, subject: str, *contents: bytes) -> httpx.Response:
        """Add photos."""
        return self.ask("POST", f"/subjects/{subject}/photos", files=[("photos", ("x.jpg", one)) for one in contents])

    def run(self, subject: str, **body: Any) -> httpx.Response:
        """Start a run."""
        return self.ask("POST", f"/subjects/{subject}/runs", json=body)

    def ended(self, job: str, *, seconds: float = 20.0) -> dict[str, Any]:
        """The job once it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.ask("GET", f"/jobs/{job}").json()
            if found["state"] not in ("waiting", "running"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{job} did not end: {found}")

    def made(self, scope: str = "ok", **more: Any) -> tuple[str, dict[str, Any]]:
        """A subject with a photo whose run has ended, and the job."""
        subject = self.subject(scope, **more)
        assert self.add(subject, photo()).status_code == 201
        return subject, self.ended(self.run(subject).json()["id"])


def local(limits: Limits) -> Workers:
    """Two fake workers side by side."""
    return LocalWorkers([Slot(0, 1), Slot(1, 1)], limits=limits, command=fake_command)


@contextmanager
def service(
    folder: Path, *, workers: Callable[[Limits], Workers] = local, **options: Any
) -> Iterator[tuple[Client, Client]]:
    """A running server on a port of its own, and two tenants."""
    settings = Settings(folder, **{"free_mb": 0.0, "timeout_s": 5.0, **options})
    tokens = [new_token(settings.tokens, name) for name in ("ada", "bob")]
    limits = Limits(settings.timeout_s, settings.memory_mb, settings.nice)
    app = make_app(settings, workers=workers(limits))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as http:
            yield Client(http, tokens[0], app.state.server), Client(http, tokens[1], app.state.server)
    finally:
        app.state.server.stopping = server.should_exit = True
        thread.join()

"""Starts the viewer."""

import logging
import sys
import threading
import webbrowser

import uvicorn

from head3d.memory import few_arenas
from head3d.subject import Subject
from head3d.weights import home

from .app import create_app
from .guard import App, Guard, Keys
from .state import Viewer


def serve(subject: Subject, *, host: str, port: int, open_browser: bool, network: bool) -> None:
    """Serve until interrupted; prints links that open the page once each."""
    few_arenas()
    viewer = Viewer(subject)
    keys = Keys.of(home(), port)
    viewer.new_token = keys.new_link
    shown = "127.0.0.1" if host in ("127.0.0.1", "0.0.0.0", "::", "localhost") else host

    def link() -> str:
        return f"http://{shown}:{port}/enter?token={keys.new_link()}"

    def say_link() -> None:
        sys.stdout.write(f"For another browser, once: {link()}\n")
        sys.stdout.flush()

    first = link()
    sys.stdout.write(f"Open once: {first}\n")
    sys.stdout.flush()
    if open_browser:
        threading.Timer(1.0, webbrowser.open, [first]).start()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    app: App = Guard(create_app(viewer), keys, network=network, used=say_link)  # type: ignore[arg-type]
    config = uvicorn.Config(
        app, host=host, port=port, access_log=False, log_level="warning", ws="websockets-sansio", ws_max_size=1 << 18,
        server_header=False, timeout_graceful_shutdown=2, lifespan="on",
    )  # fmt: skip
    uvicorn.Server(config).run()

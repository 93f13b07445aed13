"""Starts the HTTP server, and ends it in an orderly way."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from head3d import store
from head3d.errors import ConfigError
from head3d.serve.settings import Settings

GRACE_S = 10
"""Requests under way have this long when the server goes down."""


@dataclass(frozen=True)
class Listen:
    """Where it is heard.

    Attributes:
        host: Address; 127.0.0.1 is this machine only.
        port: TCP port.
        certificate: PEM file for TLS, with ``key``; none if a proxy in front does that.
        key: PEM file.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    certificate: Path | None = None
    key: Path | None = None


def serve(settings: Settings, listen: Listen) -> None:
    """Serve until SIGTERM or Ctrl-C. Jobs under way are stopped, and go on after the next start."""
    try:
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn

        from head3d.serve.api import make_app
    except ImportError as error:
        raise ConfigError(f"head3d serve needs {error.name}.", hint='pip install "head3d[serve]"') from error
    os.umask(0o077)  # faces are nobody else's business on this machine either
    store.make_folder(settings.folder)
    settings.folder.chmod(0o700)
    tempfile.tempdir = str(store.make_folder(settings.folder / "tmp"))  # uploads under way stay on this disk
    logging.getLogger("uvicorn.access").disabled = True  # paths name subjects; the metrics count
    with store.locked(settings.folder, what=str(settings.folder)):
        app = make_app(settings)
        config = uvicorn.Config(
            app,
            host=listen.host,
            port=listen.port,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=listen.certificate,
            ssl_keyfile=listen.key,
        )

        class Server(uvicorn.Server):
            def handle_exit(self, sig: int, frame: object) -> None:
                app.state.server.stopping = True  # open event streams end now, else they would hold it up
                super().handle_exit(sig, frame)  # type: ignore[arg-type]

        Server(config).run()

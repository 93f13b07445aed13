"""Starts the HTTP server, and ends it in an orderly way."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from head3d import store
from head3d.errors import ConfigError
from head3d.jobs.pool import worker_command
from head3d.jobs.process import Limits
from head3d.jobs.ray_cluster import connect
from head3d.jobs.slots import CORES_EACH, local_slots
from head3d.serve.settings import Settings
from head3d.serve.workers import LocalWorkers, RayWorkers, Workers

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


def workers_of(settings: Settings) -> Workers:
    """Where a server's jobs are done."""
    limits = Limits(settings.timeout_s, settings.memory_mb, settings.nice)
    if settings.ray:
        ray = connect(settings.ray)
        threads = settings.threads or CORES_EACH
        return RayWorkers(ray, limits=limits, threads=threads, gpu_memory_gb=settings.gpu_memory_gb)
    slots = local_slots(workers=settings.workers, threads=settings.threads, gpu_memory_gb=settings.gpu_memory_gb)
    return LocalWorkers(slots, limits=limits, command=lambda spec: worker_command(spec, parent=os.getpid()))


def serve(settings: Settings, listen: Listen, *, workers: Workers | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C. Jobs under way are stopped, and go on after the next start.

    Args:
        settings: What is allowed.
        listen: Where.
        workers: Do the jobs; those the settings name if None.
    """
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
        # Ray, if it is used, is connected by now: it takes signals for itself, and uvicorn must have them
        app = make_app(settings, workers=workers or workers_of(settings))
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

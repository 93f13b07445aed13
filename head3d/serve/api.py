"""The HTTP application: routes, refusals, health."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from head3d import __version__, weights
from head3d.serve import job_routes, subject_routes
from head3d.serve.auth import Tokens
from head3d.serve.context import Server, The
from head3d.serve.ledger import Ledger
from head3d.serve.metrics import Metrics
from head3d.serve.middleware import BodyLimit, TokenFirst, Watch
from head3d.serve.models import Health, Ready
from head3d.serve.problems import Refused, handle_problems, retry_after
from head3d.serve.room import check_disk
from head3d.serve.runner import Runner
from head3d.serve.settings import Settings
from head3d.serve.workers import Workers

DESCRIPTION = """Photos of one person in, a relightable 3D head and headshots out.

Make a subject (with consent), POST its photos, start a run, follow its events, fetch the files, delete the subject.
"""


def make_app(settings: Settings, *, workers: Workers) -> FastAPI:
    """The application of one server folder.

    Args:
        settings: What it allows.
        workers: Do the jobs.
    """
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ledger = Ledger(settings.database)
    runner = Runner(settings, workers=workers, on_end=lambda job, state, seconds: metrics.job(job.kind, state, seconds))
    metrics = Metrics(workers=runner.workers, counts=ledger.counts)
    server = Server(settings, Tokens(settings.tokens, quota=settings.quota), ledger, runner, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runner.start()
        yield
        server.stopping = True
        runner.stop()
        ledger.close()

    app = FastAPI(
        title="head3d",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.server = server
    app.state.retry_after = lambda: retry_after(
        ledger.mean_seconds(), ledger.counts().get("waiting", 0), runner.workers
    )
    handle_problems(app)
    app.include_router(job_routes.router)  # first: routes are tried in turn, and how a job stands is asked most often
    app.include_router(subject_routes.router)
    _add_health(app)
    app.add_middleware(BodyLimit, upload_bytes=settings.request_bytes)
    app.add_middleware(TokenFirst, tenant_of=server.tokens.tenant)
    app.add_middleware(Watch, count=metrics.request)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["health"])
    async def health() -> Health:
        """The process answers."""
        return Health(status="ok", version=__version__)

    @app.get("/readyz", tags=["health"], responses={503: {"model": Ready, "description": "not_ready"}})
    async def ready(server: The) -> Ready:
        """It can take work: ledger, runner, disk and model files are there."""
        reasons = not_ready(server)
        answer = Ready(ready=not reasons, reasons=reasons)
        return answer if not reasons else JSONResponse(answer.model_dump(), status_code=503)  # type: ignore[return-value]

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics(server: The) -> Response:
        """Numbers for Prometheus; they tell nothing about whom."""
        return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def not_ready(server: Server) -> list[str]:
    """Reasons not to send work here; none if all is well."""
    reasons = []
    if server.stopping:
        reasons.append("it is going down")
    if not server.runner.alive:
        reasons.append("no thread looks after the jobs")
    try:
        server.ledger.check()
    except sqlite3.Error as error:
        reasons.append(f"the ledger cannot be written: {error}")
    try:
        check_disk(server)
    except Refused as error:
        reasons.append(error.message)
    missing = [one.name for one in weights.KNOWN if not one.optional and weights.find(one.name) is None]
    if missing:
        reasons.append(f"model files are missing: {', '.join(missing)}")
    return reasons

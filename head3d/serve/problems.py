"""Refusals: one shape for all, and which status each has."""

import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from head3d.errors import Head3DError, InputError, StorageError
from head3d.serve.models import Problem
from head3d.serve.rows import Gone, KeyReused, OverQuota, QueueFull
from head3d.serve.uploads import TooLarge

WORDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "queue_full",
    500: "internal_error",
    503: "not_ready",
}


class Refused(Exception):
    """A request that cannot be done."""

    def __init__(self, status: int, message: str, *, hint: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.hint, self.headers = status, message, hint, headers


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Refusals of a route, for OpenAPI."""
    return {status: {"model": Problem, "description": WORDS[status]} for status in statuses}


def problem(
    status: int, message: str, *, hint: str = "", headers: dict[str, str] | None = None, where: list | None = None
) -> JSONResponse:
    """The answer to a request that is refused."""
    content = Problem(code=WORDS.get(status, "error"), message=message, hint=hint, where=where or [])
    return JSONResponse(content.model_dump(), status_code=status, headers=headers)


def handle_problems(app: FastAPI) -> None:
    """Give every refusal its shape."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return problem(error.status, error.message, hint=error.hint, headers=error.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # what was sent is not sent back: it may be a photo, or not be text at all
        where = [{"field": [_plain(part) for part in one["loc"]], "message": one["msg"]} for one in error.errors()]
        return problem(422, "The request is not as it should be.", hint="See /v1/openapi.json.", where=where)

    @app.exception_handler(Head3DError)
    async def known(request: Request, error: Head3DError) -> JSONResponse:
        headers = {"Retry-After": str(request.app.state.retry_after())} if isinstance(error, QueueFull) else None
        return problem(_status(error), error.message, hint=error.hint, headers=headers)


def retry_after(mean_seconds: float, waiting: int, workers: int) -> int:
    """Seconds until there is likely room: 5 to an hour."""
    return math.ceil(min(max(mean_seconds * max(waiting, 1) / max(workers, 1) / 4, 5.0), 3600.0))


def _plain(part: object) -> object:
    return part if isinstance(part, int) else str(part).encode(errors="replace").decode()


def _status(error: Head3DError) -> int:
    match error:
        case Gone():
            return 404
        case QueueFull():
            return 429
        case OverQuota():
            return 403
        case KeyReused():
            return 409
        case TooLarge():
            return 413
        case InputError():
            return 415
        case StorageError():
            return 503
        case _:
            return 500

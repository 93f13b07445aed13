"""Around every request: who asks is known and its size is bounded before it is read; its answer gets safe headers, and
it is counted."""

import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from head3d.serve.auth import Tenant
from head3d.serve.problems import problem

SMALL_BYTES = 64 * 1024
"""Of requests that carry no photos."""
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
    "Referrer-Policy": "no-referrer",
}
OPEN_TO_ALL = ("/healthz", "/readyz", "/metrics", "/v1/openapi.json")
"""What is answered without a token."""


class TokenFirst:
    """Refuses requests without a good token, and puts whose it is into the scope as ``tenant``.

    Frameworks read and spool a form before anything that could refuse it: here nothing of a body has been asked for.
    """

    def __init__(self, app: ASGIApp, *, tenant_of: Callable[[str], Tenant | None]) -> None:
        self._app, self._tenant_of = app, tenant_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in OPEN_TO_ALL:
            await self._app(scope, receive, send)
            return
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        tenant = self._tenant_of(token.strip()) if scheme.lower() == "bearer" else None
        if tenant is None:
            # the connection ends with the answer: what else was to come over it is not read
            headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
            response = problem(401, "No valid token.", hint="Send Authorization: Bearer TOKEN.", headers=headers)
            await response(scope, receive, send)
            return
        scope["tenant"] = tenant
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are too long: by their announced length, and by what really comes."""

    def __init__(self, app: ASGIApp, *, upload_bytes: int) -> None:
        self._app, self._upload_bytes = app, upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = scope["method"] == "POST" and scope["path"].endswith("/photos")
        most = self._upload_bytes if upload else SMALL_BYTES
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            response = problem(413, f"The request has more than {most} bytes.", headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:  # the one exception that frameworks pass on from within a body
                raise HTTPException(413, f"The request has more than {most} bytes.", headers={"Connection": "close"})
            return message

        await self._app(scope, counted, send)


class Watch:
    """Counts and times requests, and puts the safe headers on answers."""

    def __init__(self, app: ASGIApp, *, count: Callable[[str, str, int, float], None]) -> None:
        self._app, self._count = app, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        finally:
            route = getattr(scope.get("route"), "path", "none")  # the template: paths hold ids
            self._count(scope["method"], route, status, time.perf_counter() - started)

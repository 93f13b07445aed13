"""The routes of the page that makes a head."""

import asyncio
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from .pages import page_file
from .state import Viewer


def add_capture(app: FastAPI, viewer: Viewer) -> None:
    """Add them to the viewer's."""
    capture = viewer.capture

    async def apart(work: Any, *args: Any, **how: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, partial(work, *args, **how))

    @app.get("/capture")
    async def capture_page() -> Response:
        return page_file("capture.html")

    @app.get("/api/capture")
    async def capture_state() -> dict[str, Any]:
        return await apart(capture.state)

    @app.post("/api/capture/photo")
    async def add(request: Request, name: str) -> dict[str, Any]:
        return await apart(capture.add, name, await request.body())

    @app.delete("/api/capture/photo/{ident}")
    async def remove(ident: str) -> dict[str, Any]:
        await apart(capture.remove, ident)
        return {}

    @app.post("/api/capture/photo/{ident}/face")
    async def choose(ident: str, request: Request) -> dict[str, Any]:
        asked = await request.json()
        face = asked.get("face") if isinstance(asked, dict) else None
        return await apart(capture.choose, ident, face if isinstance(face, int) else -1)

    @app.get("/api/capture/photo/{ident}.jpg")
    async def photo(ident: str) -> Response:
        return Response(await apart(capture.thumb, ident), media_type="image/jpeg")

    @app.get("/api/capture/preview.jpg")
    async def preview() -> Response:
        jpeg = capture.preview()
        return Response(jpeg, media_type="image/jpeg") if jpeg else Response(status_code=404)

    @app.post("/api/capture/start")
    async def start(request: Request) -> dict[str, Any]:
        asked = await request.json()
        words = {name: str(asked.get(name, "")) for name in ("by", "scope", "preset")}
        viewer.reopen()
        await apart(capture.start, consent=asked.get("consent") is True, **words)
        return {}

    @app.post("/api/capture/cancel")
    async def stop() -> dict[str, Any]:
        await apart(capture.cancel)
        return {}

    @app.post("/api/capture/erase")
    async def erase(request: Request) -> dict[str, Any]:
        asked = await request.json()
        left = await apart(capture.erase, str(asked.get("confirm", "")))
        viewer.reopen()
        return {"left": left}

"""The routes of the viewer: pages, and the API they use."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, Response, StreamingResponse

from head3d import __version__, memory
from head3d.errors import ConfigError, Head3DError
from head3d.finish.apply import backdrop_picture
from head3d.imaging.color import levels_from_linear
from head3d.looks import look_payload

from .capture_routes import add_capture
from .compare_routes import add_comparing
from .guard import BodyTooLarge
from .live import serve_live
from .mirror_routes import add_mirror
from .pages import page_file
from .panels import panel_of
from .proxy import SHAPED_BY, lit_table
from .rate_routes import add_rating
from .render_loop import PRIORITY, jpeg_of
from .state import Viewer, look_of, only
from .thumbs import Busy
from .video_routes import add_videos

THUMB_PX = (48, 256)


def create_app(viewer: Viewer) -> FastAPI:
    """All routes; the guard stands before them (see ``serve``)."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        viewer.hub.loop = asyncio.get_running_loop()
        if viewer.subject.exists and (viewer.subject.path / "field" / "field.json").is_file():
            viewer.pool.submit(viewer.open)
        yield
        viewer.hub.loop = None
        viewer.sets.cancel()
        viewer.videos.cancel()
        viewer.capture.cancel()
        if viewer.scene is not None:
            viewer.scene.close()
        viewer.pool.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(title="head3d viewer", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)

    @app.exception_handler(Head3DError)
    async def told(request: Request, error: Head3DError) -> JSONResponse:
        return JSONResponse({"error": error.message, "hint": error.hint}, status_code=400)

    @app.exception_handler(BodyTooLarge)
    async def too_large(request: Request, error: BodyTooLarge) -> JSONResponse:
        return JSONResponse({"error": "That is too large.", "hint": "Send a smaller file."}, status_code=413)

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        told = {"error": "Too many small pictures are waiting.", "hint": "Ask again in a moment."}
        return JSONResponse(told, status_code=503, headers={"retry-after": "2"})

    async def apart(work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, work, *args)

    @app.get("/")
    async def page() -> Response:
        return page_file("index.html")

    @app.get("/3d")
    async def three_d() -> Response:
        return page_file("scene.html")

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        return page_file(name)

    @app.get("/api/state")
    async def state() -> dict[str, Any]:
        return {
            "version": __version__,
            "subject": str(viewer.subject.path),
            "name": viewer.subject.path.resolve().name,
            "ready": viewer.studio is not None,
            "problem": viewer.problem,
            "made": (viewer.subject.path / "field" / "field.json").is_file(),
            "making": viewer.sets.current,
            "filming": viewer.videos.current,
        }

    @app.post("/api/link")
    async def another(request: Request) -> dict[str, str]:
        token = viewer.new_token() if viewer.new_token else ""
        return {"link": f"{request.url.scheme}://{request.headers['host']}/enter?token={token}"}

    @app.get("/api/stats")
    async def stats() -> dict[str, Any]:
        return {
            "clients": len(viewer.loops),
            "stopped_ms": [ms for loop in viewer.loops for ms in loop.stopped_ms],
            "stopped_cpu_ms": [ms for loop in viewer.loops for ms in loop.stopped_cpu_ms],
            "rss_mb": round(memory.current_mb(), 1),
        }

    @app.get("/api/panel")
    async def panel() -> dict[str, Any]:
        return panel_of(await apart(viewer.open))

    @app.get("/api/proxy")
    async def proxy(look: str) -> Response:
        body = await apart(viewer.proxy, only(look, *SHAPED_BY))
        return Response(body, media_type="application/octet-stream", headers={"content-encoding": "gzip"})

    @app.get("/api/light")
    async def light(look: str) -> dict[str, Any]:
        studio, wanted = await apart(viewer.open), look_of(look)
        return await apart(lambda: lit_table(studio, wanted, turn=lambda: viewer.turns.take(PRIORITY["draft"])))

    @app.get("/api/camera")
    async def camera(look: str) -> dict[str, Any]:
        studio, wanted = await apart(viewer.open), look_of(look)
        made = (await apart(studio.view, wanted, 512)).camera
        return {"c2w": made.c2w[0].tolist(), "K": made.K[0].tolist(), "size": list(made.size)}

    @app.get("/api/backdrop.jpg")
    async def backdrop(look: str, width: int = 256, height: int = 256) -> Response:
        config = (await apart(viewer.open)).finish_config(look_of(look))
        size = (min(max(height, 16), 512), min(max(width, 16), 512))
        return Response(jpeg_of(levels_from_linear(backdrop_picture(config, size))), media_type="image/jpeg")

    @app.get("/api/thumb.jpg")
    async def thumb(request: Request, look: str, size: int = 112) -> Response:
        text = json.dumps({**look_payload(look_of(look)), "name": "thumb"}, sort_keys=True)
        px = min(max(size, THUMB_PX[0]), THUMB_PX[1])
        body = await viewer.thumbs.get(text, px, gone=request.is_disconnected)
        return Response(body, media_type="image/jpeg") if body else Response(status_code=204)

    @app.get("/api/picks")
    async def picks() -> list[dict[str, Any]]:
        return [pick.payload for pick in await apart(viewer.picks.all)]

    @app.post("/api/picks")
    async def keep(request: Request) -> dict[str, Any]:
        pick = await apart(viewer.picks.keep, look_of((await request.body()).decode()))
        viewer.picks_changed()
        return pick.payload

    @app.put("/api/picks/{ident}")
    async def change(ident: str, request: Request) -> dict[str, Any]:
        pick = await apart(viewer.picks.change, ident, look_of((await request.body()).decode()))
        viewer.picks_changed()
        return pick.payload

    @app.delete("/api/picks/{ident}")
    async def delete(ident: str) -> dict[str, Any]:
        await apart(viewer.picks.delete, ident)
        viewer.picks_changed()
        return {}

    @app.post("/api/order")
    async def reorder(request: Request) -> dict[str, Any]:
        idents = await request.json()
        if not isinstance(idents, list) or not all(isinstance(one, str) for one in idents):
            raise ConfigError("This is no order.", hint="Reload the page.")
        await apart(viewer.picks.reorder, idents)
        viewer.picks_changed()
        return {}

    @app.post("/api/undo")
    async def undo() -> dict[str, Any]:
        done = await apart(viewer.picks.undo)
        viewer.picks_changed()
        return {"done": done}

    @app.get("/api/sets")
    async def sets() -> list[dict[str, Any]]:
        return await apart(viewer.sets.all)

    @app.post("/api/sets")
    async def make(request: Request) -> dict[str, Any]:
        asked = await request.json()
        size, wanted = asked.get("size", 1024), asked.get("picks")
        if not isinstance(size, int) or not (wanted is None or isinstance(wanted, list)):
            raise ConfigError("This is no set.", hint="Reload the page.")
        kept = [pick for pick in await apart(viewer.picks.all) if wanted is None or pick.id in wanted]
        studio = await apart(viewer.open)
        ident = viewer.sets.start(studio, [one.look for one in kept], size=size, ids=[one.id for one in kept])
        return {"id": ident}

    @app.delete("/api/sets")
    async def cancel() -> dict[str, Any]:
        viewer.sets.cancel()
        return {}

    @app.get("/api/sets/{ident}.zip")
    async def archive(ident: str) -> Response:
        body = await apart(viewer.sets.archive, ident)
        name = f"headshots-{ident}.zip"
        return Response(
            body, media_type="application/zip", headers={"content-disposition": f'attachment; filename="{name}"'}
        )

    @app.get("/api/sets/{ident}/{name}")
    async def picture(ident: str, name: str, save: bool = False) -> Response:
        path = await apart(viewer.sets.picture, ident, name)
        headers = {"content-disposition": f'attachment; filename="{path.name}"'} if save else {}
        return Response(path.read_bytes(), media_type="image/png", headers=headers)

    @app.get("/api/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(viewer.hub.listen(), media_type="text/event-stream")

    @app.get("/scene/{path:path}")
    async def scene(path: str) -> Response:
        from .scene_proxy import fetch

        return await fetch(await apart(viewer.open_scene), path)

    @app.websocket("/scene")  # what its client makes of the address
    @app.websocket("/scene/")
    async def scene_socket(socket: WebSocket) -> None:
        from .scene_proxy import relay

        await relay(await apart(viewer.open_scene), socket)

    @app.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await serve_live(viewer, socket)

    for add in (add_capture, add_comparing, add_mirror, add_rating, add_videos):
        add(app, viewer)
    return app

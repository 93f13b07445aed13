"""The server of the viewer: pages, the API they use, and the live picture of each client."""

import asyncio
import gzip
import importlib.util
import json
import logging
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response, StreamingResponse

from head3d import __version__, memory
from head3d.errors import ConfigError, Head3DError
from head3d.finish.apply import backdrop_picture
from head3d.imaging.color import levels_from_linear
from head3d.looks import Look, look_from, look_payload
from head3d.studio import Studio
from head3d.subject import Subject
from head3d.viewer.guard import App, BodyTooLarge, Guard, Keys
from head3d.viewer.hub import Hub
from head3d.viewer.panels import panel_of
from head3d.viewer.poses import PickBook
from head3d.viewer.proxy import baked, light_table, packed
from head3d.viewer.render_loop import PRIORITY, Ask, LookLoop, Turns, jpeg_of
from head3d.viewer.sets import SetMaker

TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
THUMB_PX = (48, 256)
THREADS = 16
"""Most wait for their turn."""


class Viewer:
    """One subject, opened for any number of pages."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.turns, self.hub = Turns(), Hub()
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="viewer")
        self.picks = PickBook(subject.path / "views")
        self.sets = SetMaker(subject.path / "exports" / "sets", self.turns, self.hub.emit)
        self.studio: Studio | None = None
        self.problem = ""
        self.scene: Any = None
        self.new_token: Callable[[], str] | None = None
        """Of a link for another browser; the guard's."""
        self.loops: set[LookLoop] = set()
        self._opening = threading.Lock()
        self.thumb = lru_cache(maxsize=400)(self._thumb)
        self.proxy = lru_cache(maxsize=6)(self._proxy)

    def open(self) -> Studio:
        """The subject in memory; the first caller waits for it to be read."""
        with self._opening:
            if self.studio is None:
                try:
                    self.studio = Studio(self.subject)
                except Head3DError as error:
                    self.problem = str(error)
                    raise
                self.problem = ""
                self.hub.say("Ready", {})
            return self.studio

    def reopen(self) -> None:
        """Forget what was read: the head was made anew."""
        with self._opening:
            self.studio = None
            self.thumb.cache_clear()
            self.proxy.cache_clear()

    def open_scene(self) -> Any:
        """viser's scene, made when somebody first asks for it."""
        if importlib.util.find_spec("viser") is None:
            raise ConfigError("The 3D scene needs viser.", hint="pip install 'head3d[viewer]'")
        from head3d.viewer.scene import Scene

        studio = self.open()
        with self._opening:
            if self.scene is None:
                self.scene = Scene(studio, self.picks, self.turns)
            return self.scene

    def _thumb(self, text: str, size: int) -> bytes:
        studio, look = self.open(), look_of(text)
        picture = studio.picture(look, size, turn=lambda: self.turns.take(PRIORITY["thumb"]))
        with self.turns.take(PRIORITY["thumb"]):
            pixels = studio.finish(picture, size=max(picture.output.alpha.shape)).rgb_srgb
            return jpeg_of(pixels, quality=85)

    def _proxy(self, text: str) -> bytes:
        studio, look = self.open(), look_of(text)
        with self.turns.take(PRIORITY["draft"]):
            return gzip.compress(packed(baked(studio, look)), compresslevel=1)


def look_of(text: str) -> Look:
    """A look from the text of a request."""
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise ConfigError("This is no look.", hint="Reload the page.") from error
    if not isinstance(payload, dict):
        raise ConfigError("This is no look.", hint="Reload the page.")
    look = look_from(payload, where="the page")
    _no_paths(look)
    return look


def _no_paths(look: Look) -> None:
    """A page may not make the server read files by name: lights, backdrops and expressions by their names only."""
    for word in (look.light, look.backdrop, look.expression):
        if "/" in word or "\\" in word or Path(word).suffix.lower() in (".json", ".yaml", ".yml", ".hdr", ".exr"):
            if word.startswith("photo:") and "/" not in word and "\\" not in word:
                continue
            raise ConfigError("A page cannot name files.", hint="Use `head3d render` for files of your own.")
    if look.backdrop and not look.backdrop.startswith("#") and Path(look.backdrop).suffix:
        raise ConfigError("A page cannot name files.", hint="Use `head3d render` for files of your own.")


def create_app(viewer: Viewer) -> FastAPI:
    """The routes; :func:`guarded` puts the guard before them."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        viewer.hub.loop = asyncio.get_running_loop()
        if viewer.subject.exists and (viewer.subject.path / "field" / "field.json").is_file():
            viewer.pool.submit(viewer.open)
        yield
        viewer.sets.cancel()
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

    async def apart(work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, work, *args)

    @app.get("/")
    async def page() -> Response:
        return _file("index.html")

    @app.get("/3d")
    async def three_d() -> Response:
        return _file("scene.html")

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        return _file(name)

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
        }

    @app.post("/api/link")
    async def another(request: Request) -> dict[str, str]:
        token = viewer.new_token() if viewer.new_token else ""
        return {"link": f"{request.url.scheme}://{request.headers['host']}/enter?token={token}"}

    @app.get("/api/stats")
    async def stats() -> dict[str, Any]:
        stopped = [ms for loop in viewer.loops for ms in loop.stopped_ms]
        return {"clients": len(viewer.loops), "stopped_ms": stopped, "rss_mb": round(memory.current_mb(), 1)}

    @app.get("/api/panel")
    async def panel() -> dict[str, Any]:
        return panel_of(await apart(viewer.open))

    @app.get("/api/proxy")
    async def proxy(look: str) -> Response:
        body = await apart(viewer.proxy, _only(look, "expression", "units"))
        return Response(body, media_type="application/octet-stream", headers={"content-encoding": "gzip"})

    @app.get("/api/light")
    async def light(look: str) -> dict[str, Any]:
        studio, wanted = await apart(viewer.open), look_of(look)
        return await apart(light_table, studio, wanted)

    @app.get("/api/camera")
    async def camera(look: str) -> dict[str, Any]:
        made = (await apart(viewer.open)).view(look_of(look), 512).camera
        return {"c2w": made.c2w[0].tolist(), "K": made.K[0].tolist(), "size": list(made.size)}

    @app.get("/api/backdrop.jpg")
    async def backdrop(look: str, width: int = 256, height: int = 256) -> Response:
        config = (await apart(viewer.open)).finish_config(look_of(look))
        size = (min(max(height, 16), 512), min(max(width, 16), 512))
        return Response(jpeg_of(levels_from_linear(backdrop_picture(config, size))), media_type="image/jpeg")

    @app.get("/api/thumb.jpg")
    async def thumb(look: str, size: int = 112) -> Response:
        text = json.dumps({**look_payload(look_of(look)), "name": "thumb"}, sort_keys=True)
        body = await apart(viewer.thumb, text, min(max(size, THUMB_PX[0]), THUMB_PX[1]))
        return Response(body, media_type="image/jpeg")

    @app.get("/api/picks")
    async def picks() -> list[dict[str, Any]]:
        return [pick.payload for pick in await apart(viewer.picks.all)]

    @app.post("/api/picks")
    async def keep(request: Request) -> dict[str, Any]:
        pick = await apart(viewer.picks.keep, look_of((await request.body()).decode()))
        viewer.hub.say("Picks", {})
        return pick.payload

    @app.put("/api/picks/{ident}")
    async def change(ident: str, request: Request) -> dict[str, Any]:
        pick = await apart(viewer.picks.change, ident, look_of((await request.body()).decode()))
        viewer.hub.say("Picks", {})
        return pick.payload

    @app.delete("/api/picks/{ident}")
    async def delete(ident: str) -> dict[str, Any]:
        await apart(viewer.picks.delete, ident)
        viewer.hub.say("Picks", {})
        return {}

    @app.post("/api/order")
    async def reorder(request: Request) -> dict[str, Any]:
        idents = await request.json()
        if not isinstance(idents, list) or not all(isinstance(one, str) for one in idents):
            raise ConfigError("This is no order.", hint="Reload the page.")
        await apart(viewer.picks.reorder, idents)
        viewer.hub.say("Picks", {})
        return {}

    @app.post("/api/undo")
    async def undo() -> dict[str, Any]:
        done = await apart(viewer.picks.undo)
        viewer.hub.say("Picks", {})
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
        from head3d.viewer.scene_proxy import fetch

        return await fetch(await apart(viewer.open_scene), path)

    @app.websocket("/scene/")
    async def scene_socket(socket: WebSocket) -> None:
        from head3d.viewer.scene_proxy import relay

        await relay(await apart(viewer.open_scene), socket)

    @app.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await _serve_live(viewer, socket)

    return app


async def _serve_live(viewer: Viewer, socket: WebSocket) -> None:
    studio = await asyncio.get_running_loop().run_in_executor(viewer.pool, viewer.open)

    async def send(header: dict[str, Any], body: bytes) -> None:
        text = json.dumps(header).encode()
        await socket.send_bytes(struct.pack("<I", len(text)) + text + body)

    loop = LookLoop(studio, viewer.turns, viewer.pool, send)
    viewer.loops.add(loop)
    running = asyncio.create_task(loop.run())
    try:
        while True:
            said = json.loads(await socket.receive_text())
            if said.get("type") != "look":
                loop.ask(None)
                continue
            number = int(said.get("number", 0))
            try:
                look = look_of(json.dumps(said.get("look")))
                loop.ask(Ask(number, look, int(said.get("height_px", 512)), bool(said.get("overlay"))))
            except Head3DError as error:
                await send({"type": "error", "number": number, "text": str(error)}, b"")
    except (WebSocketDisconnect, ValueError, TypeError, AttributeError):
        pass  # gone, or says what no page of ours says
    finally:
        loop.ask(None)
        running.cancel()
        viewer.loops.discard(loop)


def _file(name: str) -> Response:
    folder = resources.files("head3d.viewer") / "page"
    known = {one.name: one for one in folder.iterdir()}
    if name not in known:
        return JSONResponse({"error": "There is no such page.", "hint": ""}, status_code=404)
    return Response(known[name].read_bytes(), media_type=TYPES.get(name.rpartition(".")[2], "text/plain"))


def _only(text: str, *names: str) -> str:
    """A look with nothing but what the mesh depends on, so that it is baked once."""
    payload = look_payload(look_of(text))
    return json.dumps({name: payload[name] for name in names}, sort_keys=True)


def serve(subject: Subject, *, host: str, port: int, open_browser: bool, network: bool) -> None:
    """Serve until interrupted; prints links that open the page once each."""
    import webbrowser

    import uvicorn

    from head3d.weights import home

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

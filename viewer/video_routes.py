"""The routes of videos."""

import asyncio
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response

from head3d.errors import ConfigError
from head3d.looks import look_from

from .state import Viewer, no_paths
from .videos import VideoPlan


def add_videos(app: FastAPI, viewer: Viewer) -> None:
    """Add them to the viewer's."""

    async def apart(work: Any, *args: Any, **how: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, partial(work, *args, **how))

    @app.get("/api/videos")
    async def videos() -> list[dict[str, Any]]:
        return await apart(viewer.videos.all)

    @app.post("/api/videos")
    async def make(request: Request) -> dict[str, Any]:
        asked = await request.json()
        if not isinstance(asked, dict):
            raise ConfigError("This is no video.", hint="Reload the page.")
        if asked.get("kind") == "turntable":
            looks = (look_from(asked.get("look") or {}, where="the page"),)
            no_paths(looks[0])
        else:
            looks = tuple(pick.look for pick in await apart(viewer.picks.all))
        numbers = {name: asked[name] for name in ("size", "seconds", "fps") if name in asked}
        plan = VideoPlan(asked.get("kind"), looks, **numbers)  # type: ignore[arg-type]  # it checks
        studio = await apart(viewer.open)
        return {"id": await apart(viewer.videos.start, studio, plan)}

    @app.delete("/api/videos")
    async def cancel() -> dict[str, Any]:
        viewer.videos.cancel()
        return {}

    @app.get("/api/videos/{ident}.mp4")
    async def video(ident: str, save: bool = False) -> Response:
        path = await apart(viewer.videos.file, ident)
        name = f"head-{ident}.mp4" if save else None
        return FileResponse(path, media_type="video/mp4", filename=name)

"""The routes of what a person brings beside the head: the photos it was made of, backdrops and lights of their own."""

import asyncio
from functools import lru_cache, partial
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import Response

from head3d.errors import ConfigError
from head3d.looks import Look

from .photo_views import through_window
from .render_loop import LEAST_PX, MOST_PX, jpeg_of
from .state import Viewer, look_of

KEPT_PHOTOS = 4


def add_comparing(app: FastAPI, viewer: Viewer) -> None:
    """Add them to the viewer's."""

    async def apart(work: Any, *args: Any, **how: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, partial(work, *args, **how))

    @lru_cache(maxsize=KEPT_PHOTOS)
    def pixels_of(name: str) -> np.ndarray:
        for photo in viewer.subject.photos():
            if photo.name == name:
                return photo.rgb_srgb
        raise ConfigError(f"There is no photo {name!r} in this subject.", hint="Reload the page.")

    def photo_of(look: Look, height: int) -> bytes:
        pixels = pixels_of(look.seen_from.removeprefix("photo:"))
        return jpeg_of(through_window(viewer.open(), look, height, pixels))

    @app.get("/api/photo.jpg")
    async def photo(look: str, height: int = 512) -> Response:
        wanted = look_of(look)
        if not wanted.seen_from:
            raise ConfigError("This look is seen from no photo.", hint="Choose a photo.")
        body = await apart(photo_of, wanted, min(max(height, LEAST_PX // 2), MOST_PX))
        return Response(body, media_type="image/jpeg")

    @app.get("/api/backdrops")
    async def backdrops() -> list[str]:
        return (await apart(viewer.open)).backdrops.all()

    @app.post("/api/backdrop")
    async def add(request: Request) -> dict[str, str]:
        studio = await apart(viewer.open)
        return {"name": await apart(studio.backdrops.add, await request.body())}

    @app.delete("/api/backdrop/{name}")
    async def remove(name: str) -> dict[str, Any]:
        studio = await apart(viewer.open)
        await apart(studio.backdrops.remove, name)
        return {}

    @app.get("/api/lights")
    async def lights() -> list[str]:
        return (await apart(viewer.open)).light_maps.all()

    @app.post("/api/lights")
    async def add_light(request: Request) -> dict[str, str]:
        studio = await apart(viewer.open)
        return {"name": await apart(studio.light_maps.add, await request.body())}

    @app.delete("/api/lights/{name}")
    async def remove_light(name: str) -> dict[str, Any]:
        studio = await apart(viewer.open)
        await apart(studio.light_maps.remove, name)
        return {}

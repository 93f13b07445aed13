"""The routes of the page "Live": the browser sends what its webcam sees, and gets the head doing the same."""

import asyncio
import threading
import time
from collections import OrderedDict
from functools import partial
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import Response

from head3d.errors import InputError
from head3d.perception.nets import FaceNets, load_face_nets

from .follow import Follower
from .live_video import small
from .pages import page_file
from .puppet import Puppet
from .render_loop import PRIORITY, jpeg_of
from .state import Viewer, look_of

FRAME_BYTES, FRAME_PIXELS = 2 * 2**20, 4_000_000
KEPT_PUPPETS, KEPT_FACES = 2, 8
LIVE_PX = 384


class Mirror:
    """Puppets by look and followers by page; one picture at a time, as the nets are one."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._nets: FaceNets | None = None
        self._puppets: OrderedDict[str, Puppet] = OrderedDict()
        self._faces: OrderedDict[str, Follower] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, page: str, look: str, content: bytes) -> tuple[bytes, dict[str, str]]:
        """The head in the pose of a face: JPEG (empty if there is no face) and facts for the page."""
        if len(content) > FRAME_BYTES:
            raise InputError("That picture is too large.", hint="Send at most 2 MB.")
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None or decoded.shape[0] * decoded.shape[1] > FRAME_PIXELS:
            raise InputError("That is no picture of a webcam.", hint="Reload the page.")
        with self._lock:
            puppet, follower = self._puppet(look), self._face(page)
            with self.viewer.turns.take(PRIORITY["draft"]):
                began = time.monotonic()
                pose = follower.read(small(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)))
                followed = time.monotonic()
                body = b"" if pose is None else jpeg_of(puppet.draw(pose), quality=85)
                drawn = time.monotonic()
        facts = {
            "x-face": "none" if pose is None else "rest" if follower.at_rest else "followed",
            "x-following-ms": f"{1000 * (followed - began):.0f}",
            "x-drawing-ms": f"{1000 * (drawn - followed):.0f}",
        }
        return body, facts

    def forget(self, page: str) -> None:
        """Learn the face of a page at rest anew."""
        with self._lock:
            if page in self._faces:
                self._faces[page].forget()

    def clear(self) -> None:
        """The head was made anew."""
        with self._lock:
            self._puppets.clear()
            self._faces.clear()

    def _puppet(self, look: str) -> Puppet:
        studio, wanted = self.viewer.open(), look_of(look)
        key = f"{id(studio)} {wanted.light} {wanted.backdrop}"
        if key not in self._puppets:
            with self.viewer.turns.take(PRIORITY["full"]):
                self._puppets[key] = Puppet(studio, wanted, height_px=LIVE_PX)
            while len(self._puppets) > KEPT_PUPPETS:
                self._puppets.popitem(last=False)
        return self._puppets[key]

    def _face(self, page: str) -> Follower:
        if self._nets is None:
            self._nets = load_face_nets()
        if page not in self._faces:
            self._faces[page] = Follower(self.viewer.open().fitted, self._nets)
            while len(self._faces) > KEPT_FACES:
                self._faces.popitem(last=False)
        self._faces.move_to_end(page)
        return self._faces[page]


def add_mirror(app: FastAPI, viewer: Viewer) -> None:
    """Add them to the viewer's."""
    mirror = Mirror(viewer)

    async def apart(work: Any, *args: Any, **how: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, partial(work, *args, **how))

    @app.get("/live")
    async def live_page() -> Response:
        return page_file("live.html")

    @app.post("/api/live/frame")
    async def frame(request: Request, page: str, look: str) -> Response:
        body, facts = await apart(mirror.reply, page[:40], look, await request.body())
        return Response(body, media_type="image/jpeg", headers=facts)

    @app.post("/api/live/rest")
    async def rest(page: str) -> dict[str, Any]:
        await apart(mirror.forget, page[:40])
        return {}

"""The head among its cameras, with viser: for looking about freely; pictures are composited into it by depth.

viser's own server answers anybody who finds its port and lets any client ask for a public tunnel. Here it listens on
the loopback only, wants a key that nobody but our proxy has, and has no tunnel to give.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from http import HTTPStatus
from io import StringIO
from typing import Any

import numpy as np
import trimesh
import viser
import websockets.asyncio.server

from head3d.errors import ConfigError
from head3d.looks import Look
from head3d.studio import Studio

from .poses import PickBook
from .proxy import baked
from .render_loop import Turns
from .scene_client import SceneClient, Standpoint

KEY_HEADER = "x-head3d-key"
VISER = "viser>=1.1,<1.2"
"""Its server is started in a way of its own (see below), which another version may not have."""
PHOTO_COLOR, PICK_COLOR = (255, 210, 122), (142, 197, 255)
PHOTO_PX = 200
"""Longer side of a photo in its frustum, about."""
START_M = (0.25, 0.1, 0.9)


class _Private(viser.ViserServer):
    """viser without its public tunnel: what a page asks for is answered with nothing."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        del verbose
        return None


class Scene:
    """viser's canvas of one subject: the same head, photos and picks for all; a camera and a light for each client."""

    def __init__(self, studio: Studio, picks: PickBook, turns: Turns) -> None:
        self.studio, self.picks, self.turns = studio, picks, turns
        self.key = secrets.token_urlsafe(24)
        with _locked_door(self.key), redirect_stdout(StringIO()):  # it prints its own address, which is not for people
            self.server = _Private(host="127.0.0.1", port=0, verbose=False)
        self.port = self.server.get_port()
        self.server.gui.configure_theme(show_logo=False, show_share_button=False, dark_mode=True)
        self.server.scene.set_up_direction("+y")
        self.server.initial_camera.position = START_M
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self._clients: dict[int, SceneClient] = {}
        self._telling = threading.Lock()
        mesh = baked(studio, Look())
        paint = (mesh.colors.numpy() * 255).round().astype(np.uint8)
        self.head = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=paint, process=False)
        # its own lights are far too bright for colours that were measured
        self.server.scene.configure_default_lights(False)
        self.server.scene.configure_environment_map(None)
        self.server.scene.add_light_ambient("/light", intensity=3.0)
        self.photos = photo_standpoints(studio)
        self.server.on_client_connect(self._come)
        self.server.on_client_disconnect(self._go)

    def close(self) -> None:
        """End the server."""
        for client in list(self._clients.values()):
            client.close()
        self.server.stop()

    def refresh_picks(self) -> None:
        """Show the picks of now to all clients."""
        with self._telling:  # of two changes the later is told last
            standing = pick_standpoints(self.studio, self.picks)
            for client in list(self._clients.values()):
                client.show_picks(standing)

    def _go(self, client: viser.ClientHandle) -> None:
        gone = self._clients.pop(client.client_id, None)
        if gone is not None:
            gone.close()

    def _come(self, client: viser.ClientHandle) -> None:
        self._clients[client.client_id] = SceneClient(self.studio, self.turns, client, self.head, self.photos)
        self.refresh_picks()


def photo_standpoints(studio: Studio) -> list[Standpoint]:
    """Where the photos were taken from, each with a small copy of it."""
    photos = {photo.name: photo.rgb_srgb for photo in studio.subject.photos()}
    found = []
    for number, name in enumerate(studio.photos):
        step = max(1, max(photos[name].shape[:2]) // PHOTO_PX)
        small = photos[name][::step, ::step]
        found.append(Standpoint(f"/photos/{number}", studio.photo_camera(name), PHOTO_COLOR, small))
    return found


def pick_standpoints(studio: Studio, picks: PickBook) -> list[Standpoint]:
    """Where the picks are seen from; without those whose photo is gone."""
    found = []
    for pick in picks.all():
        try:  # a light says nothing of where the camera stands, and may be gone, too
            camera = studio.view(replace(pick.look, light=Look.light), 64).camera
        except ConfigError:
            continue
        found.append(Standpoint(f"/picks/{pick.id}", camera, PICK_COLOR))
    return found


@contextmanager
def _locked_door(key: str) -> Iterator[None]:
    """While viser starts, let the server it makes demand a key: its port is open to every user of the machine."""
    original, used = websockets.asyncio.server.serve, []

    def serve(*args: Any, process_request: Any = None, **how: Any) -> Any:
        def asked(connection: Any, request: Any) -> Any:
            if not secrets.compare_digest(request.headers.get(KEY_HEADER, ""), key):
                return connection.respond(HTTPStatus.UNAUTHORIZED, "Open the viewer's own address.\n")
            return process_request(connection, request) if process_request else None

        used.append(True)
        return original(*args, process_request=asked, **how)

    websockets.asyncio.server.serve = serve  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        websockets.asyncio.server.serve = original  # type: ignore[misc]
    if not used:
        raise ConfigError("This version of viser starts its server in another way.", hint=f'pip install "{VISER}"')

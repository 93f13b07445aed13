"""The head among its cameras, with viser: for looking about freely; pictures are composited into it by depth.

viser's own server answers anybody who finds its port and lets any client ask for a public tunnel. Here it listens on
the loopback only, wants a key that nobody but our proxy has, and has no tunnel to give.
"""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from http import HTTPStatus
from io import StringIO
from typing import Any

import numpy as np
import torch
import trimesh
import viser
import websockets.asyncio.server
from viser.transforms import SO3

from head3d.errors import ConfigError
from head3d.geometry.cameras import Cameras, intrinsics
from head3d.looks import Look
from head3d.studio import Studio
from head3d.train.cameras import refined_cameras

from .poses import PickBook
from .proxy import baked
from .render_loop import PRIORITY, STILL_S, Stopped, Turns

KEY_HEADER = "x-head3d-key"
DRAFT_PX, FULL_PX = 192, 512
FRUSTUM_M, LINE_M = 0.05, 0.0012
START_M = (0.25, 0.1, 0.9)


class _Private(viser.ViserServer):
    """viser without its public tunnel: what a page asks for is answered with nothing."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        del verbose
        return None


class Scene:
    """viser's canvas of one subject."""

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
        self._clients: dict[int, _Client] = {}
        mesh = baked(studio, Look())
        paint = (mesh.colors.numpy() * 255).round().astype(np.uint8)
        self.head = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=paint, process=False)
        # its own lights are far too bright for colours that were measured
        self.server.scene.configure_default_lights(False)
        self.server.scene.configure_environment_map(None)
        self.server.scene.add_light_ambient("/light", intensity=3.0)
        self.show_photos = self.server.gui.add_checkbox("Photos' cameras", True)
        self.show_picks = self.server.gui.add_checkbox("Picks", True)
        self.light = self.server.gui.add_dropdown("Light", ("soft-front", "rembrandt", "split", "rim"))
        self._add_photos()
        self.refresh_picks()
        self.server.on_client_connect(self._come)
        self.server.on_client_disconnect(self._go)

    def close(self) -> None:
        """End the server."""
        for client in list(self._clients.values()):
            client.close()
        self.server.stop()

    def refresh_picks(self) -> None:
        """Show the picks of now."""
        for pick in self.picks.all():
            camera = self.studio.view(pick.look, 64).camera
            self._frustum(f"/picks/{pick.id}", camera, (142, 197, 255), None)

    def _add_photos(self) -> None:
        field = self.studio.field
        cameras = refined_cameras(self.studio.fitted.cameras, field.turn.cpu(), field.shift.cpu())
        photos = {photo.name: photo for photo in self.studio.subject.photos()}
        for number, (name, camera) in enumerate(zip(self.studio.photos, cameras, strict=True)):
            pixels = photos[name].rgb_srgb
            step = max(1, max(pixels.shape[:2]) // 200)
            self._frustum(f"/photos/{number}", camera, (255, 210, 122), pixels[::step, ::step])

        @self.show_photos.on_update
        def _(event: Any) -> None:
            self.photos_node.visible = self.show_photos.value

        @self.show_picks.on_update
        def _(event: Any) -> None:
            self.picks_node.visible = self.show_picks.value

        self.photos_node = self.server.scene.add_frame("/photos", show_axes=False)
        self.picks_node = self.server.scene.add_frame("/picks", show_axes=False)

    def _frustum(self, name: str, camera: Cameras, color: tuple[int, int, int], image: np.ndarray | None) -> None:
        height, width = camera.size
        c2w = camera.c2w[0].double().numpy()
        made = self.server.scene.add_camera_frustum(
            name, fov=float(2 * np.arctan(height / 2 / float(camera.K[0, 1, 1]))), aspect=width / height,
            scale=FRUSTUM_M, thickness=LINE_M, color=color, image=image,
            wxyz=SO3.from_matrix(c2w[:3, :3]).wxyz, position=c2w[:3, 3],
        )  # fmt: skip

        @made.on_click
        def _(event: Any) -> None:  # a little behind it, so that the frustum is not about one's own eye
            event.client.camera.position = c2w[:3, 3] + 0.02 * c2w[:3, 2]
            event.client.camera.look_at = c2w[:3, 3] + c2w[:3, 2] * max(float(np.linalg.norm(c2w[:3, 3])), 0.3)

    def _go(self, client: viser.ClientHandle) -> None:
        gone = self._clients.pop(client.client_id, None)
        if gone is not None:
            gone.close()

    def _come(self, client: viser.ClientHandle) -> None:
        self._clients[client.client_id] = _Client(self, client)


class _Client:
    """Moving, a mesh; still, the field in the background with its depth."""

    def __init__(self, scene: Scene, client: viser.ClientHandle) -> None:
        self.scene, self.client = scene, client
        self.generation, self._ended = 0, False
        self._moved = threading.Event()
        self.mesh = client.scene.add_mesh_trimesh("/head", scene.head, cast_shadow=False, receive_shadow=False)
        client.camera.on_update(lambda camera: self._move())
        scene.light.on_update(lambda event: self._move())
        threading.Thread(target=self._run, name=f"scene {client.client_id}", daemon=True).start()
        self._move()

    def close(self) -> None:
        self._ended = True
        self._move()

    def _move(self) -> None:
        self.generation += 1
        self._moved.set()

    def _run(self) -> None:
        while not self._ended:
            self._moved.wait()
            self._moved.clear()
            if self._ended:
                return
            self._show_mesh()
            generation = self.generation
            time.sleep(STILL_S)
            for height in (DRAFT_PX, FULL_PX):
                try:
                    self._picture(height, generation)
                except Stopped:
                    break

    def _show_mesh(self) -> None:
        if not self.mesh.visible:
            self.mesh.visible = True
            self.client.scene.set_background_image(None)

    def _picture(self, height: int, generation: int) -> None:
        def stopped() -> bool:
            return generation != self.generation

        studio, camera = self.scene.studio, self.client.camera
        if stopped() or camera.image_height == 0:
            raise Stopped
        look = Look(light=str(self.scene.light.value))
        view = replace(studio.view(look, 16), camera=_camera_of(camera, height))
        view = replace(view, lighting=studio.light(look).on(view.camera.c2w[0]))
        made = studio.picture(look, height, view=view, turn=lambda: self.scene.turns.take(PRIORITY["full"], stopped))
        pixels = studio.finish(made, size=max(made.output.alpha.shape)).rgb_srgb
        depth = torch.where(made.output.alpha > 0.5, made.output.depth_m, torch.full_like(made.output.depth_m, 100.0))
        if stopped():
            raise Stopped
        self.client.scene.set_background_image(pixels, format="jpeg", depth=depth.numpy()[..., None])
        self.mesh.visible = False  # the mesh and the picture lie at the same depth


def _camera_of(camera: viser.CameraHandle, height: int) -> Cameras:
    """viser's camera as ours: both are OpenCV."""
    c2w = torch.eye(4)
    c2w[:3, :3] = torch.from_numpy(SO3(np.asarray(camera.wxyz)).as_matrix()).float()
    c2w[:3, 3] = torch.from_numpy(np.asarray(camera.position)).float()
    width = max(16, min(round(height * camera.aspect), 4 * height))
    return Cameras(
        c2w[None], intrinsics(height / 2 / float(np.tan(camera.fov / 2)), (height, width))[None], (height, width)
    )


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
        raise ConfigError(
            "This version of viser starts its server in another way.", hint='pip install "viser>=1.1,<1.2"'
        )

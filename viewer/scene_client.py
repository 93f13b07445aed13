"""What one client of the 3D scene sees: its own camera, light, photos' cameras and picks.

Moving, a mesh; still, the field in the background with its depth: a draft, the picture, a refined one.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import trimesh
import viser
from jaxtyping import UInt8
from viser.transforms import SO3

from head3d.geometry.cameras import Cameras, intrinsics
from head3d.looks import Look
from head3d.render.rigs import LIGHTS
from head3d.studio import Studio

from .render_loop import PRIORITY, STILL_S, Stopped, Turns, steps

DRAFT_PX, FULL_PX = 192, 512
FRUSTUM_M, LINE_M = 0.05, 0.0012
BEFORE_M = 0.02
"""So far before a frustum's tip one stands that is clicked, lest its lines are about one's own eye."""
LEAST_LOOK_M = 0.3
BEHIND_M = 100.0
"""Depth of what shows no head: everything else in the scene stands before it."""


@dataclass(frozen=True, eq=False)
class Standpoint:
    """A camera in the scene.

    Attributes:
        name: Of its node.
        camera: One, OpenCV.
        color: Of its lines, sRGB.
        image: What it saw, if that is shown.
    """

    name: str
    camera: Cameras
    color: tuple[int, int, int]
    image: UInt8[np.ndarray, "H W 3"] | None = None

    @property
    def fov(self) -> float:
        """Vertical, radians."""
        return float(2 * np.arctan(self.camera.size[0] / 2 / float(self.camera.K[0, 1, 1])))

    def same(self, other: "Standpoint | None") -> bool:
        """Whether another camera of the same name stands and sees as this one."""
        if other is None or self.camera.size != other.camera.size:
            return False
        return torch.equal(self.camera.c2w, other.camera.c2w) and torch.equal(self.camera.K, other.camera.K)


class SceneClient:
    """One client, from when it comes until it goes."""

    def __init__(
        self,
        studio: Studio,
        turns: Turns,
        client: viser.ClientHandle,
        head: trimesh.Trimesh,
        photos: Sequence[Standpoint],
    ) -> None:
        self.studio, self.turns, self.client = studio, turns, client
        self.generation, self._ended = 0, False
        self._moved = threading.Event()
        self.mesh = client.scene.add_mesh_trimesh("/head", head, cast_shadow=False, receive_shadow=False)
        boxes = client.gui.add_checkbox("Photos' cameras", True), client.gui.add_checkbox("Picks", True)
        self.light = client.gui.add_dropdown("Light", tuple(LIGHTS))
        for box, name in zip(boxes, ("/photos", "/picks"), strict=True):
            _switch(box, client.scene.add_frame(name, show_axes=False))
        self._picks: dict[str, tuple[Standpoint, Any]] = {}
        for one in photos:
            self._frustum(one)
        client.camera.on_update(lambda camera: self._move())
        self.light.on_update(lambda event: self._move())
        threading.Thread(target=self._run, name=f"scene {client.client_id}", daemon=True).start()
        self._move()

    def close(self) -> None:
        """The client has gone."""
        self._ended = True
        self._move()

    def show_picks(self, standing: Sequence[Standpoint]) -> None:
        """Show these picks and no others; what stays as it was is not sent again."""
        wanted = {one.name: one for one in standing}
        for name in [name for name, (one, _) in self._picks.items() if not one.same(wanted.get(name))]:
            self._picks.pop(name)[1].remove()
        for name, one in wanted.items():
            if name not in self._picks:
                self._picks[name] = one, self._frustum(one)

    def _frustum(self, one: Standpoint) -> Any:
        height, width = one.camera.size
        c2w = one.camera.c2w[0].double().numpy()
        made = self.client.scene.add_camera_frustum(
            one.name, fov=one.fov, aspect=width / height,
            scale=FRUSTUM_M, thickness=LINE_M, color=one.color, image=one.image,
            wxyz=SO3.from_matrix(c2w[:3, :3]).wxyz, position=c2w[:3, 3],
        )  # fmt: skip

        @made.on_click
        def _(event: Any) -> None:
            with event.client.atomic():
                stand(event.client.camera, one)

        return made

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
            for kind, height, oversample in steps(FULL_PX, draft_px=DRAFT_PX):
                try:
                    self._picture(kind, height, oversample, generation)
                except Stopped:
                    break

    def _show_mesh(self) -> None:
        if not self.mesh.visible:
            self.mesh.visible = True
            self.client.scene.set_background_image(None)

    def _picture(self, kind: str, height: int, oversample: int, generation: int) -> None:
        def stopped() -> bool:
            return generation != self.generation

        studio, camera = self.studio, self.client.camera
        if stopped() or camera.image_height == 0:
            raise Stopped
        look = Look(light=str(self.light.value))
        view = replace(studio.view(look, 16), camera=camera_of(camera, height))
        view = replace(view, lighting=studio.light(look).on(view.camera.c2w[0]))

        def turn() -> Any:
            return self.turns.take(PRIORITY[kind], stopped)

        made = studio.picture(look, height, view=view, oversample=oversample, turn=turn)
        with turn():
            pixels = studio.finish(made, size=max(made.output.alpha.shape)).rgb_srgb
        depth = torch.where(
            made.output.alpha > 0.5, made.output.depth_m, torch.full_like(made.output.depth_m, BEHIND_M)
        )
        if stopped():
            raise Stopped
        self.client.scene.set_background_image(pixels, format="jpeg", depth=depth.numpy()[..., None])
        self.mesh.visible = False  # the mesh and the picture lie at the same depth


def _switch(box: Any, node: Any) -> None:
    """Let a check box show a node and all below it."""

    @box.on_update
    def _(event: Any) -> None:
        node.visible = box.value


def stand(camera: Any, one: Standpoint) -> None:
    """Put a client's camera (viser.CameraHandle) where another stands: the same way round, through the same lens."""
    c2w = one.camera.c2w[0].double().numpy()
    down, ahead, centre = c2w[:3, 1], c2w[:3, 2], c2w[:3, 3]
    camera.up_direction = -down
    camera.position = centre + BEFORE_M * ahead
    camera.look_at = centre + ahead * max(float(np.linalg.norm(centre)), LEAST_LOOK_M)
    camera.fov = one.fov


def camera_of(camera: Any, height: int) -> Cameras:
    """viser's camera as ours: both are OpenCV."""
    c2w = torch.eye(4)
    c2w[:3, :3] = torch.from_numpy(SO3(np.asarray(camera.wxyz)).as_matrix()).float()
    c2w[:3, 3] = torch.from_numpy(np.asarray(camera.position)).float()
    width = max(16, min(round(height * camera.aspect), 4 * height))
    return Cameras(
        c2w[None], intrinsics(height / 2 / float(np.tan(camera.fov / 2)), (height, width))[None], (height, width)
    )

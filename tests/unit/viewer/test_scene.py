"""The 3D scene without a browser: each client has its own light, boxes and picks, and stands where it clicks."""

import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("viser")
pytest.importorskip("trimesh")

import viser

from head3d.errors import ConfigError
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.looks import Look
from head3d.viewer.poses import PickBook  # pyright: ignore[reportMissingImports]
from head3d.viewer.scene import VISER, pick_standpoints  # pyright: ignore[reportMissingImports]
from head3d.viewer.scene_client import (  # pyright: ignore[reportMissingImports]
    FULL_PX,
    SceneClient,
    Standpoint,
    camera_of,
    stand,
)


def camera(yaw_deg: float, *, roll_deg: float = 0.0, focal_px: float = 150.0) -> Cameras:
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=5.0, distance_m=1.2)
    roll = torch.deg2rad(torch.tensor(roll_deg))
    c, s = float(roll.cos()), float(roll.sin())
    c2w[:3, :3] = c2w[:3, :3] @ torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return Cameras(c2w[None], intrinsics(focal_px, (64, 64))[None], (64, 64))


def at(name: str, yaw_deg: float, **how: float) -> Standpoint:
    return Standpoint(name, camera(yaw_deg, **how), (1, 2, 3))


class Handle:
    """Stands for a node, a check box or a list of viser's."""

    def __init__(self, value: Any = None, **facts: Any) -> None:
        self.value, self.visible, self.removed, self.facts = value, True, False, facts
        self.heard: list[Any] = []

    def on_update(self, work: Any) -> Any:
        self.heard.append(work)
        return work

    on_click = on_update

    def choose(self, value: Any) -> None:
        self.value = value
        for work in self.heard:
            work(SimpleNamespace())

    def remove(self) -> None:
        self.removed = True


class Client:
    """Stands for a browser; one that has told its size sees pictures."""

    def __init__(self, *, height: int = 0) -> None:
        self.client_id, self.nodes, self.controls = 1, dict[str, Handle](), dict[str, Handle]()
        self.sent: list[str] = []
        self.pictures, self.changed = [], threading.Condition()
        self.scene = SimpleNamespace(
            add_mesh_trimesh=self._node, add_frame=self._node, add_camera_frustum=self._node,
            set_background_image=self._picture,
        )  # fmt: skip
        self.gui = SimpleNamespace(add_checkbox=self._control, add_dropdown=lambda name, of: self._control(name, of[0]))
        self.camera = SimpleNamespace(
            on_update=lambda work: None, image_height=height, aspect=1.0, fov=0.5,
            wxyz=np.array([0.0, 1.0, 0.0, 0.0]), position=np.array([0.0, 0.0, 1.0]),
        )  # fmt: skip

    def _node(self, name: str, *others: Any, **facts: Any) -> Handle:
        self.sent.append(name)
        self.nodes[name] = Handle(**facts)
        return self.nodes[name]

    def _control(self, name: str, value: Any) -> Handle:
        self.controls[name] = Handle(value)
        return self.controls[name]

    def _picture(self, pixels: Any, **how: Any) -> None:
        with self.changed:
            self.pictures.append(pixels)
            self.changed.notify_all()


@dataclass(frozen=True)
class View:
    """What a picture needs of a view."""

    camera: Cameras
    lighting: Any = None


class FieldStudio:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def light(self, look: Look) -> Any:
        return SimpleNamespace(on=lambda c2w: None)

    def view(self, look: Look, height_px: int) -> Any:
        if look.seen_from:
            raise ConfigError("There is no such photo.", hint="")
        assert not look.light.startswith("own:"), "where a camera stands does not depend on a light"
        return View(camera(look.yaw_deg))

    def picture(self, look: Look, height: int, *, view: Any, oversample: int, turn: Any) -> Any:
        self.asked.append((look.light, height, oversample))
        return SimpleNamespace(output=SimpleNamespace(alpha=torch.ones(4, 4), depth_m=torch.ones(4, 4)))

    def finish(self, picture: Any, *, size: int) -> Any:
        return SimpleNamespace(rgb_srgb=np.zeros((4, 4, 3), np.uint8))


@contextmanager
def served(client: Client, studio: Any = None, photos: tuple[Standpoint, ...] = ()) -> Iterator[SceneClient]:
    turns: Any = SimpleNamespace(take=lambda priority, stopped: nullcontext())
    made = SceneClient(studio or FieldStudio(), turns, client, object(), photos)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.mark.parametrize("roll_deg", [0.0, 25.0])
def test_a_click_takes_over_place_direction_roll_and_lens(roll_deg: float):
    sent: list[Any] = []
    own = viser.CameraHandle(SimpleNamespace(_websock_connection=SimpleNamespace(queue_message=sent.append)))  # type: ignore[arg-type]
    own._state.update_timestamp = 1.0  # as after a browser's first word
    own._state.image_height, own._state.image_width = 400, 800
    own._state.position, own._state.up_direction = np.array([0.2, 0.1, 0.9]), np.array([0.0, 1.0, 0.0])
    one = at("/photos/0", -30.0, roll_deg=roll_deg)
    stand(own, one)
    stands = camera_of(own, 64)
    torch.testing.assert_close(stands.c2w[0, :3, :3], one.camera.c2w[0, :3, :3], atol=1e-4, rtol=0.0)
    assert float((stands.centre[0] - one.camera.centre[0]).norm()) < 0.03
    assert float(stands.K[0, 1, 1]) == pytest.approx(150.0, rel=1e-4)
    assert {type(message).__name__ for message in sent} >= {"SetCameraFovMessage", "SetCameraUpDirectionMessage"}


def test_picks_are_shown_changed_and_taken_away_and_others_are_not_sent_again():
    client = Client()
    with served(client) as made:
        made.show_picks([at("/picks/a", 0.0), at("/picks/b", 20.0)])
        before = dict(client.nodes)
        client.sent.clear()
        made.show_picks([at("/picks/a", 0.0), at("/picks/b", 40.0), at("/picks/c", 60.0)])
        assert client.sent == ["/picks/b", "/picks/c"]
        assert before["/picks/b"].removed and not before["/picks/a"].removed
        made.show_picks([])
        assert all(client.nodes[f"/picks/{name}"].removed for name in "abc")


def test_light_and_boxes_are_each_clients_own():
    one, other = Client(), Client()
    photos = (at("/photos/0", 10.0),)
    with served(one, photos=photos), served(other, photos=photos):
        one.controls["Picks"].choose(False)
        one.controls["Light"].choose("rim")
        assert not one.nodes["/picks"].visible and one.nodes["/photos"].visible
        assert other.nodes["/picks"].visible and other.controls["Light"].value == "soft-front"
        assert "/photos/0" in one.nodes and "/photos/0" in other.nodes


def test_at_rest_the_draft_the_picture_and_the_refined_one_come():
    client, studio = Client(height=400), FieldStudio()
    with served(client, studio), client.changed:
        assert client.changed.wait_for(lambda: len(client.pictures) >= 3, timeout=60)
    assert [asked[2] for asked in studio.asked] == [1, 1, 2]
    assert studio.asked[0][1] < studio.asked[1][1] == studio.asked[2][1] == FULL_PX


def test_picks_of_now_stand_in_the_scene_and_those_of_lost_photos_do_not(tmp_path: Path):
    picks = PickBook(tmp_path)
    kept = picks.keep(Look(yaw_deg=30, light="own:0123456789ab"))
    picks.keep(Look(seen_from="photo:gone.jpg"))
    studio: Any = FieldStudio()
    assert [one.name for one in pick_standpoints(studio, picks)] == [f"/picks/{kept.id}"]
    first = pick_standpoints(studio, picks)[0]
    assert first.same(pick_standpoints(studio, picks)[0])
    picks.change(kept.id, replace(kept.look, yaw_deg=-30))
    assert not first.same(pick_standpoints(studio, picks)[0])


def test_the_version_of_viser_is_the_one_that_is_installed_for_it():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert VISER in project["optional-dependencies"]["viewer"]

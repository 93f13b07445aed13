"""Photos whose body moved say nothing where the fitted head has shoulders; those whose body stood still do."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.mesh import Mesh
from head3d.perception.types import Region
from head3d.train import body
from head3d.train.body import BodyLook, stands_still, still_bodies, without_body
from head3d.train.rays import TrainPhoto

SIZE = 64


def plate(y_low: float, y_high: float) -> torch.Tensor:
    """Corners of an upright plate that fills the picture's width."""
    return torch.tensor([[x, y, 0.0] for y in (y_low, y_high) for x in (-0.5, 0.5)])


def test_shoulders_are_left_out_and_hair_on_them_stays():
    corners = torch.cat([plate(0.0, 0.5), plate(-0.5, 0.0)])
    faces = torch.tensor([[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6]])
    model: Any = SimpleNamespace(groups={"shoulders": torch.tensor([4, 5, 6, 7])})
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)
    camera = Cameras(c2w[None], intrinsics(2.0 * SIZE, (SIZE, SIZE))[None], (SIZE, SIZE))
    full = np.full((SIZE, SIZE), 255, np.uint8)
    labels = np.full((SIZE, SIZE), int(Region.SKIN), np.uint8)
    labels[40:, :] = int(Region.CLOTH)
    labels[:, :20] = int(Region.HAIR)
    labels[:, -20:] = int(Region.BACKGROUND)
    photo = TrainPhoto("x", np.zeros((SIZE, SIZE, 3), np.uint8), full, labels, full, full, full, 0 * full, camera)
    kept = without_body(photo, Mesh(corners, faces), model)
    for weight in (kept.color_weight, kept.alpha_weight, kept.chance):
        assert (weight[:30] == 255).all(), "the head above says all it said"
        assert (weight[34:, 20:] == 0).all() and (weight[34:, :20] == 255).all()
    skin = replace(photo, labels=np.where(labels == int(Region.CLOTH), int(Region.SKIN), labels))
    assert without_body(skin, Mesh(corners, faces), model) is skin, "bare shoulders stay"
    model.groups = {}
    bare = without_body(photo, Mesh(corners, faces), model)
    assert (bare.color_weight == 255).all()


def look(rgb: np.ndarray, *, wall: float = 0.0, shown: slice = slice(None)) -> BodyLook:
    """What a photo shows of 100 places: some wall first, and only a part of them."""
    seen = np.zeros(100, bool)
    seen[shown] = True
    return BodyLook(seen, np.arange(100) < 100 * wall, np.log(rgb + 0.01))


def test_a_body_stands_still_if_colours_and_outline_are_the_same():
    shirt = np.random.default_rng(0).uniform(0.1, 0.6, (100, 3))
    one = look(shirt)
    assert stands_still(one, look(shirt * 1.05)), "an exposure of a twentieth of a stop"
    assert not stands_still(one, look(shirt * 1.3)), "other light falls on it"
    assert not stands_still(one, look(shirt * [1.06, 1.0, 0.9])), "another shirt, as bright"
    assert not stands_still(one, look(np.roll(shirt, 1, axis=0))), "the same shirt, moved"
    assert not stands_still(one, look(shirt, wall=0.1)), "the shoulder is no longer there"
    assert not stands_still(look(shirt, shown=slice(60)), look(shirt, shown=slice(50, 100))), "too little in common"


def test_opposite_sides_are_linked_by_what_lies_between(monkeypatch: pytest.MonkeyPatch):
    shirt = np.random.default_rng(1).uniform(0.1, 0.6, (100, 3))
    looks = [
        look(shirt, shown=slice(50)),
        look(shirt, shown=slice(20, 80)),
        look(shirt, shown=slice(50, 100)),
        look(shirt[::-1]),
    ]
    monkeypatch.setattr(body, "look_at_body", lambda observation, *_: looks[observation])
    rig: Any = SimpleNamespace(model=SimpleNamespace(groups={"face": torch.tensor([0, 1])}), cameras=[None] * 4)
    corners = torch.cat([plate(0.0, 0.5), plate(-0.5, 0.0)])
    mesh = Mesh(corners, torch.tensor([[0, 1, 2], [1, 3, 2], [4, 5, 6], [5, 7, 6]]))
    assert still_bodies(rig, [0, 1, 2, 3], mesh, body=0) == {0, 1, 2}  # type: ignore[list-item]

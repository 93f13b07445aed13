"""Photos other than the one of the body say nothing where the fitted head has shoulders."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.mesh import Mesh
from head3d.perception.types import Region
from head3d.train.body import without_body
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

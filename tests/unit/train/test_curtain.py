"""Two locks that hang beside a ball, seen from three sides, are found where they are."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy import spatial

from head3d.field.volumes import Volume, box_grid, grid_nodes
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project
from head3d.geometry.mesh import Mesh
from head3d.perception.types import Region
from head3d.train.curtain import curtain_volume, distance_to, hung
from head3d.train.rays import TrainPhoto

SIZE = 300
BALL_M = 0.08
LOCK = torch.tensor([[0.065, -0.09, -0.03], [0.105, -0.01, 0.015]])


def ball() -> Mesh:
    i = torch.arange(3000) + 0.5
    y, turn = 1 - 2 * i / 3000, 2.399963 * i
    flat = (1 - y * y).sqrt()
    points = BALL_M * torch.stack([flat * turn.sin(), y, flat * turn.cos()], dim=-1)
    return Mesh(points, torch.from_numpy(spatial.ConvexHull(points.numpy()).simplices).long())


def shell() -> Volume:
    grid, origin = box_grid(torch.full((3,), -0.16), torch.full((3,), 0.16), 0.008)
    distance = grid_nodes(grid, origin, 0.008).norm(dim=-1) - BALL_M
    return Volume(distance.reshape(1, *grid), origin, 0.008)


def model_of(mesh: Mesh) -> Any:
    x, y, z = (mesh.vertices / BALL_M).unbind(-1)
    parts = {"ears": (x.abs() > 0.9) & (y.abs() < 0.3), "face": z > 0.6, "neck": y < -0.9, "scalp": z < 0.2}
    return SimpleNamespace(groups={name: torch.nonzero(part)[:, 0] for name, part in parts.items()})


def lock_points() -> torch.Tensor:
    steps = [torch.linspace(float(a), float(b), 24) for a, b in LOCK.T]
    right = torch.stack(torch.meshgrid(*steps, indexing="ij"), dim=-1).reshape(-1, 3)
    return torch.cat([right, right * torch.tensor([-1.0, 1.0, 1.0])])


def photo(yaw_deg: float, *, hairy: bool = True) -> TrainPhoto:
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=1.0)
    camera = Cameras(c2w[None], intrinsics(3.0 * SIZE, (SIZE, SIZE))[None], (SIZE, SIZE))
    labels = np.full((SIZE, SIZE), int(Region.BACKGROUND), np.uint8)
    for points, region in ((ball().vertices, Region.SKIN), (lock_points()[: None if hairy else 0], Region.HAIR)):
        px, _ = project(points, camera.c2w[0], camera.K[0])
        mask = np.zeros((SIZE, SIZE), np.uint8)
        at = px.long().clamp(0, SIZE - 1).numpy()
        mask[at[:, 1], at[:, 0]] = 1
        labels[cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0] = int(region)
    matte = np.where(labels == int(Region.BACKGROUND), 0, 255).astype(np.uint8)
    full = np.full((SIZE, SIZE), 255, np.uint8)
    return TrainPhoto("x", np.zeros((SIZE, SIZE, 3), np.uint8), matte, labels, full, full, full, 0 * full, camera)


def inside(points: torch.Tensor, *, by_m: float) -> torch.Tensor:
    mirrored = points.abs() * torch.tensor([1.0, 0.0, 0.0]) + points * torch.tensor([0.0, 1.0, 1.0])
    return ((mirrored > LOCK[0] + by_m) & (mirrored < LOCK[1] - by_m)).all(-1)


def test_locks_are_found_from_three_sides_and_walls_carve():
    mesh = ball()
    found = curtain_volume(mesh, model_of(mesh), [photo(yaw) for yaw in (0.0, 60.0, -60.0)], shell=shell())
    assert found is not None
    nodes, hair = found.nodes(), found.values.reshape(-1) < 0
    assert hair[inside(nodes, by_m=0.008)].float().mean() > 0.95
    outside = nodes.norm(dim=-1) > BALL_M + 0.004
    assert not hair[outside & (nodes[:, 1] > 0.015)].any(), "above the ears hair is a thickness over the scalp"
    between = (nodes[:, 0].abs() < 0.04) & (nodes[:, 1] < -0.1)
    assert not hair[between].any(), "no photo shows hair below the ball"
    beside = (nodes[:, 0].abs() > LOCK[1, 0] + 0.015) | (nodes[:, 1] < LOCK[0, 1] - 0.015)
    assert not hair[beside].any()


def test_from_one_side_hair_hangs_from_the_head_and_behind_it():
    mesh = ball()
    found = curtain_volume(mesh, model_of(mesh), [photo(0.0)], shell=shell())
    assert found is not None
    nodes, hair = found.nodes(), found.values.reshape(-1) < 0
    assert hair[inside(nodes, by_m=0.01)].float().mean() > 0.95
    wide = nodes[hair][:, [0, 2]].norm(dim=-1)
    assert float(wide.max()) < BALL_M + 0.045, "nothing above it to hang from"
    # the nape cannot be seen past the head: hair that hangs on both sides hangs there as well, and ends where it does
    nape = (nodes[:, 0].abs() < 0.015) & ((nodes[:, 2] + 0.072).abs() < 0.004)
    level = nodes[:, 1]
    assert hair[nape & (level < -0.02) & (level > -0.07)].float().mean() > 0.9
    assert not hair[nape & (level < LOCK[0, 1] - 0.02)].any()


def test_hair_is_not_where_a_photo_shows_the_skin_behind_it():
    mesh = ball()
    front, left, right = (photo(yaw) for yaw in (0.0, 60.0, -60.0))
    shaved = left.labels.copy()
    shaved[shaved == int(Region.HAIR)] = int(Region.SKIN)
    found = curtain_volume(mesh, model_of(mesh), [front, replace(left, labels=shaved), right], shell=shell())
    assert found is not None
    nodes, hair = found.nodes(), found.values.reshape(-1) < 0
    seen_from_left = left.camera.centre[0]
    towards = torch.nn.functional.normalize(seen_from_left - nodes, dim=-1)
    before_ball = ((nodes * towards).sum(-1) > 0.03) & (torch.linalg.cross(nodes, towards).norm(dim=-1) < 0.07)
    before_ball &= nodes.norm(dim=-1) > BALL_M + 0.012
    assert before_ball[inside(nodes, by_m=0.005)].any()
    assert not hair[before_ball].any()


def test_the_side_no_photo_shows_is_like_the_other():
    mesh = ball()
    found = curtain_volume(mesh, model_of(mesh), [photo(60.0), photo(80.0)], shell=shell())
    assert found is not None
    hair = found.values[0] < 0
    x = found.origin[0] + found.cell_m * torch.arange(hair.shape[2])
    level = found.origin[1] + found.cell_m * torch.arange(hair.shape[1])
    lock = hair[:, (level > LOCK[0, 1]) & (level < LOCK[1, 1])]
    near, far = lock[:, :, x < -0.06].sum(), lock[:, :, x > 0.06].sum()
    assert 0.8 < float(far / near) < 1.25


def test_fingers_of_wrong_labels_are_no_hair():
    mesh = ball()
    labels = photo(0.0).labels.copy()
    middle = SIZE // 2
    finger = (slice(middle + 30, middle + 60), slice(middle + 92, middle + 96))  # a centimetre wide
    labels[finger] = int(Region.HAIR)
    alone = replace(photo(0.0, hairy=False), labels=labels)
    assert curtain_volume(mesh, model_of(mesh), [photo(0.0, hairy=False), alone], shell=shell()) is None


@pytest.mark.parametrize("yaws", [(0.0,), (0.0, 60.0)])
def test_short_hair_has_no_curtain(yaws):
    mesh = ball()
    assert curtain_volume(mesh, model_of(mesh), [photo(yaw, hairy=False) for yaw in yaws], shell=shell()) is None


def test_a_curtain_joins_the_head_and_is_far_from_far_places():
    shape, origin = box_grid(torch.full((3,), -0.1), torch.full((3,), 0.1), 0.01)
    far = Volume(torch.full((1, *shape), 0.05), origin, 0.01)
    curtain = Volume(torch.full((1, 3, 3, 3), -0.002), torch.tensor([0.0, 0.0, 0.0]), 0.01)
    joined = hung(far, curtain)
    nodes = joined.nodes()
    at = nodes.sub(torch.tensor([0.01, 0.01, 0.01])).norm(dim=-1).argmin()
    assert float(joined.values.reshape(-1)[at]) == pytest.approx(-0.002, abs=1e-6)
    place = torch.tensor([[0.01, 0.01, 0.08]])
    assert float(distance_to(curtain, place)) == pytest.approx(0.06 - 0.002, abs=1e-5)

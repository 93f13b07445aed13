"""Every place is learned from the photo that shows it best."""

import numpy as np
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.train.preference import best_in_cell, prefer_best
from head3d.train.rays import TrainPhoto
from head3d.train.survey import Survey

SIZE = (64, 64)


def photo(yaw_deg: float) -> TrainPhoto:
    full = np.full(SIZE, 255, np.uint8)
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=0, distance_m=1.0)
    return TrainPhoto(
        f"{yaw_deg}", np.zeros((*SIZE, 3), np.uint8), full, np.ones(SIZE, np.uint8), full, full, full,
        np.zeros(SIZE, np.uint8), Cameras(c2w[None], intrinsics(200.0, SIZE)[None], SIZE),
    )  # fmt: skip


def one_place(facing: list[float], weight: list[float]) -> Survey:
    """The same place seen by one photo each."""
    count = len(facing)
    return Survey(
        points=torch.full((count, 3), 0.001),
        normals=torch.tensor([[0.0, 0.0, 1.0]]).expand(count, 3),
        colors=torch.full((count, 3), 0.5),
        facing=torch.tensor(facing),
        label=torch.ones(count, dtype=torch.long),
        photo=torch.arange(count),
        weight=torch.tensor(weight),
    )


def test_the_squarest_look_keeps_its_weight_and_a_slanted_one_loses_it():
    photos, seen = prefer_best([photo(0), photo(60)], one_place([1.0, 0.5], [1.0, 1.0]), sharpness=4.0)
    assert seen.weight[0] == 1.0
    assert seen.weight[1] < 0.1
    assert photos[0].color_weight[32, 32] == 255
    assert photos[1].color_weight[32, 32] < 30


def test_zero_sharpness_believes_all_alike():
    before = [photo(0), photo(60)]
    after, seen = prefer_best(before, one_place([1.0, 0.5], [1.0, 1.0]), sharpness=0.0)
    assert all(np.array_equal(a.color_weight, b.color_weight) for a, b in zip(before, after, strict=True))
    assert seen.weight.tolist() == [1.0, 1.0]


def test_what_only_a_poor_photo_shows_is_learned_from_it():
    quality = np.array([1.0, 0.1, 0.2])
    points = np.array([[0.0, 0.0, 0.0], [0.001, 0.0, 0.0], [0.1, 0.0, 0.0]])
    best = best_in_cell(points, quality, np.array([0, 1, 1]), 2)
    assert best.tolist() == [1.0, 1.0, 0.2]

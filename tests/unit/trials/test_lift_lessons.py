from pathlib import Path

import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.train.lift import GRID, INPUTS, PARTS
from head3d.trials.lift_lessons import _moved, _similarity, drawn_lesson
from head3d.trials.train_lift import lift_loss, overlap, parts_of


@pytest.fixture(scope="module")
def lesson():
    return drawn_lesson(3, data=Path("nowhere"))


class TestLessons:
    def test_tell_of_a_head_and_what_is_true(self, lesson):
        seen, distance, kinds = parts_of(lesson)
        assert seen.shape == (INPUTS, *GRID) and distance.shape == kinds.shape == GRID
        z, y, x = (round(-low / 0.008) for low in (-0.228, -0.300, -0.252))
        assert distance[z, y, x] < -0.5, "the middle of the head is inside"
        assert distance[0, -1, 0] == 1, "a corner is not"
        assert set(kinds.unique().tolist()) <= {0, 1, 2}
        assert overlap(seen[2 * PARTS] < 0, distance < 0) > 0.5, "the start lies where the truth is"

    def test_are_the_same_for_the_same_seed(self, lesson):
        again = drawn_lesson(3, data=Path("nowhere"))
        assert torch.equal(again.seen, lesson.seen) and torch.equal(again.distance, lesson.distance)


def test_cameras_are_moved_into_the_frame_of_the_fit():
    cameras = [
        Cameras(
            look_at_head(yaw_deg=yaw, pitch_deg=5.0, distance_m=1.0)[None], intrinsics(500, (64, 64))[None], (64, 64)
        )
        for yaw in (-40.0, 0.0, 30.0)
    ]
    move = (1.07, matrix_from_axis_angle(torch.tensor([0.1, -0.2, 0.05])), torch.tensor([0.01, 0.02, -0.03]))
    scale, rotation, shift = _similarity(cameras, [_moved(one, move) for one in cameras])
    assert scale == pytest.approx(move[0], rel=1e-5)
    torch.testing.assert_close(rotation, move[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(shift, move[2], rtol=0, atol=1e-5)


def test_the_right_answer_costs_least(lesson):
    seen, distance, kinds = (part[None] for part in parts_of(lesson))
    right = torch.zeros(1, 4, *GRID)
    right[:, 0] = distance - seen[:, 2 * PARTS]
    right[:, 1:] = 8.0 * torch.nn.functional.one_hot(kinds, 3).permute(0, 4, 1, 2, 3)
    best, (apart, what) = lift_loss(right, seen, distance, kinds)
    nothing, _ = lift_loss(torch.zeros_like(right), seen, distance, kinds)
    wrong = right.clone()
    wrong[:, 0] = -wrong[:, 0]
    assert apart == pytest.approx(0, abs=1e-6) and what < 0.01
    assert best < 0.6 * nothing < 0.6 * lift_loss(wrong, seen, distance, kinds)[0]

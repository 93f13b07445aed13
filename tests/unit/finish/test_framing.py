"""The places frames are measured on: the same window as the whole head's, and hair that is not cut."""

import pytest
import torch

from head3d.finish.crops import crop_names, load_crop
from head3d.finish.framing import HeadPoints, head_points
from head3d.finish.marks import head_marks
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, project
from head3d.morphable.head_model import load_head_model
from head3d.morphable.types import HeadFit

HAIR_TOP_M = torch.tensor([0.0, 0.19, 0.0])


@pytest.fixture(scope="module")
def fit() -> HeadFit:
    model = load_head_model()
    e, i = len(model.expression_names), len(model.identity_ridge)
    nothing = torch.zeros(1, 3, 3)
    camera = camera_at(0.0)
    return HeadFit(
        model, torch.zeros(i), torch.zeros_like(model.mean), torch.zeros(1, e), nothing, torch.zeros(1, 9, 3),
        (camera,), torch.full_like(model.mean, 0.5), torch.zeros(1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def points(fit: HeadFit) -> HeadPoints:
    cloud = torch.randn(500, 3, generator=torch.Generator().manual_seed(1)) * 0.01
    hair, shirt = cloud + HAIR_TOP_M, cloud + torch.tensor([0.3, -0.3, 0.0])
    return head_points(fit, torch.cat([hair, shirt]))


def camera_at(yaw_deg: float, pitch_deg: float = 0.0) -> Cameras:
    c2w = look_at_head(yaw_deg=yaw_deg, pitch_deg=pitch_deg, distance_m=1.2)
    return Cameras(c2w[None], intrinsics(900.0, (640, 640))[None], (640, 640))


@pytest.mark.parametrize("yaw_deg", [0.0, 40.0, -90.0, 180.0])
def test_few_places_stand_for_the_whole_head(fit: HeadFit, points: HeadPoints, yaw_deg: float):
    assert len(points.bare) < 400 and len(points.hair) < 400
    camera = camera_at(yaw_deg, 10.0)
    ours, whole = points.seen_by(camera), head_marks(fit.model, fit.vertices(), camera)
    for name in ("skull_y", "chin_y", "eye_y", "centre_x"):
        assert getattr(ours, name) == pytest.approx(getattr(whole, name), abs=1.5), name  # half a millimetre


def test_hair_gets_room_in_every_frame_that_promises_it(points: HeadPoints):
    top = points.hair[points.hair[:, 1].argmax()][None]
    for crop in map(load_crop, crop_names()):
        framed = points.framed(camera_at(20.0), crop)
        y = float(project(top, framed.c2w[0], framed.K[0])[0][0, 1])
        assert framed.size == (crop.size_px[1], crop.size_px[0])
        # offices bound the eye line: there high hair may take the margin
        if crop.keep_hair and not crop.eyes_most:
            assert y > 0.028 * framed.size[0], crop.name


def test_what_lies_below_the_chin_does_not_move_the_frame(points: HeadPoints):
    assert float(points.hair[:, 1].min()) > -0.2 and float(points.hair[:, 0].max()) < 0.2

"""A posed head tells where its eyes look."""

import math
from dataclasses import replace

import pytest
import torch

from head3d.field.gaze import eye_contact_deg
from head3d.geometry.cameras import look_at_head
from head3d.morphable.expressions import find_expression
from head3d.render.posed import PosedHead, neutral_eyes
from tests.unit.render.neutral_head import neutral_fit
from tests.unit.render.synthetic_fields import ball_field

pytestmark = pytest.mark.weights
AHEAD = [torch.zeros(3)] * 2


@pytest.fixture(scope="module")
def posed() -> PosedHead:
    """Of a field that shows no irises: they are where the fitted head has them."""
    fit = neutral_fit()
    return PosedHead(ball_field(), fit, find_expression("neutral", fit, ["a.jpg"]))


@pytest.mark.parametrize("yaw_deg", [0.0, 12.0, -20.0])
def test_a_gaze_to_the_camera_meets_it(posed: PosedHead, yaw_deg: float):
    at = look_at_head(yaw_deg=yaw_deg, pitch_deg=0, distance_m=1.5)[:3, 3]
    meets, ahead = posed.eye_contact_deg(at, look_at_m=at), posed.eye_contact_deg(at)
    assert meets is not None and meets < 3.0
    assert ahead is not None and ahead == pytest.approx(abs(yaw_deg), abs=5.0)  # eyes toe in and out by some degrees


def test_eyes_turned_by_ten_degrees_miss_what_they_looked_at_by_ten(posed: PosedHead):
    far = 1000.0 * sum((eye.forward for eye in posed.eyes), torch.zeros(3))
    before = posed.eye_contact_deg(far)
    posed.turns = torch.tensor([[math.radians(10.0), 0.0, 0.0]]).expand(2, 3)
    after = posed.eye_contact_deg(far)
    posed.turns = torch.zeros(2, 3)
    assert before is not None and before < 3.0
    assert after == pytest.approx(10.0, abs=0.6)


@pytest.mark.parametrize("aside_deg", [(10.0, 0.0), (-6.0, 8.0)])
def test_eyes_turned_aside_pass_the_camera_by_as_much(posed: PosedHead, aside_deg: tuple[float, float]):
    at = look_at_head(yaw_deg=5.0, pitch_deg=0, distance_m=1.5)[:3, 3]
    past = posed.eye_contact_deg(at, look_at_m=at, aside_deg=aside_deg)
    assert past == pytest.approx(math.hypot(*aside_deg), abs=0.5)
    assert posed.deformation(aside_deg=aside_deg) is not None and posed.deformation() is None


def test_views_without_an_expression_have_the_same_eyes(posed: PosedHead):
    at = torch.tensor([0.4, 0.0, 1.4])
    eyes = neutral_eyes(ball_field(), neutral_fit())
    assert eye_contact_deg(eyes, AHEAD, at) == pytest.approx(posed.eye_contact_deg(at), abs=1e-3)
    away = [replace(eye, forward=-eye.forward) for eye in eyes]
    assert eye_contact_deg(away, AHEAD, at) is None

"""Where eyes look, as an angle to a camera."""

import math

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.gaze import Eyeball, eye_contact_deg, turn_towards

EYES = tuple(
    Eyeball(torch.tensor([x, 0.03, 0.08]), torch.tensor([0.0, 0.0, 1.0]), radius_m=0.012, iris_rad=0.45)
    for x in (-0.032, 0.032)
)
FAR = torch.tensor([0.0, 0.03, 1000.0])
AHEAD = [torch.zeros(3)] * 2


def camera(yaw_deg: float, distance_m: float = 1.5) -> Float[Tensor, "3"]:
    yaw = math.radians(yaw_deg)
    return torch.tensor([distance_m * math.sin(yaw), 0.03, distance_m * math.cos(yaw)])


def turns(x_deg: float, y_deg: float) -> list[Float[Tensor, "3"]]:
    return [torch.tensor([math.radians(x_deg), math.radians(y_deg), 0.0])] * 2


@pytest.mark.parametrize("turned", [(10.0, 0.0), (-10.0, 0.0), (0.0, 10.0), (6.0, 8.0)])
def test_eyes_turned_by_ten_degrees_give_ten(turned: tuple[float, float]):
    assert eye_contact_deg(EYES, turns(*turned), FAR) == pytest.approx(10.0, abs=0.02)


def test_eyes_that_look_ahead_miss_a_camera_by_its_angle():
    assert eye_contact_deg(EYES, AHEAD, camera(30.0, 1000.0)) == pytest.approx(30.0, abs=0.02)


def test_parallel_eyes_both_miss_a_near_camera_on_the_nose():
    assert eye_contact_deg(EYES, AHEAD, camera(0.0)) == pytest.approx(math.degrees(math.atan(0.032 / 1.42)), abs=0.01)


@pytest.mark.parametrize("yaw_deg", [0.0, 10.0, -20.0])
def test_eyes_turned_to_the_camera_meet_it(yaw_deg: float):
    at = camera(yaw_deg)
    angle = eye_contact_deg(EYES, [turn_towards(eye, at) for eye in EYES], at)
    assert angle is not None and angle < 3.0


def test_eyes_turn_no_further_than_eyes_do():
    at = camera(45.0)
    angle = eye_contact_deg(EYES, [turn_towards(eye, at) for eye in EYES], at)
    assert angle is not None and angle > 20.0


def test_from_behind_there_is_no_gaze():
    assert eye_contact_deg(EYES, AHEAD, camera(180.0)) is None
    assert eye_contact_deg(EYES, AHEAD, camera(90.0)) == pytest.approx(90.0, abs=4.0)

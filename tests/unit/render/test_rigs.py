"""Where a rig's key throws the shadow of the nose, on the mean head: that is what photographers name rigs by."""

import math

import pytest
import torch
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.finish.marks import landmarks_of
from head3d.geometry.mesh import vertex_normals
from head3d.kernels.signed_distance import signed_distance_grid
from head3d.morphable.head_model import load_head_model
from head3d.render.rigs import LightName, studio_light
from head3d.render.shadows import lamp_visibility
from tests.unit.render.synthetic_fields import cache_of

TIP, RIGHT_CORNER, LEFT_CORNER, LIPS = 1, 61, 291, 13
"""MediaPipe: the nose, the mouth's corners, the upper lip's middle."""
CELL_M, NODES, LOW = 0.003, (60, 60, 50), (-0.09, -0.10, 0.0)


def key_of(name: LightName) -> Tensor:
    """Unit direction to the key."""
    lamps = studio_light(name).lamps
    assert lamps is not None
    return lamps.position[0]


class MeanFace:
    """The face of the mean head, and its shell to throw shadows with."""

    def __init__(self) -> None:
        model = load_head_model()
        grid = signed_distance_grid(model.mean, model.faces, nodes=NODES, low=LOW, cell=CELL_M)
        self.cache: ShellCache = cache_of(lambda points: points[:, 0], half_m=0.01)
        self.cache.values, self.cache.origin = grid.permute(2, 1, 0).contiguous()[None], torch.tensor(LOW)
        self.cache.cell_m = CELL_M
        face = model.groups["face"]
        self.points, self.normals = model.mean[face], vertex_normals(model.mean, model.faces)[face]
        self.marks = landmarks_of(model, model.mean)

    def cast(self, name: LightName) -> Tensor:
        """How much of its key's light each place loses to what stands before the lamp, 0 to 1."""
        lamps = studio_light(name).lamps
        assert lamps is not None
        key, sine = lamps.position[0].expand_as(self.points), lamps.radius[0].expand(len(self.points))
        far = torch.full_like(sine, math.inf)
        seen = lamp_visibility(self.cache, self.points, self.normals, key, sine=sine, far_m=far)
        return (1 - seen) * (self.normals * key).sum(-1).clamp_min(0)

    def below_nose(self) -> Tensor:
        """Places from the nose's tip to the lips."""
        x, y = self.points[:, 0].abs(), self.points[:, 1]
        return (y < self.marks[TIP, 1]) & (y > self.marks[LIPS, 1] - 0.003) & (x < self.marks[LEFT_CORNER, 0] + 0.004)

    def middle(self, name: LightName) -> Tensor:
        """Middle of the nose's shadow, head frame, m."""
        weight = self.cast(name) * self.below_nose()
        return (weight[:, None] * self.points).sum(0) / weight.sum()


@pytest.fixture(scope="module")
def face() -> MeanFace:
    return MeanFace()


def test_butterfly_throws_it_straight_down_and_alike_on_both_sides(face):
    cast, below = face.cast("butterfly"), face.below_nose()
    assert abs(float(face.middle("butterfly")[0])) < 0.001
    left, right = (float((cast * below)[face.points[:, 0] * side > 0].sum()) for side in (1, -1))
    assert left == pytest.approx(right, rel=0.05)
    midline = below & (face.points[:, 0].abs() < 0.006) & (face.points[:, 1] < face.marks[TIP, 1] - 0.008)
    assert float(cast[midline].max()) > 0.5  # there is one


def test_loop_throws_it_down_and_away_from_the_key_and_it_ends_before_the_cheek(face):
    key = key_of("loop")
    azimuth = math.degrees(math.atan2(float(key[0]), float(key[2])))
    assert 30 <= azimuth <= 45 and 20 <= math.degrees(math.asin(float(key[1]))) <= 40
    middle = face.middle("loop")
    assert -0.025 < float(middle[0]) < -0.004 and float(middle[1]) < float(face.marks[TIP, 1])
    # between the mouth's corner and the ear's side the cheek is lit: the two shadows do not meet
    x, y = face.points[:, 0], face.points[:, 1]
    cheek = (x < face.marks[RIGHT_CORNER, 0] - 0.004) & (x > -0.045)
    cheek &= (y < face.marks[TIP, 1]) & (y > face.marks[LIPS, 1])
    assert int(cheek.sum()) > 10 and float(face.cast("loop")[cheek].mean()) < 0.05


@pytest.mark.parametrize(("name", "more"), [("loop", "butterfly"), ("rembrandt", "loop")])
def test_a_key_farther_aside_lights_less_of_the_far_cheek(face, name, more):
    def lit(rig: LightName) -> float:
        far = (face.points[:, 0] < -0.03) & (face.points[:, 1] < face.marks[TIP, 1])
        return float((face.normals[far] @ key_of(rig)).clamp_min(0).mean()) - float(face.cast(rig)[far].mean())

    assert lit(name) < lit(more)

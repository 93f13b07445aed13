"""Facts about the mesh that follow from left-right symmetry, and pose signs."""

import numpy as np
import pytest

from head3d.perception import topology
from head3d.perception.visibility import visible_points

SIDE = 60.0


@pytest.fixture(scope="module")
def dome() -> np.ndarray:
    """A face-like dome over the mesh: points laid out by spring relaxation would be overkill, so a real layout is
    derived from the triangles' graph distances to chin, brow and both ears."""
    neighbours = [set() for _ in range(468)]
    for a, b, c in topology.TRIANGLES:
        for one, two in ((a, b), (b, c), (c, a)):
            neighbours[one].add(int(two))
            neighbours[two].add(int(one))

    def steps(start: int) -> np.ndarray:
        reached, edge, far = {start: 0}, [start], 0
        while edge:
            far += 1
            edge = [n for n in {m for one in edge for m in neighbours[one]} if n not in reached]
            reached.update(dict.fromkeys(edge, far))
        return np.array([reached[index] for index in range(468)], float)

    x = steps(234) - steps(454)
    y = steps(topology.FOREHEAD_TOP) - steps(topology.CHIN)
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return np.stack([x, y * 1.2, -np.sqrt(np.maximum(2.6 - x**2 - y**2, 0.0))], axis=-1) * SIDE


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    """Turn about the vertical axis, to the subject's left (image right) for yaw > 0; z is depth."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]]).T


class TestIndices:
    def test_mirroring_twice_changes_nothing(self):
        assert (topology.MIRROR[topology.MIRROR] == np.arange(468)).all()

    @pytest.mark.parametrize(
        ("right", "left"),
        [
            (topology.RIGHT_EYE, topology.LEFT_EYE),
            (topology.RIGHT_BROW, topology.LEFT_BROW),
            (topology.RIGHT_EYE_CORNERS, topology.LEFT_EYE_CORNERS),
            (topology.RIGHT_EAR_ROOT, topology.LEFT_EAR_ROOT),
        ],
    )
    def test_left_lists_mirror_right_ones(self, right, left):
        assert tuple(topology.MIRROR[list(right)]) == left

    @pytest.mark.parametrize("ring", [topology.OVAL, topology.LIPS_OUTER, topology.LIPS_INNER])
    def test_middle_rings_mirror_onto_themselves(self, ring):
        assert set(topology.MIRROR[list(ring)]) == set(ring)

    def test_ibug_mirrors_as_ibug_does(self):
        jaw = topology.IBUG_68[:17]
        assert tuple(topology.MIRROR[list(jaw)]) == jaw[::-1]
        assert topology.MIRROR[topology.IBUG_68[36]] == topology.IBUG_68[45]  # outer eye corners
        assert topology.MIRROR[topology.IBUG_68[48]] == topology.IBUG_68[54]  # mouth corners
        assert len(set(topology.IBUG_68)) == 68

    def test_every_point_is_in_a_triangle(self):
        assert set(topology.TRIANGLES.reshape(-1)) == set(range(468))


class TestPose:
    def test_turning_left_gives_positive_yaw(self, dome):
        for yaw in (-0.6, 0.0, 0.4):
            assert topology.head_angles(turned(dome, yaw))[0] == pytest.approx(yaw, abs=0.05)

    def test_axes_of_a_frontal_face(self, dome):
        left, up, forward = topology.head_axes(dome)
        assert left[0] > 0.98 and up[1] < -0.9 and forward[2] < -0.9


class TestVisibility:
    def test_far_cheek_disappears_when_the_head_turns(self, dome):
        seen = visible_points(turned(dome, 1.0))
        assert seen[234] and not seen[454]

    def test_frontal_visibility_is_symmetric(self, dome):
        seen = visible_points(dome)
        assert seen.mean() > 0.9
        assert (seen != seen[topology.MIRROR]).mean() < 0.05

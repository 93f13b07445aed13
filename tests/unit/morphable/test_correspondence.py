"""Nearest points of surfaces, and fields carried over them."""

import numpy as np
import pytest

from head3d.morphable.correspondence import FieldCarrier, SurfacePoints, closest_barycentrics, nearest_facing


def _grid(side: int, height: float) -> tuple[np.ndarray, np.ndarray]:
    """A flat square [0, 1]^2 facing up."""
    ticks = np.linspace(0, 1, side)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.full(side * side, height)], axis=1)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    a, b, c, d = corner, corner + side, corner + side + 1, corner + 1
    return vertices, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


@pytest.mark.parametrize(
    ("point", "weights"),
    [
        ((0.25, 0.25, 1.0), (0.5, 0.25, 0.25)),
        ((-1.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
        ((0.5, -2.0, 0.0), (0.5, 0.5, 0.0)),
        ((2.0, 2.0, 0.3), (0.0, 0.5, 0.5)),
        ((3.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    ],
)
def test_closest_place_on_a_triangle(point: tuple[float, ...], weights: tuple[float, ...]) -> None:
    a, b, c = np.array([0.0, 0, 0]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    assert closest_barycentrics(np.array(point), a, b, c) == pytest.approx(np.array(weights))


def test_points_stick_to_the_side_that_faces_their_way() -> None:
    lower, faces = _grid(4, 0.0)
    upper = lower + np.array([0.0, 0.0, 0.2])
    both = np.concatenate([lower, upper])
    turned = np.concatenate([faces, faces[:, ::-1] + len(lower)])  # the upper sheet faces down
    point = np.array([[0.4, 0.6, 0.15]])
    up = nearest_facing(point, np.array([[0.0, 0.0, 1.0]]), both, turned)
    assert up.carry(both)[0] == pytest.approx([0.4, 0.6, 0.0])
    assert nearest_facing(point, None, both, turned).carry(both)[0] == pytest.approx([0.4, 0.6, 0.2])


def test_carrying_keeps_linear_fields_and_inner_parts_do_not_overshoot() -> None:
    source, source_faces = _grid(9, 0.0)
    mine, faces = _grid(7, 0.0)
    inner = np.all(np.abs(mine[:, :2] - 0.5) < 0.2, axis=1)
    points = nearest_facing(mine, None, source, source_faces)
    carrier = FieldCarrier(points, np.where(inner, 0.0, 1.0), faces, inner=np.asarray(inner))
    carried = carrier.carry(source @ np.array([[1.0], [2.0], [0.0]]))
    wanted = mine @ np.array([1.0, 2.0, 0.0])
    assert np.abs(carried[~inner, 0] - wanted[~inner]).max() < 0.02
    assert carried[inner].max() <= carried[~inner].max()
    assert carried[inner].min() >= carried[~inner].min()


def test_matrix_interpolates_like_carry() -> None:
    vertices, faces = _grid(3, 0.0)
    points = SurfacePoints(faces[:2], np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), np.zeros(2))
    assert points.matrix(len(vertices)) @ vertices == pytest.approx(points.carry(vertices))

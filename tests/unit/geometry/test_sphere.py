"""Directions spread over the sphere: of unit length, and everywhere as dense."""

import math

import pytest
import torch

from head3d.geometry.sphere import even_directions


@pytest.mark.parametrize("count", [1, 24, 200])
def test_they_are_unit_vectors(count: int):
    found = even_directions(count, dtype=torch.float64)
    assert found.shape == (count, 3)
    assert torch.allclose(found.norm(dim=1), torch.ones(count, dtype=torch.float64))


def test_they_are_spread_evenly():
    found = even_directions(400, dtype=torch.float64)
    assert found.mean(0).norm() < 0.005
    assert torch.allclose(found.T @ found / 400, torch.eye(3, dtype=torch.float64) / 3, atol=0.002)
    apart = torch.cdist(found, found).fill_diagonal_(9.0).min(dim=1).values
    each = math.sqrt(4 * math.pi / 400)  # side of the square that each would have to itself
    assert apart.min() > 0.7 * each and apart.max() < 1.1 * each


def test_the_default_is_single_precision():
    assert even_directions(3).dtype == torch.float32

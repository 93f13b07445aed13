import numpy as np
import pytest

from head3d.refine.lessons import blurred, degraded, smaller


@pytest.fixture
def sharp() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (64, 64, 3)).astype(np.uint8)


def test_smaller_pictures_are_means_of_light():
    checks = np.zeros((8, 8, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    np.testing.assert_allclose(smaller(checks, factor=2), 187.5, atol=0.1)  # half the light, not half the level


@pytest.mark.parametrize("factor", [2, 4])
def test_degraded_pictures_are_smaller_and_about_as_bright(sharp, factor):
    made = degraded(sharp, np.random.default_rng(1), factor=factor)
    assert made.shape == (64 // factor, 64 // factor, 3)
    assert abs(made.mean() - smaller(sharp, factor=factor).mean()) < 2.0


def test_blurred_pictures_are_softer_and_as_bright(sharp):
    made = blurred(sharp, np.random.default_rng(1))
    assert made.shape == sharp.shape
    assert made.std() < 0.6 * sharp.std()
    assert abs(made.mean() - smaller(sharp, factor=4).mean()) < 2.0

"""Distances of sets of pictures, against closed forms."""

import warnings

import numpy as np
import pytest
import torch

from head3d.errors import InputError
from head3d.quality.distribution import (
    InceptionFeatures,
    condensed,
    frechet,
    interval,
    kernel_distance,
    set_distances,
)


def cloud(count: int, mean: np.ndarray, spread: np.ndarray, seed: int) -> np.ndarray:
    """Points with exactly this mean and covariance."""
    points = np.random.default_rng(seed).normal(size=(count, len(mean)))
    points -= points.mean(0)
    points = points @ np.linalg.inv(np.linalg.cholesky(np.cov(points, rowvar=False))).T
    return points @ np.linalg.cholesky(spread).T + mean


class TestFrechet:
    def test_of_a_set_and_itself_is_zero(self):
        one = cloud(50, np.zeros(4), np.diag([1.0, 2.0, 3.0, 4.0]), 0)
        assert frechet(one, one) == pytest.approx(0, abs=1e-9)

    def test_of_a_shift_is_its_square(self):
        spread = np.diag([1.0, 4.0, 9.0])
        one, other = cloud(60, np.zeros(3), spread, 1), cloud(60, np.array([3.0, 4.0, 0.0]), spread, 2)
        assert frechet(one, other) == pytest.approx(25.0, rel=1e-9)

    def test_of_commuting_covariances_is_the_squared_gap_of_their_roots(self):
        one, other = cloud(60, np.zeros(2), np.diag([4.0, 9.0]), 3), cloud(80, np.zeros(2), np.diag([1.0, 25.0]), 4)
        assert frechet(one, other) == pytest.approx((2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-9)

    def test_of_covariances_that_do_not_commute_agrees_with_the_matrix_root(self):
        from scipy.linalg import sqrtm

        a, b = np.array([[2.0, 1.2], [1.2, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
        one, other = cloud(90, np.zeros(2), a, 5), cloud(90, np.ones(2), b, 6)
        expected = 2 + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
        assert frechet(one, other) == pytest.approx(expected, rel=1e-9)

    def test_is_the_same_both_ways(self):
        one, other = cloud(40, np.zeros(3), np.eye(3), 7), cloud(50, np.ones(3), 2 * np.eye(3), 8)
        assert frechet(one, other) == pytest.approx(frechet(other, one), rel=1e-9)


class TestKernelDistance:
    def test_is_that_of_the_pairs_written_out(self):
        draw = np.random.default_rng(0)
        x, y = draw.normal(size=(5, 3)), draw.normal(size=(4, 3)) + 1

        def k(a: np.ndarray, b: np.ndarray) -> float:
            return (float(a @ b) / 3 + 1) ** 3

        own = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
        other = np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
        across = np.mean([k(a, b) for a in x for b in y])
        assert kernel_distance(x, y) == pytest.approx(own + other - 2 * across, rel=1e-12)

    def test_of_two_samples_of_one_distribution_is_zero_on_the_mean(self):
        draw = np.random.default_rng(1)
        found = [kernel_distance(draw.normal(size=(20, 4)), draw.normal(size=(20, 4))) for _ in range(300)]
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)


class TestInterval:
    def test_holds_the_truth_nineteen_times_out_of_twenty(self):
        """Kernel distance of two Gaussians a shift apart, whose value is known: E k(x,x') + E k(y,y') - 2 E k(x,y)."""
        draw = np.random.default_rng(2)

        def gap(a: np.ndarray, b: np.ndarray) -> float:  # a mean's gap: the simplest distance with a known value
            return float(a.mean() - b.mean())

        inside = 0
        for _ in range(200):
            a, b = draw.normal(1.0, 1.0, (40, 1)), draw.normal(0.0, 1.0, (60, 1))
            low, high = interval(gap, a, b, draw, resamples=100)
            inside += low <= 1.0 <= high
        assert 0.88 <= inside / 200 <= 0.99


class TestSets:
    def test_need_four_pictures_each(self):
        with pytest.raises(InputError, match="four pictures"):
            set_distances([], [], net=Levels())

    def test_grow_with_what_is_done_to_the_pictures(self):
        draw = np.random.default_rng(3)
        whole = [draw.integers(60, 200, (16, 16, 3)).astype(np.uint8) for _ in range(24)]
        darker = [(one * 0.8).astype(np.uint8) for one in whole]
        dark = [(one * 0.4).astype(np.uint8) for one in whole]
        near, far = (set_distances(one, whole, net=Levels(), resamples=20) for one in (darker, dark))
        assert [one.kind for one in near] == ["frechet", "kernel"]
        assert near[0].value < far[0].value and near[1].value < far[1].value
        assert near[0].net == "levels" and near[0].counts == (24, 24)
        assert far[0].low < far[0].value < far[0].high

    def test_few_pictures_are_measured_along_few_axes(self):
        draw = np.random.default_rng(4)
        first, second = condensed(draw.normal(size=(9, 50)), draw.normal(size=(30, 50)))
        assert first.shape == (9, 3) and second.shape == (30, 3)


class Levels:
    """Mean level of each quarter: a net a child can check."""

    version = "levels"

    def __call__(self, pictures) -> np.ndarray:
        rows = [[one[:8, :8].mean(), one[:8, 8:].mean(), one[8:, :8].mean(), one[8:, 8:].mean()] for one in pictures]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 4)


class TestInception:
    def test_takes_a_script_of_the_users_and_names_it_by_its_content(self, tmp_path):
        class Pooled(torch.nn.Module):
            def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
                return x.float().mean((2, 3)) if return_features else x.float()

        path = tmp_path / "net.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.jit.script(Pooled()).save(str(path))
        net = InceptionFeatures(path)
        assert net.version.startswith("net.pt ")
        picture = np.full((7, 5, 3), 10, np.uint8)
        assert np.allclose(net([picture, picture]), 10)

    def test_says_so_if_the_file_is_something_else(self, tmp_path):
        (tmp_path / "net.pt").write_bytes(b"nothing")
        with pytest.raises(InputError, match="no TorchScript net"):
            InceptionFeatures(tmp_path / "net.pt")

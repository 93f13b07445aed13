import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from head3d.errors import ConfigError, ShapeError
from head3d.kernels import encoding
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init, level_layout
from tests.reference.hash_grid import encode

SMALL = HashGridConfig(levels=5, features=2, log2_table_size=9, base_resolution=4, per_level_scale=1.7)


def points(count: int, *, dtype=torch.float64, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def table(config: HashGridConfig, *, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(config.entries, config.features, generator=torch.Generator().manual_seed(1)).to(dtype)


class TestHashGrid:
    def test_layout_is_that_of_tiny_cuda_nn(self):
        scales, layout = level_layout(HashGridConfig(3, 2, 14, 16, 2.0))
        assert scales.tolist() == [15, 31, 63]
        assert layout.tolist() == [[16, 0, 4096], [32, 4096, 16384], [64, 20480, 16384]]
        assert HashGridConfig(levels=1, base_resolution=3).entries == 32  # 27 rounded up to a multiple of 8

    def test_a_dense_level_reproduces_linear_functions(self, path):
        config = HashGridConfig(levels=1, features=1, log2_table_size=16, base_resolution=16)
        x, y, z = torch.meshgrid(*[torch.arange(16.0)] * 3, indexing="ij")
        values = (x + 2 * y - 3 * z).permute(2, 1, 0).reshape(-1, 1)  # x runs fastest
        at = 0.05 + 0.85 * points(100, dtype=torch.float32)
        expected = (at * 15 + 0.5) @ torch.tensor([1.0, 2, -3])
        assert torch.allclose(hash_grid(at, values, config)[:, 0], expected, atol=1e-4)

    @pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
    @pytest.mark.parametrize("features", [1, 2, 4, 8])
    def test_matches_reference(self, path, interpolation, features):
        config = HashGridConfig(5, features, 9, 4, 1.7, interpolation)
        at, values = points(40), table(config)
        truth = encode(
            at.numpy(), values.numpy(), levels=5, base=4, growth=1.7, log2_size=9, smooth=interpolation == "smoothstep"
        )
        assert torch.allclose(hash_grid(at, values, config), torch.from_numpy(truth), atol=1e-5)  # scales are float32
        single = hash_grid(at.float(), values.float(), config)
        assert torch.allclose(single, torch.from_numpy(truth).float(), atol=1e-4)

    @pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
    def test_gradcheck(self, path, interpolation):
        config = HashGridConfig(3, 2, 6, 3, 1.6, interpolation)
        inputs = points(6, seed=4).requires_grad_(), table(config).requires_grad_()
        assert torch.autograd.gradcheck(lambda p, t: hash_grid(p, t, config), inputs)

    def test_both_paths_agree_in_values_and_gradients(self, both):
        at, values = 1.4 * points(333) - 0.2, table(SMALL)
        weights = torch.randn(333, SMALL.width, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

        def run():
            p, t = at.clone().requires_grad_(), values.clone().requires_grad_()
            out = hash_grid(p, t, SMALL)
            return out.detach(), *torch.autograd.grad((out * weights).sum(), (p, t))

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, atol=1e-10)

    def test_outside_the_cube_the_value_is_the_borders_and_the_gradient_zero(self, path):
        at = torch.tensor([[1.5, 0.5, -2.0], [1.0, 0.5, 0.0]], requires_grad=True)
        out = hash_grid(at, table(SMALL, dtype=torch.float32), SMALL)
        assert (out[0] == out[1]).all()
        out.sum().backward()
        assert at.grad is not None and at.grad[0, 0] == 0 and at.grad[0, 2] == 0 and at.grad[0, 1] != 0

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(count=st.integers(0, 70), levels=st.integers(1, 9), threads=st.sampled_from([1, 2]))
    def test_any_number_of_points_levels_and_threads(self, path, count, levels, threads):
        config = HashGridConfig(levels, 2, 10, 5, 1.4)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            t = table(config, dtype=torch.float32).requires_grad_()
            out = hash_grid(points(count, dtype=torch.float32), t, config)
            assert out.shape == (count, 2 * levels)
            (g,) = torch.autograd.grad(out.sum(), t)
            # the weights of a point sum to one on every level
            assert float(g.sum()) == pytest.approx(count * levels * 2, rel=1e-5)
        finally:
            torch.set_num_threads(before)

    def test_the_gradient_of_the_table_does_not_depend_on_the_threads(self, monkeypatch):
        t = table(SMALL, dtype=torch.float32).requires_grad_()
        at = points(5000, dtype=torch.float32)
        before, results = torch.get_num_threads(), []
        try:
            for threads in (1, 2, 1):
                torch.set_num_threads(threads)
                results.append(torch.autograd.grad(hash_grid(at, t, SMALL).square().sum(), t)[0])
        finally:
            torch.set_num_threads(before)
        assert (results[0] == results[1]).all() and (results[0] == results[2]).all()

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        scales, layout = level_layout(SMALL)
        at, values = points(7, dtype=torch.float32), table(SMALL, dtype=torch.float32)
        arguments = (at.requires_grad_(), values.requires_grad_(), scales, layout, False)
        torch.library.opcheck(encoding._hash_grid.overload, arguments)

    def test_non_contiguous_and_none(self, path):
        values = table(SMALL, dtype=torch.float32)
        at = points(30, dtype=torch.float32)
        assert (hash_grid(at.T.contiguous().T, values, SMALL) == hash_grid(at, values, SMALL)).all()
        assert hash_grid(at[:0], values, SMALL).shape == (0, SMALL.width)

    def test_bad_input_names_the_argument(self):
        with pytest.raises(ShapeError, match="points_unit"):
            hash_grid(torch.zeros(3, 2), table(SMALL), SMALL)
        with pytest.raises(ShapeError, match="table"):
            hash_grid(torch.zeros(3, 3), table(SMALL)[:-1], SMALL)
        with pytest.raises(ConfigError):
            level_layout(HashGridConfig(levels=0))


def test_a_new_table_is_small_and_seeded():
    one, two = (hash_grid_init(SMALL, torch.Generator().manual_seed(7)) for _ in range(2))
    assert (one == two).all() and 0.9e-4 < float(one.abs().max()) <= 1e-4

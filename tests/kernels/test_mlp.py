import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.kernels import mlp as module
from head3d.kernels.encoding import HashGridConfig, hash_grid, level_layout
from head3d.kernels.mlp import encode_mlp, mlp
from head3d.kernels.mlp_bf16 import encode_mlp_bf16, has_bf16
from tests.reference import mlp_bf16

GRID = HashGridConfig(levels=5, features=2, log2_table_size=9, base_resolution=4, per_level_scale=1.7)


def network(*widths: int, dtype=torch.float64, bias: bool = True) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    generator = torch.Generator().manual_seed(2)
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        weight = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64) / inputs**0.5
        offset = 0.1 * torch.randn(outputs, generator=generator, dtype=torch.float64)
        layers.append((weight.to(dtype).requires_grad_(), offset.to(dtype).requires_grad_() if bias else None))
    return layers


def flat(layers) -> list[torch.Tensor]:
    return [t for layer in layers for t in layer if t is not None]


def points(count: int, *, dtype=torch.float64) -> torch.Tensor:
    return torch.rand(count, 3, dtype=dtype, generator=torch.Generator().manual_seed(0))


def table(*, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(GRID.entries, GRID.features, generator=torch.Generator().manual_seed(1)).to(dtype)


class TestMlp:
    def test_by_hand(self, path):
        layers = [
            (torch.tensor([[1.0, 2], [-1, 1]]), torch.tensor([0.0, 1])),
            (torch.tensor([[3.0, 4]]), torch.tensor([5.0])),
        ]
        assert mlp(torch.tensor([[1.0, 1], [-1, 0]]), layers).tolist() == [[18.0], [13.0]]

    @pytest.mark.parametrize("activation", ["relu", "softplus"])
    @pytest.mark.parametrize("widths", [(3, 5, 2), (10, 32, 1), (16, 64, 64, 16), (7, 33, 33, 33, 20)])
    def test_both_paths_agree_in_values_and_gradients(self, both, widths, activation):
        layers = network(*widths)
        features = torch.randn(77, widths[0], dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        features.requires_grad_()

        def run():
            out = mlp(features, layers, activation=activation)
            return out.detach(), *torch.autograd.grad(out.square().sum(), [features, *flat(layers)])

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, atol=1e-9)

    def test_gradcheck(self, path):
        layers = network(4, 6, 6, 3)
        features = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()

        def run(x, *parameters):
            pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
            return mlp(x, pairs, activation="softplus")

        assert torch.autograd.gradcheck(run, (features, *flat(layers)), atol=1e-4)  # softplus bends within 0.01

    def test_gradients_are_the_same_twice(self, monkeypatch):
        layers = network(16, 32, 8, dtype=torch.float32)
        features = torch.randn(3000, 16, generator=torch.Generator().manual_seed(3))
        one, two = (torch.autograd.grad(mlp(features, layers).square().sum(), flat(layers)) for _ in range(2))
        assert all((a == b).all() for a, b in zip(one, two, strict=True))

    def test_non_contiguous_and_none(self, path):
        layers = network(6, 8, 2, dtype=torch.float32)
        features = torch.randn(20, 6, generator=torch.Generator().manual_seed(3))
        assert torch.allclose(mlp(features.T.contiguous().T, layers), mlp(features, layers), atol=1e-6)
        assert mlp(features[:0], layers).shape == (0, 2)
        gradients = torch.autograd.grad(mlp(features[:0], layers).sum(), flat(layers))
        assert all((g == 0).all() for g in gradients)

    def test_bad_shape_names_the_layer(self):
        layers = network(6, 8, 8, 2)
        with pytest.raises(ShapeError, match=r"layers\[0\] weight"):
            mlp(torch.zeros(4, 5), layers)
        with pytest.raises(ShapeError, match=r"layers\[1\] weight"):
            mlp(torch.zeros(4, 6), [layers[0], layers[2], layers[2]])
        with pytest.raises(ShapeError, match="at least two"):
            mlp(torch.zeros(4, 6), layers[:1])


class TestEncodeMlp:
    @pytest.mark.parametrize("bias", [True, False])
    def test_is_the_network_of_the_encoding(self, path, bias):
        layers, at, values = network(GRID.width, 24, 24, 5, bias=bias), points(101), table()
        at.requires_grad_()
        values.requires_grad_()
        inputs = [at, values, *flat(layers)]
        one = encode_mlp(at, values, config=GRID, layers=layers)
        two = mlp(hash_grid(at, values, GRID), layers)
        assert torch.allclose(one, two, atol=1e-10)
        g_one, g_two = (torch.autograd.grad(out.sin().sum(), inputs) for out in (one, two))
        assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(g_one, g_two, strict=True))

    def test_fading_levels_scales_the_first_weight(self, path):
        layers, at, values = network(GRID.width, 16, 3), points(20), table()
        fade = torch.linspace(1, 0, GRID.width, dtype=torch.float64)
        faded = [(layers[0][0] * fade, layers[0][1]), layers[1]]
        expected = mlp(hash_grid(at, values, GRID) * fade, layers)
        assert torch.allclose(encode_mlp(at, values, config=GRID, layers=faded), expected)

    def test_without_gradients_the_values_are_the_same(self, path):
        layers, at, values = network(GRID.width, 16, 3, dtype=torch.float32), points(5000).float(), table().float()
        with torch.no_grad():
            plain = encode_mlp(at, values, config=GRID, layers=layers)
        assert torch.allclose(encode_mlp(at, values, config=GRID, layers=layers), plain, atol=1e-6)
        assert encode_mlp(at[:0], values, config=GRID, layers=layers).shape == (0, 3)

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        layers = network(GRID.width, 16, 3, dtype=torch.float32)
        parameters = module.flat_parameters(layers, torch.float32).detach().requires_grad_()
        at, values = points(6).float().requires_grad_(), table().float().requires_grad_()
        shape = [GRID.width, 16, 1, 3, 0]
        # the tests of autograd under compilation would differentiate the tape, which nobody gets
        tests = ("test_schema", "test_faketensor", "test_autograd_registration")
        arguments = at, values, parameters, *level_layout(GRID), False, shape, True
        torch.library.opcheck(module._encode_mlp.overload, arguments, test_utils=tests)
        torch.library.opcheck(module._mlp.overload, (torch.randn(4, GRID.width), parameters, shape))

    def test_bad_shape_names_the_argument(self):
        layers, values = network(GRID.width, 16, 3), table()
        with pytest.raises(ShapeError, match="points_unit"):
            encode_mlp(torch.zeros(3), values, config=GRID, layers=layers)
        with pytest.raises(ShapeError, match=r"layers\[0\]"):
            encode_mlp(points(3), values, config=GRID, layers=network(GRID.width + 1, 16, 3))


class TestBfloat16:
    """Without AMX ``bfloat16`` is float32: then only the first test says anything."""

    def test_is_close_to_float32_everywhere(self, path):
        layers, at, values = network(GRID.width, 64, 64, 16, dtype=torch.float32), points(500).float(), table().float()
        exact = encode_mlp(at, values, config=GRID, layers=layers)
        rough = encode_mlp(at, values, config=GRID, layers=layers, precision="bfloat16")
        assert (rough - exact).norm() < 0.01 * exact.norm()

    @settings(max_examples=25, deadline=None)
    @given(
        count=st.integers(1, 300),
        levels=st.integers(1, 20),
        width=st.integers(1, 128),
        hidden=st.integers(1, 4),
        outputs=st.integers(1, 40),
        smooth=st.booleans(),
    )
    def test_matches_reference(self, count, levels, width, hidden, outputs, smooth):
        if not has_bf16():
            pytest.skip("no AMX here")
        grid = HashGridConfig(levels, 2, 9, 4, 1.5, "smoothstep" if smooth else "linear")
        generator = torch.Generator().manual_seed(count)
        values = torch.randn(grid.entries, 2, generator=generator).requires_grad_()
        at = torch.rand(count, 3, generator=generator).requires_grad_()
        layers = network(grid.width, *[width] * hidden, outputs, dtype=torch.float32)
        g_out = torch.randn(count, outputs, generator=generator)
        out = encode_mlp(at, values, config=grid, layers=layers, precision="bfloat16")
        found = torch.autograd.grad(out, [at, values, *flat(layers)], g_out)
        features = hash_grid(at, values, grid)
        expected, g_features, *parameters = mlp_bf16.network(features.detach(), layers, g_out)
        g_grid = torch.autograd.grad(features, [at, values], mlp_bf16.rounded(g_features).float())
        for one, two in zip([out, *found], [expected, *g_grid, *parameters], strict=True):
            # a number on the border of two bfloat16 goes either way: 2^-8 of one term among many
            assert (one - two).norm() <= 0.02 * two.norm() + 1e-4

    def test_gradients_are_the_same_twice(self):
        layers, at, values = network(GRID.width, 32, 8, dtype=torch.float32), points(3000).float(), table().float()
        values.requires_grad_()

        def run():
            out = encode_mlp(at, values, config=GRID, layers=layers, precision="bfloat16")
            return torch.autograd.grad(out.square().sum(), [values, *flat(layers)])

        assert all((a == b).all() for a, b in zip(run(), run(), strict=True))

    def test_none_and_nan(self):
        layers, values = network(GRID.width, 16, 3, dtype=torch.float32), table().float()
        run = lambda at: encode_mlp(at, values, config=GRID, layers=layers, precision="bfloat16")  # noqa: E731
        assert run(torch.zeros(0, 3)).shape == (0, 3)
        assert torch.equal(run(torch.full((3, 3), torch.nan)), run(torch.zeros(3, 3)))

    def test_opcheck(self):
        if not has_bf16():
            pytest.skip("no AMX here")
        parameters = module.flat_parameters(network(GRID.width, 16, 3, dtype=torch.float32), torch.float32).detach()
        arguments = (
            points(6).float(),
            table().float(),
            parameters,
            *level_layout(GRID),
            False,
            [GRID.width, 16, 1, 3, 0],
        )
        torch.library.opcheck(
            encode_mlp_bf16.overload, (*arguments, True), test_utils=("test_schema", "test_faketensor")
        )

"""The networks' CUDA kernels, emulated (tests/kernels/emulator), against the CPU kernels."""

import itertools

import pytest
import torch

from head3d.kernels.encoding import HashGridConfig
from head3d.kernels.mlp import encode_mlp, mlp
from tests.kernels.test_emulated import agree, differentiated, noise

WIDTHS = [(3, 5, 2), (7, 16, 16, 4), (10, 32, 32, 32, 1), (16, 64, 64, 16), (32, 128, 128, 128, 128, 20)]


def network(widths: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """Weights and biases, one after the other."""
    layers = []
    for seed, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers.append((noise(outputs, inputs, seed=2 * seed) * (2 / inputs) ** 0.5).to(dtype))
        layers.append((0.1 * noise(outputs, seed=2 * seed + 1)).to(dtype))
    return layers


def pairs(flat) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def grid(features, levels: int = 4) -> HashGridConfig:
    return HashGridConfig(levels, features, 9, 4, 1.7)


class TestMlp:
    @pytest.mark.parametrize("activation", ["relu", "softplus"])
    @pytest.mark.parametrize("widths", WIDTHS)
    def test_values_and_gradients(self, emulated, dtype, tolerance, widths, activation):
        # 133: ragged, and more tiles than the two emulated multiprocessors have parts
        features, layers = noise(133, widths[0], dtype=dtype), network(widths, dtype)

        def run():
            return differentiated(lambda x, *flat: mlp(x, pairs(flat), activation=activation), features, *layers)

        # float32 sums of up to 133 products, in another order: 2e-4 of the largest measured
        loose = {"rtol": 1e-3, "atol": 1e-3} if dtype == torch.float32 else tolerance
        agree(emulated(run), **loose)

    @pytest.mark.parametrize("count", [0, 1, 31, 700])
    def test_any_number_of_points(self, emulated, count):
        features, layers = noise(count, 6), network((6, 16, 3))
        agree(emulated(lambda: differentiated(lambda x, *flat: mlp(x, pairs(flat)), features, *layers)))

    def test_gradients_of_the_parameters_alone(self, emulated):
        features, layers = noise(700, 6), network((6, 16, 3))  # a block takes several tiles of points
        agree(emulated(lambda: differentiated(lambda *flat: mlp(features, pairs(flat)), *layers)))

    def test_gradients_are_the_same_twice(self, emulated, dtype):
        features, layers = noise(500, 16, dtype=dtype), network((16, 32, 8), dtype)

        def run():
            return [differentiated(lambda *flat: mlp(features, pairs(flat)), *layers) for _ in range(2)]

        _, (one, two) = emulated(run)
        assert all((a == b).all() for a, b in zip(one, two, strict=True))


class TestEncodeMlp:
    @pytest.mark.parametrize("features", [1, 2, 4, 8])
    def test_values_and_gradients(self, emulated, dtype, tolerance, features):
        config = grid(features)
        points = noise(101, 3, dtype=dtype).sigmoid()
        table, layers = noise(config.entries, features, dtype=dtype), network((config.width, 24, 24, 5), dtype)

        def run():
            function = lambda p, t, *flat: encode_mlp(p, t, config=config, layers=pairs(flat))  # noqa: E731
            return differentiated(function, points, table, *layers)

        loose = {"rtol": 1e-3, "atol": 1e-3} if dtype == torch.float32 else tolerance  # as above
        agree(emulated(run), **loose)

    def test_without_gradients(self, emulated):
        config = grid(2)
        with torch.no_grad():
            run = lambda: encode_mlp(  # noqa: E731
                noise(65, 3).sigmoid(), noise(config.entries, 2), config=config, layers=pairs(network((8, 16, 3)))
            )
            cpu, cuda = emulated(run)
        torch.testing.assert_close(cuda, cpu)

"""The fused encoding and network on tensor cores, emulated (tests/kernels/emulator), against plain torch.

The torch side rounds to 16 bits where the kernels do: features, weights, activations, and the cotangents of the first
and third. So both have the same ReLUs open, and differ by the order of float32 sums and by roundings that these tip.
"""

from typing import Any

import pytest
import torch

from head3d.errors import Head3DError
from head3d.kernels.encoding import HashGridConfig, hash_grid_torch, level_layout
from head3d.kernels.mlp import SOFTPLUS_BETA, encode_mlp, flat_parameters, network_shape
from head3d.kernels.mlp_half import encode_mlp_half, fits_half
from tests.kernels.test_emulated import differentiated, noise
from tests.kernels.test_emulated_mlp import network, pairs

ARCHITECTURES = {750: torch.float16, 900: torch.bfloat16}


def grid(width: int, features: Any = 2) -> HashGridConfig:
    return HashGridConfig(width // features, features, 9, 4, 1.4)


def rounded_network(points, table, flat, config, kind: torch.dtype, activation: str = "relu") -> torch.Tensor:
    """What the kernels compute, in torch; ``to`` rounds the cotangent as it rounds the value."""

    def rounded(x: torch.Tensor) -> torch.Tensor:
        return x.to(kind).float()

    def weight_of(x: torch.Tensor) -> torch.Tensor:
        return x + (rounded(x) - x).detach()  # gradients of weights stay float32

    layers = pairs(flat)
    values = rounded(hash_grid_torch(points, table, config))
    for weight, bias in layers[:-1]:
        values = torch.nn.functional.linear(values, weight_of(weight), bias)
        values = values.relu() if activation == "relu" else torch.nn.functional.softplus(values, SOFTPLUS_BETA, 30)
        values = rounded(values)
    return torch.nn.functional.linear(values, weight_of(layers[-1][0]), layers[-1][1])


def close(one: torch.Tensor, two: torch.Tensor, limit: float) -> None:
    """By the length of the difference: elements near zero carry the rounding of large ones."""
    assert one.shape == two.shape and torch.isfinite(two).all()
    assert (one - two).norm() <= limit * one.norm() + 1e-12, f"{(one - two).norm() / one.norm():.2e}"


class Case:
    def __init__(self, width: int, hidden: int, layers: int, outputs: int, *, points: int = 150, features=2) -> None:
        self.config = grid(width, features)
        self.points = noise(points, 3, dtype=torch.float32).sigmoid()
        self.table = noise(self.config.entries, features, seed=1, dtype=torch.float32)
        self.flat = network((width, *[hidden] * layers, outputs), torch.float32)

    @property
    def inputs(self) -> list[torch.Tensor]:
        return [self.points, self.table, *self.flat]

    def fused(self, activation: Any = "relu"):
        def run(points, table, *flat):
            return encode_mlp(
                points, table, config=self.config, layers=pairs(flat), activation=activation, precision="bfloat16"
            )

        return run

    def compare(self, emulated, arch: int, *, activation="relu", limit: float = 1e-2) -> None:
        """1e-2: a bfloat16 has 2e-3; measured at most 4e-3, half of it in float16."""

        def reference(points, table, *flat):
            return rounded_network(points, table, flat, self.config, ARCHITECTURES[arch], activation)

        expected = differentiated(reference, *self.inputs)
        _, seen = emulated(lambda: differentiated(self.fused(activation), *self.inputs), arch)
        for one, two in zip(expected, seen, strict=True):
            close(one, two, limit)


@pytest.mark.parametrize("arch", ARCHITECTURES)
class TestEncodeMlpHalf:
    @pytest.mark.parametrize("hidden", [16, 32, 64, 128])
    def test_widths(self, emulated, arch, hidden):
        Case(32, hidden, 2, 16).compare(emulated, arch)

    @pytest.mark.parametrize("layers", [1, 2, 3, 4])
    def test_depths(self, emulated, arch, layers):
        Case(16, 32, layers, 3).compare(emulated, arch)

    @pytest.mark.parametrize("features", [1, 2, 4, 8])
    @pytest.mark.parametrize("activation", ["relu", "softplus"])
    def test_features_and_activations(self, emulated, arch, features, activation):
        Case(24, 24, 2, 1, features=features).compare(emulated, arch, activation=activation)

    @pytest.mark.parametrize("count", [1, 31, 33, 128, 1300])
    def test_any_number_of_points(self, emulated, arch, count):
        # 1300: more tiles than two multiprocessors have parts, so blocks take a second one
        Case(10, 20, 1, 5, points=count).compare(emulated, arch)

    def test_no_points(self, emulated, arch):
        case = Case(16, 16, 1, 2, points=0)
        _, (out, *gradients) = emulated(lambda: differentiated(case.fused(), *case.inputs), arch)
        assert out.shape == (0, 2) and all((g == 0).all() for g in gradients)

    @pytest.mark.parametrize("size", [1e-12, 1e6])
    def test_cotangents_of_any_size(self, emulated, arch, size):
        """float16 alone would lose them."""
        case = Case(16, 32, 2, 4)
        run = lambda factor: lambda *t: (factor * case.fused()(*t).detach() * case.fused()(*t)).sum()  # noqa: E731

        def gradients(factor: float):
            inputs = [t.detach().clone().requires_grad_() for t in case.inputs]
            return torch.autograd.grad(run(factor)(*inputs), inputs)

        _, (one, scaled) = emulated(lambda: (gradients(1.0), gradients(size)), arch)
        for a, b in zip(one, scaled, strict=True):
            close(a, b / size, 1e-2)

    def test_gradients_of_the_parameters_alone_are_the_same_twice(self, emulated, arch):
        case = Case(16, 32, 2, 4, points=1300)

        def reference(*flat):
            return rounded_network(case.points, case.table, flat, case.config, ARCHITECTURES[arch])

        def run():
            return [differentiated(lambda *f: case.fused()(case.points, case.table, *f), *case.flat) for _ in range(2)]

        _, (one, two) = emulated(run, arch)
        assert all((a == b).all() for a, b in zip(one, two, strict=True))
        for expected, seen in zip(differentiated(reference, *case.flat), one, strict=True):
            close(expected, seen, 1e-2)


class TestLimits:
    def test_what_does_not_fit_is_computed_in_float32(self, emulated):
        case = Case(16, 520, 3, 4, points=40)
        assert not fits_half([16, 520, 3, 4, 0]) and fits_half([32, 128, 4, 20, 0])
        _, cuda = emulated(lambda: differentiated(case.fused(), *case.inputs))
        plain = differentiated(lambda p, t, *f: encode_mlp(p, t, config=case.config, layers=pairs(f)), *case.inputs)
        for one, two in zip(plain, cuda, strict=True):
            close(one, two, 1e-5)
        layers = pairs(case.flat)
        arguments = case.points, case.table, flat_parameters(layers, torch.float32), *level_layout(case.config), False
        with pytest.raises(Head3DError, match="code 1"):
            emulated(lambda: None if _cpu() else encode_mlp_half(*arguments, network_shape(layers, 16, "relu")))

    def test_opcheck(self, emulated):
        case = Case(16, 16, 1, 3, points=6)
        layers = pairs(case.flat)
        tensors = [
            t.clone().requires_grad_() for t in (case.points, case.table, flat_parameters(layers, torch.float32))
        ]
        arguments = *tensors, *level_layout(case.config), False, network_shape(layers, 16, "relu")
        tests = ("test_schema", "test_faketensor", "test_autograd_registration")
        emulated(
            lambda: None if _cpu() else torch.library.opcheck(encode_mlp_half.overload, arguments, test_utils=tests)
        )


def _cpu() -> bool:
    """Whether the CPU kernels run now, not the emulated ones."""
    from head3d.kernels import mlp_half

    lib = mlp_half.library("cpu")
    return lib is None or lib.device == "cpu"

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.kernels import sdf_taps as module
from head3d.kernels.encoding import HashGridConfig, level_layout
from head3d.kernels.mlp import encode_mlp, flat_parameters, network_shape
from head3d.kernels.sdf_taps import TAPS, Shell, TapShape, UnitVolume, encode_mlp_sdf
from tests.reference.field import trilinear
from tests.reference.hash_grid import encode

GRID = HashGridConfig(levels=5, features=2, log2_table_size=9, base_resolution=4, per_level_scale=1.7)
SHAPES: list[TapShape] = ["none", "tetrahedron", "axes"]
FINITE: list[TapShape] = ["tetrahedron", "axes"]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def network(*widths: int, dtype: torch.dtype = torch.float64) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    return [
        ((noise(b, a, seed=i) / a**0.5).to(dtype).requires_grad_(), (0.1 * noise(b, seed=i + 9)).to(dtype))
        for i, (a, b) in enumerate(itertools.pairwise(widths))
    ]


def shell(dtype: torch.dtype = torch.float64) -> Shell:
    """Volumes of one and of two channels that end inside the cube."""
    base = UnitVolume(noise(5, 6, 7, 1, seed=3, dtype=dtype), (0.1, 0.05, 0.15), 0.11)
    return Shell(base, UnitVolume(noise(4, 3, 5, 2, seed=4, dtype=dtype).sigmoid() + 0.5, (-0.1, 0.0, 0.1), 0.3))


def plane(slope: torch.Tensor) -> Shell:
    """A base that is linear in the whole cube, and little reach."""
    nodes = torch.stack(torch.meshgrid(*[torch.linspace(0, 1, 9).double()] * 3, indexing="ij"), -1).flip(-1)
    return Shell(
        UnitVolume((nodes @ slope)[..., None], (0.0, 0.0, 0.0), 1 / 8),
        UnitVolume(torch.full((2, 2, 2, 1), 1e-9).double(), (0.0, 0.0, 0.0), 1.0),
    )


class Case:
    def __init__(self, count: int = 40, *, outputs: int = 3, dtype=torch.float64, config=GRID, **options: Any) -> None:
        self.config = config
        self.options: dict[str, Any] = {"step": 0.01, "unit": 0.3} | options
        self.points = (noise(count, 3, dtype=dtype) * 0.3 + 0.5).requires_grad_()  # some lie outside
        self.table = noise(config.entries, config.features, seed=1, dtype=dtype).requires_grad_()
        self.layers = network(config.width, 12, outputs, dtype=dtype)

    @property
    def leaves(self) -> list[torch.Tensor]:
        return [self.points, self.table, *(weight for weight, _ in self.layers)]

    def run(self, points=None):
        at = self.points if points is None else points
        return encode_mlp_sdf(at, self.table, config=self.config, layers=self.layers, **self.options)

    def both_ways(self) -> list[torch.Tensor]:
        seen = self.run()
        loss = seen.outputs.sin().sum() + (seen.gradient * torch.arange(1, 4)).cos().sum() + seen.mean.sin().sum()
        outputs = [seen.outputs, seen.gradient, seen.mean]
        return [t.detach() for t in (*outputs, *torch.autograd.grad(loss, self.leaves))]


class TestFacts:
    @pytest.mark.parametrize("taps", FINITE)
    def test_gradient_of_a_plane_is_its_slope(self, path, taps):
        slope = torch.tensor([0.3, -0.8, 0.5]).double()
        case = Case(taps=taps, shell=plane(slope), outputs=1)
        at = noise(20, 3).sigmoid() * 0.8 + 0.1
        seen = case.run(at)
        assert torch.allclose(seen.gradient, slope.expand(20, 3), atol=1e-6)
        assert torch.allclose(seen.outputs[:, 0], at @ slope, atol=1e-6)
        assert torch.allclose(seen.mean, seen.outputs[:, 0], atol=1e-6)

    def test_axes_see_no_twist_and_a_tetrahedron_does(self, path):
        """d = y z: by hand, the tetrahedron adds the step to the x of the gradient."""
        ramp = torch.linspace(0, 1, 2).double()
        twist = Shell(
            UnitVolume((ramp[:, None, None] * ramp[None, :, None]).expand(2, 2, 2)[..., None], (0.0, 0.0, 0.0), 1.0),
            UnitVolume(torch.full((2, 2, 2, 1), 1e-9).double(), (0.0, 0.0, 0.0), 1.0),
        )
        at = torch.tensor([[0.5, 0.4, 0.3]]).double()
        for taps, x in (("axes", 0.0), ("tetrahedron", 0.01)):
            gradient = Case(taps=taps, shell=twist).run(at).gradient
            assert torch.allclose(gradient, torch.tensor([[x, 0.3, 0.4]]).double(), atol=1e-6)

    def test_displacement_stays_within_reach(self, path):
        case = Case(200, unit=100.0, shell=shell())
        bounds = case.options["shell"].reach.values[..., 0].amax()
        alone = Case(200, unit=0.0, shell=shell()).run().outputs[:, 0]
        assert ((case.run().outputs[:, 0] - alone).abs() <= bounds + 1e-9).all()

    def test_without_shell_outputs_are_the_networks(self, path):
        case = Case(unit=1.0)
        expected = encode_mlp(case.points, case.table, config=GRID, layers=case.layers)
        assert torch.allclose(case.run().outputs, expected, atol=1e-12)

    def test_no_taps_say_zero(self, path):
        seen = Case(taps="none").run()
        assert not seen.gradient.any() and not seen.mean.any()


class TestValues:
    @pytest.mark.parametrize("taps", SHAPES)
    def test_matches_reference(self, path, taps):
        """One point and one tap at a time, from tests/reference, in numpy."""
        case = Case(7, taps=taps, shell=shell(), outputs=1)
        volumes = [
            (v.values.permute(3, 0, 1, 2).numpy(), np.array(v.origin), v.cell)
            for v in (case.options["shell"].base, case.options["shell"].reach)
        ]
        (first, bias), (second, offset) = [(w.detach().numpy(), b.numpy()) for w, b in case.layers if b is not None]
        grid = {"levels": 5, "base": 4, "growth": 1.7, "log2_size": 9}

        def distance(point: np.ndarray) -> float:
            features = encode(np.clip(point, 0, 1)[None], case.table.detach().numpy(), **grid)[0]
            raw = (second @ np.maximum(first @ features + bias, 0) + offset)[0]
            base, reach = (trilinear(volume, point)[0] for volume in volumes)
            return base + reach * np.tanh(0.3 * raw / reach)

        seen = case.run()
        for p, point in enumerate(case.points.detach().numpy()):
            assert distance(point) == pytest.approx(float(seen.outputs[p, 0].detach()), abs=1e-6)
            if taps != "none":
                signs = np.array(TAPS[taps])
                others = np.array([distance(point + 0.01 * sign) for sign in signs])
                gradient = others @ signs / (0.04 if taps == "tetrahedron" else 0.02)
                # the grid's scales are float32 ones, as tiny-cuda-nn has them: 1e-7 over a step of 0.01
                assert seen.gradient[p].detach().numpy() == pytest.approx(gradient, abs=1e-4)
                assert float(seen.mean[p].detach()) == pytest.approx(others.mean(), abs=1e-6)

    @settings(max_examples=30, deadline=None)
    @given(
        count=st.integers(0, 70),
        taps=st.sampled_from(SHAPES),
        features=st.sampled_from([1, 2, 4, 8]),
        outputs=st.integers(1, 18),
        smooth=st.booleans(),
        bounded=st.booleans(),
        activation=st.sampled_from(["relu", "softplus"]),
        dtype=st.sampled_from([torch.float32, torch.float64]),
    )
    def test_both_paths_agree(self, count, taps, features, outputs, smooth, bounded, activation, dtype):
        config = HashGridConfig(4, features, 9, 4, 1.7, "smoothstep" if smooth else "linear")
        case = Case(
            count, outputs=outputs, dtype=dtype, config=config, taps=taps, activation=activation,
            shell=shell(dtype) if bounded else None,
        )  # fmt: skip
        results = []
        for choice in ("cpu", "torch"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("HEAD3D_KERNELS", choice)
                results.append(case.both_ways())
        # float32: differences over a step of 0.01 of distances that are 1e-6 uncertain; measured 1e-4
        limit = 1e-10 if dtype == torch.float64 else 2e-3
        for one, two in zip(*results, strict=True):
            assert one.shape == two.shape
            assert (one - two).norm() <= limit * (two.norm() + 1)

    @pytest.mark.parametrize("count", [1, 5000])
    def test_float32_is_close_to_float64(self, path, count):
        exact, rough = (
            Case(count, dtype=kind, taps="axes", shell=shell(kind)) for kind in (torch.float64, torch.float32)
        )
        rough.points = exact.points.detach().float().requires_grad_()
        seen, truth = rough.run(), exact.run(rough.points.double())
        assert torch.allclose(seen.outputs.double(), truth.outputs, atol=2e-5)
        assert torch.allclose(seen.gradient.double(), truth.gradient, atol=2e-3)  # the above over a step of 0.01


class TestGradients:
    @pytest.mark.parametrize("taps", SHAPES)
    @pytest.mark.parametrize("bounded", [False, True])
    def test_gradcheck(self, path, taps, bounded):
        """Constant reach: its slope is left out on purpose. Softplus bends within 0.01."""
        known = shell()
        reach = UnitVolume(torch.ones_like(known.reach.values), known.reach.origin, known.reach.cell)
        small = HashGridConfig(2, 2, 5, 2, 1.7)
        case = Case(2, taps=taps, shell=Shell(known.base, reach) if bounded else None, config=small, outputs=2)
        case.points = (noise(2, 3).sigmoid() * 0.6 + 0.2).requires_grad_()

        def run(points, table, *weights):
            layers = [(w, b) for w, (_, b) in zip(weights, case.layers, strict=True)]
            seen = encode_mlp_sdf(points, table, config=small, layers=layers, activation="softplus", **case.options)
            return seen.outputs, seen.gradient, seen.mean

        assert torch.autograd.gradcheck(run, tuple(case.leaves), atol=1e-3, rtol=1e-3, eps=1e-6)

    @pytest.mark.parametrize("taps", SHAPES)
    def test_are_the_same_for_any_number_of_threads(self, taps, monkeypatch):
        """Values to the bit; sums of gradients to the bit for a number of threads, tables' for any."""
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        case, before, runs = Case(3000, dtype=torch.float32, taps=taps, shell=shell(torch.float32)), 0, []
        before = torch.get_num_threads()
        try:
            for threads in (1, 2, 2):
                torch.set_num_threads(threads)
                runs.append(case.both_ways())
        finally:
            torch.set_num_threads(before)
        one, two, again = runs
        assert all((a == b).all() for a, b in zip(two, again, strict=True))
        assert all((a == b).all() for a, b in zip(one[:5], two[:5], strict=True))  # values, of points, of the table
        assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-2) for a, b in zip(one[5:], two[5:], strict=True))

    def test_of_the_points_alone_and_of_none(self, path):
        case = Case(shell=shell())
        all_of_them = torch.autograd.grad(case.run().gradient.sum(), case.points)[0]
        case.table, case.layers = case.table.detach(), [(w.detach(), b) for w, b in case.layers]
        assert torch.allclose(torch.autograd.grad(case.run().gradient.sum(), case.points)[0], all_of_them)
        assert not case.run(case.points.detach()).gradient.requires_grad
        with torch.no_grad():
            assert torch.equal(case.run().gradient, case.run(case.points.detach()).gradient)


class TestInputs:
    @pytest.mark.parametrize("taps", SHAPES)
    def test_non_contiguous(self, path, taps):
        case = Case(taps=taps, shell=shell())
        straight = case.run()
        case.options["shell"] = Shell(
            UnitVolume(
                shell().base.values.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0), (0.1, 0.05, 0.15), 0.11
            ),
            shell().reach,
        )
        crossed = case.run(case.points.detach().T.contiguous().T)
        assert torch.allclose(straight.outputs, crossed.outputs) and torch.allclose(straight.gradient, crossed.gradient)

    @pytest.mark.parametrize("taps", SHAPES)
    def test_no_points(self, path, taps):
        outputs, gradient, mean, *gradients = Case(0, taps=taps, shell=shell()).both_ways()
        assert (outputs.shape, gradient.shape, mean.shape) == ((0, 3), (0, 3), (0,))
        assert all((g == 0).all() for g in gradients)

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        case = Case(6, dtype=torch.float32)
        flat = flat_parameters(case.layers, torch.float32).detach().requires_grad_()
        grid = *level_layout(GRID), False, network_shape(case.layers, GRID.width, "relu")
        # the tests of autograd under compilation would differentiate the tape, which nobody gets
        tests = ("test_schema", "test_faketensor", "test_autograd_registration")
        for known in (None, shell(torch.float32)):
            arguments = module._described(known, case.table)
            reals = [*arguments[3], 0.01, 0.3]
            inputs = case.points, case.table, flat, *grid, *arguments[:3], reals, 6, True
            torch.library.opcheck(module._sdf_taps.overload, inputs, test_utils=tests)

    def test_bad_shape_names_the_argument(self):
        case = Case()
        with pytest.raises(ShapeError, match="points_unit"):
            case.run(torch.zeros(3))
        with pytest.raises(ShapeError, match="step"):
            Case(step=0.0).run()
        with pytest.raises(ShapeError, match="shell"):
            thin = UnitVolume(torch.zeros(1, 2, 2, 1), (0.0, 0.0, 0.0), 1.0)
            Case(shell=Shell(thin, thin)).run()
        case.layers = network(GRID.width + 1, 12, 3)
        with pytest.raises(ShapeError, match=r"layers\[0\]"):
            case.run()

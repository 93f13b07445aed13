import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from head3d.errors import ShapeError
from head3d.geometry import sh as geometry
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.kernels import shading as module
from head3d.kernels.shading import shade_lamps, shade_sh
from tests.conftest import TOLERANCES
from tests.reference import shading as reference

DARKEST = 0.03


def surfaces(count: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    albedo = torch.rand(count, 3, dtype=torch.float64, generator=generator)
    normal = torch.randn(count, 3, dtype=torch.float64, generator=generator)
    return albedo, torch.nn.functional.normalize(normal, dim=-1)


def skies(count: int = 3, lights: int = 4) -> tuple[Tensor, Tensor]:
    """Lights of which some are negative somewhere, and whose each surface is."""
    generator = torch.Generator().manual_seed(1)
    sh = torch.randn(lights, 9, 3, dtype=torch.float64, generator=generator)
    sh[:, 0] += 1.5
    return sh, torch.randint(0, lights, (count,), generator=generator)


def lamps(count: int = 40, number: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    points, positions, intensities = (
        torch.randn(rows, 3, dtype=torch.float64, generator=generator) for rows in (count, number, number)
    )
    return {"points": 0.1 * points, "positions": 2 * positions, "intensities": intensities.exp()}


def bits_with_threads(monkeypatch, function, *inputs: Tensor) -> list[list[Tensor]]:
    """Gradients of a function with one, two, three and again two threads."""
    monkeypatch.setenv("HEAD3D_KERNELS", "auto")
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            leaves = [t.detach().float().requires_grad_() for t in inputs]
            found.append(list(torch.autograd.grad(function(*leaves).square().sum(), leaves)))
    finally:
        torch.set_num_threads(before)
    return found


class TestShadeSh:
    def test_white_sky_returns_albedo(self, path):
        albedo, normal = surfaces()
        sky = geometry.ambient(torch.ones(3, dtype=torch.float64))
        light = torch.zeros(len(albedo), dtype=torch.long)
        torch.testing.assert_close(shade_sh(albedo, normal, sh=sky[None], light=light, darkest=DARKEST), albedo)

    def test_light_that_would_be_negative_stays_above_the_floor(self, path):
        albedo, normal = torch.ones(1, 3), torch.tensor([[0.0, 0, 1]])
        sky = geometry.ambient(torch.ones(3))
        sky[2] = -10.0
        seen = shade_sh(albedo, normal, sh=sky[None], light=torch.zeros(1, dtype=torch.long), darkest=DARKEST)
        torch.testing.assert_close(seen, torch.full((1, 3), DARKEST))

    def test_turning_light_and_normals_together_changes_nothing(self, path):
        albedo, normal = surfaces()
        sh, light = skies(len(albedo))
        turn = matrix_from_axis_angle(torch.tensor([0.3, -1.1, 0.7], dtype=torch.float64))
        turned = torch.stack([geometry.rotate_sh(one, turn) for one in sh])
        # the floor falls with the ambient light, which does not turn
        a, b = (
            shade_sh(albedo, n, sh=s, light=light, darkest=DARKEST)
            for n, s in ((normal, sh), (normal @ turn.T, turned))
        )
        torch.testing.assert_close(a, b)

    @settings(max_examples=20, deadline=None)
    @given(count=st.integers(0, 100), lights=st.integers(1, 9))
    def test_bright_light_is_lamberts_law(self, count, lights):
        albedo, normal = surfaces(count)
        sh, light = skies(count, lights)
        sh[:, 0] += 20
        expected = albedo * (geometry.irradiance_basis(normal)[:, :, None] * sh[light]).sum(1)
        torch.testing.assert_close(shade_sh(albedo, normal, sh=sh, light=light, darkest=DARKEST), expected)

    def test_matches_reference(self, path, dtype):
        albedo, normal = surfaces(6)
        sh, light = skies(6)
        truth = []
        for a, n, which in zip(albedo.numpy(), normal.numpy(), light.tolist(), strict=True):
            one = sh[which].numpy()
            truth.append(a * reference.lifted(reference.sky(np.ones(3), n, one), one, DARKEST))
        seen = shade_sh(albedo.to(dtype), normal.to(dtype), sh=sh.to(dtype), light=light, darkest=DARKEST)
        # measured: the integral over 720,000 directions is exact to 1e-5
        torch.testing.assert_close(seen.double(), torch.from_numpy(np.stack(truth)), rtol=1e-4, atol=2e-5)

    def test_gradcheck(self, path):
        albedo, normal = surfaces(20)
        sh, light = skies(20)
        assert (shade_sh(albedo, normal, sh=sh, light=light, darkest=DARKEST) < 2 * DARKEST * albedo).any()

        def function(albedo, normal, sh):
            # the floor is a constant to the gradient, so the ambient part of the light stays one here
            whole = torch.cat([skies(20)[0][:, :1], sh], dim=1)
            return shade_sh(albedo, normal, sh=whole, light=light, darkest=DARKEST)

        inputs = tuple(t.requires_grad_() for t in (albedo, normal, sh[:, 1:].clone()))
        assert torch.autograd.gradcheck(function, inputs)

    @pytest.mark.parametrize(("count", "lights"), [(20, 20), (5000, 1), (5003, 7)])
    def test_both_paths_agree(self, both, dtype, count, lights):
        albedo, normal = surfaces(count)
        sh, light = skies(count, lights)

        def run():
            leaves = [t.to(dtype).requires_grad_() for t in (albedo, normal, sh)]
            out = shade_sh(leaves[0], leaves[1], sh=leaves[2], light=light, darkest=DARKEST)
            return out.detach(), *torch.autograd.grad(out.square().sum(), leaves)

        exact = dtype == torch.float64
        for compiled, plain in zip(*both(run), strict=True):
            scale = float(plain.abs().max())  # of sums over all surfaces
            torch.testing.assert_close(
                compiled, plain, rtol=1e-9 if exact else 1e-4, atol=(1e-12 if exact else 1e-6) * scale
            )

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        tensors = [t.float().requires_grad_() for t in (*surfaces(5), skies(5)[0])]
        torch.library.opcheck(module._shade_sh.overload, (*tensors, skies(5)[1], DARKEST))

    def test_non_contiguous_and_none(self, path):
        albedo, normal = surfaces()
        sh, light = skies(len(albedo))
        seen = shade_sh(albedo, normal, sh=sh, light=light, darkest=DARKEST)
        turned = [t.transpose(-1, -2).contiguous().transpose(-1, -2) for t in (albedo, normal, sh)]
        assert torch.equal(shade_sh(turned[0], turned[1], sh=turned[2], light=light, darkest=DARKEST), seen)
        sh.requires_grad_()
        none = shade_sh(albedo[:0], normal[:0], sh=sh, light=light[:0], darkest=DARKEST)
        none.sum().backward()
        assert none.shape == (0, 3) and sh.grad is not None and not sh.grad.any()

    def test_a_normal_that_is_not_a_number_is_not_hidden(self, path):
        albedo, normal = surfaces(2)
        sh, light = skies(2)
        assert shade_sh(albedo, normal * math.nan, sh=sh, light=light, darkest=DARKEST).isnan().all()

    def test_gradients_have_the_same_bits_with_any_number_of_threads(self, monkeypatch):
        sh, light = skies(9000)

        def function(albedo, normal, sh):
            return shade_sh(albedo, normal, sh=sh, light=light, darkest=DARKEST)

        found = bits_with_threads(monkeypatch, function, *surfaces(9000), sh)
        assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))

    def test_bad_input_names_the_argument(self, path):
        (albedo, normal), (sh, light) = surfaces(4), skies(4)
        good = {"albedo": albedo, "normal": normal, "sh": sh, "light": light}
        bad = {"albedo": albedo[:, :2], "normal": normal[:2], "sh": sh[:, :4], "light": light + 4}
        for name, value in bad.items():
            with pytest.raises(ShapeError, match=name):
                shade_sh(**{**good, name: value}, darkest=DARKEST)
        with pytest.raises(ShapeError, match="light"):
            shade_sh(albedo, normal, sh=sh, light=light.double(), darkest=DARKEST)


class TestShadeLamps:
    def test_a_white_surface_under_a_lamp_fades_with_the_square_of_the_distance(self, path):
        white, up = torch.ones(3, 3), torch.tensor([[0.0, 0, 1], [0, 0, 1], [0, 0, -1]])
        points = torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 0, 0]])  # 1 m, 2 m, turned away
        positions, intensities = torch.tensor([[0.0, 0, 1]]), torch.tensor([[math.pi, 2 * math.pi, 0]])
        seen = shade_lamps(white, up, points=points, positions=positions, intensities=intensities)
        torch.testing.assert_close(seen, torch.tensor([[1.0, 2, 0], [0.25, 0.5, 0], [0, 0, 0]]))

    @settings(max_examples=20, deadline=None)
    @given(count=st.integers(0, 100), number=st.integers(0, 6))
    def test_lamps_add_up(self, count, number):
        albedo, normal = surfaces(count)
        all_of_them = lamps(count, number)
        alone = torch.zeros_like(albedo)
        for one in range(number):
            single = {k: v if k == "points" else v[one : one + 1] for k, v in all_of_them.items()}
            alone = alone + shade_lamps(albedo, normal, **single)
        torch.testing.assert_close(shade_lamps(albedo, normal, **all_of_them), alone)

    def test_a_far_lamp_is_the_directional_light_of_the_harmonics_on_average(self, path):
        # both send the irradiance intensity / distance^2 towards the head; order 2 keeps all of its mean over normals
        d, _ = reference.sphere(60)
        normal = torch.from_numpy(d)
        white, points = torch.ones_like(normal), torch.zeros_like(normal)
        position, intensity = torch.tensor([[0.0, 60, 80]]).double(), torch.full((1, 3), 1e4).double()
        near = shade_lamps(white, normal, points=points, positions=position, intensities=intensity)
        sh = geometry.project_directional(position[0] / 100, intensity[0] / 100**2)
        torch.testing.assert_close(
            near.mean(0), geometry.shade_lambert(white, normal, sh).mean(0), rtol=1e-3, atol=1e-6
        )

    def test_matches_reference(self, path, dtype):
        (albedo, normal), others = surfaces(), lamps()
        rows = zip(albedo.numpy(), normal.numpy(), others["points"].numpy(), strict=True)
        fixed = others["positions"].numpy(), others["intensities"].numpy()
        truth = torch.from_numpy(np.stack([reference.lamps(*row, *fixed) for row in rows]))
        seen = shade_lamps(albedo.to(dtype), normal.to(dtype), **{k: v.to(dtype) for k, v in others.items()})
        rtol, atol = TOLERANCES[dtype].values()
        torch.testing.assert_close(seen.double(), truth, rtol=rtol, atol=atol)

    def test_gradcheck(self, path):
        (albedo, normal), others = surfaces(20), lamps(20)

        def function(albedo, normal, intensities):
            return shade_lamps(albedo, normal, **{**others, "intensities": intensities})

        inputs = tuple(t.requires_grad_() for t in (albedo, normal, others["intensities"]))
        assert torch.autograd.gradcheck(function, inputs)

    @pytest.mark.parametrize("number", [1, 5])
    def test_both_paths_agree(self, both, number):
        (albedo, normal), others = surfaces(5003), lamps(5003, number)

        def run():
            leaves = [t.clone().requires_grad_() for t in (albedo, normal, others["intensities"])]
            out = shade_lamps(leaves[0], leaves[1], **{**others, "intensities": leaves[2]})
            return out.detach(), *torch.autograd.grad(out.square().sum(), leaves)

        for compiled, plain in zip(*both(run), strict=True):
            torch.testing.assert_close(compiled, plain, rtol=1e-9, atol=1e-11)

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        albedo, normal = (t.float().requires_grad_() for t in surfaces(5))
        points, positions, intensities = (t.float() for t in lamps(5).values())
        torch.library.opcheck(
            module._shade_lamps.overload, (albedo, normal, points, positions, intensities.requires_grad_())
        )

    def test_non_contiguous_and_none(self, path):
        (albedo, normal), others = surfaces(), lamps()
        turned = [t.T.contiguous().T for t in (albedo, normal)]
        strided = {k: v.T.contiguous().T for k, v in others.items()}
        assert torch.equal(shade_lamps(*turned, **strided), shade_lamps(albedo, normal, **others))
        none = {**others, "points": others["points"][:0]}
        assert shade_lamps(albedo[:0], normal[:0], **none).shape == (0, 3)

    def test_gradients_have_the_same_bits_with_any_number_of_threads(self, monkeypatch):
        others = {k: v.float() for k, v in lamps(9000).items()}

        def function(albedo, normal, intensities):
            return shade_lamps(albedo, normal, **{**others, "intensities": intensities})

        found = bits_with_threads(monkeypatch, function, *surfaces(9000), others["intensities"])
        assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))

    def test_bad_shape_names_the_argument(self):
        (albedo, normal), others = surfaces(4), lamps(4)
        good = {"albedo": albedo, "normal": normal, **others}
        bad = {name: value[:-1] for name, value in good.items() if name not in ("albedo", "positions")}
        for name, value in {**bad, "albedo": albedo[0], "positions": albedo[:, :2]}.items():
            with pytest.raises(ShapeError, match=name):
                shade_lamps(**{**good, name: value})

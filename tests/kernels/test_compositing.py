import numpy as np
import pytest
import torch

from head3d.errors import ShapeError
from head3d.kernels import compositing
from head3d.kernels.compositing import composite
from tests.reference.neus import weights as reference_weights

COUNTS = [5, 0, 1, 9, 2]


def rays(*, channels: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(COUNTS)
    packed = torch.stack([counts.cumsum(0) - counts, counts], 1)
    sdf = torch.randn(sum(COUNTS), dtype=torch.float64, generator=generator)
    sd = 0.3 + torch.rand(sum(COUNTS), dtype=torch.float64, generator=generator)
    return sdf, sd, packed, torch.randn(sum(COUNTS), channels, dtype=torch.float64, generator=generator)


class TestComposite:
    def test_a_sharp_surface_takes_all_light_in_the_section_that_crosses_it(self, path):
        sdf = torch.tensor([0.03, 0.02, 0.01, -0.01, -0.02])
        seen = composite(sdf, torch.full((5,), 1e-3), packed_info=torch.tensor([[0, 5]]), values=torch.eye(5))
        assert seen.weights.tolist() == pytest.approx([0, 0, 1, 0, 0], abs=1e-3)
        assert seen.values[0].tolist() == pytest.approx(seen.weights.tolist())
        assert float(seen.opacity) == pytest.approx(1, abs=1e-4)

    def test_matches_reference(self, path):
        sdf, sd, packed, values = rays()
        seen = composite(sdf, sd, packed_info=packed, values=values)
        for r, (start, count) in enumerate(packed.tolist()):
            part = slice(start, start + count)
            truth = reference_weights(sdf[part].numpy(), sd[part].numpy())
            assert seen.weights[part].numpy() == pytest.approx(truth, abs=1e-12)
            assert float(seen.opacity[r]) == pytest.approx(truth.sum(), abs=1e-12)
            assert seen.values[r].numpy() == pytest.approx(truth @ values[part].numpy(), abs=1e-12)

    def test_gradcheck(self, path):
        sdf, sd, packed, values = rays(channels=2)

        def run(s, d, v):
            seen = composite(s, d, packed_info=packed, values=v)
            return seen.weights, seen.opacity, seen.values

        assert torch.autograd.gradcheck(run, tuple(t.requires_grad_() for t in (sdf, sd, values)))

    def test_both_paths_agree_in_values_and_gradients(self, both):
        sdf, sd, packed, values = rays(seed=5)

        def run():
            inputs = [t.clone().requires_grad_() for t in (sdf, sd, values)]
            seen = composite(inputs[0], inputs[1], packed_info=packed, values=inputs[2])
            loss = seen.weights.square().sum() + seen.opacity.sin().sum() + seen.values.square().sum()
            return seen.weights.detach(), *torch.autograd.grad(loss, inputs)

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, atol=1e-10)

    def test_deep_inside_nothing_becomes_nan(self, path):
        sdf = torch.tensor([0.1, -0.1, -0.5, -1.0], requires_grad=True)
        seen = composite(sdf, torch.full((4,), 1e-4), packed_info=torch.tensor([[0, 4]]))
        seen.weights.sum().backward()
        assert torch.isfinite(seen.weights).all() and sdf.grad is not None and torch.isfinite(sdf.grad).all()

    def test_a_ray_ends_where_too_little_light_is_left(self, path):
        half = torch.tensor(0.5).logit() - torch.tensor([0.0, 1, 2, 3, 4])
        inputs = half.requires_grad_(), torch.ones(5)
        all_of_it = composite(*inputs, packed_info=torch.tensor([[0, 5]]))
        left = 1 - all_of_it.weights.detach().cumsum(0)
        seen = composite(*inputs, packed_info=torch.tensor([[0, 5]]), stop_below=float(left[1]) + 1e-4)
        assert torch.allclose(seen.weights[:2], all_of_it.weights[:2]) and (seen.weights[2:] == 0).all()
        assert float(seen.opacity.detach()) == pytest.approx(1 - float(left[1]), abs=1e-6)
        (g,) = torch.autograd.grad(seen.values.sum() + seen.opacity.sum(), half)
        assert g[2] != 0 and (g[3:] == 0).all()

    @pytest.mark.parametrize("stop_below", [0.3, 0.9])
    def test_gradcheck_of_rays_that_end(self, path, stop_below):
        sdf, sd, packed, values = rays(channels=2)

        def run(s, d, v):
            seen = composite(s, d, packed_info=packed, values=v, stop_below=stop_below)
            return seen.weights, seen.opacity, seen.values

        whole = composite(sdf, sd, packed_info=packed).weights
        assert (run(sdf, sd, values)[0] != whole).any()
        assert torch.autograd.gradcheck(run, tuple(t.requires_grad_() for t in (sdf, sd, values)))

    def test_no_rays_and_samples_of_no_ray(self, path):
        nothing = composite(torch.zeros(0), torch.zeros(0), packed_info=torch.zeros(0, 2, dtype=torch.int64))
        assert nothing.opacity.shape == (0,) and nothing.values.shape == (0, 0)
        sdf = torch.tensor([0.5, 0.1, -0.1, -0.5], requires_grad=True)
        seen = composite(sdf, torch.ones(4), packed_info=torch.tensor([[1, 2]]))
        seen.weights.sum().backward()
        assert seen.weights[0] == 0 and sdf.grad is not None and sdf.grad[3] == 0

    def test_non_contiguous(self, path):
        sdf, sd, packed, values = rays()
        wide = torch.stack([sdf, sd], 1)
        turned = composite(wide[:, 0], wide[:, 1], packed_info=packed, values=values.T.contiguous().T)
        assert (turned.values == composite(sdf, sd, packed_info=packed, values=values).values).all()

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        sdf, sd, packed, values = rays()
        inputs = sdf.float().requires_grad_(), sd.float().requires_grad_(), packed, values.float().requires_grad_()
        torch.library.opcheck(compositing._composite.overload, (*inputs, 0.5))

    def test_bad_shape_names_the_argument(self):
        sdf, sd, packed, values = rays()
        with pytest.raises(ShapeError, match="sd:"):
            composite(sdf, sd[1:], packed_info=packed)
        with pytest.raises(ShapeError, match="packed_info"):
            composite(sdf, sd, packed_info=packed.float())
        with pytest.raises(ShapeError, match="values"):
            composite(sdf, sd, packed_info=packed, values=values[:, 0])


def test_the_reference_conserves_light():
    assert reference_weights(np.array([1.0, 0.0, -1.0, 2.0, -3.0]), np.ones(5)).sum() < 1

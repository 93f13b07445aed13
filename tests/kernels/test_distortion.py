import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.kernels import distortion as module
from head3d.kernels.distortion import distortion
from tests.reference.distortion import distortion as reference


def rays(counts=(5, 0, 1, 9, 2), *, seed: int = 0, far: float = 0.0) -> tuple[torch.Tensor, ...]:
    """Weights, starts, ends, packed_info; sections ascend along each ray, with gaps."""
    generator = torch.Generator().manual_seed(seed)
    count = torch.tensor(counts, dtype=torch.int64)
    packed = torch.stack([count.cumsum(0) - count, count], 1)
    samples = int(count.sum())
    edges = (0.1 + torch.rand(2 * samples, dtype=torch.float64, generator=generator)).cumsum(0) + far
    weights = torch.rand(samples, dtype=torch.float64, generator=generator) / 4
    return weights, edges[::2], edges[1::2], packed


def truth(weights: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor, packed: torch.Tensor) -> list[float]:
    parts = [slice(first, first + count) for first, count in packed.tolist()]
    return [reference(weights[p].numpy(), starts[p].numpy(), ends[p].numpy()) for p in parts]


class TestDistortion:
    def test_two_sections_pay_their_distance_and_one_a_third_of_its_length(self, path):
        weights, starts, ends = torch.tensor([0.5, 0.25, 1.0]), torch.tensor([0.0, 4, 7]), torch.tensor([2.0, 6, 10])
        loss = distortion(weights, starts, ends=ends, packed_info=torch.tensor([[0, 2], [2, 1]]))
        assert loss.tolist() == pytest.approx([2 * 0.125 * 4 + (0.25 + 0.0625) * 2 / 3, 1.0])

    @settings(max_examples=30, deadline=None)
    @given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=8), seed=st.integers(0, 99))
    def test_moving_a_ray_changes_nothing_and_stretching_it_stretches(self, counts, seed):
        weights, starts, ends, packed = rays(tuple(counts), seed=seed)
        loss = distortion(weights, starts, ends=ends, packed_info=packed)
        turned = distortion(weights, 3 * starts + 7, ends=3 * ends + 7, packed_info=packed)
        assert torch.allclose(turned, 3 * loss, atol=1e-9) and (loss >= -1e-12).all()

    @pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
    def test_matches_reference(self, path, dtype, off):
        inputs = rays(seed=3)
        loss = distortion(*(t.to(dtype) for t in inputs[:2]), ends=inputs[2].to(dtype), packed_info=inputs[3])
        assert loss.tolist() == pytest.approx(truth(*inputs), rel=off, abs=off)

    def test_gradcheck(self, path):
        *inputs, packed = rays()

        def run(w, s, e):
            return distortion(w, s, ends=e, packed_info=packed)

        assert torch.autograd.gradcheck(run, tuple(t.clone().requires_grad_() for t in inputs))

    def test_both_paths_agree_in_values_and_gradients(self, both):
        *inputs, packed = rays((30, 3, 0, 64), seed=5, far=100.0)

        def run():
            leaves = [t.clone().requires_grad_() for t in inputs]
            loss = distortion(leaves[0], leaves[1], ends=leaves[2], packed_info=packed)
            return loss.detach(), *torch.autograd.grad(loss.square().sum(), leaves)

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, rtol=1e-10)

    def test_no_rays_and_samples_of_no_ray(self, path):
        nothing = torch.zeros(0)
        packed = torch.zeros(0, 2, dtype=torch.int64)
        assert distortion(nothing, nothing, ends=nothing, packed_info=packed).shape == (0,)
        weights, starts, ends, _ = rays((6,))
        weights.requires_grad_()
        distortion(weights, starts, ends=ends, packed_info=torch.tensor([[2, 2], [6, 0]])).sum().backward()
        assert weights.grad is not None and (weights.grad != 0).tolist() == [False, False, True, True, False, False]

    def test_non_contiguous_and_again_gives_the_same_bits(self, path):
        weights, starts, ends, packed = rays()
        wide = torch.stack([weights, starts, ends], 1)
        turned = distortion(wide[:, 0], wide[:, 1], ends=wide[:, 2], packed_info=packed)
        assert torch.equal(turned, distortion(weights, starts, ends=ends, packed_info=packed))

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        *inputs, packed = rays()
        torch.library.opcheck(module._distortion.overload, (*(t.float().requires_grad_() for t in inputs), packed))

    def test_bad_shape_names_the_argument(self):
        weights, starts, ends, packed = rays()
        with pytest.raises(ShapeError, match="starts"):
            distortion(weights, starts[1:], ends=ends, packed_info=packed)
        with pytest.raises(ShapeError, match="ends"):
            distortion(weights, starts, ends=ends[1:], packed_info=packed)
        with pytest.raises(ShapeError, match="packed_info"):
            distortion(weights, starts, ends=ends, packed_info=packed[:, :1])

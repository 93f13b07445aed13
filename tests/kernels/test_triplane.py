import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.field.config import GridConfig
from head3d.field.encodings import TriplaneEncoding, unit_box
from head3d.kernels import triplane as module
from head3d.kernels.triplane import triplane
from tests.conftest import TOLERANCES
from tests.reference import triplane as reference


def inputs(height: int = 5, width: int = 6, channels: int = 3, count: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(3, height, width, channels, dtype=torch.float64, generator=generator)
    return planes, torch.rand(count, 3, dtype=torch.float64, generator=generator)


class TestTriplane:
    def test_each_plane_sees_its_two_coordinates(self, path):
        rows, columns = torch.meshgrid(torch.linspace(0, 1, 4), torch.linspace(0, 1, 5), indexing="ij")
        planes = torch.stack([columns + 10 * rows, 100 * columns + 1000 * rows, 1e4 * columns + 1e5 * rows])[..., None]
        at = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.3, 0.5, 0.7]])
        x, y, z = at.unbind(1)
        expected = (x + 10 * y) + (100 * y + 1000 * z) + (1e4 * z + 1e5 * x)
        assert torch.allclose(triplane(planes, at)[:, 0], expected)

    @settings(max_examples=20, deadline=None)
    @given(height=st.integers(2, 9), width=st.integers(2, 9), channels=st.integers(1, 33), count=st.integers(0, 40))
    def test_the_planes_sum_of_gradients_is_that_of_the_output(self, height, width, channels, count):
        planes, at = inputs(height, width, channels, count)
        planes.requires_grad_()
        triplane(planes, 1.4 * at - 0.2).sum().backward()
        assert planes.grad is not None  # the weights of a point add up to one in each plane
        assert torch.allclose(planes.grad.sum(), torch.tensor(3.0 * count * channels, dtype=torch.float64))

    @pytest.mark.parametrize("channels", [3, 8, 16, 32])
    def test_matches_reference(self, path, dtype, channels):
        planes, at = inputs(channels=channels)
        planes, at = planes.to(dtype), (1.2 * at - 0.1).to(dtype)
        truth = torch.from_numpy(reference.features(*(t.double().numpy().astype(np.float64) for t in (planes, at))))
        rtol, atol = TOLERANCES[dtype].values()
        torch.testing.assert_close(triplane(planes, at).double(), truth, rtol=rtol, atol=atol)

    def test_gradcheck(self, path):
        planes, at = inputs(3, 4, 2, 5)
        assert torch.autograd.gradcheck(triplane, (planes.requires_grad_(), at.requires_grad_()))

    @pytest.mark.parametrize("channels", [5, 16])
    def test_both_paths_agree(self, both, channels):
        planes, at = inputs(6, 9, channels, 2100)

        def run():
            p, x = planes.clone().requires_grad_(), (1.2 * at - 0.1).requires_grad_()
            out = triplane(p, x)
            return out.detach(), *torch.autograd.grad(out.square().sum(), (p, x))

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, atol=1e-11)

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        planes, at = inputs(3, 4, 2, 4)
        arguments = planes.float().requires_grad_(), at.float().requires_grad_()
        torch.library.opcheck(module._triplane.overload, arguments)

    def test_non_contiguous_and_none(self, path):
        planes, at = inputs()
        turned = planes.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
        assert torch.equal(triplane(turned, at), triplane(planes, at))
        assert torch.equal(triplane(planes, at.T.contiguous().T), triplane(planes, at))
        planes.requires_grad_()
        none = triplane(planes, at[:0])
        assert none.shape == (0, 3)
        none.sum().backward()
        assert planes.grad is not None and not planes.grad.any()

    def test_not_a_number_is_the_first_node(self, path):
        planes, at = inputs()
        assert torch.equal(triplane(planes, at * float("nan")), triplane(planes, at * 0))

    def test_gradients_have_the_same_bits_with_any_number_of_threads(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "auto")
        planes, at = inputs(7, 5, 16, 3000)
        before, found = torch.get_num_threads(), []
        try:
            for threads in (1, 2, 3, 2):
                torch.set_num_threads(threads)
                p, x = planes.float().requires_grad_(), at.float().requires_grad_()
                found.append(torch.autograd.grad(triplane(p, x).square().sum(), (p, x)))
        finally:
            torch.set_num_threads(before)
        assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))

    def test_bad_shape_names_the_argument(self):
        planes, at = inputs()
        with pytest.raises(ShapeError, match="points_unit"):
            triplane(planes, at[0])
        for bad in (planes[:2], planes[:, :1], planes[0]):
            with pytest.raises(ShapeError, match="planes"):
                triplane(bad, at)


def test_the_encoding_is_torchs_sampling_of_its_planes(path, generator):
    made = TriplaneEncoding(GridConfig(kind="triplane", levels=3, finest_cells=20), generator=generator)
    points = (torch.rand(300, 3, generator=generator) - 0.5).requires_grad_()  # some outside the box
    u = unit_box(points) * 2 - 1
    pairs = torch.stack([u[:, [0, 1]], u[:, [1, 2]], u[:, [2, 0]]])[:, :, None]
    theirs = torch.nn.functional.grid_sample(made.planes, pairs, align_corners=True).sum(0).squeeze(-1).T
    ours, weight = made(points), torch.rand(300, 6, generator=generator)
    assert torch.allclose(ours, theirs, atol=1e-9)
    for a, b in zip(*(torch.autograd.grad((t * weight).sum(), (made.planes, points)) for t in (ours, theirs)),
                    strict=True):  # fmt: skip
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6 * float(b.abs().max()))

import pytest
import torch

from head3d.errors import ShapeError
from head3d.kernels import grid_sample
from head3d.kernels.grid_sample import grid_sample3


def inputs(nodes: int = 5, channels: int = 3, count: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    grid = torch.randn(nodes, nodes + 2, nodes + 1, channels, dtype=torch.float64, generator=generator)
    return grid, torch.rand(count, 3, dtype=torch.float64, generator=generator)


class TestGridSample3:
    def test_nodes_keep_their_values_and_a_linear_function_is_exact(self, path):
        axis = torch.linspace(0, 1, 4, dtype=torch.float64)
        x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
        grid = (x - 2 * y + 4 * z)[..., None]
        at = torch.cat([inputs()[1], torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 1]], dtype=torch.float64)])
        assert torch.allclose(grid_sample3(grid, at)[:, 0], at @ torch.tensor([1.0, -2, 4], dtype=torch.float64))

    def test_matches_reference(self, path):
        grid, at = inputs()
        at = 1.2 * at - 0.1
        # torch's own sampler, whose grid is z y x and whose box is [-1, 1]
        volume = grid.permute(3, 2, 1, 0)[None]
        where = (2 * at - 1).view(1, 1, 1, -1, 3)
        truth = torch.nn.functional.grid_sample(volume, where, align_corners=True, padding_mode="border")
        assert torch.allclose(grid_sample3(grid, at), truth[0, :, 0, 0].T)

    def test_gradcheck(self, path):
        grid, at = inputs(3, 2, 5)
        assert torch.autograd.gradcheck(grid_sample3, (grid.requires_grad_(), at.requires_grad_()))

    def test_both_paths_agree(self, both):
        grid, at = inputs(6, 4, 200)

        def run():
            g, p = grid.clone().requires_grad_(), (1.2 * at - 0.1).requires_grad_()
            out = grid_sample3(g, p)
            return out.detach(), *torch.autograd.grad(out.square().sum(), (g, p))

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, atol=1e-12)

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        grid, at = inputs(3, 2, 4)
        arguments = grid.float().requires_grad_(), at.float().requires_grad_()
        torch.library.opcheck(grid_sample._grid_sample3.overload, arguments)

    def test_non_contiguous_and_none(self, path):
        grid, at = inputs()
        turned = grid.permute(2, 1, 0, 3)
        assert torch.allclose(grid_sample3(turned, at), grid_sample3(grid, at.flip(1)))
        assert grid_sample3(grid, at[:0]).shape == (0, 3)

    def test_bad_shape_names_the_argument(self):
        grid, at = inputs()
        with pytest.raises(ShapeError, match="points_unit"):
            grid_sample3(grid, at[0])
        with pytest.raises(ShapeError, match="grid"):
            grid_sample3(grid[:1], at)

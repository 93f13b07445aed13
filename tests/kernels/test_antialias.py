import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.kernels import antialias as module
from head3d.kernels.antialias import antialias, twin_corners
from head3d.kernels.raster import RasterOutput, rasterize
from tests.reference.antialias import antialias as reference
from tests.reference.shapes import sphere


def ball(radius_px: torch.Tensor | float, *, size: int = 32, steps: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """A ball before the camera, orthographic, a bit off the middle; float64."""
    vertices, faces = sphere(1.0, steps=steps)
    x, y, z = vertices.double().unbind(1)
    return torch.stack([radius_px * x + size / 2 + 0.21, radius_px * y + size / 2 - 0.13, 3 - z], 1), faces


def scene(
    size: int = 32, *, channels: int = 3, seed: int = 0, steps: int = 8
) -> tuple[torch.Tensor, RasterOutput, torch.Tensor, torch.Tensor]:
    """A ball before another that is larger and farther, and random colours."""
    front, faces = ball(size / 4, size=size, steps=steps)
    back, _ = ball(size / 3, size=size, steps=steps)
    vertices = torch.cat([front, back + torch.tensor([size / 6, 1.3, 3.0])])
    faces = torch.cat([faces, faces + len(front)])
    seen = rasterize(vertices, faces, size=(size, size))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, size, channels, dtype=torch.float64, generator=generator), seen, vertices, faces


class TestAntialias:
    def test_an_upright_edge_gives_the_pixel_it_cuts_what_it_covers(self, path):
        # a square over x < 2.8: pixel 2 (centre 2.5) is its last, 0.3 past the centre is 0.2 less than whole
        square = torch.tensor([[-9.0, -9, 1], [2.8, -9, 1], [2.8, 9, 1], [-9, 9, 1]])
        faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
        seen = rasterize(square, faces, size=(3, 6))
        mask = (seen.triangle >= 0).float()[..., None]
        soft = antialias(mask, seen, vertices_px_depth=square, faces=faces)
        assert torch.allclose(soft[..., 0], torch.tensor([1.0, 1, 0.8, 0, 0, 0]).expand(3, 6), atol=1e-6)
        square[1:3, 0] = 3.3
        soft = antialias(mask, seen, vertices_px_depth=square, faces=faces)
        assert torch.allclose(soft[..., 0], torch.tensor([1.0, 1, 1, 0.3, 0, 0]).expand(3, 6), atol=1e-6)

    def test_area_of_a_ball_grows_by_its_circumference(self, path):
        size, radius = 96, torch.tensor(31.7, dtype=torch.float64, requires_grad=True)
        vertices, faces = ball(radius, size=size, steps=24)
        seen = rasterize(vertices, faces, size=(size, size))
        mask = (seen.triangle >= 0).double()[..., None]
        area = antialias(mask, seen, vertices_px_depth=vertices, faces=faces).sum()
        (slope,) = torch.autograd.grad(area, radius)
        assert float(area.detach()) == pytest.approx(math.pi * 31.7**2, rel=0.01)
        assert float(slope) == pytest.approx(2 * math.pi * 31.7, rel=0.03)

    def test_inside_a_surface_nothing_changes(self, path):
        vertices, faces = ball(12.0)
        seen = rasterize(vertices, faces, size=(32, 32))
        image = torch.randn(32, 32, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        soft = antialias(image, seen, vertices_px_depth=vertices, faces=faces)
        covered = (seen.triangle >= 0).double()[None, None]
        # pixels whose four neighbours are covered too
        inner = -torch.nn.functional.max_pool2d(-torch.nn.functional.pad(covered, (1, 1, 1, 1)), 3, 1)[0, 0] > 0
        assert (soft[inner] == image[inner]).all() and (soft != image).any()

    def test_matches_reference(self, path, dtype, tolerance):
        image, seen, vertices, faces = scene()
        soft = antialias(image.to(dtype), seen, vertices_px_depth=vertices, faces=faces)
        truth = reference(image.numpy(), seen.triangle.numpy(), seen.depth.numpy(), vertices.numpy(), faces.numpy())
        assert torch.allclose(soft.double(), torch.from_numpy(truth), **tolerance)

    def test_gradcheck(self, path):
        image, seen, vertices, faces = scene(10, channels=1, steps=3)

        def run(pixels, places):
            return antialias(pixels, seen, vertices_px_depth=places, faces=faces)

        assert torch.autograd.gradcheck(run, (image.requires_grad_(), vertices.requires_grad_()), eps=1e-7, atol=1e-5)

    @given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_both_paths_agree_for_any_size(self, both, height, width, seed):
        generator = torch.Generator().manual_seed(seed)
        scale = torch.tensor([width, height, 1])
        vertices = torch.rand(12, 3, generator=generator, dtype=torch.float64) * scale + torch.tensor([0, 0, 1])
        faces = torch.stack([torch.randperm(12, generator=generator)[:3] for _ in range(8)])
        image = torch.randn(height, width, 2, generator=generator, dtype=torch.float64)

        def run():
            seen = rasterize(vertices, faces, size=(height, width))
            inputs = image.clone().requires_grad_(), vertices.clone().requires_grad_()
            soft = antialias(inputs[0], seen, vertices_px_depth=inputs[1], faces=faces)
            return soft.detach(), *torch.autograd.grad(soft.square().sum(), inputs)

        for compiled, plain in zip(*both(run), strict=True):
            assert torch.allclose(compiled, plain, atol=1e-9)

    def test_non_contiguous_input_and_repetition_give_the_same_bits(self, path):
        image, seen, vertices, faces = scene(24)

        def run(pixels, places):
            pixels, places = pixels.detach().requires_grad_(), places.detach().requires_grad_()
            soft = antialias(pixels, seen, vertices_px_depth=places, faces=faces)
            return soft.detach(), *torch.autograd.grad(soft.square().sum(), (pixels, places))

        plain = run(image, vertices)
        turned = run(image.transpose(0, 1).contiguous().transpose(0, 1), vertices.T.contiguous().T)
        for other in (run(image, vertices), turned):
            assert all((a == b).all() for a, b in zip(plain, other, strict=True))

    def test_opcheck(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        image, seen, vertices, faces = scene(12)
        inputs = image.requires_grad_(), seen.triangle, seen.depth, vertices.requires_grad_(), faces
        torch.library.opcheck(module._antialias.overload, (*inputs, twin_corners(faces)))

    def test_no_pixels_and_no_faces(self, path):
        vertices, faces = ball(5.0)
        for size, corners in (((0, 4), faces), ((3, 4), faces[:0])):
            seen = rasterize(vertices, corners, size=size)
            image = torch.ones(*size, 2)
            assert (antialias(image, seen, vertices_px_depth=vertices, faces=corners) == image).all()

    def test_bad_shape_names_the_argument(self):
        image, seen, vertices, faces = scene(12)
        with pytest.raises(ShapeError, match="image"):
            antialias(image[:, :5], seen, vertices_px_depth=vertices, faces=faces)
        with pytest.raises(ShapeError, match="vertices_px_depth"):
            antialias(image, seen, vertices_px_depth=vertices[:, :2], faces=faces)
        with pytest.raises(ShapeError, match="twins"):
            antialias(image, seen, vertices_px_depth=vertices, faces=faces, twins=faces[:3])


def test_across_the_edges_of_a_square():
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    assert twin_corners(faces).tolist() == [[-1, 5, -1], [-1, -1, 1]]

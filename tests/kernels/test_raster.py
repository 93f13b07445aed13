import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.kernels.raster import interpolate, rasterize
from tests.reference.shapes import sphere
from tests.reference.triangles import ray_triangle

FOCAL, SIZE = 30.0, (24, 32)


def project(vertices: torch.Tensor) -> torch.Tensor:
    x, y, z = vertices.double().unbind(1)
    return torch.stack([FOCAL * x / z + SIZE[1] / 2, FOCAL * y / z + SIZE[0] / 2, z], 1)


class TestRasterize:
    def test_one_triangle_covers_the_pixels_whose_centre_it_holds(self, path):
        vertices = torch.tensor([[0.0, 0, 2], [4, 0, 2], [0, 4, 2]])
        seen = rasterize(vertices, torch.tensor([[0, 1, 2]]), size=(4, 4))
        expected = torch.tensor([[0, 0, 0, 0], [0, 0, 0, -1], [0, 0, -1, -1], [0, -1, -1, -1]])
        assert (seen.triangle == expected).all()
        assert seen.depth[0, 0] == 2 and seen.depth[3, 3] == 0
        assert torch.allclose(seen.barycentrics[0, 1], torch.tensor([0.5, 0.375, 0.125]))

    def test_agrees_with_casting_a_ray_through_every_pixel(self, path):
        vertices, faces = sphere(0.9, steps=6)
        vertices = vertices + torch.tensor([0.2, -0.1, 3.0])
        seen = rasterize(project(vertices), faces, size=SIZE)
        corners = vertices[faces].double().numpy()
        hits = 0
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                ray = np.array([(column + 0.5 - SIZE[1] / 2) / FOCAL, (row + 0.5 - SIZE[0] / 2) / FOCAL, 1.0])
                found = [(hit, i) for i, t in enumerate(corners) if (hit := ray_triangle(ray, *t)) is not None]
                if not found:
                    assert seen.triangle[row, column] == -1
                    continue
                (depth, weights), triangle = min(found, key=lambda item: item[0][0])
                hits += 1
                assert seen.triangle[row, column] == triangle
                assert float(seen.depth[row, column]) == pytest.approx(depth, rel=1e-6)
                assert seen.barycentrics[row, column].numpy() == pytest.approx(weights, abs=1e-5)
        assert hits > 100

    def test_both_paths_draw_the_same_picture(self, both):
        vertices, faces = sphere(1.0, steps=24)
        compiled, plain = both(lambda: rasterize(project(vertices + torch.tensor([0, 0, 2.5])), faces, size=SIZE))
        assert (compiled.triangle == plain.triangle).all()
        assert (compiled.depth == plain.depth).all()
        assert torch.allclose(compiled.barycentrics, plain.barycentrics, atol=1e-6)

    def test_a_shared_edge_leaves_no_crack_and_goes_to_the_first(self, path):
        square = torch.tensor([[0.0, 0, 1], [8, 0, 1], [8, 8, 1], [0, 8, 1]])
        seen = rasterize(square, torch.tensor([[0, 1, 2], [0, 2, 3]]), size=(8, 8))
        assert (seen.triangle >= 0).all()
        assert (seen.triangle.diagonal() == 0).all()

    def test_interpolating_positions_gives_the_point_seen(self, path):
        vertices, faces = sphere(0.9, steps=12)
        vertices = (vertices + torch.tensor([0, 0, 3.0])).double().requires_grad_()
        seen = rasterize(project(vertices), faces, size=SIZE)
        image = interpolate(vertices, faces, seen)
        mask = seen.triangle >= 0
        assert torch.allclose(image[mask][:, 2].float(), seen.depth[mask], atol=1e-5)
        image.sum().backward()
        assert vertices.grad is not None and float(vertices.grad.sum()) == pytest.approx(3 * int(mask.sum()), rel=1e-5)

    @pytest.mark.parametrize("z", [0.0, -1.0, float("nan")])
    def test_triangles_behind_the_camera_or_of_nan_draw_nothing(self, path, z):
        vertices = torch.tensor([[0.0, 0, z], [4, 0, 2], [0, 4, 2]])
        assert (rasterize(vertices, torch.tensor([[0, 1, 2]]), size=(4, 4)).triangle == -1).all()

    @given(height=st.integers(1, 70), width=st.integers(1, 45), seed=st.integers(0, 99))
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_size_and_triangles_of_any_place_agree_with_the_plain_path(self, both, height, width, seed):
        generator = torch.Generator().manual_seed(seed)
        vertices = torch.rand(60, 3, generator=generator, dtype=torch.float64)
        vertices = vertices * torch.tensor([2.0 * width, 2.0 * height, 1]) - torch.tensor([width / 2, height / 2, -1])
        faces = torch.stack([torch.randperm(60, generator=generator)[:3] for _ in range(25)])
        compiled, plain = both(lambda: rasterize(vertices, faces, size=(height, width)))
        assert (compiled.triangle == plain.triangle).all()
        assert torch.allclose(compiled.depth, plain.depth, rtol=1e-6)
        assert torch.allclose(compiled.barycentrics, plain.barycentrics, atol=1e-6)

    def test_the_number_of_threads_changes_nothing(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "auto")
        vertices, faces = sphere(1.0, steps=20)
        twice = torch.cat([faces, faces.flip(1)])  # every triangle has a twin at the same depth
        before, pictures = torch.get_num_threads(), []
        try:
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                pictures.append(rasterize(project(vertices + torch.tensor([0, 0, 2.5])), twice, size=(130, 70)))
        finally:
            torch.set_num_threads(before)
        for other in pictures[1:]:
            assert (other.triangle == pictures[0].triangle).all() and (other.depth == pictures[0].depth).all()
            assert (other.barycentrics == pictures[0].barycentrics).all()
        assert int(pictures[0].triangle.max()) < len(faces)

    def test_no_faces_and_no_pixels(self, path):
        nothing = torch.zeros(0, 3, dtype=torch.int64)
        assert (rasterize(torch.zeros(3, 3), nothing, size=(2, 3)).triangle == -1).all()
        assert rasterize(torch.ones(3, 3), torch.tensor([[0, 1, 2]]), size=(0, 3)).depth.shape == (0, 3)

    def test_bad_shape_names_the_argument(self):
        with pytest.raises(ShapeError, match="vertices_px_depth"):
            rasterize(torch.zeros(3, 2), torch.tensor([[0, 1, 2]]), size=(2, 2))
        with pytest.raises(ShapeError, match="faces"):
            rasterize(torch.zeros(3, 3), torch.zeros(1, 3), size=(2, 2))

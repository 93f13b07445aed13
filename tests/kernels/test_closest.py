from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.kernels.closest import closest_point, face_tree, triangle_distance2
from head3d.kernels.signed_distance import closed_mesh, signed_distance_grid
from tests.reference.shapes import sphere
from tests.reference.triangles import closest_on_triangle


def nodes(resolution: int, half_size: float) -> torch.Tensor:
    axis = torch.linspace(-half_size, half_size, resolution, dtype=torch.float64)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


class TestClosestPoint:
    def test_matches_reference(self, path):
        generator = torch.Generator().manual_seed(3)
        vertices, faces = (
            torch.rand(40, 3, generator=generator),
            torch.stack([torch.randperm(40, generator=generator)[:3] for _ in range(50)]),
        )
        points = 2 * torch.rand(200, 3, generator=generator) - 0.5
        found = closest_point(points, vertices, faces)
        corners = vertices[faces].double().numpy()
        for i, p in enumerate(points.double().numpy()):
            truth = min(np.linalg.norm(p - closest_on_triangle(p, *t)) for t in corners)
            assert float(found.distance[i]) == pytest.approx(truth, abs=2e-6)
        named = (found.barycentrics[..., None] * vertices[faces[found.triangle]]).sum(1)
        assert torch.allclose((points - named).norm(dim=1), found.distance, atol=2e-6)

    def test_a_face_without_area_is_its_edge_or_its_point(self, path):
        corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [5, 5, 5]])
        for face, expected in (([0, 1, 0], 2.0), ([0, 0, 0], 2.0616), ([0, 1, 1], 2.0)):
            found = closest_point(torch.tensor([[0.5, 0.0, 2.0]]), corners, torch.tensor([face]))
            assert float(found.distance) == pytest.approx(expected, abs=1e-4)
            assert float(found.barycentrics.sum()) == pytest.approx(1)

    def test_gradient_over_a_face_an_edge_and_a_corner(self, path):
        corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.float64, requires_grad=True)
        points = torch.tensor([[0.25, 0.25, 0.5], [0.5, -0.5, 0.25], [-0.5, -1, 1]], dtype=torch.float64)
        inputs = (points.requires_grad_(), corners)
        face = torch.tensor([[0, 1, 2]])
        # float32 search moves the closest point by 1e-7: 1e-4 for a step of 1e-3
        assert torch.autograd.gradcheck(lambda p, v: closest_point(p, v, face).distance, inputs, eps=1e-3, atol=2e-4)

    @given(count=st.integers(1, 300), sheets=st.integers(1, 3), seed=st.integers(0, 99))
    @settings(max_examples=20, deadline=None)
    def test_no_triangle_is_nearer_for_any_number_of_them(self, count, sheets, seed):
        generator = torch.Generator().manual_seed(seed)
        vertices = torch.rand(30, 3, generator=generator)
        vertices[:, 2] = (sheets * vertices[:, 2]).floor()  # triangles in a plane, and across
        faces = torch.randint(30, (count, 3), generator=generator)  # some without area
        points = 4 * torch.rand(37, 3, generator=generator) - 1
        found = closest_point(points, vertices, faces)
        every, _ = triangle_distance2(points[:, None], vertices[faces][None])
        assert torch.allclose(found.distance, every.amin(1).sqrt(), atol=3e-6)

    def test_threads_and_repetition_change_no_bit(self):
        vertices, faces = sphere(1.0, steps=20)
        points = torch.randn(10_000, 3, generator=torch.Generator().manual_seed(1))
        before, found = torch.get_num_threads(), []
        try:
            for threads in (1, 2, 2):
                torch.set_num_threads(threads)
                found.append(closest_point(points, vertices, faces))
        finally:
            torch.set_num_threads(before)
        for other in found[1:]:
            assert all((a == b).all() for a, b in zip(found[0], other, strict=True))

    def test_the_tree_for_cuda_holds_every_face_once_inside_its_boxes(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        vertices, faces = sphere(1.0, steps=7)
        order, boxes, depth = face_tree(vertices, faces)
        assert order.sort().values.tolist() == list(range(len(faces)))
        for level in range(depth + 1):
            for part in range(1 << level):
                inside = order[len(faces) * part >> level : len(faces) * (part + 1) >> level].long()
                corners = vertices[faces[inside]].view(-1, 3)
                assert torch.equal(boxes[(1 << level) + part], torch.cat([corners.amin(0), corners.amax(0)]))
        assert len(faces) / 2**depth <= 8

    def test_non_contiguous_points_and_none_at_all(self, path):
        vertices, faces = sphere(1.0, steps=6)
        points = torch.randn(3, 50, generator=torch.Generator().manual_seed(0)).T
        same = closest_point(points.contiguous(), vertices, faces)
        assert (closest_point(points, vertices, faces).distance == same.distance).all()
        assert closest_point(points[:0], vertices, faces).triangle.shape == (0,)

    def test_bad_input_names_the_argument(self):
        vertices, faces = sphere(1.0, steps=4)
        with pytest.raises(ShapeError, match="points"):
            closest_point(torch.zeros(4), vertices, faces)
        with pytest.raises(ShapeError, match="at least one triangle"):
            closest_point(torch.zeros(4, 3), vertices, faces[:0])


def cube(count: int, half_size: float, *, y: float = 0.0) -> dict[str, Any]:
    """Nodes of a cube about (0, y, 0)."""
    low = (-half_size, y - half_size, -half_size)
    return {"nodes": (count, count, count), "low": low, "cell": 2 * half_size / (count - 1)}


class TestSignedDistanceGrid:
    def test_a_box_is_a_part_of_the_cube(self, path):
        vertices, faces = sphere(0.1, steps=16)
        whole = signed_distance_grid(vertices, faces, **cube(33, 0.128))
        part = signed_distance_grid(vertices, faces, nodes=(21, 33, 7), low=(-0.04, -0.128, 0.08), cell=0.008)
        near = part.abs() < 0.016
        assert near.any() and torch.allclose(part[near], whole[11:32, :, 26:][near], atol=1e-6)

    def test_of_a_ball_is_radius_minus_distance(self, path):
        vertices, faces = sphere(0.1, steps=24)
        grid = signed_distance_grid(vertices, faces, **cube(28, 0.16))
        truth = nodes(28, 0.16).norm(dim=-1) - 0.1
        near = truth.abs() < 0.02
        assert (grid - truth)[near].abs().max() < 1e-3  # the polyhedron is 0.9 mm inside the ball at most
        assert (grid - truth).abs().max() < 0.016  # first order far from the shell: under 10 %

    def test_an_inner_surface_has_no_say(self, path):
        outer, faces = sphere(0.1, steps=24)
        inner, inner_faces = sphere(0.085, steps=24)
        plain = signed_distance_grid(outer, faces, **cube(48, 0.13))
        both = signed_distance_grid(
            torch.cat([outer, inner]), torch.cat([faces, inner_faces + len(outer)]), **cube(48, 0.13)
        )
        near = plain.abs() < 2 * 0.26 / 47
        assert torch.allclose(both[near], plain[near], atol=1e-6)
        assert (torch.sign(both) == torch.sign(plain)).all()

    def test_a_small_hole_a_seam_and_an_open_neck_do_not_turn_it_inside_out(self, path):
        vertices, faces = sphere(0.1, steps=24)
        middle = vertices[faces].mean(1)
        open_ = faces[(middle[:, 1] > -0.07) & ((middle - torch.tensor([0, 0, 0.1])).norm(dim=1) > 0.012)]
        doubled, apart = vertices[open_].reshape(-1, 3), torch.arange(open_.numel()).view(-1, 3)
        grid = signed_distance_grid(doubled, apart, **cube(24, 0.13))
        at = nodes(24, 0.13)
        truth = at.norm(dim=-1) - 0.1
        kept = at[..., 1] > -0.05
        clear = truth.abs() > 0.004
        assert (torch.sign(grid) == torch.sign(truth))[kept & clear].all()
        assert (grid[at[..., 1] < -0.085] > 0).all()

    @pytest.mark.parametrize(("width", "sealed"), [(0.01, True), (0.06, False)])
    def test_a_cavity_is_sealed_if_its_opening_is_narrow(self, path, width, sealed):
        outer, faces = sphere(0.1, steps=16)
        inner, inner_faces = sphere(0.06, steps=16)
        # both balls lose their pole caps, the rims are joined by a tunnel
        mesh, rims = [], []
        for ball, corners in ((outer, faces), (inner, inner_faces)):
            ring = ball[:32].clone()
            radius = float(ball[0].norm())
            height = (radius**2 - (width / 2) ** 2) ** 0.5
            scale = width / 2 / float(ring[0, [0, 2]].norm())
            ring = torch.stack([ring[:, 0] * scale, torch.full((32,), height), ring[:, 2] * scale], 1)
            mesh.append((torch.cat([ring, ball[32:]]), corners[(corners != 480).all(1)]))
            rims.append(ring)
        start = len(outer)
        vertices = torch.cat([mesh[0][0], mesh[1][0]])
        n = torch.arange(32)
        tunnel = (
            torch.stack([n, (n + 1) % 32, n + start], 1),
            torch.stack([(n + 1) % 32, (n + 1) % 32 + start, n + start], 1),
        )
        corners = torch.cat([mesh[0][1], mesh[1][1] + start, *tunnel])
        grid = signed_distance_grid(vertices, corners, **cube(34, 0.12), opening=0.02)
        assert bool(grid[17, 17, 17] < 0) == sealed

    def test_both_paths_agree_near_the_shell(self, both):
        vertices, faces = sphere(0.1, steps=16)
        vertices = vertices * torch.tensor([1.0, 1.3, 0.8])
        compiled, plain = both(lambda: signed_distance_grid(vertices, faces, **cube(30, 0.15)))
        near = plain.abs() < 2 * 0.3 / 29
        assert torch.allclose(compiled[near], plain[near], atol=1e-6)
        assert (torch.sign(compiled) == torch.sign(plain)).all()

    def test_a_mesh_that_leaves_the_box_keeps_its_inside(self, path):
        vertices, faces = sphere(0.2, steps=16)
        grid = signed_distance_grid(vertices, faces, **cube(12, 0.05, y=-0.17))
        assert (grid[:, -1] < 0).all() and (grid[6, 0, 6] > 0).all()

    def test_closing_leaves_no_border(self):
        vertices, faces = sphere(1.0, steps=8)
        kept = faces[vertices[faces].mean(1)[:, 1] > -0.5]
        _, closed = closed_mesh(vertices.numpy(), kept.numpy())
        edges = np.sort(np.concatenate([closed[:, [0, 1]], closed[:, [1, 2]], closed[:, [2, 0]]]), 1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()

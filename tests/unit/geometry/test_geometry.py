"""Cameras, rotations, meshes and spherical harmonics against facts one can check by hand."""

import math
from pathlib import Path

import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from head3d.errors import ShapeError
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, pixel_grid, pixel_rays, project
from head3d.geometry.conventions import flip_camera_axes
from head3d.geometry.mesh import Mesh, vertex_normals, write_ply
from head3d.geometry.rotations import angle_between, matrix_from_axis_angle, matrix_from_yaw_pitch
from head3d.geometry.sh import ambient, irradiance_basis, project_directional, rotate_sh, sh_basis, shade_lambert

ANGLE = st.floats(-3.0, 3.0)


def fibonacci_sphere(count: int) -> torch.Tensor:
    i = torch.arange(count, dtype=torch.float64) + 0.5
    z = 1 - 2 * i / count
    azimuth = math.pi * (1 + 5**0.5) * i
    return torch.stack([(1 - z * z).sqrt() * azimuth.cos(), (1 - z * z).sqrt() * azimuth.sin(), z], dim=-1)


class TestCameras:
    def test_yaw_turns_the_face_to_the_subjects_left_which_is_right_in_the_picture(self) -> None:
        camera = look_at_head(yaw_deg=30, pitch_deg=0, distance_m=1.0)
        nose, _ = project(torch.tensor([[0.0, 0.0, 0.1]]), camera, intrinsics(500, (512, 512)))
        assert nose[0, 0] > 256 + 20

    def test_pitch_lifts_the_nose(self) -> None:
        camera = look_at_head(yaw_deg=0, pitch_deg=20, distance_m=1.0)
        nose, _ = project(torch.tensor([[0.0, 0.0, 0.1]]), camera, intrinsics(500, (512, 512)))
        assert nose[0, 1] < 256 - 10

    @given(yaw=st.floats(-179, 179), pitch=st.floats(-80, 80))
    @settings(max_examples=30, deadline=None)
    def test_yaw_and_pitch_read_back(self, yaw: float, pitch: float) -> None:
        c2w = look_at_head(yaw_deg=yaw, pitch_deg=pitch, distance_m=0.7)
        found = torch.rad2deg(Cameras(c2w[None], intrinsics(500, (64, 64))[None], (64, 64)).yaw_pitch[0])
        assert found.tolist() == pytest.approx([yaw, pitch], abs=0.02)

    def test_a_point_on_a_pixels_ray_projects_to_that_pixel(self) -> None:
        c2w, K = look_at_head(yaw_deg=-50, pitch_deg=10, distance_m=0.9), intrinsics(300, (24, 32))
        pixels = pixel_grid(24, 32)
        origins, directions = pixel_rays(pixels, c2w, K)
        back, depth = project(origins + 0.8 * directions, c2w, K)
        assert torch.allclose(back, pixels, atol=1e-3)
        assert (depth > 0).all()

    def test_resizing_scales_pixels(self) -> None:
        c2w = look_at_head(yaw_deg=10, pitch_deg=5, distance_m=0.9)
        cameras = Cameras(c2w[None], intrinsics(300, (100, 200))[None], (100, 200))
        point = torch.tensor([[0.03, 0.02, 0.05]])
        small, _ = project(point, c2w, cameras.resized((50, 100)).K[0])
        full, _ = project(point, c2w, cameras.K[0])
        assert torch.allclose(small * 2, full, atol=1e-4)

    def test_wrong_shape_names_the_field(self) -> None:
        with pytest.raises(ShapeError, match=r"Cameras\.c2w"):
            Cameras(torch.eye(4), torch.eye(3)[None], (8, 8))

    def test_opengl_flip_is_its_own_inverse(self) -> None:
        pose = look_at_head(yaw_deg=33, pitch_deg=-8, distance_m=1.1)
        assert torch.equal(flip_camera_axes(flip_camera_axes(pose)), pose)


class TestRotations:
    def test_quarter_turn_about_z_takes_x_to_y(self) -> None:
        turn = matrix_from_axis_angle(torch.tensor([0.0, 0.0, math.pi / 2]))
        assert torch.allclose(turn @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)

    @given(x=ANGLE, y=ANGLE, z=ANGLE)
    @settings(max_examples=30, deadline=None)
    def test_result_is_a_rotation(self, x: float, y: float, z: float) -> None:
        turn = matrix_from_axis_angle(torch.tensor([x, y, z], dtype=torch.float64))
        assert torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-9)
        assert float(torch.det(turn)) == pytest.approx(1)

    def test_gradcheck_also_at_zero(self) -> None:
        for start in (torch.zeros(3), torch.tensor([0.3, -0.2, 0.9])):
            assert torch.autograd.gradcheck(matrix_from_axis_angle, start.double().requires_grad_())

    @given(angle=st.floats(0, 3.1))
    @settings(max_examples=30, deadline=None)
    def test_angle_between_reads_the_angle(self, angle: float) -> None:
        turn = matrix_from_axis_angle(torch.tensor([0.0, angle, 0.0], dtype=torch.float64))
        assert float(angle_between(turn, torch.eye(3, dtype=torch.float64))) == pytest.approx(angle, abs=1e-6)

    def test_roll_is_clockwise_for_the_camera(self) -> None:
        top = matrix_from_yaw_pitch(0, 0, math.radians(10)) @ torch.tensor([0.0, 1.0, 0.0])
        assert top[0] > 0  # +X of the head frame is the picture's right


class TestSphericalHarmonics:
    def test_basis_is_orthonormal(self) -> None:
        basis = sh_basis(fibonacci_sphere(20_000))
        gram = basis.T @ basis * (4 * math.pi / 20_000)
        assert torch.allclose(gram, torch.eye(9, dtype=torch.float64), atol=1e-3)

    def test_white_sky_returns_albedo(self) -> None:
        albedo = torch.rand(5, 3)
        normal = torch.nn.functional.normalize(torch.randn(5, 3), dim=-1)
        assert torch.allclose(shade_lambert(albedo, normal, ambient(torch.ones(3))), albedo, atol=1e-6)

    def test_irradiance_equals_the_integral_over_the_hemisphere(self) -> None:
        sh = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)).double()
        directions = fibonacci_sphere(40_000)
        radiance = sh_basis(directions) @ sh
        normal = torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.8]]).double(), dim=-1)
        cosine = (directions @ normal[0]).clamp(min=0)
        integral = (radiance * cosine[:, None]).mean(0) * 4 * math.pi / math.pi
        assert torch.allclose((irradiance_basis(normal) @ sh)[0], integral, atol=2e-3)

    def test_lamp_is_brightest_where_it_shines(self) -> None:
        lamp = torch.nn.functional.normalize(torch.tensor([1.0, 0.5, 0.7]), dim=0)
        normals = torch.stack([lamp, -lamp])
        lit = irradiance_basis(normals) @ project_directional(lamp, torch.ones(3))
        # cosine lobe cut after order 2 (Ramamoorthi & Hanrahan 2001): 1/4 + 1/2 + 5/16 of the true peak, over pi
        assert float(lit[0, 0]) == pytest.approx((0.25 + 0.5 + 0.3125) / math.pi, rel=1e-5)
        assert lit[1, 0] < 0.1 * lit[0, 0]

    @given(x=ANGLE, y=ANGLE, z=ANGLE)
    @settings(max_examples=10, deadline=None)
    def test_turning_light_and_normal_together_changes_nothing(self, x: float, y: float, z: float) -> None:
        turn = matrix_from_axis_angle(torch.tensor([x, y, z]))
        sh = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
        normal = torch.nn.functional.normalize(torch.randn(7, 3, generator=torch.Generator().manual_seed(2)), dim=-1)
        before = irradiance_basis(normal) @ sh
        after = irradiance_basis(normal @ turn.T) @ rotate_sh(sh, turn)
        assert torch.allclose(before, after, atol=1e-4)


class TestMesh:
    def test_sphere_normals_point_outward(self) -> None:
        ball = trimesh.creation.icosphere(3)
        vertices = torch.tensor(ball.vertices, dtype=torch.float32)
        normals = vertex_normals(vertices, torch.tensor(ball.faces))
        assert ((normals * vertices).sum(-1) > 0.999).all()

    def test_ply_reads_back(self, tmp_path: Path) -> None:
        mesh = Mesh(torch.rand(4, 3), torch.tensor([[0, 1, 2], [0, 2, 3]]))
        write_ply(tmp_path / "m.ply", mesh, colors=torch.rand(4, 3))
        again = trimesh.load_mesh(tmp_path / "m.ply", process=False)
        assert isinstance(again, trimesh.Trimesh)
        assert torch.allclose(torch.tensor(again.vertices).float(), mesh.vertices, atol=1e-6)
        assert again.faces.tolist() == mesh.faces.tolist()

    def test_ply_carries_normals_and_texture_coordinates(self, tmp_path: Path) -> None:
        uv = torch.rand(3, 2)
        mesh = Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 2]]), uv)
        normals = torch.nn.functional.normalize(torch.randn(3, 3), dim=-1)
        write_ply(tmp_path / "m.ply", mesh, colors=torch.rand(3, 3), normals=normals, uv=True)
        again = trimesh.load_mesh(tmp_path / "m.ply", process=False)
        table = again.metadata["_ply_raw"]["vertex"]["data"]
        for names, wanted in ((["nx", "ny", "nz"], normals), (["u", "v"], uv)):
            read = torch.stack([torch.tensor(table[name].copy()).reshape(-1) for name in names], dim=-1)
            assert torch.equal(read, wanted)

"""Cameras and meshes for PyTorch3D: by its formulas as its documentation writes them, and by itself where it is."""

import math
import sys
import types

import pytest
import torch

from head3d.export.pytorch3d import (
    camera_numbers,
    cameras_from_numbers,
    drawn_by_pytorch3d,
    from_cameras,
    from_meshes,
    to_cameras,
    to_meshes,
)
from head3d.geometry.cameras import Cameras, look_at_head, project
from head3d.geometry.mesh import Mesh
from head3d.kernels.raster import rasterize


def cameras(size: tuple[int, int] = (40, 56)) -> Cameras:
    """Two cameras with different lenses and principal points off the middle."""
    places = ((10.0, 5.0, 0.9), (-60.0, -10.0, 0.8))
    c2w = torch.stack([look_at_head(yaw_deg=yaw, pitch_deg=pitch, distance_m=far) for yaw, pitch, far in places])
    K = torch.tensor([[[90.0, 0, 30.0], [0, 95.0, 17.0], [0, 0, 1]], [[60.0, 0, 25.0], [0, 60.0, 22.0], [0, 0, 1]]])
    return Cameras(c2w, K, size)


def ball(segments: int = 8) -> Mesh:
    """A sphere of 10 cm radius as rings of triangles."""
    rings = torch.linspace(0, math.pi, segments + 1)
    turns = torch.arange(segments) * (2 * math.pi / segments)
    ring, turn = torch.meshgrid(rings, turns, indexing="ij")
    points = torch.stack([ring.sin() * turn.cos(), ring.cos(), ring.sin() * turn.sin()], dim=-1) * 0.1
    at = torch.arange(segments * segments)
    a, b = at, at // segments * segments + (at + 1) % segments
    faces = torch.cat([torch.stack([a, b, a + segments], 1), torch.stack([b, b + segments, a + segments], 1)])
    return Mesh(points.reshape(-1, 3), faces)


@pytest.fixture
def pytorch3d() -> types.ModuleType:
    """PyTorch3D. Its Python parts are enough: where its compiled part cannot be loaded, an empty one stands in."""
    if "pytorch3d._C" not in sys.modules:
        pytest.importorskip("pytorch3d", reason="PyTorch3D is not installed")
        try:
            import pytorch3d._C  # pyright: ignore[reportMissingImports]  # noqa: F401
        except ImportError:
            empty = types.ModuleType("pytorch3d._C")
            empty.MAX_UINT = empty.MAX_INT = empty.MAX_FLOAT = empty.EPS = 0  # type: ignore[attr-defined]
            sys.modules["pytorch3d._C"] = empty
    return pytest.importorskip("pytorch3d.renderer")


def test_the_camera_looks_along_z_with_x_left_and_y_up():
    given = camera_numbers(cameras())
    for index in range(2):
        one = cameras()[index]
        right, down, forward = one.c2w[0, :3, :3].T
        centre = one.centre[0]
        for direction, axis in ((-right, 0), (-down, 1), (forward, 2)):
            seen = (centre + direction) @ given.R[index] + given.T[index]
            torch.testing.assert_close(seen, torch.eye(3)[axis], atol=1e-6, rtol=0)


def test_the_formula_of_its_documentation_gives_our_pixels():
    """x_ndc = f X / Z + p; pixels from the left: W / 2 - min(H, W) / 2 x_ndc, from the top likewise."""
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    for index in range(2):
        one, given = cameras()[index], camera_numbers(cameras())
        local = points @ given.R[index] + given.T[index]
        ndc = given.focal_length[index] * local[:, :2] / local[:, 2:] + given.principal_point[index]
        told = torch.tensor([28.0, 20.0]) - 20.0 * ndc
        expected, depth = project(points, one.c2w[0], one.K[0])
        torch.testing.assert_close(told, expected, atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(local[:, 2], depth, atol=1e-5, rtol=0)


def test_there_and_back():
    made = cameras_from_numbers(camera_numbers(cameras()))
    torch.testing.assert_close(made.c2w, cameras().c2w, atol=1e-6, rtol=0)
    torch.testing.assert_close(made.K, cameras().K, atol=1e-4, rtol=0)
    assert made.size == cameras().size


def test_its_cameras_see_our_pixels(pytorch3d: types.ModuleType):
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.1
    theirs = to_cameras(cameras())
    for index in range(2):
        seen = theirs[index].transform_points_screen(points[None])[0]
        expected, _ = project(points, cameras().c2w[index], cameras().K[index])
        torch.testing.assert_close(seen[:, :2], expected, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(from_cameras(theirs).c2w, cameras().c2w, atol=1e-6, rtol=0)


def test_its_own_conversion_from_opencv_says_the_same(pytorch3d: types.ModuleType):
    from pytorch3d.renderer.camera_conversions import (  # pyright: ignore[reportMissingImports]
        _cameras_from_opencv_projection,
    )

    w2c = torch.linalg.inv(cameras().c2w)
    size = torch.tensor([cameras().size]).expand(2, 2)
    theirs = _cameras_from_opencv_projection(w2c[:, :3, :3], w2c[:, :3, 3], cameras().K, size)
    ours = camera_numbers(cameras())
    for name in ("R", "T", "focal_length", "principal_point"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-5, rtol=1e-5)


def test_meshes_there_and_back(pytorch3d: types.ModuleType):
    mesh = ball()
    theirs = to_meshes(mesh, colors=torch.rand(len(mesh.vertices), 3))
    back = from_meshes(theirs)
    assert torch.equal(back.vertices, mesh.vertices) and torch.equal(back.faces, mesh.faces)


def test_its_rasteriser_draws_what_ours_draws(pytorch3d: types.ModuleType):
    mesh, one = ball(6), cameras((20, 28))[0]
    one = Cameras(one.c2w, one.K * torch.tensor([0.5, 0.5, 1.0])[:, None], (20, 28))
    theirs = drawn_by_pytorch3d(mesh, one, compiled=False)
    px, depth = project(mesh.vertices, one.c2w[0], one.K[0])
    ours = rasterize(torch.cat([px, depth[:, None]], dim=-1), mesh.faces, size=one.size)
    both = (theirs.triangle >= 0) & (ours.triangle >= 0)
    assert both.sum() > 60 and ((theirs.triangle >= 0) == (ours.triangle >= 0)).all()
    assert (theirs.triangle == ours.triangle).float().mean() > 0.98  # pixels whose centre lies on an edge
    torch.testing.assert_close(theirs.depth[both], ours.depth[both], atol=1e-5, rtol=1e-4)
    same = both & (theirs.triangle == ours.triangle)
    torch.testing.assert_close(theirs.barycentrics[same], ours.barycentrics[same], atol=1e-3, rtol=0)

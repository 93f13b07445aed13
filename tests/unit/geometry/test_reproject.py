import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, pixel_grid, pixel_rays
from head3d.geometry.reproject import backproject, reproject

RADIUS_M = 0.1


def camera(yaw_deg: float, size: int = 96) -> Cameras:
    pose = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=1.0)
    return Cameras(pose[None], intrinsics(size * 3.6, (size, size))[None], (size, size))


def ball(seen_by: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """z-depth of a ball about the origin, and a smooth pattern painted on it."""
    height, width = seen_by.size
    origins, directions = pixel_rays(pixel_grid(height, width), seen_by.c2w[0], seen_by.K[0])
    b = (origins * directions).sum(1)
    root = b * b - (origins * origins).sum(1) + RADIUS_M**2
    t = -b - root.clamp_min(0).sqrt()
    points = origins + t[:, None] * directions
    depth = torch.where(root > 0, t * (directions @ seen_by.c2w[0, :3, 2]), torch.zeros_like(t))
    paint = 0.5 + 0.5 * torch.sin(points * 30)
    return depth.reshape(height, width), (paint * (root > 0)[:, None]).reshape(height, width, 3)


def test_points_of_the_ball_lie_on_the_ball():
    depth, _ = ball(camera(20.0))
    points = backproject(depth, camera(20.0))[depth > 0]
    assert torch.allclose(points.norm(dim=-1), torch.full((len(points),), RADIUS_M), atol=1e-5)


def test_a_view_seen_from_itself_is_itself():
    depth, paint = ball(camera(0.0))
    moved = reproject(paint, depth, camera(0.0), target_depth_m=depth, target_camera=camera(0.0))
    assert moved.visible.sum() > 0.9 * (depth > 0).sum()
    assert torch.allclose(moved.values[moved.visible], paint[moved.visible], atol=1e-4)


def test_paint_on_the_ball_is_the_same_from_both_sides():
    (depth_a, paint_a), (depth_b, paint_b) = ball(camera(-20.0)), ball(camera(20.0))
    moved = reproject(paint_a, depth_a, camera(-20.0), target_depth_m=depth_b, target_camera=camera(20.0))
    assert moved.visible.sum() > 0.4 * (depth_b > 0).sum()
    assert (moved.values - paint_b)[moved.visible].abs().mean() < 0.01


def test_the_far_side_is_not_visible():
    (depth_a, paint_a), (depth_b, _) = ball(camera(0.0)), ball(camera(180.0))
    moved = reproject(paint_a, depth_a, camera(0.0), target_depth_m=depth_b, target_camera=camera(180.0))
    assert moved.visible.float().mean() < 0.01

import math
from dataclasses import replace

import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head, pixel_grid, pixel_rays
from head3d.geometry.lamps import distant_lamps
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.color import linear_from_srgb
from head3d.quality.consistency import SeenView, cross_view_consistency, eroded, rendered_consistency
from head3d.render.types import RenderOutput, View

pytestmark = pytest.mark.weights


def seen(yaw_deg: float, *, drift: float = 0.0, size: int = 96) -> SeenView:
    pose = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=1.0)
    camera = Cameras(pose[None], intrinsics(size * 3.6, (size, size))[None], (size, size))
    origins, directions = pixel_rays(pixel_grid(size, size), camera.c2w[0], camera.K[0])
    b = (origins * directions).sum(1)
    root = b * b - (origins * origins).sum(1) + 0.1**2
    t = -b - root.clamp_min(0).sqrt()
    depth = torch.where(root > 0, t * (directions @ camera.c2w[0, :3, 2]), torch.zeros_like(t)).reshape(size, size)
    paint = (0.5 + 0.4 * torch.sin((origins + t[:, None] * directions) * 30) + drift).clamp(0, 1)
    return SeenView(f"{yaw_deg:.0f}", paint.reshape(size, size, 3), depth, (depth > 0).float(), camera)


def test_one_painted_ball_agrees_with_itself():
    got = cross_view_consistency([seen(-20.0), seen(0.0), seen(20.0)])
    assert got.psnr_db > 30 and len(got.pairs) == 6


def test_a_view_of_another_colour_is_found_out():
    honest = cross_view_consistency([seen(-10.0), seen(10.0)])
    drifted = cross_view_consistency([seen(-10.0), seen(10.0, drift=0.1)])
    assert drifted.psnr_db < 21 < honest.psnr_db and drifted.lpips_alex > honest.lpips_alex


def test_views_that_share_nothing_give_no_number():
    assert math.isnan(cross_view_consistency([seen(0.0), seen(180.0)]).psnr_db)


def test_erosion_takes_the_border_only():
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[2:7, 2:7] = True
    assert eroded(mask, 1).sum() == 9


def rendered(yaw_deg: float, light: float) -> tuple[RenderOutput, View]:
    ball = seen(yaw_deg, size=192)
    albedo = linear_from_srgb(ball.rgb_srgb)
    normal = torch.zeros(192, 192, 3)
    view = View(ball.name, ball.camera, Lighting(ambient(torch.full((3,), light))), "studio")
    return RenderOutput(albedo * light, albedo, normal, ball.alpha, ball.depth_m), view


def test_lamps_that_throw_shadows_count_as_light():
    outputs, views = zip(*[rendered(-15.0, 0.5), rendered(15.0, 0.5)], strict=True)
    dimmed = replace(outputs[1], rgb_linear=0.3 * outputs[1].rgb_linear)
    lamps = distant_lamps(torch.tensor([[0.0, 0.0, 1.0]]), torch.ones(1, 3), sine=torch.tensor([0.1]))
    other = replace(views[1], lighting=replace(views[1].lighting, lamps=lamps))
    assert rendered_consistency([outputs[0], dimmed], views, height_px=96).psnr_db < 20
    assert rendered_consistency([outputs[0], dimmed], [views[0], other], height_px=96).psnr_db > 30


def test_lamps_that_move_with_the_camera_are_no_disagreement_and_thinning_keeps_pixels_in_place():
    outputs, views = zip(*[rendered(-15.0, 0.5), rendered(15.0, 1.0)], strict=True)
    assert rendered_consistency(outputs, views, height_px=96).psnr_db > 30

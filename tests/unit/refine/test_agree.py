"""A flat wall seen by two cameras: what one adds to it and the other does not."""

from dataclasses import replace

import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.reproject import reproject
from head3d.geometry.sh import Lighting
from head3d.refine.agree import shared_detail
from head3d.render.types import RenderOutput, View

SIZE = 64
YAWS = (0.0, 40.0)


def wall(yaw_deg: float) -> tuple[RenderOutput, View]:
    """The plane z = 0, grey, facing +z."""
    pose = look_at_head(yaw_deg=yaw_deg, pitch_deg=0.0, distance_m=1.5, target_m=torch.zeros(3))
    K = intrinsics(1.5 * SIZE / 0.3, (SIZE, SIZE))
    camera = Cameras(pose[None], K[None], (SIZE, SIZE))
    rows, columns = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    ray = torch.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], torch.ones(SIZE, SIZE)], dim=-1)
    ray = ray @ pose[:3, :3].T
    depth = -pose[2, 3] / ray[..., 2]
    grey = torch.full((SIZE, SIZE, 3), 0.4)
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(SIZE, SIZE, 3).contiguous()
    view = View(f"{yaw_deg}", camera, Lighting(torch.ones(9, 3)))
    return RenderOutput(grey, grey, normal, torch.ones(SIZE, SIZE), depth), view


@pytest.fixture
def scene():
    raw, views = zip(*(wall(yaw) for yaw in YAWS), strict=True)
    waves = 0.1 * torch.sin(torch.arange(SIZE) / 3.0)[None, :, None].expand(SIZE, SIZE, 3)
    refined = [
        replace(raw[0], rgb_linear=raw[0].rgb_linear + waves),
        replace(raw[1], rgb_linear=raw[1].rgb_linear - waves),
    ]
    return raw, refined, views


def disagreement(pictures, views) -> float:
    moved = reproject(
        pictures[0].rgb_linear,
        pictures[0].depth_m,
        views[0].camera,
        target_depth_m=pictures[1].depth_m,
        target_camera=views[1].camera,
    )
    inner = moved.visible & (torch.arange(SIZE) > 8) & (torch.arange(SIZE) < SIZE - 8)
    return float((moved.values - pictures[1].rgb_linear)[inner].abs().mean())


class TestSharedDetail:
    def test_views_agree_where_each_had_its_own(self, scene):
        raw, refined, views = scene
        assert disagreement(shared_detail(raw, refined, views), views) < 0.2 * disagreement(refined, views)

    def test_the_view_that_faces_a_place_decides(self, scene):
        raw, refined, views = scene
        inner = slice(8, SIZE - 8)
        error = (shared_detail(raw, refined, views)[0].rgb_linear - refined[0].rgb_linear)[inner, inner].abs()
        assert float(error.mean()) < 0.3 * float((refined[0].rgb_linear - raw[0].rgb_linear).abs().mean())

    def test_one_view_alone_stays(self, scene):
        raw, refined, views = scene
        found = shared_detail(raw[:1], refined[:1], views[:1])[0]
        torch.testing.assert_close(found.rgb_linear, refined[0].rgb_linear, rtol=0, atol=1e-5)

    def test_without_detail_nothing_is_added(self, scene):
        raw, _, views = scene
        for before, after in zip(raw, shared_detail(raw, raw, views), strict=True):
            assert torch.equal(before.rgb_linear, after.rgb_linear)

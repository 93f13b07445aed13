"""The field on a ball whose truth is exact: start, training, relighting, cameras, resuming."""

import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from head3d.errors import TrainDiverged
from head3d.field.config import FieldConfig, GridConfig
from head3d.field.deform import Deformation
from head3d.field.radiance import RadianceField, field_from_state, field_state
from head3d.geometry.rotations import angle_between
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.volume import render_view
from head3d.train.cameras import moved_cameras, refined_cameras
from head3d.train.config import CropConfig, TrainConfig
from head3d.train.loop import optimise
from head3d.train.prepare import field_of_mesh
from head3d.train.preview import Previews
from head3d.train.rays import TrainPhoto, crop_photo
from tests.stages import ball

SMALL = FieldConfig(
    GridConfig(levels=4, finest_cells=100, table_log2=14), GridConfig(levels=5, finest_cells=200, table_log2=14)
)
CONFIG = TrainConfig(
    steps=120, rays=1024, field=SMALL, crop=CropConfig(hold_out=0.05, centre_y_m=0.0), refine_cameras=False
)
ANGLES = [(-50.0, 0.0), (-20.0, 15.0), (0.0, -10.0), (25.0, 10.0), (55.0, -5.0)]
NOTHING = Deformation([None] * len(ANGLES))
Start = tuple[list[TrainPhoto], RadianceField]


def photos(cameras, light) -> list[TrainPhoto]:
    seen = [ball.observation(str(i), ball.camera(*angle), light) for i, angle in enumerate(ANGLES)]
    return [
        crop_photo(one, camera, config=CONFIG.crop, body=True, chin_y_m=-0.1, seed=i)
        for i, (one, camera) in enumerate(zip(seen, cameras, strict=True))
    ]


def start(pictures: list[TrainPhoto], *, radius_m: float) -> RadianceField:
    mesh = ball.ball(radius_m)
    count = len(mesh.vertices)
    return field_of_mesh(
        mesh, pictures, NOTHING, regions=torch.zeros(count, dtype=torch.long), chin_y_m=0.0,
        field=SMALL, light_ridge=1e-3, prefer=0.0, seed=0, cells_m=(0.004, 0.008),
    ).field  # fmt: skip


@pytest.fixture(scope="module")
def exact() -> Start:
    """Photos of the ball, and a field that begins as the ball: tests that change it copy it."""
    pictures = photos([ball.camera(*angle) for angle in ANGLES], ball.lamp(0.5))
    return pictures, start(pictures, radius_m=ball.RADIUS_M)


def test_the_field_learns_shape_and_paint_of_a_ball_and_can_be_lit_anew():
    pictures = photos([ball.camera(*angle) for angle in ANGLES], ball.lamp(0.5))
    field = start(pictures, radius_m=ball.RADIUS_M - 0.002)
    optimise(field, pictures, NOTHING, config=CONFIG)
    view = ball.camera(10.0, 5.0)
    truth = ball.picture(view, ball.lamp(0.5))
    made = render_view(field, View("between", view, ball.lamp(0.5)), config=RenderConfig(mirror_unseen=False))
    # albedo and light share one factor that no photo tells: compare after taking it out
    factor = (truth.albedo[truth.inside] / made.albedo[truth.inside]).median(0).values
    assert ball.psnr(made.rgb_linear * factor, truth.rgb, truth.inside) > 25
    assert ((made.alpha > 0.5) == truth.inside).float().mean() > 0.985
    other = ball.picture(view, ball.lamp(-0.7))
    relit = render_view(field, View("relit", view, ball.lamp(-0.7)))
    assert ball.psnr(relit.rgb_linear * factor, other.rgb, truth.inside) > 25


def test_before_training_the_field_is_the_mesh_and_relighting_is_the_formula(exact: Start):
    _, field = exact
    made = render_view(field, View("front", ball.camera(0.0), ball.lamp(0.9)))
    truth = ball.picture(ball.camera(0.0), ball.lamp(0.9))
    solid = truth.inside & (made.alpha > 0.99)
    expected = truth.rgb / truth.albedo * made.albedo
    assert (made.rgb_linear - expected)[solid].abs().median() < 0.01
    middle = made.depth_m[48, 48]
    assert float(middle) == pytest.approx(0.6 - ball.RADIUS_M, abs=2e-3)


def test_cameras_one_degree_and_two_millimetres_off_come_closer():
    exact = torch.cat([ball.camera(*angle).c2w for angle in ANGLES])
    generator = torch.Generator().manual_seed(1)
    turn = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator), dim=-1) * math.radians(1.0)
    shift = torch.randn(5, 2, generator=generator) * 0.002
    wrong = moved_cameras(exact, turn - turn.mean(0), shift - shift.mean(0))
    cameras = tuple(replace(ball.camera(*angle), c2w=wrong[i : i + 1]) for i, angle in enumerate(ANGLES))
    pictures = photos(cameras, ball.lamp(0.5))
    field = start(pictures, radius_m=ball.RADIUS_M)
    optimise(
        field,
        pictures,
        NOTHING,
        config=replace(CONFIG, refine_cameras=True, steps=200, polish_steps=0, imagine_steps=0),
    )
    right = torch.cat([camera.c2w for camera in refined_cameras(cameras, field.turn, field.shift)])

    def slip(poses: torch.Tensor) -> float:
        """Mean distance (m) by which the nearest point of the ball is missed, turns of the whole set left out."""
        moved = poses[:, :3, :3] @ exact[:, :3, :3].transpose(1, 2)
        common = torch.linalg.svd(moved.mean(0))
        frame = common.U @ common.Vh
        return float(angle_between(moved, frame.expand_as(moved)).mean()) * ball.RADIUS_M

    # measured 0.73: a ball hides turns in its soft paint; a head does better (0.5)
    assert slip(right) < 0.8 * slip(wrong)


def test_a_resumed_training_ends_where_an_undisturbed_one_does(tmp_path: Path):
    pictures = photos([ball.camera(*angle) for angle in ANGLES], ball.lamp(0.5))
    config = replace(CONFIG, steps=12, checkpoint_every=6, refresh_every=5, evaluate_every=6)
    config = replace(config, mirror_steps=4, polish_steps=12, imagine_steps=12)
    whole = start(pictures, radius_m=0.088)
    broken, again = deepcopy(whole), deepcopy(whole)
    optimise(whole, pictures, NOTHING, config=config)
    optimise(broken, pictures, NOTHING, config=config, checkpoints=tmp_path)
    optimise(again, pictures, NOTHING, config=config, checkpoints=tmp_path)
    for name, value in field_state(whole).items():
        torch.testing.assert_close(field_state(again)[name], value, rtol=1e-4, atol=1e-6)


def test_whether_somebody_watches_changes_nothing(exact: Start):
    pictures, field = exact
    watched, alone, heard = deepcopy(field), deepcopy(field), []
    config = replace(CONFIG, steps=20, rays=256, mirror_steps=0, polish_steps=4, imagine_steps=0)
    config = replace(config, tidy=False, detail=False)
    ticks = iter(range(0, 100_000, 1000))  # a clock that runs ahead: a picture whenever one is offered
    previews = Previews(heard.append, clock=lambda: float(next(ticks)))
    previews.spent_s = -math.inf
    optimise(watched, pictures, NOTHING, config=config, previews=previews)
    optimise(alone, pictures, NOTHING, config=config)
    assert [one.step for one in heard] == [10, 20, 20]
    for name, value in field_state(alone).items():
        assert torch.equal(field_state(watched)[name], value), name


def test_a_field_survives_being_written(exact: Start):
    _, field = exact
    again = field_from_state(field_state(field))
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 0.2 - 0.1
    assert torch.equal(again.sdf(points), field.sdf(points))
    assert again.config == field.config


def test_training_that_diverges_says_so(exact: Start):
    pictures, field = exact[0], deepcopy(exact[1])
    field.paint.fill_(math.nan)
    with pytest.raises(TrainDiverged, match="step 0"):
        optimise(field, pictures, NOTHING, config=replace(CONFIG, steps=2))

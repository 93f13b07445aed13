"""What photos see of a ball, with a smaller one before it."""

import torch

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache
from head3d.field.volumes import Volume
from head3d.geometry.cameras import project
from head3d.train.config import CropConfig
from head3d.train.rays import crop_photo
from head3d.train.survey import EDGE_M, survey
from tests.stages import ball

GRID = GridConfig(levels=4, coarsest_cells=12, finest_cells=48, table_log2=12)
SMALL_AT, SMALL_M = [0.0, 0.07, 0.106], 0.014


def look(field, **how):
    view = ball.camera(0.0, size=160)
    photo = crop_photo(
        ball.observation("front", view, ball.lamp(0.5)), view, config=CropConfig(), body=True, chin_y_m=0.0, seed=0
    )
    return survey(field, [photo], Deformation([None]), **how)


def with_a_ball_before_it():
    """It floats a little inside the volume of the large one, more than 3 cm before its surface."""
    field = ball.untrained(FieldConfig(geometry=GRID, color=GRID, hidden=8), seen=lambda p: torch.ones(len(p)))
    nodes = Volume(field.shape, field.shape_origin, field.cells["shape"]).nodes()
    small = (nodes - torch.tensor(SMALL_AT)).norm(dim=-1) - SMALL_M
    with torch.no_grad():
        field.shape.copy_(torch.minimum(field.shape, small.reshape(field.shape.shape)))
    return field


def test_what_shows_right_beside_something_nearer_may_be_hidden_and_does_not_count():
    seen = look(with_a_ball_before_it()).points
    front = ball.camera(0.0)
    place, _ = project(seen, front.c2w[0], front.K[0])
    middle, _ = project(torch.tensor([SMALL_AT]), front.c2w[0], front.K[0])
    apart_m = (place - middle).norm(dim=-1) / float(front.K[0, 0, 0]) * 0.5
    small = (seen - torch.tensor(SMALL_AT)).norm(dim=-1) < SMALL_M + 0.003
    assert small.sum() > 20, "the small one is seen"
    assert (~small).sum() > 2000, "and most of the large one"
    assert not (~small & (apart_m < SMALL_M + 0.5 * EDGE_M)).any()


def test_it_looks_at_the_surface_of_the_cache_if_there_is_one():
    field = with_a_ball_before_it()
    cache = ShellCache(field)
    cache.values += 0.004  # both are smaller now
    radius = look(field, cache=cache).points.norm(dim=-1)
    assert abs(float(radius.quantile(0.2)) - (ball.RADIUS_M - 0.004)) < 0.001

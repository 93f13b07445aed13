"""All ways to make a picture of a field agree, and the bench says so."""

from head3d.bench_render import measure_frames, ways
from head3d.render.config import RenderConfig
from head3d.rendering import surface_cache
from tests.stages import ball
from tests.stages.test_field import ANGLES, photos, start


def test_kernels_and_plain_torch_make_the_same_picture_of_a_ball():
    field = start(photos([ball.camera(*angle) for angle in ANGLES], ball.lamp(0.5)), radius_m=ball.RADIUS_M)
    every, config = ways(), RenderConfig()
    cache = surface_cache(field)
    frames = measure_frames(field, cache, every, config=config, size_px=48, view="front", rounds=1, budget_s=0.1)
    assert [frame.way for frame in frames] == [way.name for way in every]
    assert max(frame.most_levels for frame in frames) <= 2

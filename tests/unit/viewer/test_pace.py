"""When a client that moves is shown the field, and how large."""

from head3d.viewer.pace import LEAST_MOVING_PX, Pace  # pyright: ignore[reportMissingImports]


def test_two_cores_never_show_the_field_while_it_moves():
    pace = Pace()
    for _ in range(5):
        pace.rested(192 * 192, 0.25)
        pace.rested(512 * 512, 1.3)
    assert pace.height_px == 0


def test_a_gpu_is_trusted_until_it_has_been_too_slow_twice():
    pace = Pace(gpu=True)
    assert pace.height_px == LEAST_MOVING_PX
    pace.rested(192 * 192, 2.0)  # the first still picture takes long: it says nothing of a moving one
    assert pace.height_px == LEAST_MOVING_PX
    pace.moved(256 * 256, 0.5)
    assert pace.height_px == LEAST_MOVING_PX
    pace.moved(256 * 256, 0.5)
    assert pace.height_px == 0


def test_the_picture_grows_until_it_takes_a_thirtieth_of_a_second():
    pace = Pace(gpu=True)
    for _ in range(30):  # 10 ms and 10 Mpixels a second
        height = pace.height_px
        pace.moved(height * height, 0.01 + height * height / 10e6)
    assert 448 <= pace.height_px <= 480  # 480 px take 33 ms


def test_still_pictures_that_are_fast_enough_bring_it_back():
    pace = Pace(gpu=True)
    for _ in range(3):
        pace.moved(256 * 256, 0.5)  # somebody else was at work
    pace.rested(512 * 512, 0.1)
    pace.rested(512 * 512, 0.1)
    assert pace.height_px == 288

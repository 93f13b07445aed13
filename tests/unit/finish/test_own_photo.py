import numpy as np
import pytest

from head3d.finish.apply import with_backdrop
from head3d.finish.config import FinishConfig
from head3d.finish.own_photo import Cutout, emptied, on_backdrop

HEIGHT, WIDTH = 240, 200


def somebody(place: np.ndarray) -> Cutout:
    """A red disc before a place."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    matte = np.clip(60.5 - np.hypot(x - 100, y - 130), 0, 1)
    rgb = place * (1 - matte[..., None]) + np.array([200.0, 30.0, 30.0]) * matte[..., None]
    return Cutout(rgb.round().astype(np.uint8), matte)


@pytest.fixture
def place() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([60 + 0.4 * x, 90 + 0.3 * y, 150 - 0.2 * x], axis=-1)


class TestEmptied:
    def test_a_smooth_place_comes_back(self, place):
        assert np.abs(emptied(somebody(place)).astype(float) - place).mean() < 4

    def test_nothing_of_the_person_is_left_and_the_rest_is_as_it_was(self, place):
        photo = somebody(place)
        found = emptied(photo)
        assert found[..., 0].max() < 170
        assert np.array_equal(found[:40], photo.rgb_srgb[:40])

    def test_the_same_every_time(self, place):
        assert np.array_equal(emptied(somebody(place)), emptied(somebody(place)))

    def test_a_person_who_fills_the_picture_leaves_grey(self, place):
        assert (emptied(Cutout(place.astype(np.uint8), np.ones((HEIGHT, WIDTH)))) == 128).all()


def test_the_old_place_is_not_in_the_rim(place):
    green = np.zeros((HEIGHT, WIDTH, 3)) + np.array([0.0, 255.0, 0.0])
    found = on_backdrop(somebody(green), with_backdrop(FinishConfig(), "#ffffff")).astype(int)
    # white and red have as much green as blue; what is nine tenths person keeps its own colour, 255 would be all green
    assert (found[..., 1] - found[..., 2]).max() <= 12
    assert (found[0, 0] == 255).all()

"""What pixels of a photo say."""

import numpy as np

from head3d.perception.types import Region
from head3d.train.rays import BORDER_M, STRANDS_M, weigh_pixels

MM = 0.001


def test_a_matte_that_is_too_wide_says_nothing():
    labels = np.full((40, 80), int(Region.SKIN), np.uint8)
    labels[:, 40:] = int(Region.BACKGROUND)
    matte = np.zeros((40, 80))
    matte[:, :46] = 1.0  # six pixels of wall taken for a person
    color, alpha, _ = weigh_pixels(labels, matte, pixel_m=0.5 * MM)
    border = round(BORDER_M / (0.5 * MM))
    assert (color[:, 40 - border :] == 0).all() and (color[:, : 39 - border] == 1).all()
    assert (alpha[:, 40:46] == 0).all(), "neither wall nor person"
    assert (alpha[:, 46:] == 1).all() and (alpha[:, :40] == 1).all()


def test_strands_keep_their_outline():
    labels = np.full((40, 80), int(Region.HAIR), np.uint8)
    labels[:, 40:] = int(Region.BACKGROUND)
    matte = np.zeros((40, 80))
    matte[:, :46] = 1.0
    color, alpha, _ = weigh_pixels(labels, matte, pixel_m=0.5 * MM)
    assert STRANDS_M > 6 * 0.5 * MM and (alpha == 1).all()
    assert (color[:, 40:] == 0).all()

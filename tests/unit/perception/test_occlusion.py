"""What covers a face is judged alike on every skin and in every light."""

import cv2
import numpy as np
import pytest

from head3d.perception.occlusion import _evenly_exposed


def lips_on_skin(skin, lips):
    """CIELAB of a square of lips (linear RGB) on skin, and where the skin is."""
    linear = np.broadcast_to(np.float32(skin), (40, 40, 3)).copy()
    linear[10:20, 10:30] = np.float32(lips)
    where = np.ones((40, 40), bool)
    where[8:22, 8:32] = False
    return cv2.cvtColor(linear, cv2.COLOR_LRGB2LAB), where


def contrast(lab):
    return float(np.linalg.norm(np.median(lab[12:18, 12:28], axis=(0, 1)) - np.median(lab[30:], axis=(0, 1))))


@pytest.mark.parametrize("light", [1.0, 0.3, 0.08])
def test_lips_stand_out_as_much_in_dim_light(light):
    skin, lips = np.array([0.45, 0.28, 0.2]), np.array([0.36, 0.17, 0.13])
    usual = contrast(_evenly_exposed(*lips_on_skin(skin, lips)))
    dim = contrast(_evenly_exposed(*lips_on_skin(skin * light, lips * light)))
    assert abs(dim / usual - 1) < 0.1 and usual > 6


def test_lips_of_the_darkest_skin_stand_out():
    lab, where = lips_on_skin([0.035, 0.022, 0.017], [0.029, 0.015, 0.012])
    assert contrast(lab) < 4  # as little as under a hand
    assert contrast(_evenly_exposed(lab, where)) > 6

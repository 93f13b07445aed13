"""Numbers of a picture: from its signs, from the photos, and with their interval over a set."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from head3d import weights
from head3d.imaging.perceptual import FILES
from head3d.quality.photo_match import SIDE_PX, SeenPhoto
from head3d.quality.picture_numbers import (
    PictureNumbers,
    face_exposure,
    mean_interval,
    nearest_lpips,
    nets_used,
    numbers_of,
    over_set,
    picture_numbers,
)
from head3d.quality.picture_signs import NEAR, SIGNS, face_window
from head3d.render.views import named_view


def window(level: int = 119, *, yaw_deg: float = 0.0, grain: float = 0.0) -> SeenPhoto:
    """A flat wall one and a half metres away, as a camera sees it."""
    camera = face_window(named_view("any", size=(256, 256), yaw_deg=yaw_deg))
    noise = np.random.default_rng(0).normal(0, grain, (SIDE_PX, SIDE_PX, 1))
    pixels = np.clip(level + noise, 0, 255).astype(np.uint8).repeat(3, 2)
    return SeenPhoto(pixels, torch.full((SIDE_PX, SIDE_PX), 1.4), camera)


def test_signs_become_numbers_and_what_was_not_measured_is_none():
    values = np.zeros(len(SIGNS), np.float32)
    for name, value in {"face_seen": 1, "points_rms": np.log(0.021), "detail": -1.5, NEAR + "mean": 0.9}.items():
        values[SIGNS.index(name)] = value
    found = picture_numbers(values, exposure=60.0, lpips_photo=None)
    assert found.landmarks == pytest.approx(0.02, abs=1e-4) and found.sharpness == -1.5
    assert found.exposure == 60.0 and found.consistency is None and found.lpips_photo is None
    values[SIGNS.index("face_seen")], values[SIGNS.index(NEAR + "matched")] = 0, 1
    found = picture_numbers(values, exposure=None, lpips_photo=0.2)
    assert found.landmarks is None and found.consistency == pytest.approx(0.9) and found.lpips_photo == 0.2


def test_exposure_is_the_lightness_of_the_face():
    assert face_exposure(window(119)) == pytest.approx(50.0, abs=0.3)  # sRGB 119 is the grey of L* 50
    assert face_exposure(replace(window(), depth_m=torch.zeros(SIDE_PX, SIDE_PX))) is None


@pytest.mark.skipif(weights.find(FILES["alex"]) is None, reason="needs the LPIPS weights: head3d weights --get")
def test_lpips_is_to_the_photo_from_the_nearest_side():
    same, noisy = window(grain=30.0), window()
    assert nearest_lpips(window(grain=30.0), [same]) == pytest.approx(0.0, abs=0.02)
    far = nearest_lpips(window(grain=30.0), [noisy])
    assert far is not None and far > 0.1
    assert nearest_lpips(window(), []) is None
    assert nearest_lpips(window(), [window(yaw_deg=120.0)]) is None


def test_the_interval_holds_the_mean_and_narrows_with_pictures():
    few, many = ([0.0, 1.0] * n for n in (4, 64))
    (low, high), (lower, upper) = mean_interval(few), mean_interval(many)
    assert low < lower < 0.5 < upper < high
    assert upper - lower == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(128), rel=0.1)  # of a share
    assert mean_interval([0.3]) == pytest.approx((0.3, 0.3)) and mean_interval(few) == mean_interval(few)


def test_a_set_is_told_by_what_is_known_of_it():
    rows = [numbers_of(PictureNumbers(exposure=60.0)), numbers_of(PictureNumbers(exposure=62.0)), numbers_of(None)]
    told = over_set(rows)
    assert list(told) == ["exposure"] and told["exposure"]["mean"] == 61.0 and told["exposure"]["of"] == 2


def test_nets_are_named_with_version_and_checksum():
    told = nets_used()
    assert {"face_landmark", "face_identity", FILES["alex"], "gate"} <= set(told)
    assert all("sha256 " in words and len(words.split("sha256 ")[1]) == 12 for words in told.values())

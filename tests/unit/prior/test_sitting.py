"""Photos of nobody are photos of somebody to the pipeline, and the same for a seed."""

import numpy as np
import pytest

from head3d.perception.detector import detect_faces
from head3d.perception.nets import load_face_nets
from head3d.prior.people import Casting
from head3d.prior.sitting import photos_of_nobody


def test_a_seed_is_a_person(casting: Casting):
    first, again, other = (dict(photos_of_nobody(casting, seed, count=2, size_px=128)) for seed in (7, 7, 8))
    assert list(first) == ["yaw+0", "yaw+38"]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert np.abs(first["yaw+0"].astype(int) - other["yaw+0"]).mean() > 5


@pytest.mark.weights
def test_every_photo_shows_one_face(casting: Casting):
    nets = load_face_nets()
    for name, pixels in photos_of_nobody(casting, 7, count=4, size_px=384):
        assert pixels.shape == (384, 384, 3)
        assert len(detect_faces(pixels, nets)) == 1, name

"""Crops, mattes and regions on pictures made by hand."""

from typing import cast

import cv2
import numpy as np
import pytest

from head3d.perception.colour_model import features, learn_colours
from head3d.perception.contours import hairline
from head3d.perception.landmarks import FacePoints
from head3d.perception.linear3 import PAIRS, solve_symmetric
from head3d.perception.matte import guided_slopes, person_matte, refine
from head3d.perception.nets import Crop, FaceNets, apply_affine
from head3d.perception.topology import CHIN, GLABELLA
from head3d.perception.types import Region


class TestCrop:
    @pytest.mark.parametrize("crop", [Crop((50.0, 40.0), 30.0), Crop((50.0, 40.0), 30.0, 0.5, True)])
    def test_pixels_lie_where_the_map_says(self, crop):
        picture = np.zeros((100, 100, 3), np.uint8)
        picture[..., 0], picture[..., 1] = np.arange(100)[None], np.arange(100)[:, None]
        pixels = crop.cut(picture, 30).astype(float)
        place = apply_affine(crop.to_picture(30), np.array([[10.5, 20.5]]))[0] - 0.5
        assert pixels[20, 10, :2] == pytest.approx(place, abs=0.6)

    def test_shrinking_averages_instead_of_skipping(self):
        stripes = np.zeros((400, 400, 3), np.uint8)
        stripes[:, ::2] = 255
        pixels = Crop((200.0, 200.0), 360.0).cut(stripes, 30)
        assert np.abs(pixels.astype(float) - 127.5).max() < 12

    def test_flipping_mirrors(self):
        picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        plain, mirrored = (Crop((32.0, 32.0), 32.0, 0.0, flip).cut(picture, 32) for flip in (False, True))
        assert (plain[:, ::-1] == mirrored).all()


class TestMatte:
    def test_transparency_of_the_file_is_the_matte(self):
        alpha = np.array([[0, 128], [255, 64]], np.uint8)
        matte = person_matte(np.zeros((2, 2, 3), np.uint8), cast(FaceNets, None), Crop((1.0, 1.0), 2.0), alpha=alpha)
        assert matte == pytest.approx(alpha / 255.0)

    def test_soft_edge_snaps_to_the_colours(self):
        rows, columns = np.mgrid[:128, :128]
        truth = (np.hypot(columns - 64, rows - 64) < 40).astype(np.float32)
        noise = np.random.default_rng(0).normal(0, 6, (128, 128, 1))
        picture = np.clip(np.where(truth[..., None] > 0, (60, 40, 30), (150, 160, 170)) + noise, 0, 255).astype(
            np.uint8
        )
        soft = cv2.GaussianBlur(np.roll(truth, 1, axis=1), (0, 0), 3)  # as off as a net at low resolution
        sharp = refine(picture, soft, np.ones((128, 128), bool))
        assert np.abs(sharp - truth).mean() < 0.25 * np.abs(soft - truth).mean()

    def test_guided_fit_is_exact_where_values_are_linear_in_colour(self):
        guide = np.random.default_rng(0).random((40, 40, 3), np.float32)
        values = guide @ np.array([0.2, -0.5, 0.3], np.float32) + 0.4
        slope, offset = guided_slopes(guide, values, radius=4, epsilon=1e-7)
        assert (slope * guide).sum(-1) + offset == pytest.approx(values, abs=1e-3)


def test_solves_symmetric_systems_like_numpy():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 4, 3, 3))
    full = root @ root.transpose(0, 1, 3, 2) + np.eye(3)
    right = rng.normal(size=(5, 4, 3))
    six = np.stack([full[..., row, column] for row, column in PAIRS], axis=-1)
    assert solve_symmetric(six, right) == pytest.approx(np.linalg.solve(full, right[..., None])[..., 0])


class TestRegions:
    def test_colour_model_prefers_what_it_learned(self):
        skin, hair = (np.full((20, 20, 3), colour, np.uint8) for colour in ((200, 150, 130), (40, 30, 25)))
        model = learn_colours(features(skin).reshape(-1, 4))
        assert model.log_likelihood(features(skin)).min() > model.log_likelihood(features(hair)).max() + 10

    def test_hairline_is_where_skin_meets_hair(self):
        labels = np.full((300, 300), Region.SKIN, np.uint8)
        labels[:80] = Region.HAIR
        points = np.zeros((468, 3))
        points[:, :2] = 150.0
        points[GLABELLA, :2], points[CHIN, :2] = (150.0, 140.0), (150.0, 240.0)
        points[454], points[234] = (200.0, 190.0, 30.0), (100.0, 190.0, 30.0)
        line = hairline(labels, FacePoints(points, np.ones(468), 1.0))
        assert len(line) > 10
        assert np.abs(line[:, 1] - 80.0).max() < 1.5
        assert (np.diff(line[:, 0]) > 0).all()

    def test_bald_head_has_no_hairline(self):
        labels = np.full((300, 300), Region.SKIN, np.uint8)
        labels[:40] = Region.BACKGROUND
        points = np.zeros((468, 3))
        points[GLABELLA, :2], points[CHIN, :2] = (150.0, 140.0), (150.0, 240.0)
        assert hairline(labels, FacePoints(points, np.ones(468), 1.0)).shape == (0, 2)

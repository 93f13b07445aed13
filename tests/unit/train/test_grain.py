"""Pieces of seen detail cover the unseen: evenly, as strong as they are, of like colour, and not twice the same."""

import numpy as np
import pytest
import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.imaging.quilt import Palette, lattice, lattice_place
from head3d.perception.types import Region
from head3d.render.types import RenderOutput
from head3d.train.grain import PIXEL_M, features, shown_kinds, swatch

SIZE, SPACING = 200, 16


def noise(*, strength: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, strength, (SIZE, SIZE, 3)).astype(np.float32)


def flat(lightness: float) -> np.ndarray:
    """Places of one colour."""
    look = np.full((SIZE, SIZE, 3), [lightness, 0.0, 0.0], np.float32)
    return features(look, np.zeros((SIZE, SIZE, 3), np.float32))


def palette(*pieces: tuple[float, np.ndarray]) -> Palette:
    """Of pictures and their lightness."""
    whole = np.zeros((SIZE, SIZE), bool)
    whole[SPACING:-SPACING, SPACING:-SPACING] = True
    pictures, places = [picture for _, picture in pieces], [flat(lightness) for lightness, _ in pieces]
    return Palette(pictures, places, [whole] * len(pieces), spacing_px=SPACING)


def covered(given: Palette, *, lightness: float, seed: int = 0, wanted: np.ndarray | None = None) -> np.ndarray:
    every = np.ones((SIZE, SIZE), bool)
    generator = torch.Generator().manual_seed(seed)
    return given.cover(flat(lightness), every if wanted is None else wanted, generator=generator)


def test_weights_are_those_of_the_corners_of_a_triangle():
    pixels = np.random.default_rng(0).uniform(0, 300, (500, 2))
    corners, weights = lattice(pixels, spacing_px=SPACING)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert (weights > -1e-6).all()
    place = lattice_place(corners.reshape(-1, 2), spacing_px=SPACING).reshape(-1, 3, 2)
    np.testing.assert_allclose((place * weights[..., None]).sum(1), pixels, atol=1e-3)


@pytest.mark.parametrize(("lightness", "strength"), [(20.0, 0.2), (70.0, 0.3)])
def test_grain_is_that_of_places_of_like_colour_and_nowhere_weaker(lightness: float, strength: float):
    given = palette((20.0, noise(strength=0.2, seed=0)), (70.0, noise(strength=0.3, seed=1)))
    found = covered(given, lightness=lightness)
    assert float(found.std()) == pytest.approx(strength, rel=0.05)
    parts = found.reshape(10, SIZE // 10, 10, SIZE // 10, 3).std((1, 3, 4))
    assert float(parts.min()) > 0.8 * strength, "where pieces meet it is as strong as in their middles"


def test_a_nostril_is_no_grain():
    odd = noise(strength=0.1, seed=0)
    odd[60:100, 60:100] *= 12
    found = covered(palette((50.0, odd)), lightness=50.0)
    assert float(found.std()) < 0.2, "a piece of it would be five times as strong"


def test_lashes_and_lips_are_no_kind_of_grain():
    labels = np.array([[Region.SKIN, Region.NECK, Region.HAIR, Region.CLOTH, Region.EYES, Region.LIPS]], np.uint8)
    np.testing.assert_array_equal(shown_kinds(labels)[0].argmax(-1)[:4], [0, 0, 1, 2])
    assert shown_kinds(labels)[0, 4:].max() == 0


def test_pieces_are_not_repeated_at_once_and_the_seed_decides():
    given = palette((50.0, noise(strength=0.2, seed=0)))
    first, again, other = (covered(given, lightness=50.0, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_nothing_is_covered_that_is_not_wanted():
    given = palette((50.0, noise(strength=0.2, seed=0)))
    wanted = np.zeros((SIZE, SIZE), bool)
    wanted[50:90, 40:120] = True
    found = covered(given, lightness=50.0, wanted=wanted)
    assert np.abs(found[~wanted]).max() == 0
    assert float(found[wanted].std()) == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("finer", [0.6, 1.7])
def test_photos_coarser_and_finer_than_pieces_give_swatches_of_one_size(finer: float):
    size = (round(150 * finer), round(150 * finer))
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)
    camera = Cameras(c2w[None], intrinsics(finer / PIXEL_M, size)[None], size)
    flat_wall = torch.zeros(*size, 3)
    flat_wall[..., 2] = 1.0
    seen = RenderOutput(0.5 + 0 * flat_wall, 0.5 + 0 * flat_wall, flat_wall, torch.ones(size), torch.ones(size))
    kinds = shown_kinds(np.full(size, int(Region.SKIN), np.uint8))
    found = swatch(seen, camera, np.zeros((*size, 3), np.float32), np.ones(size, np.float32), kinds)
    assert found is not None
    assert found.change.shape[:2] == found.whole.shape[:2] == found.places.shape[:2] == (150, 150)
    assert found.places.shape[2] == 6 and found.whole[75, 75, 0] and not found.whole[..., 1:].any()

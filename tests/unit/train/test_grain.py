"""Pieces of seen detail cover the unseen: evenly, as strong as they are, of like colour, and not twice the same."""

import numpy as np
import pytest
import torch

from head3d.perception.types import Region
from head3d.train.grain import SPACING_PX, Palette, Swatch, features, lattice, lattice_place, shown_kinds

SIZE = 200


def swatch(*, lightness: float, strength: float, seed: int, kind: int = 0) -> Swatch:
    """Noise of one colour on a flat place."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((SIZE, SIZE), bool)
    whole[SPACING_PX:-SPACING_PX, SPACING_PX:-SPACING_PX] = True
    look = np.full((SIZE, SIZE, 3), [lightness, 0.0, 0.0], np.float32)
    noise = rng.normal(0, strength, (SIZE, SIZE, 3)).astype(np.float32)
    return Swatch(noise, whole, look, np.zeros((SIZE, SIZE, 3), np.float32), np.full((SIZE, SIZE), kind))


def covered(
    palette: Palette, *, lightness: float, kind: int = 0, seed: int = 0, wanted: np.ndarray | None = None
) -> np.ndarray:
    look = np.full((SIZE, SIZE, 3), [lightness, 0.0, 0.0], np.float32)
    places = features(look, np.zeros((SIZE, SIZE, 3), np.float32), np.full((SIZE, SIZE), kind))
    every = np.ones((SIZE, SIZE), bool)
    return palette.cover(places, every if wanted is None else wanted, generator=torch.Generator().manual_seed(seed))


def test_weights_are_those_of_the_corners_of_a_triangle():
    pixels = np.random.default_rng(0).uniform(0, 300, (500, 2))
    corners, weights = lattice(pixels)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert (weights > -1e-6).all()
    place = (lattice_place(corners.reshape(-1, 2)).reshape(-1, 3, 2) * weights[..., None]).sum(1)
    np.testing.assert_allclose(place, pixels, atol=1e-3)


@pytest.mark.parametrize(("lightness", "strength"), [(20.0, 0.1), (70.0, 0.3)])
def test_grain_is_that_of_places_of_like_colour_and_nowhere_weaker(lightness: float, strength: float):
    palette = Palette([swatch(lightness=20.0, strength=0.1, seed=0), swatch(lightness=70.0, strength=0.3, seed=1)])
    found = covered(palette, lightness=lightness)
    assert float(found.std()) == pytest.approx(strength, rel=0.05)
    parts = found.reshape(10, SIZE // 10, 10, SIZE // 10, 3).std((1, 3, 4))
    assert float(parts.min()) > 0.8 * strength, "where pieces meet it is as strong as in their middles"


def test_skin_of_the_colour_of_hair_gets_no_strands():
    skin, hair = swatch(lightness=80.0, strength=0.05, seed=0), swatch(lightness=45.0, strength=0.5, seed=1, kind=1)
    for kind, strength in ((0, 0.05), (1, 0.5)):
        found = covered(Palette([skin, hair]), lightness=46.0, kind=kind)
        assert float(found.std()) == pytest.approx(strength, rel=0.05)


def test_a_nostril_is_no_grain():
    odd = swatch(lightness=50.0, strength=0.1, seed=0)
    odd.change[60:100, 60:100] *= 12
    found = covered(Palette([odd]), lightness=50.0)
    assert float(np.abs(found).max()) < 0.8, "five times the usual"


def test_lashes_and_lips_are_no_kind_of_grain():
    labels = np.array([[Region.SKIN, Region.NECK, Region.HAIR, Region.CLOTH, Region.EYES, Region.LIPS]], np.uint8)
    np.testing.assert_array_equal(shown_kinds(labels)[0].argmax(-1)[:4], [0, 0, 1, 2])
    assert shown_kinds(labels)[0, 4:].max() == 0


def test_pieces_are_not_repeated_at_once_and_the_seed_decides():
    palette = Palette([swatch(lightness=50.0, strength=0.2, seed=0)])
    first, again, other = (covered(palette, lightness=50.0, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_nothing_is_covered_that_is_not_wanted():
    palette = Palette([swatch(lightness=50.0, strength=0.2, seed=0)])
    wanted = np.zeros((SIZE, SIZE), bool)
    wanted[50:90, 40:120] = True
    found = covered(palette, lightness=50.0, wanted=wanted)
    assert np.abs(found[~wanted]).max() == 0
    assert float(found[wanted].std()) == pytest.approx(0.2, rel=0.1)

"""Packed shape modes: nothing lost but the rounding that was asked for."""

import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from head3d.errors import WeightsMissing
from head3d.morphable.packing import (
    SHARES,
    Neighbours,
    both_halves,
    dequantised,
    differences,
    from_differences,
    halves,
    neighbours_before,
    quantised,
    read_arrays,
    save_arrays,
)


def alone(*back: int) -> Neighbours:
    """One neighbour each."""
    places = np.array([back, [0] * len(back), [0] * len(back)]).T
    return Neighbours(places, np.zeros((len(back), 2), dtype=np.int8))


def test_a_vertex_is_stored_as_what_it_differs_from_its_neighbour():
    values = np.array([[[5, 0, -1], [7, 0, -1], [8, 0, 127]]], dtype=np.int8)
    stored = differences(values, alone(0, 1, 1))
    assert stored.tolist() == [[[5, 2, 1], [0, 0, 0], [-1, 0, -128]]]


def test_what_goes_on_as_it_began_is_stored_as_nothing():
    values = (np.arange(6)[None, :, None] * (8, -2, 0)).astype(np.int8)  # a straight line
    share = np.array([[0, 0], [0, 0], *[[-SHARES, 0]] * 4], dtype=np.int8)
    near = Neighbours(np.array([[0, 0, 0], [1, 0, 0], *[[1, 2, 0]] * 4]), share)
    stored = differences(values, near)
    assert stored[:, :, 1].tolist() == [[8, -2, 0]] and not stored[:, :, 2:].any()
    assert np.array_equal(from_differences(stored, near), values)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5))
def test_nothing_is_lost_whatever_the_numbers_and_the_order(seed, vertices, modes):
    random = np.random.default_rng(seed)
    values = random.integers(-128, 128, (modes, vertices, 3), dtype=np.int8)
    back = random.integers(1, np.maximum(np.arange(vertices), 1)[:, None] + 1, (vertices, 3))
    back[0] = 0
    near = Neighbours(back, random.integers(-SHARES, SHARES + 1, (vertices, 2), dtype=np.int8))
    assert np.array_equal(from_differences(differences(values, near), near), values)


def test_the_second_half_of_an_even_or_odd_mode_is_nothing():
    mirror = np.array([0, 3, 4, 1, 2])
    first = np.array([[0, 5, 6], [7, -8, 9], [-127, 2, 127]])
    even = np.concatenate([first, first[1:] * (-1, 1, 1)])
    odd = np.concatenate([[[4, 0, 0]], first[1:], first[1:] * (1, -1, -1)])
    values = np.array([even, odd]).astype(np.int8)
    of, near = halves(values, mirror), alone(0, 1, 1, 1, 1)
    assert of.back.tolist() == [0, 0, 0, 2, 2] and of.sign.tolist() == [[-1, 1, 1], [1, -1, -1]]
    stored = differences(values, near, of)
    assert not stored[:, :, 3:].any()
    assert np.array_equal(from_differences(stored, near, of), values)
    assert both_halves(even[:3], of).tolist() == even.tolist()


def test_neighbours_come_before_and_tell_where_a_vertex_goes():
    mean = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    modes = np.array([[[1.0, 0, 0], [9, 0, 0], [1, 0, 0], [9, 0, 0]]])
    near = neighbours_before(mean, modes)
    assert near.back[:, 0].tolist() == [0, 1, 2, 2] and not near.back[2:, 1].any()
    modes[0, 3, 0] = 5  # half way between the second and the others
    near = neighbours_before(mean, modes)
    assert near.share[3].tolist() == [SHARES // 2, 0] and near.back[3, 1] in (1, 2, 3)


@pytest.mark.parametrize("finest", [0.0, 25e-6])
def test_rounding_is_half_a_step_at_most(finest):
    modes = np.random.default_rng(0).normal(scale=[[[2e-3]], [[2e-4]]], size=(2, 50, 3))
    values, scale = quantised(modes, finest=finest)
    assert np.abs(dequantised(values, scale) - modes).max(axis=(1, 2)) == pytest.approx(scale / 2, rel=0.1)
    assert (scale >= np.float32(finest)).all()


def test_arrays_come_back_and_numpy_reads_them_too(tmp_path):
    path, arrays = tmp_path / "a.npz", {"one": np.arange(5, dtype=np.int16), "names": np.array(["x", "yy"])}
    save_arrays(path, **arrays)
    first = path.read_bytes()
    save_arrays(path, **arrays)
    assert path.read_bytes() == first
    assert all(np.array_equal(value, arrays[name]) for name, value in read_arrays(path).items())
    with np.load(path) as archive:
        assert archive.files == ["one", "names"]


def test_a_python_without_lzma_is_named(tmp_path, monkeypatch):
    save_arrays(tmp_path / "a.npz", one=np.zeros(1))
    monkeypatch.setattr(zipfile, "lzma", None)
    with pytest.raises(WeightsMissing, match=r"a\.npz.*lzma.*liblzma-dev"):
        read_arrays(tmp_path / "a.npz")

"""Values spread along a surface: exact where known, straight between, never across to another kind or a gap."""

import numpy as np

from head3d.train.fill import as_usual, spread

SHAPE = (4, 4, 30)


def along() -> np.ndarray:
    return np.broadcast_to(np.arange(30.0), SHAPE).ravel()


def test_between_two_known_ends_values_are_a_straight_line():
    x = along()
    known = ((x < 1) | (x > 28)).astype(float)
    start = np.where(known > 0, x, 0.0)[:, None]
    found = spread(start, known, band=np.ones(len(x), bool), kind=np.zeros(len(x), int), shape=SHAPE)
    assert np.abs(found[:, 0] - x).max() < 0.6
    assert np.abs(np.diff(found.reshape(SHAPE)[0, 0], n=2)[2:-2]).max() < 0.02


def test_another_kind_and_a_gap_let_nothing_through():
    x = along()
    known, start = (x < 1).astype(float), np.where(x < 1, 5.0, 1.0)[:, None]
    kind = (x >= 10).astype(int)
    every = np.ones(len(x), bool)
    found = spread(start, known, band=every, kind=kind, shape=SHAPE)[:, 0]
    assert found[x == 9].min() > 4.9 and np.allclose(found[x >= 10], 1.0)
    tied = spread(start, known, band=every, kind=kind, shape=SHAPE, across=0.3)[:, 0]
    assert tied[x == 20].min() > 4.5
    apart = spread(start, known, band=x != 15, kind=np.zeros(len(x), int), shape=SHAPE)[:, 0]
    assert apart[x == 14].min() > 4.9 and np.allclose(apart[x > 15], 1.0)
    assert np.allclose(apart[x == 15], 1.0)


def test_far_from_its_borders_hair_is_as_usual_and_skin_is_carried_on():
    x = along()
    known = (x < 12).astype(float)
    border = np.where(x < 10, 1.0, 5.0)  # the last that is known is half of the wall
    for which, end in ((0, 5.0), (1, 1.0)):
        values, word, kind = (border * known)[:, None].copy(), known.copy(), np.full(len(x), which)
        as_usual(values, word, kind=kind)
        found = spread(values, word, band=np.ones(len(x), bool), kind=kind, shape=SHAPE)[:, 0]
        assert abs(found[x == 29].mean() - end) < 0.25 and abs(found[x == 11].mean() - 5.0) < 0.9

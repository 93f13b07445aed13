"""Peak memory of a stage is its own, not that of an earlier one."""

import numpy as np
import pytest

from head3d import memory


def test_peak_rises_with_use_and_falls_after_a_reset():
    memory.reset_peak()  # what other tests used and gave back
    before = memory.peak_mb()
    block = np.ones(40_000_000, dtype=np.float64)
    assert memory.peak_mb() > before + 200
    del block
    if not memory.reset_peak():
        pytest.skip("this system does not reset the peak")
    assert memory.peak_mb() < before + 200

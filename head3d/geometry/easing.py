"""Values that rise smoothly from 0 to 1."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

T = TypeVar("T", Tensor, NDArray[np.float64], float)
Values = TypeVar("Values", Tensor, NDArray[np.float64])


def smoothstep(t: T) -> T:
    """0 to 1 for 0 to 1, level at both ends.

    >>> [smoothstep(t) for t in (0.0, 0.5, 1.0)]
    [0.0, 0.5, 1.0]
    """
    return t * t * (3 - 2 * t)


def smooth_rise(values: Values, start: float, stop: float) -> Values:
    """0 before ``start``, 1 after ``stop``, smooth between; from 1 down to 0 if ``stop`` is less."""
    return smoothstep(((values - start) / (stop - start)).clip(0, 1))

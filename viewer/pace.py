"""How large a picture of the field can be while the head moves, from what the last ones took."""

import statistics
from collections import deque

MOVING_S = 1 / 30
"""A moving picture is as large as can be made in this time."""
LEAST_MOVING_PX = 256
"""Smaller ones show less than the mesh in the browser does: where these take longer, that is shown."""
STEP_PX = 16
REMEMBERED = 3


class Pace:
    """Pixels per second of one client's moving pictures: the median of the last three, so that one hiccup is forgiven.

    A GPU is trusted until moving pictures themselves have shown that it is too slow. Elsewhere still pictures must have
    shown that it is fast enough.
    """

    def __init__(self, *, gpu: bool = False) -> None:
        first = LEAST_MOVING_PX**2 / MOVING_S if gpu else 0.0
        self._rates = deque([first] * REMEMBERED, maxlen=REMEMBERED)

    @property
    def height_px(self) -> int:
        """Of a moving picture; 0: none can be had in time."""
        height = int((statistics.median(self._rates) * MOVING_S) ** 0.5 + 1e-6) // STEP_PX * STEP_PX
        return height if height >= LEAST_MOVING_PX else 0

    def moved(self, pixels: int, seconds: float) -> None:
        """A moving picture was made."""
        self._rates.append(pixels / max(seconds, 1e-3))

    def rested(self, pixels: int, seconds: float) -> None:
        """A still one was made, which takes longer for each pixel: it tells only when the pace is better than known."""
        rate = pixels / max(seconds, 1e-3)
        if rate > statistics.median(self._rates):
            self._rates.append(rate)

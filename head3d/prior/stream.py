"""Training samples made while the network trains: other processes make them, a reservoir keeps the last so many.

Which samples a step may see depends on its number alone, never on how fast the makers are: runs repeat exactly.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

PARENT_DIES = 1
"""PR_SET_PDEATHSIG of Linux' prctl."""


class SampleStream(Generic[T]):
    """A reservoir of samples that is renewed step by step.

    Args:
        make: Called with a seed in another process; must be a module's function.
        seed: Sample k is ``make(seed + k)``.
        first: Samples before the first step.
        capacity: Samples kept; the oldest leave.
        fresh: New ones before every step.
        workers: Processes.
    """

    def __init__(
        self, make: Callable[[int], T], *, seed: int, first: int, capacity: int, fresh: float, workers: int
    ) -> None:
        self._make, self._seed, self._fresh = make, seed, fresh
        self._kept: deque[T] = deque(maxlen=capacity)
        self._ahead: deque[Future[T]] = deque()
        self._asked, self._due, self._lead = 0, float(first), max(8, 4 * workers)
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare)

    def __enter__(self) -> "SampleStream[T]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def draw(self, count: int, generator: torch.Generator) -> list[T]:
        """Samples for the next step, drawn from the reservoir."""
        wanted = int(self._due)
        while self._asked < wanted + self._lead:
            self._ahead.append(self._pool.submit(self._make, self._seed + self._asked))
            self._asked += 1
        while self._asked - len(self._ahead) < wanted:
            self._kept.append(self._ahead.popleft().result())
        self._due += self._fresh
        chosen = torch.randint(len(self._kept), (count,), generator=generator).tolist()
        return [self._kept[index] for index in chosen]


def _prepare() -> None:
    """Makers share the cores with the training, one thread each, and end with it, however it ends."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGKILL)

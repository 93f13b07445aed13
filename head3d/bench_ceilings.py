"""What this machine can do at most, measured in the same run as the kernels: the numbers they are set against."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from head3d.bench_case import Work
from head3d.bench_timing import alternate, clock_of
from head3d.kernels.library import call, library

LARGE_BYTES = 1 << 29
"""Read and written by the copy that stands for memory: more than caches hold, even that of a large server."""
ENTRY_BYTES = 8
"""Of one random read: two float32 features of a hash grid."""
READS = 1 << 21
ROUNDS = 5


@dataclass
class Ceilings:
    """Peaks of a device with a number of threads, measured when first asked for; each keeps its best measurement."""

    device: torch.device
    found: dict[str, float] = field(default_factory=dict)
    """By name, whose end is the unit."""
    ways: dict[str, Callable[[], float]] = field(default_factory=dict)
    """How each was measured."""

    def copy(self, moved_bytes: float = LARGE_BYTES) -> float:
        """Bytes a second, read and written, when arrays of about that size together are copied or changed in place.

        What fits a cache moves faster than memory does. A change in place does not read what it overwrites.
        """
        size = 1 << min(29, max(20, math.ceil(math.log2(max(moved_bytes, 1)))))
        return self._peak(f"copy_{size >> 20}_mb_gb_s", lambda: self._copy(size)) * 1e9

    def fma(self) -> float:
        """Float32 operations a second."""
        return self._peak("fma_gflop_s", lambda: self._arithmetic("fma_peak", torch.float32, 1 << 20)) * 1e9

    def matrix(self) -> float:
        """Bfloat16 operations a second on matrix units; those of multiply-adds where there are none."""
        peak = self._peak("matrix_gflop_s", lambda: self._arithmetic("amx_peak", torch.bfloat16, 1 << 17)) * 1e9
        return peak or self.fma()

    def gather(self, table_bytes: int) -> float:
        """Random reads of 8 bytes a second from a table of the next power of two in size."""
        entries = 1 << max(8, math.ceil(math.log2(max(table_bytes, 1) / ENTRY_BYTES)))
        return self._peak(f"gather_{entries * ENTRY_BYTES >> 10}_kb_m_s", lambda: self._gather(entries)) * 1e6

    def shares(self, work: Work, *, samples: int, per_second: float) -> dict[str, float]:
        """Fraction of each peak that a rate of samples reaches; the largest is what binds."""
        found = {}
        if work.bytes:
            found["copy"] = work.bytes * per_second / self.copy(work.bytes * samples)
        if work.flops:
            peak = self.matrix() if work.arithmetic == "matrix" else self.fma()
            found[work.arithmetic] = work.flops * per_second / peak
        if work.gathers:
            found["gather"] = work.gathers * per_second / self.gather(work.table_bytes)
        return found

    def measure_again(self) -> None:
        """Give every peak another chance: neighbours on the machine may have spoilt the last one."""
        for name, way in self.ways.items():
            if self.found[name]:
                self.found[name] = max(self.found[name], way())

    def listed(self) -> dict[str, float]:
        """All peaks, the usual ones among them; that of matrix units is left out where there are none."""
        _ = self.copy(), self.fma(), self.matrix(), self.gather(1 << 20)
        return {name: value for name, value in sorted(self.found.items()) if value}

    def _peak(self, name: str, way: Callable[[], float]) -> float:
        if name not in self.found:
            self.found[name], self.ways[name] = way(), way
        return self.found[name]

    def _best(self, function: Callable[[], Any]) -> float:
        """Seconds of the quickest round: a ceiling is what the machine can do, not what its neighbours left."""
        (timing,) = alternate([function], rounds=ROUNDS, budget_s=0.1, clock=clock_of(self.device))
        return timing.min_s

    def _copy(self, moved_bytes: int) -> float:
        source = torch.ones(moved_bytes // 8, device=self.device)
        target = torch.empty_like(source)
        seconds = min(self._best(lambda: target.copy_(source)), self._best(lambda: source.neg_()))
        return moved_bytes / seconds / 1e9

    def _arithmetic(self, kernel: str, dtype: torch.dtype, rounds: int) -> float:
        lib = library("cpu", "checks") if self.device.type == "cpu" else None
        if lib is None:
            matrix_units = self.device.type == "cuda" or dtype == torch.float32
            return self._matmul(dtype) if matrix_units else 0.0
        done = torch.zeros(2, dtype=torch.float64)
        seconds = self._best(lambda: call(lib, kernel, rounds, done))
        return float(done[0]) / seconds / 1e9

    def _matmul(self, dtype: torch.dtype) -> float:
        """The stand-in where no kernel of ours measures it: a square product by the vendor's library."""
        side = 8192 if self.device.type == "cuda" else 1024
        left = torch.ones(side, side, dtype=dtype, device=self.device)
        return 2 * side**3 / self._best(lambda: left @ left) / 1e9

    def _gather(self, entries: int) -> float:
        table = torch.ones(entries, 2, device=self.device)
        lib = library("cpu", "checks") if self.device.type == "cpu" else None
        if lib is not None:
            total = torch.zeros(1, dtype=torch.float64)
            return READS / self._best(lambda: call(lib, "gather_peak", table, entries, READS, total)) / 1e6
        reads = READS * (16 if self.device.type == "cuda" else 1)
        index = torch.randint(entries, (reads,), generator=torch.Generator().manual_seed(0)).to(self.device)
        return reads / self._best(lambda: _read(table, index)) / 1e6


def _read(table: Tensor, index: Tensor) -> Tensor:
    return table.index_select(0, index)

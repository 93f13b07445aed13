"""What the CPU can do at most: the counts are right, and nothing was optimised away."""

import pytest
import torch

from head3d.errors import Head3DError, KernelBuildError
from head3d.kernels.build import build
from head3d.kernels.library import Library, call, library

READS = 1 << 16


@pytest.fixture
def lib(monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("HEAD3D_KERNELS", "auto")
    try:
        build("cpu")
    except KernelBuildError as error:
        pytest.skip(f"no compiler: {error}")
    found = library("cpu", "checks")
    assert found is not None
    return found


def numbers(lib: Library, name: str, *arguments) -> list[float]:
    done = torch.zeros(2, dtype=torch.float64)
    call(lib, name, *arguments, done)
    return done.tolist()


def test_multiply_adds_are_counted_and_tend_to_one(lib):
    flops, total = numbers(lib, "fma_peak", 20_000)
    lanes = flops / (20_000 * 12 * 2 * torch.get_num_threads())
    assert lanes in (4, 8, 16)
    assert total == pytest.approx(12 * lanes * torch.get_num_threads(), rel=1e-3)


def test_tiles_sum_products_of_ones_or_do_nothing(lib):
    flops, total = numbers(lib, "amx_peak", 100)
    if flops:
        assert flops == 100 * 4 * 16384 * torch.get_num_threads()
        assert total == 4 * 100 * 32 * torch.get_num_threads()  # each of four tiles adds 32 ones 100 times
    else:
        assert total == 0


@pytest.mark.parametrize("log2", [0, 5, 14])
def test_reads_cover_the_table_evenly(lib, log2):
    ones = torch.ones(1 << log2, 2)
    assert numbers(lib, "gather_peak", ones, 1 << log2, READS)[0] == 2 * READS
    places = torch.arange(1 << log2).float()[:, None].expand(-1, 2).contiguous()
    mean = numbers(lib, "gather_peak", places, 1 << log2, READS)[0] / (2 * READS)
    # three standard errors of a uniform mean
    assert mean == pytest.approx(((1 << log2) - 1) / 2, abs=3 * (1 << log2) / (12 * READS) ** 0.5)


@pytest.mark.parametrize(("entries", "reads"), [(0, 256), (12, 256), (16, 100)])
def test_sizes_it_cannot_do_are_refused(lib, entries, reads):
    with pytest.raises(Head3DError, match="gather_peak"):
        numbers(lib, "gather_peak", torch.ones(16, 2), entries, reads)

"""What every test may use: threads kept low, device and dtype, one table of tolerances, data of the outside."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before torch: tests share two cores

from pathlib import Path

import pytest
import torch

from head3d import weights

ROOT = Path(__file__).parents[1]
TOLERANCES = {
    torch.float64: {"rtol": 1e-7, "atol": 1e-9},
    torch.float32: {"rtol": 1e-4, "atol": 1e-5},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},
    torch.float16: {"rtol": 4e-3, "atol": 4e-3},
}
"""The one table; a test that needs a looser one says why, with the error it measured."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, with the reason."""
    no_gpu = pytest.mark.skip(reason="no CUDA device")
    needed = [one.name for one in weights.KNOWN if not one.optional]
    missing = [name for name in needed if weights.find(name) is None]
    no_weights = pytest.mark.skip(reason=f"model files are missing ({', '.join(missing)}): head3d weights --get")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(no_gpu)
        if item.get_closest_marker("weights") and missing:
            item.add_marker(no_weights)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device there is."""
    return torch.device(request.param)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["f32", "f64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """Both precisions of the references."""
    return request.param


@pytest.fixture
def tolerance(dtype: torch.dtype) -> dict[str, float]:
    """``rtol`` and ``atol`` for the dtype of this test."""
    return TOLERANCES[dtype]


@pytest.fixture
def generator() -> torch.Generator:
    """Random numbers on the CPU, the same each time: move what you draw to the device."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Truth data from outside the project (HEAD3D_DATA); skips where it is absent."""
    folder = Path(os.environ.get("HEAD3D_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no truth data: {folder} is absent (set HEAD3D_DATA)")
    return folder

"""Both paths of every kernel, and the few shapes they are tried on."""

import pytest

from head3d.errors import KernelBuildError
from head3d.kernels.build import build


@pytest.fixture(params=["cpu", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The compiled path, and the one without a compiler."""
    if request.param == "cpu":
        monkeypatch.setenv("HEAD3D_KERNELS", "auto")
        try:
            build("cpu")
        except KernelBuildError as error:
            pytest.skip(f"no compiler: {error}")
    monkeypatch.setenv("HEAD3D_KERNELS", request.param)
    return request.param


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch):
    """Run a function on the compiled path and on the torch path."""
    try:
        build("cpu")
    except KernelBuildError as error:
        pytest.skip(f"no compiler: {error}")

    def run(function):
        results = []
        for value in ("cpu", "torch"):
            monkeypatch.setenv("HEAD3D_KERNELS", value)
            results.append(function())
        return results

    return run

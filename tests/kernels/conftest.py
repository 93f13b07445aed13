"""Both paths of every kernel, and the few shapes they are tried on."""

import functools
from pathlib import Path

import pytest

from head3d.errors import KernelBuildError
from head3d.kernels import build as build_module
from head3d.kernels.build import build, sources_folder
from head3d.kernels.library import ABI
from tests.kernels.emulated import Emulated, compile_emulated
from tests.kernels.fake_compilers import write_version

AMPERE = 800


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEAD3D_KERNELS", "auto")
    return tmp_path / "home"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources that compile in no time."""
    folder = tmp_path / "cuda_ext"
    for name in ("cpu", "math", "cuda"):
        (folder / name).mkdir(parents=True)
    (folder / "abi.h").write_text("#pragma once\n")
    write_version(folder, ABI)
    monkeypatch.setattr(build_module, "sources_folder", lambda: folder)
    return folder


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


@pytest.fixture(scope="session")
def emulated_kernels(tmp_path_factory: pytest.TempPathFactory):
    """The CUDA kernels compiled for the CPU, by architecture; each once per session.

    Those before Ampere have other tensor cores: of them, the kernels that use these.
    """

    @functools.cache
    def of(arch: int) -> Emulated:
        sources = [sources_folder() / "cuda" / "encode_mlp_half.cu"] if arch < AMPERE else None
        return compile_emulated(tmp_path_factory.mktemp(f"emulated_{arch}"), arch, sources)

    return of


@pytest.fixture(params=[False, True], ids=["forwards", "backwards"])
def emulated(request: pytest.FixtureRequest, emulated_kernels, monkeypatch: pytest.MonkeyPatch):
    """Run a function on the CPU kernels and on the emulated CUDA kernels, whose threads run in either order."""
    monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
    build("cpu")

    def run(function, arch: int = 900):
        kernels = emulated_kernels(arch)
        expected = function()
        with monkeypatch.context() as patch, kernels.order(request.param):
            kernels.install(patch)
            return expected, function()

    return run

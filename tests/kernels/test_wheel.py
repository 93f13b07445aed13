"""What a wheel brings, how large it is, and what importing the kernels costs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from head3d.errors import ConfigError, KernelBuildError
from head3d.kernels.build import CPU_LEVELS, build_for_wheel, cpu_flags

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1_600_000
"""The wheel without libraries and trained weights must stay below: code of everything, viewer and server included."""
MOST_WEIGHTS = 40_000_000
"""Each file of trained weights must."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files a wheel is made of, where making one leaves no trace in the sources."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("head3d", "cuda_ext", "configs", "viewer"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def make_wheel(checkout: Path, which: str) -> subprocess.CompletedProcess[str]:
    """In a Python that has setuptools and must not need torch."""
    code = (
        "import sys, types; sys.modules['torch'] = None; sys.path[:0] = ['']; import setuptools.build_meta as backend;"
        "sys.argv[1:] = []; print(backend.build_wheel('dist'))"
    )
    environment = {**os.environ, "HEAD3D_BUILD": which}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def members(checkout: Path, name: str) -> set[str]:
    """Of the one wheel there is."""
    (path,) = (checkout / "dist").glob("*.whl")
    assert path.name == name
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_without_libraries_fits_every_platform_and_is_small(checkout):
    done = make_wheel(checkout, "off")
    assert done.returncode == 0, done.stderr[-2000:]
    inside = members(checkout, "head3d-0.1.0-py3-none-any.whl")
    assert not any(name.endswith(".so") for name in inside)
    sources = [path for path in (ROOT / "cuda_ext").rglob("[!.]*") if path.is_file() and path.suffix != ".pyc"]
    assert sources and {f"head3d/{path.relative_to(ROOT).as_posix()}" for path in sources} <= inside
    with zipfile.ZipFile(next((checkout / "dist").glob("*.whl"))) as wheel:
        sizes = {one.filename: one.compress_size for one in wheel.infolist()}
    weights = {name: size for name, size in sizes.items() if name.endswith(".safetensors")}
    assert "head3d/networks/data/parsing.safetensors" in weights and max(weights.values()) < MOST_WEIGHTS
    assert sum(sizes.values()) - sum(weights.values()) < MOST_BYTES


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_wheel_for_cpus_brings_both_levels_and_works_without_a_compiler(checkout, tmp_path):
    done = make_wheel(checkout, "cpu")
    assert done.returncode == 0, done.stderr[-2000:]
    wheel = next((checkout / "dist").glob("*.whl"))
    assert wheel.name.startswith("head3d-0.1.0-py3-none-linux_")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    brought = {path.name for path in (tmp_path / "site/head3d/cuda_ext/prebuilt").iterdir()}
    assert brought == {*(f"head3d_cpu_{level}.so" for level in CPU_LEVELS), "head3d_launchers.so"}
    if not CPU_LEVELS["x86-64-v3"] <= set(cpu_flags().split()):
        pytest.skip("this CPU is older than what wheels are made for")
    code = (
        "import torch; from head3d.kernels.library import status; from head3d.kernels.grid_sample import grid_sample3;"
        "print(float(grid_sample3(torch.ones(2, 2, 2, 1), torch.full((1, 3), 0.5))), status().path)"
    )
    environment = {"PATH": "", "HOME": str(tmp_path), "HEAD3D_KERNELS": "cpu"}
    command = [sys.executable, "-c", code]
    site = tmp_path / "site"
    said = subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert said.stdout.split() == ["1.0", "prebuilt"], said.stderr


def test_an_unknown_word_is_refused_and_no_wheel_is_made(checkout, tmp_path):
    with pytest.raises(ConfigError, match=r"HEAD3D_BUILD=gpu is unknown"):
        build_for_wheel("gpu", tmp_path)
    done = make_wheel(checkout, "gpu")
    assert done.returncode != 0 and "HEAD3D_BUILD=gpu is unknown. Use off, cpu or all." in done.stderr
    assert not list((checkout / "dist").glob("*.whl"))


def test_a_wheel_that_lacks_what_was_asked_for_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(KernelBuildError, match=r"g\+\+ is not installed"):
        build_for_wheel("cpu", tmp_path / "prebuilt")


def test_importing_the_kernels_compiles_nothing(tmp_path):
    code = "import head3d.kernels.encoding, head3d.kernels.mlp, head3d.kernels.raster, head3d.kernels.marching"
    environment = {**os.environ, "HEAD3D_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
    assert not (tmp_path / "home").exists()


def test_building_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import head3d.kernels.build, head3d.kernels.nvrtc"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)

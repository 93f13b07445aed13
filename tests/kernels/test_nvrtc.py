"""CUDA without nvcc: launchers by a C++ compiler, kernels by NVRTC (needs no GPU), launching by a driver of our own."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

from head3d.errors import KernelBuildError
from head3d.kernels import build as module
from head3d.kernels import nvrtc
from head3d.kernels.build import Built, build, build_launchers, find_or_build
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.grid_sample import grid_sample3
from head3d.kernels.library import status
from head3d.kernels.toolchain import headers, sources_folder

ROOT = Path(__file__).resolve().parents[2]
GXX = shutil.which("g++")
FOUND = nvrtc.find_nvrtc()
CUDA = sources_folder() / "cuda"
pytestmark = pytest.mark.skipif(GXX is None, reason="needs g++")
needs_nvrtc = pytest.mark.skipif(FOUND is None, reason="needs libnvrtc (pip install nvidia-cuda-nvrtc)")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no nvcc."""
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEAD3D_KERNELS", "auto")

    def missing() -> list[str]:
        raise KernelBuildError("nvcc is not installed.")

    monkeypatch.setattr(module, "nvcc", missing)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled once."""
    return build_launchers(into=tmp_path_factory.mktemp("launchers") / "launchers.so")


def test_launchers_compile_without_warnings_and_without_cuda(tmp_path):
    for source in sorted([*CUDA.glob("*.cu"), *CUDA.glob("*.cpp")]):
        flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++"]
        subprocess.run([str(GXX), *flags, str(source)], check=True, timeout=100)


def test_launchers_know_every_kernel_and_the_file_it_is_in(launchers):
    names = nvrtc.kernels_of(ctypes.CDLL(str(launchers)))
    assert "head3d::marching::march" in names and "head3d::hash_grid::forward<2, float>" in names
    assert len(set(names)) == len(names)
    files = {path.stem: path.read_text() for path in CUDA.glob("*.cu")}
    for name in names:
        match = re.fullmatch(r"head3d::(\w+)::(\w+)(<.+>)?", name)
        assert match and match[2] in files[match[1]]
    launched = {stem for stem, text in files.items() if "HEAD3D_LAUNCH" in text}
    assert {name.split("::")[1] for name in names} == launched


def test_launchers_have_every_function_that_nvcc_would_make(launchers):
    library = ctypes.CDLL(str(launchers))
    for text in (path.read_text() for path in CUDA.glob("*.cu")):
        for name in re.findall(r"^int(?:64_t)? (head3d_\w+)\(", text, re.MULTILINE):
            assert hasattr(library, name)


DRIVER = r"""
#include <cstdint>
#include <cstdio>
#include <cstring>
extern "C" {
int cuCtxGetCurrent(void** c) { *c = reinterpret_cast<void*>(7); return 0; }
int cuCtxGetDevice(int* d) { *d = 0; return 0; }
int cuDeviceGetAttribute(int* v, int, int) { *v = 5; return 0; }
int cuModuleLoadData(void** m, const void* image) {
  std::printf("load %s\n", static_cast<const char*>(image));
  *m = const_cast<void*>(image);
  return 0;
}
int cuModuleGetFunction(void** f, void*, const char* symbol) { *f = const_cast<char*>(symbol); return 0; }
int cuFuncSetAttribute(void*, int, int) { return 0; }
int cuMemsetD8Async(uintptr_t, unsigned char, size_t, void*) { return 0; }
int cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** arguments, void**) {
  int64_t second;
  std::memcpy(&second, arguments[1], 8);
  std::printf("%s grid %u %u %u block %u %u %u shared %u stream %ld second %ld\n", static_cast<char*>(f), gx, gy, gz,
              bx, by, bz, shared, long(reinterpret_cast<intptr_t>(stream)), long(second));
  return 0;
}
}
"""

LAUNCH = """
import ctypes, sys
from pathlib import Path
from head3d.kernels import nvrtc
library = ctypes.CDLL(sys.argv[1])
kept = nvrtc.attach(library, Path(sys.argv[2]))
i, d, p = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
for count in (1000, 0):
    code = library.head3d_adam_touched(p(16), i(count), i(2), p(16), p(16), p(16), d(1), d(1), d(1), d(1), d(1), i(42))
    assert code == 0, code
"""


def fake_images(launchers: Path, to: Path) -> Path:
    """Images whose symbols are the kernels' own names."""
    names = nvrtc.kernels_of(ctypes.CDLL(str(launchers)))
    with zipfile.ZipFile(to, "w") as archive:
        archive.writestr("kernels.json", json.dumps({"arch": "none", "symbols": {name: name for name in names}}))
        for stem in {name.split("::")[1] for name in names}:
            archive.writestr(f"{stem}.image", f"image of {stem}\0")
    return to


def launch(launchers: Path, images: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LD_LIBRARY_PATH": str(folder)}
    command = [sys.executable, "-c", LAUNCH, str(launchers), str(images)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_launch_reaches_the_driver_as_it_was_meant(launchers, tmp_path):
    (tmp_path / "driver.cpp").write_text(DRIVER)
    command = [str(GXX), "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "driver.cpp")]
    subprocess.run(command, check=True, timeout=60)
    done = launch(launchers, fake_images(launchers, tmp_path / "images.zip"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "load image of hash_grid",
        "head3d::hash_grid::adam_touched grid 8 1 1 block 256 1 1 shared 0 stream 42 second 2000",
    ]


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="needs a machine without a GPU")
def test_without_a_driver_a_launch_gives_an_error_code(launchers, tmp_path):
    done = launch(launchers, fake_images(launchers, tmp_path / "images.zip"), tmp_path)
    assert done.returncode != 0 and "AssertionError: 500" in done.stderr


def test_damaged_images_are_named(launchers, tmp_path):
    (tmp_path / "images.zip").write_text("rubbish")
    with pytest.raises(OSError, match="images of the kernels are damaged"):
        nvrtc.attach(ctypes.CDLL(str(launchers)), tmp_path / "images.zip")


def test_without_nvcc_and_nvrtc_one_line_says_what_to_install(home, monkeypatch):
    monkeypatch.setattr(nvrtc, "find_nvrtc", lambda: None)
    found = find_or_build("cuda")
    assert found.path == "torch" and "nvcc is not installed. NVRTC is not here either." in found.reason
    assert "pip install nvidia-cuda-nvrtc" in found.reason and "\n" not in found.reason
    monkeypatch.setenv("HEAD3D_KERNELS", "cuda")
    with pytest.raises(KernelBuildError, match="nvcc is not installed"):
        find_or_build("cuda")


@pytest.mark.parametrize("name", ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc-672ee683.so.11.2"])
def test_nvrtc_is_found_where_pip_torch_and_toolkits_put_it(tmp_path, monkeypatch, name):
    folder = tmp_path / "nvidia" / "cu13" / "lib"
    folder.mkdir(parents=True)
    for other in ("libnvrtc-builtins.so.13.0", "libnvrtc.alt.so.13", name):
        (folder / other).write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert nvrtc.find_nvrtc() == folder / name


@needs_nvrtc
class TestNvrtc:
    def test_kernels_for_one_gpu_compile_in_seconds_and_once(self, home):
        start = time.perf_counter()
        first = build("cuda", arch="sm_90")
        assert time.perf_counter() - start < 60  # measured: 2 to 4 s alone, 24 s with the cores shared by eight
        assert first.images is not None and first.images.parent == home / "kernels"
        assert build("cuda", arch="90") == first and find_or_build("cuda").device == "cuda"
        with zipfile.ZipFile(first.images) as archive:
            symbols = json.loads(archive.read("kernels.json"))["symbols"]
            images = {name: archive.read(name) for name in archive.namelist() if name.endswith(".image")}
        assert all(image.startswith(b"\x7fELF") for image in images.values())
        for name, symbol in symbols.items():
            assert symbol.encode() in images[f"{name.split('::')[1]}.image"]
        assert len(nvrtc.attach(ctypes.CDLL(str(first.library)), first.images)) == len(symbols) + len(images)

    def test_every_gpu_gets_ptx_and_an_unknown_one_that_of_the_newest_before(self, home):
        compiler = nvrtc.open_nvrtc(FOUND or Path())
        assert nvrtc.architecture(compiler, "all") == f"compute_{min(compiler.architectures)}"
        assert nvrtc.architecture(compiler, "sm_999") == f"compute_{max(compiler.architectures)}"
        with pytest.raises(KernelBuildError, match="does not know GPUs of sm_20"):
            nvrtc.architecture(compiler, "sm_20")

    @pytest.mark.parametrize("arch", ["sm_75", "sm_120"])
    def test_other_gpus(self, home, arch):
        assert isinstance(build("cuda", arch=arch), Built)

    def test_shipped_launchers_need_no_compiler_at_all(self, home, launchers, tmp_path, monkeypatch):
        folder = tmp_path / "cuda_ext"
        shutil.copytree(sources_folder(), folder)
        (folder / "prebuilt").mkdir()
        shipped = shutil.copy(launchers, folder / "prebuilt" / "head3d_launchers.so")
        monkeypatch.setattr(module, "sources_folder", lambda: folder)
        monkeypatch.setenv("PATH", str(tmp_path))
        made = build("cuda", arch="sm_90")
        assert made.library == Path(shipped) and made.images is not None

    def test_an_error_in_a_kernel_is_one_line(self, home, tmp_path, monkeypatch):
        folder = tmp_path / "cuda_ext"
        shutil.copytree(sources_folder(), folder)
        text = (folder / "cuda" / "marching.cu").read_text()
        (folder / "cuda" / "marching.cu").write_text(text.replace("#if HEAD3D_DEVICE", "#if HEAD3D_DEVICE\noops", 1))
        monkeypatch.setattr(module, "sources_folder", lambda: folder)
        assert headers(folder)
        found = find_or_build("cuda")
        assert found.path == "torch" and "NVRTC does not compile marching.cu" in found.reason
        assert "\n" not in found.reason


@pytest.mark.gpu
@needs_nvrtc
def test_what_nvrtc_makes_computes_what_the_cpu_does(home):
    grid, points = torch.rand(9, 8, 7, 3), torch.rand(1000, 3)
    config = HashGridConfig(levels=4, log2_table_size=10, base_resolution=4)
    table = hash_grid_init(config, torch.Generator().manual_seed(0))
    on_gpu = grid_sample3(grid.cuda(), points.cuda()), hash_grid(points.cuda(), table.cuda(), config)
    assert status("cuda").images is not None
    assert torch.allclose(on_gpu[0].cpu(), grid_sample3(grid, points), atol=1e-6)
    assert torch.allclose(on_gpu[1].cpu(), hash_grid(points, table, config), atol=1e-6)

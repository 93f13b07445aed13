"""Compile the CUDA sources with g++ against tests/kernels/emulator, and let the ops' wrappers call what comes out."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from head3d.kernels import library as library_module
from head3d.kernels.build import sources_folder
from head3d.kernels.library import Library

EMULATOR = Path(__file__).parent / "emulator"
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-U_FORTIFY_SOURCE", "-DHEAD3D_EMULATOR", f"-I{EMULATOR}"]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]


class Emulated:
    """The CUDA kernels of an architecture (``__CUDA_ARCH__``), on the CPU."""

    def __init__(self, path: Path) -> None:
        self.handle = ctypes.CDLL(str(path))
        self.handle.emulator_message.restype = ctypes.c_char_p
        self.library = Library(self.handle, "cuda")

    @property
    def message(self) -> str:
        """Why the last launch failed."""
        return self.handle.emulator_message().decode()

    @contextmanager
    def order(self, backwards: bool) -> Iterator[None]:
        """Let the threads of a block run from the last to the first."""
        self.handle.emulator_backwards(ctypes.c_int64(backwards))
        yield
        self.handle.emulator_backwards(ctypes.c_int64(0))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """The wrappers of all ops take this library for tensors on the CPU."""
        import head3d.kernels as package

        modules = [m for m in vars(package).values() if getattr(m, "library", None) is library_module.library]
        assert modules, "no op was imported"
        for module in modules:
            patch.setattr(module, "library", lambda device="cpu", part="core": self.library)
        patch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=0))


def compile_emulated(folder: Path, arch: int, sources: list[Path] | None = None) -> Emulated:
    """Compile the .cu files (default: all of cuda_ext/cuda), two at a time."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the emulator with")
    sources = sources or sorted((sources_folder() / "cuda").glob("*.cu"))
    common = [compiler, *FLAGS, *WARNINGS, f"-I{sources_folder()}", f"-D__CUDA_ARCH__={arch}"]
    jobs = [(source, folder / f"{source.stem}.o") for source in [*sources, EMULATOR / "fibers.cpp"]]
    for pair in zip(jobs[::2], [*jobs[1::2], None], strict=False):
        running = [
            subprocess.Popen([*common, "-x", "c++", "-c", str(job[0]), "-o", str(job[1])]) for job in pair if job
        ]
        assert all(process.wait() == 0 for process in running), "the emulated kernels do not compile"
    target = folder / f"emulated_{arch}.so"
    subprocess.run([compiler, "-shared", *(str(out) for _, out in jobs), "-o", str(target)], check=True)
    return Emulated(target)

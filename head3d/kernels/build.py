"""Find or compile the kernel libraries: prebuilt, then cache, then a compiler, then the plain torch path.

``HEAD3D_KERNELS`` chooses: ``auto`` takes the first of these that works, ``cpu`` and ``cuda`` insist on the compiled
library (an error says what is missing), ``torch`` never compiles. The compiler is g++ (or CXX) for the CPU; for CUDA
nvcc, or else NVRTC. Compiled libraries live in ``HEAD3D_HOME/kernels`` under a key of sources, flags, compiler version
and CPU flags, so a changed machine or source never meets an old file. Nothing here needs torch: wheels are built by it.
The CPU kernels come in parts: ``core`` is all that makes and shows a head. The others, which few runs need, lie in
folders of cuda_ext/cpu and are compiled by themselves the first time a tensor or a benchmark asks for them.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from head3d.errors import ConfigError, KernelBuildError
from head3d.events import Emit, Notice, ignore
from head3d.kernels import cache, nvrtc
from head3d.kernels.toolchain import (
    CompilerFailed,
    Device,
    compile_library,
    cpu_compile_flags,
    cpu_flags,
    cuda_compile_flags,
    cxx,
    digest,
    headers,
    nvcc,
    sources,
    sources_folder,
    version,
)

Choice = Literal["auto", "cpu", "cuda", "torch"]

Part = Literal["core", "float64", "bfloat16", "triplane", "checks"]
"""Of the CPU kernels: what the pipeline calls; float64, for gradient checks; bfloat16 on AMX, for large networks; the
tri-plane, which a field may take instead of the hash grid; what only benchmarks and tests compare with."""

CPU_LEVELS = {
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "x86-64-v3": {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"},
}
"""What a wheel brings for the CPU, best first, and the flags a CPU must have for it."""


@dataclass(frozen=True)
class Built:
    """A library of kernels; ``images`` beside it if it holds only launchers and NVRTC made the kernels."""

    library: Path
    images: Path | None = None


@dataclass(frozen=True)
class KernelStatus:
    """Which path the ops of a device take, and why; ``head3d doctor`` prints it."""

    device: Device
    path: Literal["prebuilt", "cache", "compiled", "torch"]
    library: Path | None
    reason: str
    log: Path | None = None
    images: Path | None = None


def choice() -> Choice:
    """HEAD3D_KERNELS, checked."""
    value = os.environ.get("HEAD3D_KERNELS", "auto") or "auto"
    for option in get_args(Choice):
        if value == option:
            return option
    raise ConfigError(f"HEAD3D_KERNELS={value} is unknown.", hint=f"Use one of {', '.join(get_args(Choice))}.")


def prebuilt_folder() -> Path:
    """Libraries that a wheel brought along."""
    return sources_folder() / "prebuilt"


def prebuilt(device: Device) -> Path | None:
    """The best library a wheel brought along for this machine; on the CPU it holds the core."""
    if device == "cuda":
        path = prebuilt_folder() / "head3d_cuda.so"
        return path if path.is_file() else None
    has = set(cpu_flags().split())
    for level, needs in CPU_LEVELS.items():
        path = prebuilt_folder() / f"head3d_cpu_{level}.so"
        if needs <= has and path.is_file():
            return path
    return None


def build(
    device: Device = "cpu",
    *,
    part: Part = "core",
    arch: str | None = None,
    into: Path | None = None,
    again: bool = True,
    emit: Emit = ignore,
) -> Built:
    """Compile the kernels unless the cache has them, and say where the library is.

    Args:
        device: Which library.
        part: Of the CPU kernels; CUDA has one library for all.
        arch: ``-march`` of the CPU library (default ``native``); for CUDA ``all`` or a list such as ``75,sm_90``
            (default: the GPU at hand, ``all`` without one).
        into: A file for a library that is to be shipped, instead of the cache.
        again: Try what failed less than a day ago.
        emit: Gets one Notice when something was compiled.

    Raises:
        KernelBuildError: No compiler, or it fails; the message names the tool and the reason.
    """
    if device == "cpu":
        tool = cxx()
        flags = cpu_compile_flags(tool, arch or "native")
        return Built(_library("cpu", tool, flags, part=part, into=into, again=again, emit=emit))
    arch = arch or _gpu_architecture()
    try:
        tool = nvcc()
        return Built(_library("cuda", tool, cuda_compile_flags(tool, arch), into=into, again=again, emit=emit))
    except KernelBuildError as without_nvcc:
        if into is not None:
            raise
        try:
            return _by_nvrtc(arch, again=again, emit=emit)
        except KernelBuildError as error:
            if isinstance(without_nvcc, CompilerFailed) and not isinstance(error, CompilerFailed):
                raise without_nvcc from error
            message = f"{without_nvcc.message} {error.message}"
            raise CompilerFailed(message, hint=error.hint, log=getattr(error, "log", None)) from error


def build_launchers(*, into: Path | None = None, again: bool = True, emit: Emit = ignore) -> Path:
    """The launchers of the CUDA kernels without the kernels: all a C++ compiler can make of the .cu files."""
    shipped = prebuilt_folder() / "head3d_launchers.so"
    if into is None and shipped.is_file():
        return shipped
    flags = ["-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-x", "c++"]
    return _library("launchers", cxx(), flags, into=into, again=again, emit=emit)


def _by_nvrtc(arch: str, *, again: bool, emit: Emit) -> Built:
    found = nvrtc.find_nvrtc()
    if found is None:
        hint = "Install nvcc, or `pip install nvidia-cuda-nvrtc`, or set HEAD3D_KERNELS=torch."
        raise KernelBuildError("NVRTC is not here either.", hint=hint)
    compiler = nvrtc.open_nvrtc(found)
    target = nvrtc.architecture(compiler, arch)
    launchers = build_launchers(again=again, emit=emit)
    folder = sources_folder()
    inputs = [*sources(folder / "cuda", "*.cu"), *headers(folder), launchers]
    name = f"head3d_nvrtc_{target}_{digest([str(compiler.version), target], inputs)}.zip"

    def make(scratch: Path, log: Path) -> Path:
        made = scratch / "images.zip"
        nvrtc.compile_images(compiler, launchers, arch=target, folder=folder, to=made)
        log.write_text(f"NVRTC {compiler.version} {target}\n")
        return made

    return Built(launchers, _cached(name, make, what="cuda kernels by NVRTC", again=again, emit=emit))


def _gpu_architecture() -> str:
    """Of the GPU at hand; everything without one to ask."""
    torch = sys.modules.get("torch")
    if torch is None:
        with contextlib.suppress(ImportError):
            import torch
    if torch is None or not torch.cuda.is_available():
        return "all"
    major, minor = torch.cuda.get_device_capability()
    return f"{major}{minor}"


def _library(
    kind: Literal["cpu", "cuda", "launchers"],
    tool: list[str],
    flags: list[str],
    *,
    part: Part = "core",
    into: Path | None,
    again: bool,
    emit: Emit,
) -> Path:
    folder = sources_folder()
    if kind == "cpu":
        inputs = sources(folder / "cpu", "*.cpp" if part == "core" else f"{part}/*.cpp")
        inputs += [folder / "cpu" / "version.cpp"] if part != "core" else []
    else:
        inputs = sources(folder / "cuda", "*.cu")
        inputs += sources(folder / "cuda", "*.cpp") if kind == "launchers" else []
    included = headers(folder) + (sources(folder / "cpu", "**/*.cpp") if part == "float64" else [])
    name = kind if part == "core" else f"{kind}_{part}"
    what = f"{kind} kernels" if part == "core" else f"{kind} kernels for {part}"

    def make(scratch: Path, log: Path) -> Path:
        device: Device = "cpu" if kind == "cpu" else "cuda"
        return compile_library(device, tool, flags, inputs=inputs, scratch=scratch, log=log)

    if into is not None:
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
            make(Path(scratch), into.with_suffix(".log")).replace(into)
        into.with_suffix(".log").unlink()
        return into
    key = digest([name, *tool, version(tool), *flags, cpu_flags()], sorted({*inputs, *included}))
    return _cached(f"head3d_{name}_{key}.so", make, what=what, again=again, emit=emit)


def _cached(name: str, make: Callable[[Path, Path], Path], *, what: str, again: bool, emit: Emit) -> Path:
    """The file of the cache, made by one process if nobody has."""
    if (found := cache.find(name)) is not None:
        return found
    target = cache.writable_folder() / name
    try:
        with cache.locked(target):
            if target.is_file():
                return target
            if not again and (said := cache.failure(target)) is not None:
                raise CompilerFailed(said, hint="`head3d build` tries again.", log=target.with_suffix(".log"))
            start = time.perf_counter()
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                try:
                    make(Path(scratch), target.with_suffix(".log")).replace(target)
                except CompilerFailed as error:
                    if error.lasting:
                        cache.remember_failure(target, error.message)
                    raise
            cache.forget_failure(target)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "Set HEAD3D_HOME to a disk with room, or set HEAD3D_KERNELS=torch."
        raise KernelBuildError(f"The {what} cannot be written to {target.parent}: {reason}.", hint=hint) from error
    emit(Notice(f"Compiled the {what} in {time.perf_counter() - start:.1f} s."))
    return target


def find_or_build(
    device: Device, *, part: Part = "core", unusable: Sequence[KernelStatus] = (), emit: Emit = ignore
) -> KernelStatus:
    """Take the first path of the order that works; in ``auto`` it never raises.

    Args:
        device: Which library.
        part: Of the CPU kernels.
        unusable: What was found before and does not load: passed over, and made anew if it comes from the cache.
        emit: Gets one Notice when something was compiled.
    """
    chosen = choice()
    if chosen == "torch":
        return KernelStatus(device, "torch", None, "HEAD3D_KERNELS=torch")
    shipped = prebuilt(device) if part == "core" else None
    if shipped is not None and all(one.library != shipped for one in unusable):
        level = f" for {shipped.stem.removeprefix('head3d_cpu_')}" if device == "cpu" else ""
        return KernelStatus(device, "prebuilt", shipped, f"came with the package{level}")
    for path in (path for one in unusable if one.path == "cache" for path in (one.library, one.images)):
        if path is not None and path.parent != prebuilt_folder():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    said: list[Notice] = []
    try:
        keep = lambda event: said.append(event) if isinstance(event, Notice) else None  # noqa: E731
        made = build(device, part=part, again=False, emit=keep)
    except KernelBuildError as error:
        if chosen == device:
            raise
        return KernelStatus(device, "torch", None, f"{error.message} {error.hint}", getattr(error, "log", None))
    for notice in said:
        emit(notice)
    how = " ".join(notice.text for notice in said) or "compiled earlier"
    path = "compiled" if said else "cache"
    return KernelStatus(device, path, made.library, how, images=made.images)


def build_for_wheel(which: str, folder: Path) -> list[Path]:
    """Libraries to ship: HEAD3D_BUILD is ``off`` (none), ``cpu`` (and the CUDA launchers) or ``all``.

    Of the CPU kernels only the core: where there is no compiler, float64 tensors take the torch path.

    Raises:
        ConfigError: Another word.
        KernelBuildError: A compiler is missing or fails: a wheel that lacks what was asked for is not made.
    """
    if which not in ("off", "cpu", "all"):
        raise ConfigError(f"HEAD3D_BUILD={which} is unknown.", hint="Use off, cpu or all.")
    shutil.rmtree(folder, ignore_errors=True)
    if which == "off":
        return []
    made = [build("cpu", arch=level, into=folder / f"head3d_cpu_{level}.so").library for level in CPU_LEVELS]
    made.append(build_launchers(into=folder / "head3d_launchers.so"))
    if which == "all":
        made.append(build("cuda", arch="all", into=folder / "head3d_cuda.so").library)
    return made

"""Find or compile the kernel libraries: prebuilt, then cache, then g++ / nvcc, then the plain torch path.

``HEAD3D_KERNELS`` chooses: ``auto`` takes the first of these that works, ``cpu`` and ``cuda`` insist on the compiled
library (an error says what is missing), ``torch`` never compiles. Compiled libraries live in ``HEAD3D_HOME/kernels``
under a key of sources, flags, compiler version and CPU flags, so a changed machine or source never meets an old file.
"""

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from head3d.errors import ConfigError, KernelBuildError
from head3d.events import Emit, Notice, ignore

Device = Literal["cpu", "cuda"]
Choice = Literal["auto", "cpu", "cuda", "torch"]

CUDA_ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")
"""What a library for every GPU holds; the newest also as PTX, for GPUs that do not exist yet."""

COMPILE_SECONDS = 600
"""A compiler that takes longer hangs."""


@dataclass(frozen=True)
class KernelStatus:
    """Which path the ops of a device take, and why; ``head3d doctor`` prints it."""

    device: Device
    path: Literal["prebuilt", "cache", "compiled", "torch"]
    library: Path | None
    reason: str
    log: Path | None = None


def choice() -> Choice:
    """HEAD3D_KERNELS, checked."""
    value = os.environ.get("HEAD3D_KERNELS", "auto") or "auto"
    for option in get_args(Choice):
        if value == option:
            return option
    raise ConfigError(f"HEAD3D_KERNELS={value} is unknown.", hint=f"Use one of {', '.join(get_args(Choice))}.")


def sources_folder() -> Path:
    """cuda_ext: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "cuda_ext"
    return inside if inside.is_dir() else package.parent / "cuda_ext"


def _sources(device: Device) -> list[Path]:
    return sorted((sources_folder() / device).glob("*.cpp" if device == "cpu" else "*.cu"))


def _tool(device: Device) -> str:
    name = "g++" if device == "cpu" else "nvcc"
    found = shutil.which(os.environ.get("CXX", name) if device == "cpu" else name)
    if found is None:
        raise KernelBuildError(f"{name} is not installed.", hint=f"Install {name}, or set HEAD3D_KERNELS=torch.")
    return found


def _default_arch(device: Device) -> str:
    """What this machine runs; for CUDA without a GPU to ask, everything."""
    if device == "cpu":
        return "native"
    import torch

    if not torch.cuda.is_available():
        return "all"
    major, minor = torch.cuda.get_device_capability()
    return f"{major}{minor}"


def _flags(device: Device, tool: str, arch: str) -> list[str]:
    if device == "cuda":
        listed = [name.removeprefix("sm_") for name in arch.split(",")]
        if arch == "all":  # an nvcc knows neither GPUs newer than itself nor those it has dropped
            known = _output([tool, "--list-gpu-arch"]).split()
            listed = [name for name in CUDA_ARCHITECTURES if f"compute_{name}" in known] or list(CUDA_ARCHITECTURES)
        code = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in listed]
        code.append(f"-gencode=arch=compute_{listed[-1]},code=compute_{listed[-1]}")
        return ["-std=c++17", "-O3", "-Xcompiler=-fPIC,-fvisibility=hidden", *code]
    # no -ffast-math: NaN and infinity must keep their meaning; the two flags below only drop errno and traps
    flags = ["-std=c++17", "-O3", f"-march={arch}", "-fopenmp", "-fPIC", "-fvisibility=hidden"]
    flags += ["-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]  # psabi: vectors cross no library border
    return [*flags, "-mprefer-vector-width=512"] if platform.machine() == "x86_64" else flags


@functools.cache
def cpu_flags() -> str:
    """The instruction sets of this CPU, as the system lists them."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line.partition(":")[2].strip()
    return f"{platform.machine()} {platform.processor()}"


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


@functools.lru_cache(maxsize=8)
def _compiler_version(tool: str) -> str:
    return _output([tool, "--version"])


def cache_key(device: Device, tool: str, flags: list[str]) -> str:
    """Changes with anything that could change the library."""
    digest = hashlib.sha256("\0".join([device, tool, _compiler_version(tool), *flags, cpu_flags()]).encode())
    folder = sources_folder()
    for path in sorted([*_sources(device), *folder.glob("*/*.h"), folder / "abi.h"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]


def _own_temporary_folder() -> Path:
    """A cache for machines where the home is read-only; never one that another user could have filled."""
    folder = Path(tempfile.gettempdir()) / f"head3d-{os.getuid()}" / "kernels"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        parent = folder.parent.lstat()
        if parent.st_uid == os.getuid() and not folder.parent.is_symlink() and os.access(folder, os.W_OK):
            folder.parent.chmod(0o700)
            return folder
    return Path(tempfile.mkdtemp(prefix="head3d-kernels-"))


def cache_folder() -> Path:
    """HEAD3D_HOME/kernels if it can be written, else a private temporary folder."""
    folder = Path(os.environ.get("HEAD3D_HOME") or "~/.cache/head3d").expanduser() / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return _own_temporary_folder()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process compiles, the others wait and find its library. Without locks, the atomic rename still holds."""
    with path.open("w") as handle:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(commands: list[list[str]], log: Path) -> bool:
    """Run the commands side by side; their output goes to the log."""
    ok = True
    with log.open("ab") as out:
        running = []
        try:
            for command in commands:
                out.write((" ".join(command) + "\n").encode())
                out.flush()
                running.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))
            until = time.monotonic() + COMPILE_SECONDS
            for process in running:
                ok &= process.wait(timeout=max(1.0, until - time.monotonic())) == 0
        except (OSError, subprocess.TimeoutExpired) as error:
            out.write(f"{error}\n".encode())
            ok = False
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                    process.wait()
    return ok


def _compile(device: Device, tool: str, flags: list[str], target: Path) -> None:
    log = target.with_suffix(".log")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        objects = [Path(scratch) / f"{source.stem}.o" for source in _sources(device)]
        library = Path(scratch) / target.name
        log.write_bytes(b"")
        pairs = zip(_sources(device), objects, strict=True)
        ok = _run([[tool, *flags, "-c", str(source), "-o", str(out)] for source, out in pairs], log)
        # Linked without libgomp: loading binds the OpenMP runtime torch already has, so both share their threads.
        ok = ok and _run([[tool, "-shared", *map(str, objects), "-o", str(library)]], log)
        if not ok:
            hint = f"See {log}, or set HEAD3D_KERNELS=torch."
            raise KernelBuildError(f"The {device} kernels do not compile with {tool}.", hint=hint)
        library.replace(target)


def build(device: Device = "cpu", *, arch: str | None = None, into: Path | None = None, emit: Emit = ignore) -> Path:
    """Compile the kernels unless the cache has them, and say where the library is.

    Args:
        device: Which library.
        arch: ``-march`` of the CPU library (default ``native``); for CUDA ``all`` or a list such as ``75,sm_90``
            (default: the GPU at hand, ``all`` without one).
        into: Folder for a library that is to be shipped (then it is named as ``prebuilt`` looks for it).
        emit: Gets one Notice when something was compiled.

    Raises:
        KernelBuildError: No compiler, or it fails; the message names the tool and the log.
    """
    tool = _tool(device)
    flags = _flags(device, tool, arch or _default_arch(device))
    folder = into or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (f"head3d_{device}.so" if into else f"head3d_{device}_{cache_key(device, tool, flags)}.so")
    if target.is_file() and not into:
        return target
    with _locked(target.with_suffix(".lock")):
        if into or not target.is_file():
            start = time.perf_counter()
            _compile(device, tool, flags, target)
            emit(Notice(f"Compiled the {device} kernels in {time.perf_counter() - start:.1f} s."))
    return target


def prebuilt(device: Device) -> Path | None:
    """The library a wheel brought along, if this CPU can run it."""
    path = sources_folder() / "prebuilt" / f"head3d_{device}.so"
    if not path.is_file():
        return None
    # the wheel's CPU library is x86-64-v3
    return path if device == "cuda" or {"avx2", "fma"} <= set(cpu_flags().split()) else None


def find_or_build(device: Device, *, emit: Emit = ignore) -> KernelStatus:
    """Take the first path of the order that works; never raises in ``auto``."""
    chosen = choice()
    if chosen == "torch":
        return KernelStatus(device, "torch", None, "HEAD3D_KERNELS=torch")
    if (shipped := prebuilt(device)) is not None:
        return KernelStatus(device, "prebuilt", shipped, "came with the package")
    compiled: list[Notice] = []
    try:
        path = build(device, emit=lambda event: compiled.append(event) if isinstance(event, Notice) else None)
    except (KernelBuildError, OSError) as error:
        if chosen == device:
            raise
        log = next(iter(cache_folder().glob(f"head3d_{device}_*.log")), None)
        return KernelStatus(device, "torch", None, str(error), log)
    for notice in compiled:
        emit(notice)
    reason = compiled[0].text if compiled else "compiled earlier"
    return KernelStatus(device, "compiled" if compiled else "cache", path, reason)

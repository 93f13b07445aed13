"""The compilers: which are here, with which flags, and running them side by side without ever hanging."""

import contextlib
import functools
import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from head3d.errors import ConfigError, KernelBuildError

Device = Literal["cpu", "cuda"]

GCC_SKIPS = (
    "ipa-cp-clone", "split-loops", "split-paths", "tree-loop-distribution", "loop-interchange", "predictive-commoning",
    "tree-partial-pre", "version-loops-for-strides",
)  # fmt: skip
"""Passes of -O3 that take a tenth of the compiler's time and give these kernels nothing (measured op by op)."""

CUDA_ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")
"""What a library for every GPU holds; the newest also as PTX, for GPUs that do not exist yet."""

COMPILE_SECONDS = {"cpu": 180, "cuda": 600}
"""A compiler that takes longer hangs."""

VERSION_SECONDS = 20
"""So does one that does not tell its version in this time."""

OWN_FLAGS = re.compile(rb"^// flags: (.+)$", re.MULTILINE)
"""A line of a source: flags for this file, after all others."""


class CompilerFailed(KernelBuildError):
    """A compiler is there and does not compile the kernels; ``log`` holds what it said.

    ``lasting`` if it would fail again: neither a full disk nor lack of memory.
    """

    def __init__(self, message: str, *, hint: str, log: Path | None) -> None:
        super().__init__(message, hint=hint)
        self.log = log
        self.lasting = not re.search("No space|by signal", message)


def sources_folder() -> Path:
    """cuda_ext: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "cuda_ext"
    return inside if inside.is_dir() else package.parent / "cuda_ext"


def sources(folder: Path, pattern: str) -> list[Path]:
    """Sources by falling length with all they include: what takes longest starts first."""
    return sorted(folder.glob(pattern), key=lambda path: (-_length(path, set()), path.name))


def _length(path: Path, seen: set[Path]) -> int:
    if path in seen or not path.is_file():
        return 0
    seen.add(path)
    text = path.read_bytes()
    included = (path.parent / name.decode() for name in re.findall(rb'^#include "(.+)"$', text, re.MULTILINE))
    return len(text) + sum(_length(Path(os.path.normpath(one)), seen) for one in included)


def own_flags(source: Path) -> list[str]:
    """What the source's ``// flags:`` lines ask for."""
    return [flag for line in OWN_FLAGS.findall(source.read_bytes()) for flag in line.decode().split()]


def cxx() -> list[str]:
    """The C++ compiler: CXX (with arguments, if it has some), or g++, or clang++."""
    chosen = shlex.split(os.environ.get("CXX", ""))
    for name in chosen[:1] or ("g++", "clang++"):
        if (found := shutil.which(name)) is not None:
            return [found, *chosen[1:]]
    if chosen:
        raise KernelBuildError(f"CXX={chosen[0]} is not installed.", hint="Unset CXX, or set HEAD3D_KERNELS=torch.")
    raise KernelBuildError("g++ is not installed.", hint="Install g++, or set HEAD3D_KERNELS=torch.")


def nvcc() -> list[str]:
    """nvcc from PATH, CUDA_HOME or where CUDA is usually put."""
    folders = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    places = [shutil.which("nvcc"), *(shutil.which("nvcc", path=f"{folder}/bin") for folder in folders if folder)]
    for found in places:
        if found is not None:
            return [found]
    raise KernelBuildError("nvcc is not installed.", hint="Install the CUDA toolkit, or set HEAD3D_KERNELS=torch.")


def cpu_compile_flags(tool: Sequence[str], arch: str) -> list[str]:
    """For ``-march=arch``."""
    # no -ffast-math: NaN and infinity must keep their meaning; the two flags below only drop errno and traps
    flags = ["-std=c++17", "-O3", f"-march={arch}", "-fopenmp", "-fPIC", "-fvisibility=hidden"]
    flags += ["-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]  # psabi: vectors cross no library border
    flags += ["-Wno-unknown-pragmas"] if is_clang(tool) else [f"-fno-{name}" for name in GCC_SKIPS]
    return [*flags, "-mprefer-vector-width=512"] if platform.machine() == "x86_64" else flags


def cuda_architectures(arch: str) -> list[str]:
    """``75,sm_90`` as numbers; ``all`` as the list of a library for every GPU."""
    if arch == "all":
        return list(CUDA_ARCHITECTURES)
    numbers = [re.sub(r"^(sm|compute)_", "", name.strip()) for name in arch.split(",")]
    wrong = [name for name in numbers if not re.fullmatch(r"\d{2,3}[af]?", name)]
    if wrong:
        raise ConfigError(f"There is no GPU architecture {wrong[0]!r}.", hint="Give --arch sm_90, 75,sm_90 or all.")
    return numbers


def cuda_compile_flags(tool: Sequence[str], arch: str) -> list[str]:
    """For the architectures, and PTX of the last."""
    listed = cuda_architectures(arch)
    if arch == "all":  # an nvcc knows neither GPUs newer than itself nor those it has dropped
        known = output([*tool, "--list-gpu-arch"]).split()
        listed = [name for name in listed if f"compute_{name}" in known] or listed
    code = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in listed]
    code.append(f"-gencode=arch=compute_{listed[-1]},code=compute_{listed[-1]}")
    return ["-std=c++17", "-O3", "-Xcompiler=-fPIC,-fvisibility=hidden", *code]


@functools.cache
def cpu_flags() -> str:
    """The instruction sets of this CPU, as the system lists them."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line.partition(":")[2].strip()
    return f"{platform.machine()} {platform.processor()}"


def output(command: Sequence[str]) -> str:
    """What a command prints; nothing if it does not start or does not end."""
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        ) as process:
            try:
                return process.communicate(timeout=VERSION_SECONDS)[0]
            except subprocess.TimeoutExpired:
                _stop(process)
                return ""
    except OSError:
        return ""


@functools.lru_cache(maxsize=8)
def _version(tool: tuple[str, ...]) -> str:
    return output([*tool, "--version"])


def version(tool: Sequence[str]) -> str:
    """What the compiler says of itself."""
    return _version(tuple(tool))


def is_clang(tool: Sequence[str]) -> bool:
    """Clang has its own OpenMP runtime, and links it itself."""
    return "clang" in version(tool)


def digest(parts: Iterable[str], files: Iterable[Path]) -> str:
    """Changes with the words and with the content of the files."""
    made = hashlib.sha256("\0".join(parts).encode())
    for path in files:
        made.update(path.name.encode() + b"\0" + path.read_bytes())
    return made.hexdigest()[:20]


def headers(folder: Path) -> list[Path]:
    """Everything a source may include."""
    return sorted([*folder.rglob("*.h"), *folder.glob("*/rtc/*")])


def compile_library(
    device: Device, tool: Sequence[str], flags: Sequence[str], *, inputs: Sequence[Path], scratch: Path, log: Path
) -> Path:
    """Compile the inputs and link them; where the library is in ``scratch``.

    Raises:
        CompilerFailed: With the first error the compiler gave.
    """
    log.write_bytes(b"")
    objects = [scratch / f"{source.stem}.o" for source in inputs]
    library = scratch / "library.so"
    jobs = [
        [*tool, *flags, *own_flags(source), "-c", str(source), "-o", str(made)]
        for source, made in zip(inputs, objects, strict=True)
    ]
    # Linked without libgomp: loading binds the OpenMP runtime torch already has, so both share their threads.
    link = ["-fopenmp"] if device == "cpu" and is_clang(tool) else ["-ldl"] if device == "cuda" else []
    until = time.monotonic() + COMPILE_SECONDS[device]
    ok = run_all(jobs, log, until=until)
    ok = ok and run_all([[*tool, "-shared", *map(str, objects), "-o", str(library), *link]], log, until=until)
    if ok and not _is_library(library):
        with log.open("ab") as out:
            out.write(b"error: what the compiler wrote is no library of kernels\n")
        ok = False
    if not ok:
        raise CompilerFailed(
            f"The {device} kernels do not compile with {tool[0]}: {first_error(log)}.",
            hint=f"See {log}, or set HEAD3D_KERNELS=torch.",
            log=log,
        )
    return library


def _is_library(path: Path) -> bool:
    data = path.read_bytes() if path.is_file() else b""
    return data.startswith(b"\x7fELF") and b"head3d_abi_version" in data


def first_error(log: Path) -> str:
    """The line of the log that says most."""
    lines = log.read_text(errors="replace").splitlines()
    said = [line for line in lines if re.search("error|No space|Killed", line) and not line.startswith("/usr/bin/ld")]
    full = [line for line in said if "No space" in line]
    return (full or said or lines or [""])[0].strip().rstrip(".")[:160]


def run_all(commands: Sequence[Sequence[str]], log: Path, *, until: float) -> bool:
    """Run the commands, as many at once as there are cores, until one fails; their output goes to the log."""
    waiting, running, ok = list(commands), list[subprocess.Popen[bytes]](), True
    with log.open("ab") as out:
        try:
            while ok and (waiting or running):
                while waiting and len(running) < len(os.sched_getaffinity(0)):
                    command = waiting.pop(0)
                    out.write((shlex.join(command) + "\n").encode())
                    out.flush()
                    running.append(subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True))
                done = [process for process in running if process.poll() is not None]
                running = [process for process in running if process not in done]
                ok = all(process.returncode == 0 for process in done)
                for process in done:
                    if process.returncode < 0:
                        out.write(f"error: the compiler was ended by signal {-process.returncode}\n".encode())
                if time.monotonic() > until:
                    out.write(b"error: the compiler hangs\n")
                    ok = False
                time.sleep(0.0 if done else 0.01)
        except OSError as error:
            with contextlib.suppress(OSError):
                out.write(f"error: {error}\n".encode())
            ok = False
        finally:
            for process in running:
                _stop(process)
    return ok


def _stop(process: subprocess.Popen) -> None:
    """End a compiler and what it started."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

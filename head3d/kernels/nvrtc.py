"""CUDA without nvcc: NVRTC compiles the kernels of the .cu files, and the launchers are handed what it made.

The launchers are a library for the CPU (cuda_ext/cuda/launch.h says how one source makes both). They know which
kernels they launch; NVRTC makes a cubin of each .cu for the GPU at hand. All cubins are kept in one zip file.
"""

import ctypes
import functools
import importlib.util
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from head3d.errors import KernelBuildError
from head3d.kernels.toolchain import CompilerFailed, cuda_architectures

NAME = re.compile(r"^libnvrtc(-[0-9a-f]+)?\.so\.\d+(\.\d+)*$")
"""As CUDA calls it, or as torch's wheels do; not the builtins beside it."""


def _folders() -> Iterator[Path]:
    """Where libnvrtc comes: pip's packages, torch, a toolkit, the system."""
    for place in sys.path:
        yield from sorted(Path(place or ".").glob("nvidia/*/lib"), reverse=True)
    torch = importlib.util.find_spec("torch")
    for place in torch.submodule_search_locations or () if torch else ():
        yield Path(place) / "lib"
        yield from sorted((Path(place).parent / "nvidia").glob("*/lib"), reverse=True)
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home:
            yield from (Path(home) / "lib64", Path(home) / "lib", Path(home) / "targets/x86_64-linux/lib")
    for place in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if place:
            yield Path(place)
    yield from map(Path, ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"))


def find_nvrtc() -> Path | None:
    """The NVRTC library, if there is one."""
    for folder in _folders():
        found = sorted(path for path in folder.glob("libnvrtc*.so.*") if NAME.match(path.name))
        if found:
            return found[-1]
    return None


@dataclass(frozen=True)
class Nvrtc:
    """The loaded compiler. Its functions may run in several threads."""

    path: Path
    library: ctypes.CDLL

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    @property
    def architectures(self) -> list[int]:
        """What it compiles for."""
        count = ctypes.c_int()
        self.library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
        listed = (ctypes.c_int * count.value)()
        self.library.nvrtcGetSupportedArchs(listed)
        return sorted(listed)

    def compile(self, source: Path, kernels: Sequence[str], options: Sequence[str]) -> tuple[bytes, list[str]]:
        """The image (cubin, or PTX for a virtual architecture) and the kernels' symbols in it.

        Raises:
            KernelBuildError: With the first line NVRTC complains in.
        """
        program = ctypes.c_void_p()
        self._check(
            self.library.nvrtcCreateProgram(
                ctypes.byref(program), source.read_bytes(), str(source).encode(), 0, None, None
            )
        )
        try:
            for name in kernels:
                self._check(self.library.nvrtcAddNameExpression(program, name.encode()))
            words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            if self.library.nvrtcCompileProgram(program, len(options), words) != 0:
                said = self._bytes(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").splitlines()
                first = next((line for line in said if "error" in line), "no reason given")
                raise KernelBuildError(f"NVRTC does not compile {source.name}: {first[:160].rstrip('.')}.")
            symbols = []
            for name in kernels:
                symbol = ctypes.c_char_p()
                self._check(self.library.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(symbol)))
                symbols.append((symbol.value or b"").decode())
            return self._bytes(program, "CUBIN") or self._bytes(program, "PTX"), symbols
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))

    def _bytes(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        data = ctypes.create_string_buffer(size.value)
        self._check(getattr(self.library, f"nvrtcGet{what}")(program, data))
        return data.raw

    def _check(self, code: int) -> None:
        if code != 0:
            self.library.nvrtcGetErrorString.restype = ctypes.c_char_p
            raise KernelBuildError(f"NVRTC fails: {self.library.nvrtcGetErrorString(code).decode()}.")


@functools.lru_cache(maxsize=4)
def open_nvrtc(path: Path) -> Nvrtc:
    """Load NVRTC, and first the builtins beside it, which it looks for by name only."""
    try:
        for builtins in sorted(path.parent.glob("libnvrtc-builtins*.so*")):
            if ".alt." not in builtins.name:
                ctypes.CDLL(str(builtins))
        return Nvrtc(path, ctypes.CDLL(str(path)))
    except OSError as error:
        raise KernelBuildError(f"{path} does not load: {error}.") from error


def architecture(nvrtc: Nvrtc, arch: str) -> str:
    """``sm_90`` for a GPU that NVRTC knows, else the newest PTX below it; ``all`` is PTX that every GPU translates."""
    known = nvrtc.architectures
    if arch == "all":
        return f"compute_{min(known)}"
    number = cuda_architectures(arch)[-1]
    digits = int(re.sub(r"\D", "", number))
    if digits in known:
        return f"sm_{number}"
    below = [one for one in known if one <= digits]
    if not below:
        raise KernelBuildError(f"NVRTC {nvrtc.version[0]}.{nvrtc.version[1]} does not know GPUs of sm_{number}.")
    return f"compute_{below[-1]}"


def options_for(arch: str, folder: Path) -> list[str]:
    """Of NVRTC, for sources in ``folder`` (cuda_ext); headers are found beside them or in CUDA's folder, if any."""
    includes = [folder / "cuda" / "rtc", folder / "cuda", folder / "math"]
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home and (Path(home) / "include").is_dir():
            includes.append(Path(home) / "include")
    for place in sys.path:  # pip's packages of CUDA's headers
        includes += sorted(Path(place or ".").glob("nvidia/*/include"), reverse=True)
    return [f"--gpu-architecture={arch}", "-std=c++17", *(f"-I{path}" for path in includes)]


def kernels_of(launchers: ctypes.CDLL) -> list[str]:
    """Names of the kernels in the order the launchers number them: ``head3d::hash_grid::forward<2, float>``."""
    launchers.head3d_kernel_count.restype = ctypes.c_int64
    launchers.head3d_kernel_spelling.restype = ctypes.c_char_p
    spelled = (
        launchers.head3d_kernel_spelling(ctypes.c_int64(i)).decode() for i in range(launchers.head3d_kernel_count())
    )
    # g++: "... [with auto K = NAME]", clang++: "... [K = &NAME]"
    return [re.sub(r"^.*\bK = \(?&? ?(.+?)\)?\]$", r"\1", text) for text in spelled]


def compile_images(nvrtc: Nvrtc, launchers: Path, *, arch: str, folder: Path, to: Path) -> None:
    """Write the images of all kernels the launchers ask for, and their symbols, to a zip file."""
    of_file: dict[str, list[str]] = {}
    for name in kernels_of(ctypes.CDLL(str(launchers))):
        of_file.setdefault(name.removeprefix("head3d::").partition("::")[0], []).append(name)
    options = options_for(arch, folder)

    def one(stem: str) -> tuple[bytes, list[str]]:
        return nvrtc.compile(folder / "cuda" / f"{stem}.cu", of_file[stem], options)

    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            made = dict(zip(of_file, pool.map(one, of_file), strict=True))
    except OSError as error:
        raise KernelBuildError(f"The launchers and the CUDA sources do not belong together: {error}.") from error
    except KernelBuildError as error:
        raise CompilerFailed(error.message, hint="Install nvcc, or set HEAD3D_KERNELS=torch.", log=None) from error
    symbols = {name: symbol for stem, (_, found) in made.items() for name, symbol in zip(of_file[stem], found)}  # noqa: B905
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kernels.json", json.dumps({"arch": arch, "symbols": symbols}, indent=1))
        for stem, (image, _) in made.items():
            archive.writestr(f"{stem}.image", image)


def attach(launchers: ctypes.CDLL, images: Path) -> list[bytes]:
    """Give the launchers their kernels. The caller keeps the answer as long as it launches."""
    try:
        with zipfile.ZipFile(images) as archive:
            symbols = json.loads(archive.read("kernels.json"))["symbols"]
            held = {Path(name).stem: archive.read(name) for name in archive.namelist() if name.endswith(".image")}
        kept = list(held.values())
        for index, name in enumerate(kernels_of(launchers)):
            symbol = symbols[name].encode()
            kept.append(symbol)
            image = held[name.removeprefix("head3d::").partition("::")[0]]
            launchers.head3d_kernel_image(ctypes.c_int64(index), ctypes.c_char_p(image), ctypes.c_char_p(symbol))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise OSError(f"the images of the kernels are damaged ({error})") from error
    return kept

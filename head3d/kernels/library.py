"""Load a kernel library and call its C functions (see cuda_ext/abi.h for the rules of the ABI)."""

import ctypes
import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from head3d.errors import ConfigError, Head3DError, KernelBuildError, ShapeError
from head3d.events import Emit, Notice, ignore
from head3d.kernels import nvrtc
from head3d.kernels.build import Device, KernelStatus, Part, find_or_build

ABI = 4
"""HEAD3D_ABI of cuda_ext/abi.h."""


@dataclass(frozen=True)
class Library:
    """The loaded kernels of a device."""

    handle: ctypes.CDLL
    device: Device
    images: tuple[bytes, ...] = ()
    """What NVRTC made; the launchers point into it."""


def _load_openmp() -> None:
    """Make an OpenMP runtime visible, torch's own first: two runtimes would fight for the cores."""
    bundled = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*"))
    bundled += sorted((Path(torch.__file__).parents[1] / "torch.libs").glob("libgomp*"))
    for name in [*map(str, bundled), "libgomp.so.1"]:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return


def _load(found: KernelStatus) -> Library | str:
    """The library, or why it is not one of ours."""
    _load_openmp()
    name = found.library.name if found.library else ""
    try:
        opened = ctypes.CDLL(str(found.library))
        opened.head3d_abi_version.restype = ctypes.c_int64
        version = opened.head3d_abi_version()
        images = nvrtc.attach(opened, found.images) if found.images else []
    except (OSError, AttributeError) as error:
        return f"{name} does not load: {error}"
    return Library(opened, found.device, tuple(images)) if version == ABI else f"{name} has ABI {version}, not {ABI}"


@functools.lru_cache(maxsize=16)
def _open(device: Device, part: Part, settings: tuple[str | None, ...]) -> tuple[Library | None, KernelStatus]:
    """Once per process and setting of the environment. What is stale or damaged is passed over for a new one."""
    found, unusable, reasons = find_or_build(device, part=part), list[KernelStatus](), list[str]()
    while found.library is not None and found not in unusable:
        loaded = _load(found)
        if isinstance(loaded, Library):
            return loaded, replace(found, reason="; ".join([found.reason, *reasons]))
        reasons.append(loaded)
        unusable.append(found)
        if found.path == "compiled":
            break
        found = find_or_build(device, part=part, unusable=unusable)
    reason = "; ".join(reasons or [found.reason])
    if settings[0] == device:
        raise KernelBuildError(f"{reason}.", hint="Set CXX to another compiler, or HEAD3D_KERNELS=torch.")
    return None, replace(found, path="torch", library=None, reason=reason)


def _environment() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in ("HEAD3D_KERNELS", "HEAD3D_HOME", "CXX", "PATH", "CUDA_HOME"))


def library(device: str = "cpu", part: Part = "core") -> Library | None:
    """The loaded kernels of a device (``tensor.device.type``), or None: then the caller takes its torch path.

    Parts of the CPU kernels other than ``core`` are compiled when first asked for; CUDA has them all in one.
    """
    if device not in get_args(Device):
        return None
    return _open(device, part if device == "cpu" else "core", _environment())[0]


def library_for(tensor: Tensor, part: Part = "core") -> Library | None:
    """The loaded kernels for a tensor's device and dtype (float32 from ``part``, or float64), or None."""
    if tensor.dtype == torch.float32:
        return library(tensor.device.type, part)
    return library(tensor.device.type, "float64") if tensor.dtype == torch.float64 else None


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Where to compute; ``auto`` takes a GPU if there is one whose kernels work.

    Raises:
        ConfigError: A GPU is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ConfigError("There is no CUDA device.", hint="Use --train.device auto; head3d doctor tells what is here.")
    takes = there and (wanted == "cuda" or (wanted == "auto" and library("cuda") is not None))
    return torch.device("cuda" if takes else "cpu")


def status(device: Device = "cpu", *, emit: Emit = ignore) -> KernelStatus:
    """Which path the ops take and why; one Notice if it is the slow one by accident."""
    found = _open(device, "core", _environment())[1]
    if found.path == "torch" and found.reason != "HEAD3D_KERNELS=torch":
        emit(Notice(f"The {device} kernels are not in use (plain torch instead, slower): {found.reason}", "warning"))
    return found


def call(lib: Library, name: str, *arguments: Tensor | int | float | None) -> None:
    """Call ``head3d_<name>``; tensors become pointers and must be contiguous; threads or the stream are added."""
    converted: list[ctypes.c_void_p | ctypes.c_int64 | ctypes.c_double] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            assert argument.is_contiguous(), f"{name}: the wrapper passes contiguous tensors"
            converted.append(ctypes.c_void_p(argument.data_ptr()))
        elif argument is None:
            converted.append(ctypes.c_void_p(None))
        elif isinstance(argument, int):
            converted.append(ctypes.c_int64(argument))
        else:
            converted.append(ctypes.c_double(argument))
    on_cpu = lib.device == "cpu"
    converted.append(ctypes.c_int64(torch.get_num_threads() if on_cpu else torch.cuda.current_stream().cuda_stream))
    code = getattr(lib.handle, f"head3d_{name}")(*converted)
    if code != 0:
        raise Head3DError(f"Kernel {name} failed on {lib.device} with code {code}.")


def call_for(tensor: Tensor, name: str, *arguments: Tensor | int | float | None, part: Part = "core") -> None:
    """Call ``head3d_<name>_f32`` or ``_f64`` of the tensor's device and dtype; the caller asked library_for() first."""
    lib = library_for(tensor, part)
    assert lib is not None, "the caller chose this path because the library is there"
    call(lib, f"{name}_{'f32' if tensor.dtype == torch.float32 else 'f64'}", *arguments)


def require(name: str, tensor: Tensor, shape: tuple[int | None, ...], *, integer: bool = False) -> None:
    """Raise ShapeError naming the argument, unless rank, sizes (None: any) and kind of dtype agree."""
    sizes_agree = tensor.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, tensor.shape, strict=True)
    )
    kind_agrees = tensor.dtype in (torch.int32, torch.int64) if integer else tensor.dtype.is_floating_point
    if not (sizes_agree and kind_agrees):
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        expected = f"{'integers' if integer else 'floats'} ({sizes})"
        raise ShapeError(name, expected=expected, actual=f"{tensor.dtype} {tuple(tensor.shape)}")

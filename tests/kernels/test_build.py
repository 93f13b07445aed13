import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from head3d.errors import ConfigError, KernelBuildError
from head3d.events import Notice
from head3d.kernels import build as module
from head3d.kernels.build import build, cache_folder, find_or_build
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.library import library, status

ROOT = Path(__file__).resolve().parents[2]
GXX = shutil.which("g++")
needs_compiler = pytest.mark.skipif(GXX is None, reason="needs g++")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEAD3D_KERNELS", "auto")
    return tmp_path / "home"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources that compile in no time."""
    folder = tmp_path / "cuda_ext"
    for name in ("cpu", "math"):
        (folder / name).mkdir(parents=True)
    (folder / "abi.h").write_text("#pragma once\n")
    (folder / "cpu" / "version.cpp").write_text(
        'extern "C" __attribute__((visibility("default"))) long head3d_abi_version() { return 1; }\n'
    )
    monkeypatch.setattr(module, "sources_folder", lambda: folder)
    return folder


def compiler(folder: Path, script: str) -> Path:
    """A g++ of our making, before the real one in PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "g++"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


@needs_compiler
class TestBuild:
    def test_compiles_once_then_finds_it(self, home, small):
        said: list[Notice] = []
        first = build("cpu", emit=lambda event: said.append(event) if isinstance(event, Notice) else None)
        changed = first.stat().st_mtime_ns
        assert first.parent == home / "kernels" and len(said) == 1 and "Compiled the cpu kernels" in said[0].text
        assert build("cpu") == first and first.stat().st_mtime_ns == changed
        assert find_or_build("cpu").path == "cache"

    def test_a_changed_source_flag_or_cpu_makes_another_library(self, home, small, monkeypatch):
        one = build("cpu")
        assert build("cpu", arch="x86-64") != one
        monkeypatch.setattr(module, "cpu_flags", lambda: "another machine")
        two = build("cpu")
        (small / "math" / "new.h").write_text("#pragma once\n")
        assert len({one, two, build("cpu")}) == 3

    def test_a_broken_compiler_leaves_the_torch_path_and_one_notice(self, home, small, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'bin', 'echo internal error; exit 1').parent}:/bin:/usr/bin")
        found = find_or_build("cpu")
        assert found.path == "torch" and "do not compile" in found.reason
        assert found.log is not None and "internal error" in found.log.read_text()
        said: list[object] = []
        assert library("cpu") is None
        status("cpu", emit=said.append)
        assert len(said) == 1 and isinstance(said[0], Notice) and said[0].level == "warning"

    def test_a_compiler_that_writes_rubbish_is_noticed_at_loading(self, home, small, tmp_path, monkeypatch):
        script = 'while [ $# -gt 1 ]; do if [ "$1" = -o ]; then echo rubbish > "$2"; fi; shift; done'
        monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'bin', script).parent}:/bin:/usr/bin")
        assert library("cpu") is None
        assert "does not load" in status("cpu").reason

    def test_insisting_turns_the_fallback_into_an_error(self, home, small, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'bin', 'exit 1').parent}:/bin:/usr/bin")
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        with pytest.raises(KernelBuildError, match=r"See .*\.log"):
            library("cpu")

    def test_a_home_that_cannot_be_written_gives_way_to_a_private_folder(self, home, small, tmp_path, monkeypatch):
        home.write_text("a file where the folder should be")
        monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
        path = build("cpu")
        assert path.is_file() and tmp_path in path.parents
        assert stat.S_IMODE(cache_folder().parent.stat().st_mode) == 0o700

    def test_a_private_folder_of_somebody_else_is_not_trusted(self, home, tmp_path, monkeypatch):
        home.write_text("")
        monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (tmp_path / f"head3d-{os.getuid()}").symlink_to(elsewhere)
        assert elsewhere not in cache_folder().resolve().parents

    def test_six_racing_processes_compile_once(self, home, small, tmp_path, monkeypatch):
        log = tmp_path / "calls"
        folder = compiler(tmp_path / "bin", f'echo "$@" >> {log}; exec {GXX} "$@"').parent
        code = (
            "from pathlib import Path; from head3d.kernels import build as m;"
            f"m.sources_folder = lambda: Path({str(small)!r}); print(m.build('cpu'))"
        )
        environment = {**os.environ, "PATH": f"{folder}:/bin:/usr/bin", "PYTHONPATH": str(ROOT)}
        racers = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(6)
        ]
        answers = {racer.communicate(timeout=120)[0].strip() for racer in racers}
        assert all(racer.returncode == 0 for racer in racers)
        assert len(answers) == 1 and Path(answers.pop()).is_file()
        assert sum(" -c " in line for line in log.read_text().splitlines()) == 1

    def test_nothing_is_left_of_a_compiler_that_was_killed(self, home, small, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'bin', 'kill -9 $$').parent}:/bin:/usr/bin")
        with pytest.raises(KernelBuildError):
            build("cpu")
        assert not list((home / "kernels").glob("*.so"))

    def test_a_compiler_that_hangs_is_stopped(self, home, small, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "COMPILE_SECONDS", 1)
        script = 'case "$1" in --version) echo hang;; *) exec sleep 60;; esac'
        monkeypatch.setenv("PATH", f"{compiler(tmp_path / 'bin', script).parent}:/bin:/usr/bin")
        start = time.monotonic()
        assert find_or_build("cpu").path == "torch"
        assert time.monotonic() - start < 20

    def test_a_shipped_library_is_taken_first(self, home, small, tmp_path):
        shipped = build("cpu", arch="x86-64", into=small / "prebuilt")
        assert shipped == small / "prebuilt" / "head3d_cpu.so"
        found = find_or_build("cpu")
        assert found.path == ("prebuilt" if "avx2" in module.cpu_flags().split() else "compiled")


class TestChoice:
    def test_without_a_compiler_the_ops_take_the_torch_path(self, home, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert library("cpu") is None and "g++ is not installed" in status("cpu").reason
        config = HashGridConfig(levels=2, log2_table_size=8, base_resolution=4)
        table = hash_grid_init(config, torch.Generator().manual_seed(0))
        assert hash_grid(torch.rand(3, 3), table, config).shape == (3, 4)

    def test_torch_never_compiles(self, home, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "torch")
        said: list[object] = []
        assert library("cpu") is None and status("cpu", emit=said.append).path == "torch"
        assert not said and not home.exists()

    def test_an_unknown_choice_is_refused_by_name(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "gpu")
        with pytest.raises(ConfigError, match=r"HEAD3D_KERNELS=gpu.*auto, cpu, cuda, torch"):
            library("cpu")


def test_importing_the_kernels_compiles_nothing(tmp_path):
    code = "import head3d.kernels.encoding, head3d.kernels.mlp, head3d.kernels.raster, head3d.kernels.marching"
    environment = {**os.environ, "HEAD3D_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
    assert not (tmp_path / "home").exists()


@needs_compiler
def test_the_kernels_compile_without_warnings(tmp_path):
    for source in sorted((module.sources_folder() / "cpu").glob("*.cpp")):
        flags = ["-std=c++17", "-O1", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-fsyntax-only"]
        subprocess.run([str(GXX), *flags, str(source)], check=True, timeout=300)

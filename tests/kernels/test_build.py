"""Compilers that are missing, broken, slow or lie: each ends in a library, or in one clear line."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from head3d.errors import ConfigError, KernelBuildError
from head3d.events import Notice
from head3d.kernels import build as module
from head3d.kernels import toolchain
from head3d.kernels.build import build, find_or_build
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.library import library, status
from head3d.kernels.toolchain import sources
from tests.kernels.fake_compilers import GXX, compiler, needs_compiler, put_first, warning


@needs_compiler
class TestBuild:
    def test_compiles_once_then_finds_it(self, home, small):
        said: list[Notice] = []
        first = build("cpu", emit=lambda event: said.append(event) if isinstance(event, Notice) else None).library
        changed = first.stat().st_mtime_ns
        assert first.parent == home / "kernels" and len(said) == 1 and "Compiled the cpu kernels" in said[0].text
        assert build("cpu").library == first and first.stat().st_mtime_ns == changed
        assert find_or_build("cpu").path == "cache"

    def test_a_changed_source_flag_or_cpu_makes_another_library(self, home, small, monkeypatch):
        one = build("cpu").library
        assert build("cpu", arch="x86-64").library != one
        monkeypatch.setattr(module, "cpu_flags", lambda: "another machine")
        two = build("cpu").library
        (small / "math" / "new.h").write_text("#pragma once\n")
        assert len({one, two, build("cpu").library}) == 3

    def test_a_source_may_have_flags_of_its_own(self, home, small, tmp_path, monkeypatch):
        (small / "cpu" / "slow.cpp").write_text("// Why.\n// flags: -O1 -DWORD=1\nint word() { return WORD; }\n")
        log = tmp_path / "calls"
        put_first(compiler(tmp_path / "bin", f'echo "$@" >> {log}; exec {GXX} "$@"'), monkeypatch)
        build("cpu")
        with_flags = [line for line in log.read_text().splitlines() if "-O1 -DWORD=1 -c" in line]
        assert len(with_flags) == 1 and "slow.cpp" in with_flags[0]

    def test_what_takes_longest_starts_first(self, small):
        (small / "math" / "long.h").write_text("// " + "x" * 1000 + "\n")
        (small / "cpu" / "a.cpp").write_text("int a;\n" * 50)
        (small / "cpu" / "z.cpp").write_text('#include "../math/long.h"\n')
        assert [path.name for path in sources(small / "cpu", "*.cpp")] == ["z.cpp", "a.cpp", "version.cpp"]

    def test_no_more_compilers_run_at_once_than_there_are_cores(self, home, small, tmp_path, monkeypatch):
        for index in range(6):
            (small / "cpu" / f"part{index}.cpp").write_text(f"int part{index};\n")
        running = tmp_path / "running"
        running.mkdir()
        script = (
            f'touch {running}/$$; ls {running} | wc -l >> {tmp_path}/most; {GXX} "$@"; s=$?; rm {running}/$$; exit $s'
        )
        put_first(compiler(tmp_path / "bin", script), monkeypatch)
        build("cpu")
        assert max(map(int, (tmp_path / "most").read_text().split())) <= len(os.sched_getaffinity(0))

    def test_a_broken_compiler_leaves_the_torch_path_and_one_notice(self, home, small, tmp_path, monkeypatch):
        put_first(compiler(tmp_path / "bin", "echo internal error; exit 1"), monkeypatch)
        found = find_or_build("cpu")
        assert found.path == "torch" and "do not compile" in found.reason
        assert found.log is not None and "internal error" in found.log.read_text()
        assert "do not compile with" in (text := warning()) and "internal error" in text

    def test_what_failed_is_tried_again_only_when_asked(self, home, small, tmp_path, monkeypatch):
        put_first(
            compiler(tmp_path / "bin", f"echo try >> {tmp_path}/tries; echo error: out of order; exit 1"), monkeypatch
        )
        tries = lambda: (tmp_path / "tries").read_text().count("try")  # noqa: E731
        assert "out of order" in find_or_build("cpu").reason
        before = tries()
        found = find_or_build("cpu")
        assert tries() == before and "out of order" in found.reason and "tries again" in found.reason
        with pytest.raises(KernelBuildError, match="out of order"):
            build("cpu")
        assert tries() > before

    def test_a_compiler_that_writes_rubbish_is_noticed_and_nothing_is_kept(self, home, small, tmp_path, monkeypatch):
        script = 'while [ $# -gt 1 ]; do if [ "$1" = -o ]; then echo rubbish > "$2"; fi; shift; done'
        put_first(compiler(tmp_path / "bin", script), monkeypatch)
        assert "no library of kernels" in warning()
        assert not list((home / "kernels").glob("*.so"))

    def test_insisting_turns_the_fallback_into_an_error(self, home, small, tmp_path, monkeypatch):
        put_first(compiler(tmp_path / "bin", "exit 1"), monkeypatch)
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        with pytest.raises(KernelBuildError, match=r"See .*\.log"):
            library("cpu")

    def test_nothing_is_left_of_a_compiler_that_was_killed(self, home, small, tmp_path, monkeypatch):
        put_first(compiler(tmp_path / "bin", "kill -9 $$"), monkeypatch)
        with pytest.raises(KernelBuildError, match="signal 9"):
            build("cpu")
        assert not list((home / "kernels").glob("*.so"))

    def test_a_compiler_that_hangs_is_stopped_with_its_children(self, home, small, tmp_path, monkeypatch):
        monkeypatch.setitem(toolchain.COMPILE_SECONDS, "cpu", 1)
        script = f'case "$1" in --version) echo hang;; *) sleep 60 & echo $! > {tmp_path}/child; wait;; esac'
        put_first(compiler(tmp_path / "bin", script), monkeypatch)
        start = time.monotonic()
        assert "hangs" in warning()
        assert time.monotonic() - start < 20
        child = Path("/proc") / (tmp_path / "child").read_text().strip() / "status"
        assert not child.exists() or "zombie" in child.read_text()

    def test_a_compiler_that_does_not_tell_its_version_is_not_waited_for(self, home, small, tmp_path, monkeypatch):
        monkeypatch.setattr(toolchain, "VERSION_SECONDS", 1)
        put_first(
            compiler(tmp_path / "bin", f'case "$1" in --version) sleep 60;; *) exec {GXX} "$@";; esac'), monkeypatch
        )
        start = time.monotonic()
        assert build("cpu").library.is_file()
        assert time.monotonic() - start < 20

    def test_cxx_names_the_compiler_and_its_arguments(self, home, small, monkeypatch):
        monkeypatch.setenv("CXX", f"{GXX} -DMINE")
        assert build("cpu").library.is_file()
        monkeypatch.setenv("CXX", "no-such-compiler")
        assert "CXX=no-such-compiler is not installed" in warning()

    @pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang++")
    def test_clang_compiles_them_too(self, home, monkeypatch):
        monkeypatch.setenv("CXX", "clang++")
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        assert library("cpu") is not None


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


@needs_compiler
def test_the_kernels_compile_without_warnings(tmp_path):
    for source in sorted((module.sources_folder() / "cpu").rglob("*.cpp")):
        flags = ["-std=c++17", "-O1", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-fsyntax-only"]
        subprocess.run([str(GXX), *flags, str(source)], check=True, timeout=300)

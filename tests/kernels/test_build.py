import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from head3d.errors import ConfigError, KernelBuildError
from head3d.events import Notice
from head3d.kernels import build as module
from head3d.kernels import cache, toolchain
from head3d.kernels.build import CPU_LEVELS, build, find_or_build
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.library import ABI, library, status
from head3d.kernels.toolchain import Device, sources

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
    for name in ("cpu", "math", "cuda"):
        (folder / name).mkdir(parents=True)
    (folder / "abi.h").write_text("#pragma once\n")
    write_version(folder, ABI)
    monkeypatch.setattr(module, "sources_folder", lambda: folder)
    return folder


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


@needs_compiler
class TestCache:
    def test_a_home_that_cannot_be_written_gives_way_to_a_private_folder(self, home, small, tmp_path, monkeypatch):
        home.write_text("a file where the folder should be")
        monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
        path = build("cpu").library
        assert path.is_file() and tmp_path in path.parents
        assert stat.S_IMODE(cache.writable_folder().parent.stat().st_mode) == 0o700
        assert find_or_build("cpu").path == "cache"

    def test_a_library_in_a_home_that_became_read_only_is_still_found(self, home, small, monkeypatch):
        path = build("cpu").library
        monkeypatch.setattr(cache, "_room", lambda folder: False)
        assert build("cpu").library == path

    def test_a_private_folder_of_somebody_else_is_not_trusted(self, home, small, tmp_path, monkeypatch):
        home.write_text("")
        monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (tmp_path / f"head3d-{os.getuid()}").symlink_to(elsewhere)
        assert elsewhere not in cache.writable_folder().resolve().parents
        planted = elsewhere / "kernels"
        planted.mkdir(exist_ok=True)
        (planted / "head3d_cpu_0.so").write_text("")
        assert cache.find("head3d_cpu_0.so") is None

    def test_full_disks_are_one_clear_line(self, home, small, monkeypatch):
        monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        assert "no room for compiled kernels" in warning()

    def test_a_disk_that_fills_up_on_the_way_is_one_clear_line(self, home, small, tmp_path, monkeypatch):
        script = "echo x 2>&1 > /dev/full || echo 'fatal error: writing: No space left on device'; exit 1"
        put_first(compiler(tmp_path / "bin", script), monkeypatch)
        assert "No space left on device" in warning()
        assert not list((home / "kernels").glob("*.failed"))  # somebody may make room

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module, "compile_library", full)
        monkeypatch.setenv("CXX", f"{GXX} -DANOTHER")
        assert "cannot be written to" in (text := warning()) and "No space left on device" in text
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        with pytest.raises(KernelBuildError, match="No space left on device"):
            library("cpu")

    def test_a_damaged_library_is_made_anew(self, home, small):
        path = build("cpu").library
        path.write_bytes(path.read_bytes()[:100])
        assert library("cpu") is not None
        assert "Compiled" in status("cpu").reason and "does not load" in status("cpu").reason

    def test_six_racing_processes_compile_once(self, home, small, tmp_path):
        log = tmp_path / "calls"
        folder = compiler(tmp_path / "bin", f'echo "$@" >> {log}; exec {GXX} "$@"').parent
        answers = {answer for answer in race(small, folder)}
        assert len(answers) == 1 and Path(answers.pop()).is_file()
        assert sum(" -c " in line for line in log.read_text().splitlines()) == 1

    def test_six_racing_processes_wait_for_a_broken_compiler_once(self, home, small, tmp_path):
        log = tmp_path / "calls"
        folder = compiler(tmp_path / "bin", f'echo "$@" >> {log}; echo error: broken; exit 1').parent
        assert set(race(small, folder)) == {"None"}
        assert sum(" -c " in line for line in log.read_text().splitlines()) == 1


def race(small: Path, tools: Path) -> list[str]:
    """The library that each of six processes finds."""
    code = (
        "from pathlib import Path; from head3d.kernels import build as m;"
        f"m.sources_folder = lambda: Path({str(small)!r}); print(m.find_or_build('cpu').library)"
    )
    environment = {**os.environ, "PATH": f"{tools}:/bin:/usr/bin", "PYTHONPATH": str(ROOT)}
    racers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(6)
    ]
    answers = [racer.communicate(timeout=120)[0].strip() for racer in racers]
    assert all(racer.returncode == 0 for racer in racers)
    return answers


@needs_compiler
class TestPrebuilt:
    @pytest.fixture
    def shipped(self, home: Path, small: Path) -> Path:
        """What a wheel brings for the two levels of CPU."""
        for level in CPU_LEVELS:
            build("cpu", arch="x86-64", into=small / "prebuilt" / f"head3d_cpu_{level}.so")
        return small / "prebuilt"

    @pytest.mark.parametrize(
        "flags, level",
        [
            ("avx2 fma bmi1 bmi2 f16c movbe avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4"),
            ("avx2 fma bmi1 bmi2 f16c movbe avx512f", "x86-64-v3"),
            ("avx2 fma bmi1 bmi2 f16c movbe", "x86-64-v3"),
        ],
    )
    def test_the_cpu_chooses_the_library(self, shipped, monkeypatch, flags, level):
        monkeypatch.setattr(module, "cpu_flags", lambda: flags)
        found = find_or_build("cpu")
        assert found.path == "prebuilt" and found.library == shipped / f"head3d_cpu_{level}.so"
        assert level in found.reason

    def test_a_cpu_older_than_both_compiles_its_own(self, shipped, monkeypatch):
        monkeypatch.setattr(module, "cpu_flags", lambda: "sse4_2")
        assert find_or_build("cpu").path == "compiled"

    def test_one_of_another_abi_is_passed_over_for_a_new_one(self, home, small, monkeypatch):
        monkeypatch.setattr(module, "cpu_flags", lambda: " ".join(CPU_LEVELS["x86-64-v3"]))
        write_version(small, 99)
        build("cpu", arch="x86-64", into=small / "prebuilt" / "head3d_cpu_x86-64-v3.so")
        write_version(small, ABI)
        assert library("cpu") is not None
        found = status("cpu")
        assert found.path == "compiled" and f"head3d_cpu_x86-64-v3.so has ABI 99, not {ABI}" in found.reason

    def test_neither_shipped_nor_kept_nor_compiled_is_usable(self, home, small, monkeypatch):
        monkeypatch.setattr(module, "cpu_flags", lambda: " ".join(CPU_LEVELS["x86-64-v3"]))
        write_version(small, 99)
        build("cpu", arch="x86-64", into=small / "prebuilt" / "head3d_cpu_x86-64-v3.so")
        build("cpu")
        assert warning().count(f"has ABI 99, not {ABI}") == 3

    def test_sources_of_another_abi_are_one_clear_line(self, home, small, monkeypatch):
        write_version(small, 99)
        assert f"has ABI 99, not {ABI}" in warning()
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        with pytest.raises(KernelBuildError, match=f"has ABI 99, not {ABI}"):
            library("cpu")


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


def test_float64_asks_for_flags_that_compile_fast():
    found = sorted((module.sources_folder() / "cpu").glob("*_f64.cpp"))
    assert found and all(toolchain.own_flags(source) == ["-O0"] for source in found)


@needs_compiler
def test_the_kernels_compile_without_warnings(tmp_path):
    for source in sorted((module.sources_folder() / "cpu").glob("*.cpp")):
        flags = ["-std=c++17", "-O1", "-fopenmp", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-fsyntax-only"]
        subprocess.run([str(GXX), *flags, str(source)], check=True, timeout=300)

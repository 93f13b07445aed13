"""Where compiled kernels are kept: read-only homes, full disks, damaged files, processes that race."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from head3d.errors import KernelBuildError
from head3d.kernels import build as module
from head3d.kernels import cache
from head3d.kernels.build import build, find_or_build
from head3d.kernels.library import library, status
from tests.kernels.fake_compilers import GXX, compiler, needs_compiler, put_first, warning

ROOT = Path(__file__).resolve().parents[2]


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

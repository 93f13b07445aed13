"""What a wheel brings, and the parts that are compiled only when something asks for them."""

from pathlib import Path

import pytest
import torch

from head3d.errors import KernelBuildError
from head3d.kernels import build as module
from head3d.kernels import toolchain
from head3d.kernels.build import CPU_LEVELS, build, find_or_build
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.library import ABI, library, library_for, status
from tests.kernels.fake_compilers import compiler, needs_compiler, put_first, warning, write_version


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

    def test_float64_takes_the_torch_path_where_no_compiler_is(self, shipped, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "cpu_flags", lambda: " ".join(CPU_LEVELS["x86-64-v3"]))
        monkeypatch.setenv("PATH", str(tmp_path))
        single, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
        assert library_for(single) is not None and library_for(double) is None
        config = HashGridConfig(levels=2, log2_table_size=8, base_resolution=4)
        table = hash_grid_init(config, torch.Generator().manual_seed(0)).double()
        assert hash_grid(torch.rand(3, 3), table, config).dtype == torch.float64


@needs_compiler
class TestParts:
    @pytest.fixture
    def parted(self, small: Path) -> Path:
        """Sources with a twin in float64 that includes one of the core."""
        (small / "cpu" / "sum.cpp").write_text("#ifndef SUM\n#define SUM 1\n#endif\n" + exported("sum", "SUM"))
        (small / "cpu" / "float64").mkdir()
        (small / "cpu" / "float64" / "sum.cpp").write_text('#define SUM 2\n#include "../sum.cpp"\n')
        return small

    def test_each_is_compiled_when_first_asked_for(self, home, parted):
        core = library("cpu")
        assert core is not None and core.handle.head3d_sum() == 1
        assert not list((home / "kernels").glob("*float64*"))
        double = library_for(torch.zeros(1, dtype=torch.float64))
        assert double is not None and double.handle.head3d_sum() == 2
        assert len(list((home / "kernels").glob("head3d_cpu_float64_*.so"))) == 1
        assert library_for(torch.zeros(1)) is core

    def test_other_dtypes_have_none(self, home, parted):
        assert library_for(torch.zeros(1, dtype=torch.float16)) is None
        assert library_for(torch.zeros(1, dtype=torch.int64)) is None

    def test_a_changed_source_of_the_core_makes_the_twin_anew(self, home, parted):
        one = build("cpu", part="float64").library
        assert build("cpu", part="float64").library == one
        (parted / "cpu" / "sum.cpp").write_text(exported("sum", "SUM + 1"))
        assert build("cpu", part="float64").library != one

    def test_a_part_that_does_not_compile_leaves_the_others_alone(self, home, parted):
        (parted / "cpu" / "float64" / "sum.cpp").write_text("#error out of order\n")
        assert library("cpu") is not None and status("cpu").path == "compiled"
        assert library("cpu", "float64") is None
        found = find_or_build("cpu", part="float64")
        assert found.path == "torch" and "out of order" in found.reason

    def test_insisting_holds_for_parts_too(self, home, parted, tmp_path, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        assert library("cpu") is not None
        put_first(compiler(tmp_path / "bin", "exit 1"), monkeypatch)
        with pytest.raises(KernelBuildError, match=r"See .*float64.*\.log"):
            library("cpu", "float64")


def exported(name: str, value: str) -> str:
    """A kernel that returns a number."""
    return f'extern "C" __attribute__((visibility("default"))) int head3d_{name}() {{ return {value}; }}\n'


def test_every_float64_twin_includes_its_source_and_compiles_fast():
    folder = module.sources_folder() / "cpu"
    twins = sorted((folder / "float64").glob("*.cpp"))
    assert twins and all(toolchain.own_flags(twin) == ["-O0"] for twin in twins)
    once = {path: path.read_text() for path in folder.rglob("*.cpp") if path not in twins}
    assert {twin.name for twin in twins} == {path.name for path, text in once.items() if "HEAD3D_F64" in text}
    assert all("##suffix" not in text or "HEAD3D_F64" in text for text in once.values())

"""The bench of the kernels takes turns, takes medians, knows ceilings, and writes what it promises."""

import json
import os

import pytest
import torch

from head3d import bench
from head3d.bench_case import Case, Work
from head3d.bench_ceilings import Ceilings
from head3d.bench_kernels import CaseResult, KernelsBench, command_line, measure, run, sweep_cases, to_json, write
from head3d.bench_kernels_cases import (
    adam_case,
    default_cases,
    grid_sample_case,
    hash_grid_backward,
    hash_grid_forward,
    main_line,
    mlp_case,
)
from head3d.bench_op_cases import (
    antialias_case,
    distortion_case,
    sdf_case,
    shade_lamps_case,
    shade_sh_case,
    triplane_case,
)
from head3d.bench_scene_cases import (
    closest_case,
    composite_case,
    head_mesh,
    march_case,
    march_composite,
    raster_case,
    signed_distance_case,
)
from head3d.bench_timing import Neighbours, Timing, alternate, kernels, machine, origin, threads
from head3d.errors import ConfigError
from head3d.kernels.sdf_taps import TAPS

CPU = torch.device("cpu")


class Script:
    """A clock that runs nothing slowly: each function tells how long it is to have taken."""

    def __init__(self, **seconds: list[float]) -> None:
        self.seconds = {name: iter(taken) for name, taken in seconds.items()}
        self.calls: list[str] = []
        self.last = 0.0

    def function(self, name: str):
        def call() -> None:
            self.calls.append(name)
            self.last = next(self.seconds[name])

        return call

    def clock(self, function) -> float:
        function()
        return self.last


class TestAlternate:
    def test_ours_and_the_reference_take_turns_and_the_first_call_is_not_counted(self):
        script = Script(ours=[9.0, 0.1, 0.3, 0.2], other=[9.0, 0.5, 0.4, 0.6])
        both = [script.function("ours"), script.function("other")]
        ours, other = alternate(both, rounds=3, budget_s=100, clock=script.clock)
        assert script.calls == ["ours", "other"] * 4
        assert ours == Timing(0.2, 0.1, 0.3, 3) and other == Timing(0.5, 0.4, 0.6, 3)

    def test_a_slow_one_takes_part_in_fewer_rounds_spread_over_the_time(self):
        script = Script(ours=[0.1] * 7, other=[0.5] * 3)
        both = [script.function("ours"), script.function("other")]
        assert [t.rounds for t in alternate(both, rounds=6, budget_s=1.0, clock=script.clock)] == [6, 2]
        assert "".join(name[1] for name in script.calls[2:]) == "uuutuuut"

    def test_however_slow_it_is_measured_once(self):
        script = Script(ours=[50.0, 40.0])
        assert alternate([script.function("ours")], rounds=9, budget_s=1.0, clock=script.clock)[0].rounds == 1

    def test_quick_ones_are_repeated_and_told_per_call(self):
        script = Script(ours=[1e-3] * 100)
        (timing,) = alternate([script.function("ours")], rounds=2, budget_s=1.0, clock=script.clock)
        assert len(script.calls) == 1 + 2 * 5 and timing.median_s == pytest.approx(1e-3 / 5)


class TestSettings:
    def test_the_choice_of_kernels_ends_with_the_block(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "cpu")
        with pytest.raises(ZeroDivisionError), kernels("torch"):
            assert os.environ["HEAD3D_KERNELS"] == "torch"
            _ = 1 / 0
        assert os.environ["HEAD3D_KERNELS"] == "cpu"
        monkeypatch.delenv("HEAD3D_KERNELS")
        with kernels("torch"):
            pass
        assert "HEAD3D_KERNELS" not in os.environ

    def test_threads_come_back(self):
        before = torch.get_num_threads()
        with threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == before

    def test_our_own_work_is_not_that_of_neighbours(self):
        neighbours = Neighbours()
        assert neighbours.cores() is None or neighbours.cores() >= 0  # type: ignore[operator]

    def test_machine_and_origin_say_what_a_number_depends_on(self):
        facts = machine()
        assert {"name", "cpu", "cores", "threads", "flags", "caches", "compiler", "torch", "kernels"} <= set(facts)
        assert facts["name"] and " " not in facts["name"] and facts["cores"] >= 1
        assert {"date", "command"} <= set(origin("head3d bench kernels"))


class TestCeilings:
    @pytest.mark.parametrize("choice", ["auto", "torch"])
    def test_all_are_positive(self, choice, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", choice)
        ceilings = Ceilings(CPU)
        peaks = [ceilings.copy(1 << 20), ceilings.fma(), ceilings.matrix(), ceilings.gather(1 << 12)]
        assert min(peaks) > 1e6
        assert ceilings.matrix() >= ceilings.fma() or "matrix_gflop_s" in ceilings.found

    def test_shares_are_costs_times_rate_over_peaks(self):
        found = {"copy_1_mb_gb_s": 1.0, "fma_gflop_s": 2.0, "matrix_gflop_s": 0.0, "gather_8_kb_m_s": 4.0}
        ceilings = Ceilings(CPU, dict(found))
        work = Work("", bytes=100, flops=50, gathers=2, table_bytes=5000)
        shares = ceilings.shares(work, samples=1000, per_second=1e6)
        assert shares == pytest.approx({"copy": 0.1, "fma": 0.025, "gather": 0.5})
        matrix = Ceilings(CPU, dict(found)).shares(Work("", flops=50, arithmetic="matrix"), samples=1, per_second=1e6)
        assert matrix == pytest.approx({"matrix": 0.025})  # no such units: those of multiply-adds

    def test_the_best_measurement_is_kept(self):
        ceilings = Ceilings(CPU, {"a": 2.0, "none": 0.0}, {"a": iter([1.0, 3.0]).__next__, "none": lambda: 1.0})
        ceilings.measure_again()
        assert ceilings.found["a"] == 2.0
        ceilings.measure_again()
        assert ceilings.found == {"a": 3.0, "none": 0.0}


def fake(seen: list, **change) -> Case:
    def inputs(device, count):
        seen.append(("inputs", count, os.environ.get("HEAD3D_KERNELS")))
        return count

    def ours(count):
        seen.append(("ours", count, os.environ.get("HEAD3D_KERNELS")))

    work = Work("none", flops=10.0)
    return Case("fake", "things", 100, inputs, ours, lambda _: work, reference_samples=20, **change)


class TestMeasure:
    def ceilings(self) -> Ceilings:
        return Ceilings(CPU, {"fma_gflop_s": 1.0})

    def test_the_reference_is_ours_without_kernels_on_its_own_number_of_samples(self, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "auto")
        seen, seconds = [], iter([1.0, 2.0] * 4)

        def clock(function) -> float:
            function()
            return next(seconds)

        result = measure(fake(seen), self.ceilings(), rounds=3, budget_s=100, clock=clock)
        assert seen[:2] == [("inputs", 100, "auto"), ("inputs", 20, "torch")]
        assert seen[2:] == [("ours", 100, "auto"), ("ours", 20, "torch")] * 4
        assert result.rate == 100 and result.reference_rate == 10
        assert result.shares == {"fma": pytest.approx(1e-6)}

    def test_a_disturbed_measurement_is_done_again_and_the_quietest_counts(self, monkeypatch):
        cores = iter([2.0, 0.5, 1.0, 0.1])
        monkeypatch.setattr("head3d.bench_kernels.Neighbours.cores", lambda _: next(cores))
        waits: list[float] = []
        monkeypatch.setattr("head3d.bench_kernels.wait_for_quiet", waits.append)
        options = {"rounds": 1, "budget_s": 0.01}
        assert measure(fake([]), self.ceilings(), retries=2, **options).neighbours == 0.5
        assert measure(fake([]), self.ceilings(), retries=9, **options).neighbours == 0.1
        assert len(waits) == 2  # before each attempt but the first of either

    def test_another_reference_is_called_instead(self):
        seen: list = []
        case = fake(seen, reference=lambda count: seen.append(("theirs", count, "")))
        measure(case, self.ceilings(), rounds=1, budget_s=0.01)
        assert ("theirs", 20, "") in seen and ("ours", 20, "torch") not in seen


def result(**change) -> CaseResult:
    timing = Timing(0.5, 0.4, 0.6, 3)
    return CaseResult(
        fake([]), "cpu", 2, timing, Timing(1.0, 1.0, 1.0, 1), Work("ten", flops=10.0),
        Ceilings(CPU, {"fma_gflop_s": 1.0}), **change,
    )  # fmt: skip


class TestJson:
    def test_holds_what_a_reader_may_count_on(self):
        report = to_json([result()], [{"device": "cpu", "threads": 2}], {"name": "m"}, origin("head3d bench kernels"))
        assert json.loads(json.dumps(report, allow_nan=False)) == report
        assert {"format", "version", "date", "command", "machine", "ceilings", "cases"} <= set(report)
        (entry,) = report["cases"]
        assert set(entry) == {
            "name", "device", "threads", "unit", "samples", "params", "ours", "reference", "speedup", "per_sample",
            "bound", "fraction",
        }  # fmt: skip
        assert entry["ours"]["m_per_s"] == pytest.approx(2e-4) and entry["speedup"] == pytest.approx(10)
        assert entry["per_sample"] == {"flops": 10.0, "formula": "ten"} and entry["bound"] == "fma"

    def test_a_profilers_numbers_and_neighbours_are_absent_until_there_are_some(self):
        (entry,) = to_json([result(ncu={"l2": 0.5}, neighbours=0.5)], [], {}, {})["cases"]
        assert entry["ncu"] == {"l2": 0.5} and entry["neighbours_cores"] == 0.5

    def test_commands_keep_no_paths(self):
        words = ["/home/me/subjects/ann", "--sizes", "64", "--out", "/x/y.json", "--json"]
        assert command_line("render", words) == "head3d bench render ann --sizes 64 --json"
        assert command_line("kernels", ["--out=/x"]) == "head3d bench kernels"

    def test_a_folder_gets_a_file_named_after_the_machine(self, tmp_path, capsys):
        report = to_json([result()], [], {"name": "m"}, {"command": "c"})
        write(report, True, tmp_path, show=None, stem="kernels")
        assert json.loads(capsys.readouterr().out) == report
        assert json.loads((tmp_path / "kernels_m.json").read_text()) == report


SMALL = [
    *main_line(64, table_log2=10),
    *main_line(64, table_log2=10, precision="bfloat16"),
    hash_grid_forward(64),
    hash_grid_backward(64),
    mlp_case(64, backward=False),
    mlp_case(64, backward=True),
    grid_sample_case(64, backward=False),
    grid_sample_case(64, backward=True),
    march_case(64),
    composite_case(64, backward=False),
    composite_case(64, backward=True),
    march_composite(64),
    raster_case(32),
    closest_case(64),
    signed_distance_case(8),
    adam_case(64, touched=1.0),
    adam_case(64, touched=0.1),
    *(sdf_case(taps, 64) for taps in TAPS),
    triplane_case(64, size=8),
    shade_sh_case(64),
    shade_lamps_case(64),
    distortion_case(64),
    antialias_case(32),
]


SAME = [case for case in SMALL if not case.name.startswith(("adam", "signed_distance")) and "bf" not in case.name]
"""bfloat16 and float32 are two computations; Adam gives nothing back, and far from the surface both signed distances
are estimates; their own tests compare."""

ON_GPU = [case for case in SMALL if "cuda" in case.devices]


class TestCases:
    def test_each_of_the_bench_is_tried_here(self):
        assert [case.name for case in SMALL] == [case.name for case in default_cases()]

    @pytest.mark.parametrize("case", SMALL, ids=[case.name for case in SMALL])
    def test_runs_and_knows_what_it_costs(self, case, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "auto")
        monkeypatch.setattr("head3d.bench_ceilings.READS", 1 << 12)
        ceilings = Ceilings(CPU, {"fma_gflop_s": 1.0, "copy_1_mb_gb_s": 1.0})
        found = measure(case, ceilings, rounds=1, budget_s=1e-3)
        assert found.rate > 0 and found.reference_rate > 0 and found.shares
        assert min(found.shares.values()) > 0 and found.work.formula

    @pytest.mark.gpu
    @pytest.mark.parametrize("case", ON_GPU, ids=[case.name for case in ON_GPU])
    def test_runs_on_a_gpu(self, case):
        found = measure(case, Ceilings(torch.device("cuda")), rounds=1, budget_s=1e-3)
        assert found.rate > 0 and found.reference_rate > 0 and min(found.shares.values()) > 0

    @pytest.mark.parametrize("case", SAME, ids=[case.name for case in SAME])
    def test_ours_and_the_reference_are_the_same_computation(self, case, monkeypatch):
        monkeypatch.setenv("HEAD3D_KERNELS", "auto")
        ours = case.ours(case.inputs(CPU, case.samples))
        with kernels("torch"):
            theirs = (case.reference or case.ours)(case.inputs(CPU, case.samples))
        pairs = list(zip(tensors(ours), tensors(theirs), strict=True))
        if case.name == "closest_point":
            pairs = pairs[:1]  # the distance: at a shared corner any of its triangles may be named
        assert pairs
        for mine, other in pairs:
            # 1e-4 of the largest: sums over samples of either sign, in another order
            largest = float(other.abs().max())
            assert torch.allclose(mine.double(), other.double(), rtol=1e-3, atol=1e-4 * max(largest, 1e-3))

    def test_a_head_has_about_as_many_triangles_as_wanted(self):
        vertices, faces = head_mesh(27_000)
        assert abs(len(faces) - 27_000) < 3 and int(faces.max()) == len(vertices) - 1

    def test_a_sweep_covers_batches_and_tables_and_spares_the_reference(self):
        found = sweep_cases()
        assert {case.samples for case in found} == {1 << log2 for log2 in (12, 14, 16, 18, 20, 21)}
        assert {case.params["table_log2"] for case in found} == {14, 16, 17, 18, 20}
        assert max(case.reference_samples or 0 for case in found) == 1 << 17


def tensors(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if hasattr(value, "__dataclass_fields__"):
        return tensors([getattr(value, name) for name in value.__dataclass_fields__])
    return [tensor for item in value for tensor in tensors(item)]


class TestCommand:
    def test_a_quick_run(self):
        report = run(KernelsBench(only=("raster",), rounds=1, seconds=0.01, device="cpu", json=True), command="c")
        assert [entry["name"] for entry in report["cases"]] == ["raster"]
        assert report["ceilings"][0]["fma_gflop_s"] > 1 and report["command"] == "c"

    def test_unknown_names_and_numbers_are_refused(self):
        with pytest.raises(ConfigError, match="No case is called rastr") as caught:
            run(KernelsBench(only=("rastr",)))
        assert "raster" in caught.value.hint
        with pytest.raises(ConfigError, match="at least one round"):
            run(KernelsBench(rounds=0))
        with pytest.raises(ConfigError, match="subject, the kernels, rendering or an export"):
            bench.main(["kernel"])

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_missing_gpu_is_named(self):
        with pytest.raises(ConfigError, match="no CUDA device"):
            run(KernelsBench(device="cuda"))

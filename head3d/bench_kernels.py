"""``head3d bench kernels``: how fast is every op, against plain torch and against what the machine can do.

Ours and the reference take turns in one process; rates are of the median round. A result is one JSON object: where and
when it was measured, the ceilings of each device and number of threads, and one entry per case. An entry of a GPU may
hold ``ncu``: what NVIDIA's profiler said of the same call; it is absent where nobody asked it.
"""

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from rich.console import Console
from rich.table import Table

from head3d.bench_case import Case, Work
from head3d.bench_ceilings import Ceilings
from head3d.bench_kernels_cases import default_cases, main_line
from head3d.bench_timing import (
    Clock,
    Neighbours,
    Timing,
    alternate,
    clock_of,
    kernels,
    machine,
    origin,
    threads,
    wait_for_quiet,
)
from head3d.console import listen
from head3d.errors import ConfigError
from head3d.events import Emit, Progress, StageDone, StageStart, ignore
from head3d.store import disk_errors

FORMAT = "head3d.bench.kernels"
VERSION = 1

USUAL = ("copy_512_mb_gb_s", "fma_gflop_s", "matrix_gflop_s", "gather_1024_kb_m_s")
"""Ceilings that are printed for people; the JSON has all."""

DISTURBED_CORES = 0.25
"""Of other processes; one that competes for a core now and then stops all threads of an op each time."""

SWEEP_SAMPLES_LOG2 = (12, 14, 16, 18, 20, 21)
SWEEP_TABLES_LOG2 = (14, 16, 17, 18, 20)
SWEEP_REFERENCE = 1 << 17
"""Samples the reference gets at most in a sweep: plain torch keeps about 8 KB for each."""


@dataclass(frozen=True)
class KernelsBench:
    """Measure the kernels: rate of every op, of plain torch, and the fraction of what this machine can do."""

    only: tuple[str, ...] = ()
    """Cases whose name holds one of these words: --only raster march"""
    device: Literal["all", "cpu", "cuda"] = "all"
    """Where; all: the CPU, and a GPU if there is one."""
    threads: int = 0
    """Of the CPU; 0: as many as torch takes by itself."""
    sweep: bool = False
    """Also batches of 2^12 to 2^21, tables of 2^14 to 2^20, one thread and all: several minutes."""
    rounds: int = 7
    """In which both ways take turns; slow ones take part in fewer."""
    seconds: float = 1.0
    """For each way of each case, about."""
    retries: int = 0
    """How often a case is measured again, if other processes used more than a quarter of a core meanwhile."""
    json: bool = False
    """Print one JSON object instead of a table."""
    out: Path | None = None
    """Also write the JSON to this file, or into this folder as kernels_MACHINE.json."""


@dataclass(frozen=True)
class CaseResult:
    """What was measured of a case."""

    case: Case
    device: str
    threads: int
    ours: Timing
    reference: Timing
    work: Work
    ceilings: Ceilings
    neighbours: float | None = None
    """Cores that other processes used meanwhile, on average."""
    ncu: Mapping[str, Any] | None = None

    @property
    def rate(self) -> float:
        """Samples a second, ours."""
        return self.case.samples / self.ours.median_s

    @property
    def reference_rate(self) -> float:
        """Samples a second of the reference."""
        return (self.case.reference_samples or self.case.samples) / self.reference.median_s

    @property
    def shares(self) -> dict[str, float]:
        """Fraction of each ceiling that our rate reaches, with the best measurement of the ceiling so far."""
        return self.ceilings.shares(self.work, samples=self.case.samples, per_second=self.rate)


def measure(
    case: Case, ceilings: Ceilings, *, rounds: int, budget_s: float, retries: int = 0, clock: Clock | None = None
) -> CaseResult:
    """Time a case and its reference by turns on the device of the ceilings, with torch's present number of threads.

    With ``retries`` a measurement that others disturbed is done again, and the least disturbed one counts.
    """
    device = ceilings.device
    mine = case.inputs(device, case.samples)
    with kernels("torch"):
        theirs = case.inputs(device, case.reference_samples or case.samples)

    def reference() -> Any:
        with kernels("torch"):
            return (case.reference or case.ours)(theirs)

    threads_now, work, found = torch.get_num_threads(), case.work(mine), []
    for attempt in range(retries + 1):
        if attempt:
            wait_for_quiet(DISTURBED_CORES)
        neighbours = Neighbours()
        ours, other = alternate(
            [lambda: case.ours(mine), reference], rounds=rounds, budget_s=budget_s, clock=clock or clock_of(device)
        )
        cores = neighbours.cores()
        found.append(CaseResult(case, device.type, threads_now, ours, other, work, ceilings, cores))
        if not _disturbed(cores):
            break
    result = min(found, key=lambda one: one.neighbours or 0.0)
    _ = result.shares  # measures the ceilings it needs while the machine is in the same mood
    return result


def _disturbed(cores: float | None) -> bool:
    return cores is not None and cores > DISTURBED_CORES


def measure_all(
    cases: Sequence[Case],
    devices: Sequence[str],
    *,
    rounds: int,
    budget_s: float,
    retries: int = 0,
    emit: Emit = ignore,
) -> tuple[list[CaseResult], list[Ceilings]]:
    """All cases on all devices that they run on, and what these devices can do."""
    todo = [(device, [case for case in cases if device in case.devices]) for device in devices]
    steps, step = sum(len(chosen) for _, chosen in todo), 0
    emit(StageStart("bench", steps))
    started, results, found = time.monotonic(), [], []
    for device, chosen in todo:
        ceilings = Ceilings(torch.device(device))
        for case in chosen:
            emit(Progress("bench", step, steps, f"{case.name} ({device})"))
            results.append(measure(case, ceilings, rounds=rounds, budget_s=budget_s, retries=retries))
            ceilings.measure_again()
            step += 1
        found.append(ceilings)
    emit(StageDone("bench", time.monotonic() - started))
    return results, found


def sweep_cases() -> list[Case]:
    """The main line over sizes of batch and table."""
    sizes = {(1 << log2, 17) for log2 in SWEEP_SAMPLES_LOG2} | {(1 << 18, log2) for log2 in SWEEP_TABLES_LOG2}
    found = []
    for samples, table in sorted(sizes, key=lambda size: (size[1], size[0])):
        line = main_line(samples, table_log2=table, reference_samples=min(samples, SWEEP_REFERENCE))
        found += [case for case in line if case.name.endswith((" forward", " step"))]
    return found


def main(words: Sequence[str]) -> int:
    """``head3d bench kernels ...``; returns the exit code."""
    options = tyro.cli(
        KernelsBench, args=list(words), prog="head3d bench kernels", config=(tyro.conf.FlagCreatePairsOff,)
    )
    report = run(options, command=command_line("kernels", words))
    write(report, options.json, options.out, show=show, stem="kernels")
    return 0


def run(options: KernelsBench, *, command: str = "") -> dict[str, Any]:
    """Measure what the options ask for; the result as it is written."""
    if options.rounds < 1 or options.seconds <= 0 or min(options.threads, options.retries) < 0:
        raise ConfigError("A bench needs at least one round, some time and no negative numbers.")
    chosen = [case for case in default_cases() if _wanted(case, options.only)]
    if not chosen:
        names = ", ".join(dict.fromkeys(case.name for case in default_cases()))
        raise ConfigError(f"No case is called {' or '.join(options.only)}.", hint=f"There are {names}.")
    there = torch.cuda.is_available()
    if options.device == "cuda" and not there:
        raise ConfigError("There is no CUDA device.", hint="Use --device cpu.")
    devices = ["cpu", *(["cuda"] if there else [])] if options.device == "all" else [options.device]
    start = origin(command)
    most = options.threads or torch.get_num_threads()
    with listen("quiet" if options.json else "auto") as emit:
        every = {"rounds": options.rounds, "budget_s": options.seconds, "retries": options.retries, "emit": emit}
        with threads(most):
            facts = machine()
            results, ceilings = measure_all(chosen, devices, **every)
            found = [_ceilings(one, most) for one in ceilings]
        if options.sweep:
            cases = [case for case in sweep_cases() if _wanted(case, options.only)]
            for count in dict.fromkeys((1, most)):
                with threads(count):
                    more, ceilings = measure_all(cases, devices if count == most else ["cpu"], **every)
                    results += more
                    found += [_ceilings(one, count) for one in ceilings]
    return to_json(results, found, facts, start)


def _wanted(case: Case, only: Sequence[str]) -> bool:
    return not only or any(word in case.name for word in only)


def _ceilings(one: Ceilings, count: int) -> dict[str, Any]:
    return {"device": one.device.type, "threads": count, **{name: short(x) for name, x in one.listed().items()}}


def to_json(
    results: Sequence[CaseResult],
    ceilings: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    start: Mapping[str, str],
) -> dict[str, Any]:
    """The result as the JSON file holds it; ``start`` is what ``origin`` told before the first measurement."""
    return {
        "format": FORMAT,
        "version": VERSION,
        **start,
        "machine": dict(facts),
        "ceilings": list(ceilings),
        "cases": [_entry(result) for result in results],
    }


def _entry(result: CaseResult) -> dict[str, Any]:
    case, work, shares = result.case, result.work, result.shares
    counted = {"bytes": work.bytes, "flops": work.flops, "gathers": work.gathers}
    entry: dict[str, Any] = {
        "name": case.name,
        "device": result.device,
        "threads": result.threads,
        "unit": case.unit,
        "samples": case.samples,
        "params": dict(case.params),
        "ours": {"m_per_s": short(result.rate / 1e6), **timing_entry(result.ours)},
        "reference": {
            "m_per_s": short(result.reference_rate / 1e6),
            "samples": case.reference_samples or case.samples,
            **timing_entry(result.reference),
        },
        "speedup": short(result.rate / result.reference_rate),
        "per_sample": {**{name: short(value) for name, value in counted.items() if value}, "formula": work.formula},
        "bound": max(shares, key=lambda name: shares[name]),
        "fraction": {name: short(share) for name, share in shares.items()},
    }
    optional = {
        "neighbours_cores": None if result.neighbours is None else short(result.neighbours),
        "ncu": None if result.ncu is None else dict(result.ncu),
    }
    return {**entry, **{name: value for name, value in optional.items() if value is not None}}


def timing_entry(timing: Timing) -> dict[str, float]:
    """Seconds of a call as results hold them."""
    return {name: short(value) for name, value in dataclasses.asdict(timing).items()}


def short(value: float) -> float:
    """Four digits: no timing has more."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def command_line(what: str, words: Sequence[str]) -> str:
    """The command as the result keeps it: without the place it is written to, subject folders by name only."""
    kept, skip = [], False
    for word in words:
        if not skip and word != "--out" and not word.startswith("--out="):
            kept.append(Path(word).name if "/" in word else word)
        skip = word == "--out"
    return shlex.join(["head3d", "bench", what, *kept])


def write(report: Mapping[str, Any], as_json: bool, out: Path | None, *, show: Any, stem: str) -> None:
    """Print a result as JSON or by ``show``, and keep it in a file or folder."""
    text = json.dumps(report, indent=1, allow_nan=False)
    if out is not None:
        path = out / f"{stem}_{report['machine']['name']}.json" if out.is_dir() else out
        with disk_errors(path):
            path.write_text(text + "\n", encoding="utf-8")
    if as_json:
        sys.stdout.write(text + "\n")
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 130))


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print a result as tables."""
    facts = report["machine"]
    console.print(f"{facts.get('gpu', facts['cpu'])}, {facts['cores']} cores, {report['date']}", highlight=False)
    for one in report["ceilings"]:
        peaks = ", ".join(f"{name} {one[name]:,.0f}" for name in USUAL if name in one)
        console.print(f"{one['device']} x {one['threads']}: {peaks}", highlight=False)
    table = Table("case", "on", "samples", "M/s", "torch M/s", "times", "ms", "of the ceiling")
    for column in table.columns[2:7]:
        column.justify = "right"
    for entry in report["cases"]:
        ours, share = entry["ours"], entry["fraction"][entry["bound"]]
        size = f"{entry['samples']:,}" + (
            f" T=2^{entry['params']['table_log2']}" if "table_log2" in entry["params"] else ""
        )
        where = entry["device"] + (f" x {entry['threads']}" if entry["device"] == "cpu" else "")
        noisy = " ~" if _disturbed(entry.get("neighbours_cores")) else ""
        rates = f"{ours['m_per_s']:.2f}{noisy}", f"{entry['reference']['m_per_s']:.3f}", f"{entry['speedup']:.1f}"
        table.add_row(
            entry["name"], where, size, *rates, f"{ours['median_s'] * 1e3:.2f}", f"{share:.0%} {entry['bound']}"
        )
    console.print(table)
    console.print(
        "~ other processes competed for the cores; --retries 3 tries to find quieter moments", highlight=False
    )

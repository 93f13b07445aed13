"""``head3d bench WHAT``: how good is the head, where the right answer is known; how fast are kernels and pictures.

``subject TRUTH``: the pipeline gets some pictures of a truth folder without their cameras, and what it makes is
compared with the other pictures, the true cameras, depth, normals and mesh. ``truth PERSON`` makes such a folder.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from rich.console import Console
from rich.table import Table

from head3d import bench_export, bench_kernels, bench_people, bench_person, bench_quality, bench_render, bench_studio
from head3d.bench_run import BenchReport, as_plain, bench_subject
from head3d.bench_truth import check_same_world, load_truth, pick_inputs, thinned
from head3d.config import load_config
from head3d.console import listen
from head3d.errors import ConfigError

HELP = """usage: head3d bench subject|person|truth|kernels|render|studio|export|sets|harmony [OPTIONS]

  subject TRUTH    how good a head is: pose, shape and pictures against truth
  person FOLDER    whether a head is still the person of a photo it was made without
  truth PERSON DIR such truth, photographed from a textured mesh or a synthetic person
  kernels          how fast every op is, against plain torch and against what the machine can do
  render SUBJECT   how fast pictures of a finished subject are, fused and not, and how much they differ
  studio SUBJECT.. whole sets: skin, outline, identity and time of every picture, contact sheets
  export SUBJECT   how near a .glb's turntable is to the field's
  sets DIR DIR     how far a set of pictures is from another: Fréchet and kernel distance with intervals
  harmony          one look for a set against naive colour transfer

head3d bench WHAT --help tells the options.
"""

COLUMNS = (
    ("psnr_db", "PSNR dB", 1),
    ("ssim", "SSIM", 3),
    ("lpips_alex", "LPIPS", 3),
    ("lpips_alex_inside", "inside", 3),
    ("alpha_iou", "alpha IoU", 3),
    ("boundary_px", "edge px", 2),
    ("depth_rmse_mm", "depth mm", 2),
    ("normal_error_deg", "normal deg", 1),
    ("albedo_error", "albedo", 3),
    ("albedo_gain", "gain", 2),
)


@dataclass(frozen=True)
class SubjectBench:
    """Measure a subject against truth.

    TRUTH is a folder with images and transforms.json in nerfstudio's convention, optionally with albedo, normal, depth.
    """

    truth: tyro.conf.Positional[Path]
    """The truth folder."""
    inputs: str = "5"
    """Frames the pipeline sees: "0,2,5", or how many, spread evenly over +-75 degrees of yaw."""
    cameras: Literal["hidden", "given"] = "hidden"
    """Whether the pipeline is told the true cameras of its inputs."""
    every: int = 1
    """Score only every so many-th of the other frames: a quick look."""
    relight: Path | None = None
    """Another truth folder of the same head under another light: solved from one of its frames, scored on the rest."""
    config: str = ""
    """A preset or a yaml file; the defaults if empty."""
    set: tuple[str, ...] = ()
    """Options to change, as in a preset: --set train.steps=800 fit.flow_rounds=3"""
    json: bool = False
    """Print one JSON object instead of a table."""
    out: Path | None = None
    """Also write the JSON to this file."""


def main(words: Sequence[str]) -> int:
    """``head3d bench WHAT ...``; returns the exit code."""
    match words[:1]:
        case ["subject"]:
            return _subject(words[1:])
        case ["person"]:
            return bench_person.main(words[1:])
        case ["truth"]:
            return bench_people.main(words[1:])
        case ["kernels"]:
            return bench_kernels.main(words[1:])
        case ["render"]:
            return bench_render.main(words[1:])
        case ["studio"]:
            return bench_studio.main(words[1:])
        case ["export"]:
            return bench_export.main(words[1:])
        case ["sets"]:
            return bench_quality.sets(words[1:])
        case ["harmony"]:
            return bench_quality.harmony(words[1:])
        case ["-h" | "--help"]:
            sys.stdout.write(HELP)
            raise SystemExit(0)
    raise ConfigError(
        "head3d bench measures a subject, the kernels, rendering or an export.", hint=HELP.partition("\n")[0]
    )


def _subject(words: Sequence[str]) -> int:
    options = tyro.cli(
        SubjectBench, args=list(words), prog="head3d bench subject", config=(tyro.conf.FlagCreatePairsOff,)
    )
    truth = load_truth(options.truth)
    inputs = pick_inputs(truth, options.inputs)
    truth, inputs = thinned(truth, inputs, every=options.every)
    other = None
    if options.relight is not None:
        other = replace(load_truth(options.relight), unit_m=truth.unit_m)
        check_same_world(truth, other)
    config = load_config(options.config, *(word for item in options.set for word in _option(item)))
    with listen("quiet" if options.json else "auto") as emit:
        report = bench_subject(truth, inputs=inputs, cameras=options.cameras, config=config, relight=other, emit=emit)
    text = json.dumps(to_json(report), indent=1, allow_nan=False)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    if options.json:
        sys.stdout.write(text + "\n")
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 120))
    return 0


def to_json(report: BenchReport) -> dict[str, Any]:
    """The result as ``--json`` prints it: means over the tested frames at the top level; NaN becomes null."""
    plain = as_plain(report)
    frames, overall, pose = plain.pop("frames"), plain.pop("overall"), plain.pop("pose_error_deg")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = {
        **overall,
        "pose_error_deg": pose["median"],
        "pose_error_deg_mean": pose["mean"],
        "pose_error_deg_max": pose["max"],
        **plain,
        "device": device,
        "frames": frames,
    }
    return _without_nan(found)


def show(report: BenchReport, console: Console) -> None:
    """Print the result as tables."""
    head = Table(
        title=f"{report.truth}: {len(report.inputs)} inputs, cameras {report.cameras}", show_header=False, box=None
    )
    pose, mesh = report.pose_error_deg, report.mesh_error_mm or {}
    rows = {
        "pose error": f"{pose['median']:.2f} deg median, {pose['max']:.2f} max",
        "focal error": f"{report.focal_error_pct:.1f} %",
        "mesh error": f"{mesh['median']:.2f} mm median, {mesh['p90']:.2f} p90 (face {mesh['face_median']:.2f})"
        if mesh
        else "-",
        "identity": "-" if report.identity_distance is None else f"{report.identity_distance:.3f}",
        "consistency": f"{report.consistency['psnr_db']:.1f} dB, LPIPS {report.consistency['lpips_alex']:.3f}",
        "seconds": ", ".join(f"{stage} {value:.0f}" for stage, value in report.seconds.items()),
        "peak memory": f"{report.peak_rss_mb:.0f} MB",
        "aligned by": report.alignment,
        "unit": f"{report.marks.unit_m:.4f} m ({report.marks.unit_from})",
    }
    for name, value in rows.items():
        head.add_row(name, value)
    console.print(head)
    table = Table("yaw", "n", *(title for _, title, _ in COLUMNS))
    for name, row in [*report.by_yaw.items(), ("all", report.overall)]:
        table.add_row(name, *_cells(row))
    if report.relight is not None:
        table.add_row(f"relit ({report.relight['truth']})", *_cells(report.relight))
    console.print(table)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [str(row["n"]), *("-" if math.isnan(row[key]) else f"{row[key]:.{digits}f}" for key, _, digits in COLUMNS)]


def _option(item: str) -> tuple[str, str]:
    name, sign, value = item.partition("=")
    if not sign:
        raise ConfigError(f"--set {item!r} has no value.", hint="Write --set train.steps=800")
    return f"--{name}", value


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

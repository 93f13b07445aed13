"""``head3d bench render SUBJECT``: how fast pictures of a finished subject are, and whether all ways agree on them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from head3d.bench_kernels import command_line, short, timing_entry, write
from head3d.bench_timing import Timing, alternate, kernels, machine, origin, threads
from head3d.config import load_config
from head3d.console import listen
from head3d.errors import ConfigError
from head3d.events import Emit, Progress, StageDone, StageStart, ignore
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.sh import Lighting, harmonics_of
from head3d.imaging.color import levels_from_linear
from head3d.kernels.build import Choice, choice
from head3d.render import volume
from head3d.render.config import RenderConfig
from head3d.render.types import RenderOutput
from head3d.render.views import named_view
from head3d.rendering import surface_cache
from head3d.subject import Subject

FORMAT = "head3d.bench.render"
VERSION = 1

GREY = 0.2
"""Linear light behind the head when pictures are compared; mid grey, so that errors to both sides show."""


@dataclass(frozen=True)
class RenderBench:
    """Measure rendering of a finished subject: rays a second and whole pictures, fused, unfused and in plain torch."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    sizes: tuple[int, ...] = (256, 512, 1024)
    """Height and width of the pictures, px."""
    view: str = "three-quarter-left"
    """Named angle."""
    threads: int = 0
    """Of the CPU; 0: as many as torch takes by itself."""
    rounds: int = 5
    """In which the ways take turns; slow ones take part in fewer."""
    seconds: float = 5.0
    """For each way and size, about."""
    json: bool = False
    """Print one JSON object instead of a table."""
    out: Path | None = None
    """Also write the JSON to this file, or into this folder as render_MACHINE.json."""


@dataclass(frozen=True)
class Way:
    """One way to make a picture."""

    name: str
    kernels: Choice
    render: Callable[..., RenderOutput]
    """With the arguments of ``render_view``."""


@dataclass(frozen=True)
class Frame:
    """A picture of one size, made in one way."""

    size_px: int
    way: str
    timing: Timing
    most_levels: int
    """Largest difference to the first way's picture, of 255."""
    over_two: int
    """Numbers of the picture that differ by more than 2 of 255."""

    @property
    def rays_per_s(self) -> float:
        """Camera rays a second, those that miss the head among them."""
        return self.size_px**2 / self.timing.median_s


def ways() -> list[Way]:
    """Plain torch, then the kernels one after the other, then fused in one launch where the renderer has both."""
    apart = getattr(volume, "render_view_torch", None)
    if apart is None:
        return [Way("torch", "torch", volume.render_view), Way("kernels", choice(), volume.render_view)]
    return [Way("torch", "torch", apart), Way("kernels", choice(), apart), Way("fused", choice(), volume.render_view)]


def picture(seen: RenderOutput) -> np.ndarray:
    """As it is delivered, before a grey wall: sRGB levels (H, W, 3), as signed numbers."""
    alpha = seen.alpha[..., None]
    return levels_from_linear(seen.rgb_linear * alpha + GREY * (1 - alpha)).astype(np.int16)


def measure_frames(
    field: RadianceField,
    cache: ShellCache,
    candidates: Sequence[Way],
    *,
    config: RenderConfig,
    size_px: int,
    view: str,
    rounds: int,
    budget_s: float,
) -> list[Frame]:
    """Make a view in every way, by turns."""
    wanted = named_view(view, size=(size_px, size_px))
    # the ways differ in how they find the surface; lamps would add the same to each
    wanted = replace(wanted, lighting=Lighting(harmonics_of(wanted.lighting)))
    made: dict[str, RenderOutput] = {}

    def run(way: Way) -> None:
        with kernels(way.kernels):
            made[way.name] = way.render(field, wanted, config=config, cache=cache)

    timings = alternate([lambda way=way: run(way) for way in candidates], rounds=rounds, budget_s=budget_s)
    first = picture(made[candidates[0].name])
    frames = []
    for way, timing in zip(candidates, timings, strict=True):
        apart = np.abs(picture(made[way.name]) - first)
        frames.append(Frame(size_px, way.name, timing, int(apart.max()), int((apart > 2).sum())))
    return frames


def run(options: RenderBench, *, command: str = "", emit: Emit = ignore) -> dict[str, Any]:
    """Measure what the options ask for; the result as it is written."""
    if options.rounds < 1 or options.seconds <= 0 or not options.sizes or min(options.sizes) < 16:
        raise ConfigError("A bench needs at least one round, some time and pictures of at least 16 px.")
    start, subject = origin(command), Subject(options.subject).require()
    config = load_config(subject.path / "config.yaml").render
    field, frames = subject.field(), []
    with threads(options.threads or torch.get_num_threads()):
        started, facts, candidates = time.monotonic(), machine(), ways()
        cache = surface_cache(field)
        emit(StageStart("bench", len(options.sizes)))
        for step, size in enumerate(options.sizes):
            emit(Progress("bench", step, len(options.sizes), f"{size} px"))
            frames += measure_frames(
                field,
                cache,
                candidates,
                config=config,
                size_px=size,
                view=options.view,
                rounds=options.rounds,
                budget_s=options.seconds,
            )
        emit(StageDone("bench", time.monotonic() - started))
    return {
        "format": FORMAT,
        "version": VERSION,
        **start,
        "machine": facts,
        "view": options.view,
        "samples_per_ray": config.samples,
        "frames": [
            {
                "size_px": frame.size_px,
                "way": frame.way,
                "m_rays_per_s": short(frame.rays_per_s / 1e6),
                **timing_entry(frame.timing),
                "max_difference_of_255": frame.most_levels,
                "numbers_over_2_of_255": frame.over_two,
            }
            for frame in frames
        ],
    }


def main(words: Sequence[str]) -> int:
    """``head3d bench render SUBJECT ...``; returns the exit code."""
    options = tyro.cli(
        RenderBench, args=list(words), prog="head3d bench render", config=(tyro.conf.FlagCreatePairsOff,)
    )
    with listen("quiet" if options.json else "auto") as emit:
        report = run(options, command=command_line("render", words), emit=emit)
    write(report, options.json, options.out, show=show, stem="render")
    return 0


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print a result as a table."""
    facts = report["machine"]
    console.print(f"{facts['cpu']}, {facts['threads']} threads, {report['date']}, {report['view']}", highlight=False)
    table = Table("px", "way", "M rays/s", "seconds", "rounds", "most off (of 255)", "numbers over 2")
    for column in table.columns:
        column.justify = "right"
    for frame in report["frames"]:
        times = f"{frame['m_rays_per_s']:.3f}", f"{frame['median_s']:.3f}", str(frame["rounds"])
        off = str(frame["max_difference_of_255"]), str(frame["numbers_over_2_of_255"])
        table.add_row(str(frame["size_px"]), frame["way"], *times, *off)
    console.print(table)

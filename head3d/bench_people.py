"""``head3d bench truth``: a mesh person photographed from all sides, as truth for ``head3d bench subject``."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from head3d.console import listen
from head3d.events import StageDone, StageStart
from head3d.prior.artist_people import load_artist_person
from head3d.prior.picture import Sitter
from head3d.prior.synthetic import draw_light, make_person, truth_studio
from head3d.prior.truth_folder import write_truth_folder


@dataclass(frozen=True)
class TruthBench:
    """Make a truth folder of a person whose geometry is known: pictures with exact cameras, albedo, normals and depth.

    PERSON is a binary glTF (head and shoulders, upright, metres, eyeballs as meshes) or the number of a synthetic one.
    """

    person: tyro.conf.Positional[str]
    """A .glb, or the seed of a synthetic person."""
    folder: tyro.conf.Positional[Path]
    """Where the truth goes; made if it is not there."""
    light: int = 0
    """Seed of the light. Folders of one person under several lights serve --relight."""
    size_px: int = 512
    """Height and width of the pictures."""
    data: Path = Path(os.environ.get("HEAD3D_DATA", "../shared/data"))
    """Where the truth data is: its artists' hair may grow on synthetic people. Or HEAD3D_DATA."""
    licence: str = "unknown"
    """Under which the pictures may be used; the folder says so."""


def main(words: Sequence[str]) -> int:
    """``head3d bench truth PERSON FOLDER``; returns the exit code."""
    options = tyro.cli(TruthBench, args=list(words), prog="head3d bench truth", config=(tyro.conf.FlagCreatePairsOff,))
    with listen("auto") as emit:
        emit(StageStart("photograph"))
        start = time.monotonic()
        person, name = _sitter(options.person, options.data)
        light = draw_light(torch.Generator().manual_seed(options.light))
        write_truth_folder(options.folder, person, light, name=name, licence=options.licence, size_px=options.size_px)
        emit(StageDone("photograph", time.monotonic() - start))
    return 0


def _sitter(person: str, data: Path) -> tuple[Sitter, str]:
    if person.isdecimal():
        return make_person(truth_studio(data), int(person)), f"person {person}"
    return load_artist_person(Path(person)), Path(person).stem

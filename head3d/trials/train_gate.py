"""``head3d train-gate``: make lessons, train the gate's nets, calibrate the thresholds, try them on other people."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from head3d import store
from head3d.errors import InputError
from head3d.events import Emit, Notice, Progress, StageDone, StageStart, ignore
from head3d.imaging.io import read_image
from head3d.networks.files import write_network
from head3d.perception.nets import FaceNets, load_face_nets
from head3d.prior.head_maps import HELD_OUT, artist_paths
from head3d.quality.gate_net import NAME
from head3d.quality.identity import describe_picture
from head3d.records import to_plain
from head3d.subject import Subject
from head3d.trials.gate_bench import bench_gate, roc
from head3d.trials.gate_training import DRAWN, calibrate, calibrated, pair_distances, train_gate
from head3d.trials.lessons import Row, read_rows, references_of, rows_of, write_rows
from head3d.trials.sittings import ALL_VIEWS, NEAR_VIEWS, drawn_sittings, field_sittings, sitter_of, with_neighbours

FIRST_SEED, HELD_SEED = 1000, 900_001
"""Seeds of the synthetic people that are learned from, and of those that are kept aside."""
SMALLEST_PX, LARGEST_PX, TRIED_PX = 448, 768, 640


@dataclass(frozen=True)
class GateTraining:
    """Train the detector of broken pictures and calibrate the gate; measured pictures are kept, as numbers."""

    out: Path = Path(".cache/gate")
    """Folder of measured pictures and of the result; what is there is gone on with."""
    data: Path = Path(os.environ.get("HEAD3D_DATA", "../shared/data"))
    """Truth data, from outside the project: artists' people, and hair for synthetic ones."""
    synthetic: int = 30
    """Synthetic people to learn from; artists' people come on top."""
    fields: tuple[Path, ...] = ()
    """Finished subjects to learn from and to calibrate on."""
    held_fields: tuple[Path, ...] = ()
    """Finished subjects of other people, to try the gate on; six artists' people and two synthetic ones come on top."""
    each: int = 2
    """Broken pictures of every fault, of every view."""
    seed: int = 1
    """Of everything random."""


@dataclass(frozen=True)
class _Task:
    """A person to measure."""

    name: str
    file: Path
    views: int
    ways: tuple[str, ...]
    subject: Path | None = None
    seed: int = 0
    sizes: tuple[int, int] = field(default=(SMALLEST_PX, LARGEST_PX))


def train_gate_command(options: GateTraining, *, emit: Emit = ignore) -> dict[str, Any]:
    """Do it; returns the card. Weights and card are written to the folder."""
    if not (options.data / "valid_heads").is_dir():
        raise InputError(f"{options.data} has no valid_heads.", hint="Give the truth data with --data or HEAD3D_DATA.")
    began, nets = time.monotonic(), load_face_nets()
    learned, held = _tasks(options)
    emit(StageStart("lessons", len(learned) + len(held)))
    rows = {}
    for step, task in enumerate((*learned, *held)):
        rows[task.name] = _lessons(task, options, nets)
        emit(Progress("lessons", step + 1, len(learned) + len(held), task.name))
    known = [row for task in learned for row in rows[task.name]]
    tried = [row for task in held for row in rows[task.name]]
    emit(StageStart("train", 0))
    trained = train_gate(known, seed=options.seed)
    references = {one.name: references_of(Subject(one)) for one in (*options.fields, *options.held_fields)}
    own, _ = pair_distances(known, {one.name: references[one.name] for one in options.fields})
    same, others = portrait_distances(options.data, nets)
    if not len(own) or not len(others):
        raise InputError("The gate is calibrated on finished subjects and portraits.", hint="Give --fields and --data.")
    calibration = calibrate(known, trained.aside, own=own, others=others)
    limits, net = calibration.thresholds, calibrated(trained.net, calibration.offsets)
    card = {
        "data": "synthetic people (MakeHuman CC0), valid_heads (MIT), fields of openpeople (MIT) and of valid_heads; "
        "broken by head3d/trials/breakage.py",
        "licence": "Apache-2.0",
        "seed": options.seed,
        "seconds": round(time.monotonic() - began),
        "pictures": len(known),
        "learned_people": sorted({row.person for row in known}),
        "thresholds": {
            "values": to_plain(limits),
            "calibration": {
                **calibration.facts,
                "real_photos": {
                    "data": "Face Research Lab London Set, neutral against smiling",
                    "people": len(same),
                    "same_refused": float((same > limits.identity_refuse).mean()),
                    "others_accepted": float((others <= limits.identity_refuse).mean()),
                    "area": roc(same, others)[1],
                },
            },
        },
        "trial": bench_gate(net, tried, {one.name: references[one.name] for one in options.held_fields}, limits=limits),
    }
    path = write_network(options.out, NAME, dict(net.state_dict()), card)
    emit(Notice(f"{path}: {path.stat().st_size / 1e3:.0f} KB", "info"))
    emit(StageDone("train", time.monotonic() - began))
    store.write_bytes(options.out / "trial.json", (json.dumps(card["trial"], indent=1) + "\n").encode())
    return card


def portrait_distances(data: Path, nets: FaceNets) -> tuple[np.ndarray, np.ndarray]:
    """Descriptor distances between real people's neutral and smiling portraits: of the same, and of others."""
    pairs = []
    for path in sorted((data / "london512" / "neutral_front").glob("*.jpg")):
        both = [path, path.parents[1] / "smiling_front" / path.name]
        faces = [
            describe_picture(np.ascontiguousarray(read_image(one)[..., :3]), nets) for one in both if one.is_file()
        ]
        if len(faces) == 2 and faces[0] is not None and faces[1] is not None:
            pairs.append((faces[0], faces[1]))
    if not pairs:
        return np.zeros(0), np.zeros(0)
    neutral, smiling = (np.stack(one) for one in zip(*pairs, strict=True))
    far = np.linalg.norm(neutral[:, None] - smiling[None], axis=2)
    return np.diag(far).copy(), far[~np.eye(len(far), dtype=bool)]


def _tasks(options: GateTraining) -> tuple[list[_Task], list[_Task]]:
    """Whom to learn from, and whom to try the gate on: nobody is in both."""
    place = options.out / "lessons"
    fields = {one.name for one in (*options.fields, *options.held_fields)}
    drawn = [f"syn{FIRST_SEED + number}" for number in range(options.synthetic)]
    drawn += [path.stem.rpartition("_")[0] for path in artist_paths(options.data, held_out=False)]
    both = ("taught", "untaught")
    learned = [
        _Task(DRAWN + name, place / f"drawn_{name}.npz", 3, ("taught",), seed=number)
        for number, name in enumerate(drawn)
        if name not in fields
    ]
    for number, one in enumerate(options.fields):
        learned.append(_Task(one.name, place / f"{one.name}.npz", len(ALL_VIEWS), ("taught",), one, 500 + number))
    aside = [*HELD_OUT, f"syn{HELD_SEED}", f"syn{HELD_SEED + 1}"]
    size = TRIED_PX, TRIED_PX + 1
    held = [
        _Task(DRAWN + name, place / f"held_{name}.npz", 3, both, seed=700 + number, sizes=size)
        for number, name in enumerate(aside)
        if name not in fields
    ]
    for number, one in enumerate(options.held_fields):
        file = place / f"held_{one.name}.npz"
        held.append(_Task(one.name, file, len(NEAR_VIEWS), both, one, 800 + number, sizes=size))
    return learned, held


def _lessons(task: _Task, options: GateTraining, nets: FaceNets) -> list[Row]:
    if task.file.is_file():
        return [replace(row, person=task.name) for row in read_rows(task.file)]
    draw = np.random.default_rng(task.seed + 1000 * options.seed)
    size = int(draw.integers(*task.sizes))
    if task.subject is not None:
        views: Sequence[str] = ALL_VIEWS[: task.views]
        sittings = field_sittings(Subject(task.subject), views, draw, size_px=size)
    else:
        views = [str(one) for one in draw.choice(NEAR_VIEWS, task.views, replace=False)]
        person = sitter_of(task.name.removeprefix(DRAWN), options.data)
        sittings = drawn_sittings(person, views, draw, size_px=size, nets=nets)
    rows = [
        row
        for sitting in with_neighbours(list(sittings))
        for row in rows_of(task.name, sitting, draw, ways=task.ways, nets=nets, each=options.each)
    ]
    write_rows(task.file, rows)
    return rows

"""The fairness audit: a balanced panel through the pipeline itself, every metric by group, and a bound."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from head3d import __version__, store
from head3d.config import Config, load_config
from head3d.errors import InputError
from head3d.events import Emit, Notice, Progress, StageDone, StageStart, ignore
from head3d.imaging.warp import resize
from head3d.quality.fairness import Comparison, Measured, compare, worst_of
from head3d.quality.gate_net import gate_card
from head3d.quality.skin_groups import monk_tone, typology_class
from head3d.trials.audit_measures import METRICS, measure_fit, measure_photos, measure_pictures
from head3d.trials.panel import Panelist, Shoot, Source, panel, photograph_panelist
from head3d.weights import KNOWN

Depth = Literal["photos", "fit", "pictures"]
SKIN_AXIS = "skin tone"
"""The axis that the bound is for."""
LINES = "measured.jsonl"
FACE_PX = 160


@dataclass(frozen=True)
class AuditConfig:
    """What an audit does."""

    twins: int = 8
    """Sets of synthetic twins; each has five people that differ in skin tone only (Monk 01, 04, 06, 08, 10).
    Eight sets cross sex, age and hair in a balanced fraction: see ``trials.panel.crossed``."""
    depth: Depth = "fit"
    """photos: finding faces only. fit: the fitted head, its shape and albedo, too. pictures: a trained field and its
    pictures for every person as well."""
    pictures_of: int = 1
    """Sets of twins that get a trained field and pictures even where ``depth`` is fit."""
    sources: tuple[Source, ...] = ("synthetic", "artists", "photos")
    """Who is in the panel; artists' people and photos only where the truth data is."""
    data: Path = Path("../shared/data")
    """The truth data (HEAD3D_DATA)."""
    budget_minutes: float = 60.0
    """Nobody new is begun after this; sets of twins are finished."""
    bound: float = 0.10
    """How much worse a metric may be for a group of skin tone than for everybody else, relative."""


@dataclass(frozen=True)
class Audit:
    """The result.

    Attributes:
        people: Everybody who was measured.
        comparisons: Every metric along every axis.
        bound: See :class:`AuditConfig`.
        faces: Small pictures of synthetic people by name, for the page.
        facts: Versions, depth, time.
    """

    people: tuple[Measured, ...]
    comparisons: tuple[Comparison, ...]
    bound: float
    faces: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[Comparison]:
        """Gaps between skin tones that are surely above the bound."""
        return worst_of(self.comparisons, self.bound, axis=SKIN_AXIS, test=Comparison.fails)

    @property
    def above(self) -> list[Comparison]:
        """Gaps between skin tones above the bound, surely or not."""
        return worst_of(self.comparisons, self.bound, axis=SKIN_AXIS, test=Comparison.exceeds)


def run_audit(out: Path, config: AuditConfig, *, pipeline: Config | None = None, emit: Emit = ignore) -> Audit:
    """Measure a panel; what ``out`` has of an audit of the same panel is gone on with."""
    pipeline = pipeline or load_config("fast")
    people = list(panel(twins=config.twins, data=config.data, sources=config.sources))
    if not people:
        raise InputError("Nobody is in the panel.", hint="Ask for twins, or give the truth data with --data.")
    emit(StageStart("audit", len(people)))
    began = time.monotonic()
    kept, faces = _resumed(out / LINES), {}
    for step, one in enumerate(people):
        late = time.monotonic() - began > 60 * config.budget_minutes
        if late and not any(other.twins == one.twins for other in kept.values()):
            emit(Notice(f"The time is over: {len(kept)} of {len(people)} people were measured.", "warning"))
            break
        shoot = None
        if one.name not in kept:
            shoot = photograph_panelist(one, config.data)
            kept[one.name] = _measure(one, shoot, config, pipeline)
            _keep(out / LINES, kept[one.name])
        if one.source == "synthetic":
            faces[one.name] = _face(shoot or photograph_panelist(one, config.data))
        emit(Progress("audit", step + 1, len(people), one.name))
    measured = tuple(kept[one.name] for one in people if one.name in kept)
    found = Audit(measured, tuple(compare(measured, METRICS)), config.bound, faces, _facts(config, measured))
    seconds = time.monotonic() - began
    emit(StageDone("audit", seconds))
    return replace(found, facts={**found.facts, "seconds": round(seconds)})


def _measure(one: Panelist, shoot: Shoot, config: AuditConfig, pipeline: Config) -> Measured:
    values, observations = measure_photos(shoot, pipeline)
    groups = {f"{axis} ({one.source})": value for axis, value in one.groups.items()}
    if config.depth == "photos":
        if shoot.truth is not None and one.source == "synthetic":
            groups[SKIN_AXIS] = _tone_name(one.tone)
        return Measured(one.name, one.twins, groups, values)
    if not observations:
        if one.source == "synthetic":
            groups[SKIN_AXIS] = _tone_name(one.tone)
        return Measured(one.name, one.twins, groups, values)
    more, fitted, skin = measure_fit(shoot, observations, pipeline)
    values |= more
    if one.source == "synthetic":  # whom we made so: what was recovered is measured against it
        groups[SKIN_AXIS] = _tone_name(one.tone)
    elif skin is not None:
        groups[f"recovered tone ({one.source})"] = typology_class(skin)
        groups[f"Monk scale ({one.source})"] = f"Monk {monk_tone(skin):02d}"
    wanted = config.depth == "pictures" or (one.source == "synthetic" and one.seed - 7000 < config.pictures_of)
    if wanted and fitted is not None:
        values |= measure_pictures(shoot, observations, fitted, pipeline)[0]
    return Measured(one.name, one.twins, groups, values)


def _tone_name(tone: int) -> str:
    """The twins' own tone, which is known exactly."""
    return f"Monk {tone:02d}"


def _face(shoot: Shoot) -> np.ndarray:
    pixels = torch.from_numpy(shoot.photos[0].rgb_srgb).float() / 255
    height, width = pixels.shape[:2]
    square = pixels[: width if width < height else height]
    return (resize(square, (FACE_PX, FACE_PX)) * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _facts(config: AuditConfig, people: Sequence[Measured]) -> dict[str, Any]:
    return {
        "head3d": __version__,
        "depth": config.depth,
        "people": len(people),
        "sets": len({one.twins for one in people}),
        "nets": {one.name: f"{one.package} {one.version}" for one in KNOWN if not one.optional},
        "gate": gate_card().get("thresholds", {}).get("values", {}),
    }


def _keep(path: Path, one: Measured) -> None:
    """One line a person, so that an audit that was stopped goes on."""
    store.make_folder(path.parent)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one)) + "\n")


def _resumed(path: Path) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                one = Measured(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the line that was being written when the audit was stopped
            found[one.person] = one
    return found


def summary(audit: Audit) -> dict[str, Any]:
    """The audit as plain values; people in photos appear in groups only."""
    return {
        **audit.facts,
        "bound": audit.bound,
        "surely_above": [_named(one) for one in audit.failed],
        "above": [_named(one) for one in audit.above],
        "comparisons": [asdict(one) for one in audit.comparisons],
        "synthetic": [asdict(one) for one in audit.people if SKIN_AXIS in one.groups],
    }


def _named(one: Comparison) -> dict[str, Any]:
    worst = one.worst
    assert worst is not None
    return {
        "metric": one.metric.name,
        "group": worst.group,
        "gap": worst.gap,
        "interval": [worst.gap_low, worst.gap_high],
    }

"""The report of a subject: one page for people, one json for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from head3d import __version__, store
from head3d.networks.files import version
from head3d.quality.consistency import Consistency
from head3d.quality.gate_net import NAME, gate_card
from head3d.quality.identity import IdentityScore
from head3d.quality.picture_gate import PictureVerdict
from head3d.quality.picture_numbers import nets_used, numbers_of, over_set
from head3d.quality.sight_overlay import SightView

FORMAT_VERSION = 1
Picture = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class InputEntry:
    """A file the user gave.

    Attributes:
        name: Of the file.
        accepted: Whether it was used.
        reasons: Why not.
        warnings: What is not ideal about it.
        picture: The head in it, or None if it could not be shown.
        overlays: Pictures by caption ("landmarks", "fit", ...).
        residual_px: Landmark residual of the fit, or None.
        yaw_deg: Yaw of the head in it, or None.
        rendered: The head as this photo's camera sees it, in the window of ``picture``, or None.
    """

    name: str
    accepted: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    picture: Picture | None = None
    overlays: Mapping[str, Picture] = field(default_factory=dict)
    residual_px: float | None = None
    yaw_deg: float | None = None
    rendered: Picture | None = None


@dataclass(frozen=True)
class StageCost:
    """What a stage took."""

    name: str
    seconds: float
    peak_rss_mb: float
    device: str = "cpu"


@dataclass(frozen=True)
class ReportTable:
    """A small table of plain text.

    Attributes:
        caption: Above it.
        head: Names of the columns.
        rows: The first cell of each names it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ReportContent:
    """Everything the report shows. Pictures are uint8 sRGB.

    Attributes:
        title: Of the page.
        inputs: All files, used or not.
        headshots: By view name, in order.
        aside: Finished pictures that were not delivered, by view name.
        turntable: Small pictures all round the head, in order.
        identity: Distance of each headshot to the photos.
        held_out: Photos that were not trained on; empty if all were.
        consistency: Agreement of the views, or None.
        sight: What of each view the photos saw, in order, refused views too.
        pictures: What the gate says of each finished picture, refused ones too; empty if it did not look.
        eye_contact_deg: How far past the camera the eyes of each view look; None where no eye shows.
        stages: In order.
        extras: What was made and judged after the run before, if anything.
    """

    title: str
    inputs: Sequence[InputEntry]
    headshots: Mapping[str, Picture]
    aside: Mapping[str, Picture] = field(default_factory=dict)
    turntable: Sequence[Picture] = ()
    identity: Sequence[IdentityScore] = ()
    held_out: tuple[str, ...] = ()
    consistency: Consistency | None = None
    sight: Sequence[SightView] = ()
    pictures: Mapping[str, PictureVerdict] = field(default_factory=dict)
    eye_contact_deg: Mapping[str, float | None] = field(default_factory=dict)
    stages: Sequence[StageCost] = ()
    extras: Sequence[ReportTable] = ()


def write_report(folder: Path, content: ReportContent) -> Path:
    """Write report.html and report.json (last) into ``folder``; returns the page's path."""
    from head3d.quality.report_page import page

    store.write_bytes(folder / "report.html", page(content).encode("utf-8"))
    store.write_json(folder / "report.json", summary(content), kind="head3d.report", version=FORMAT_VERSION)
    return folder / "report.html"


def summary(content: ReportContent) -> dict[str, Any]:
    """The numbers of the report as plain values; NaN becomes null."""
    used = [entry for entry in content.inputs if entry.accepted]
    scored = [score.mean for score in content.identity if score.mean is not None]
    consistency = None
    if content.consistency is not None and content.consistency.pairs:
        consistency = asdict(content.consistency)
    return {
        "head3d": __version__,
        "inputs": [
            {
                "name": entry.name,
                "accepted": entry.accepted,
                "reasons": list(entry.reasons),
                "warnings": list(entry.warnings),
                "residual_px": _finite(entry.residual_px),
                "yaw_deg": _finite(entry.yaw_deg),
            }
            for entry in content.inputs
        ],
        "photos_used": len(used),
        "headshots": list(content.headshots),
        "identity": {
            "held_out": list(content.held_out),
            "mean": float(np.mean(scored)) if scored else None,
            "by_view": {
                score.view: {"mean": score.mean, "photos": dict(score.distances)} for score in content.identity
            },
        },
        "consistency": consistency,
        "sight": {
            one.verdict.view: {
                "level": one.verdict.level,
                "seen": one.verdict.shares.seen,
                "extrapolated": one.verdict.shares.extrapolated,
                "invented": one.verdict.shares.invented,
                "advice": one.verdict.sentence,
            }
            for one in content.sight
        },
        "pictures": {
            view: {
                "level": one.level,
                "fault": one.fault,
                "broken": _finite(one.broken),
                "identity": _finite(one.identity),
                "advice": one.sentence,
                **numbers_of(one.numbers),
            }
            for view, one in content.pictures.items()
        },
        "numbers": over_set([numbers_of(one.numbers) for one in content.pictures.values()]),
        "nets": nets_used(),
        "eye_contact_deg": {view: _finite(angle) for view, angle in content.eye_contact_deg.items()},
        "gate": {"net": version(NAME), "thresholds": gate_card().get("thresholds", {}).get("values", {})},
        "extras": [asdict(one) for one in content.extras],
        "stages": [asdict(stage) for stage in content.stages],
        "seconds": sum(stage.seconds for stage in content.stages),
        "peak_rss_mb": max((stage.peak_rss_mb for stage in content.stages), default=0.0),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

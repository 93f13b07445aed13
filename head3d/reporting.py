"""Gathers what the report of a subject shows: photos with what was seen and fitted in them, views, numbers, costs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8

from head3d.capture.types import Verdict
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.finish.apply import finish_set
from head3d.finish.config import FinishConfig
from head3d.geometry.cameras import Cameras
from head3d.morphable.types import HeadFit
from head3d.parts_views import read_confidence
from head3d.perception.nets import load_face_nets
from head3d.perception.overlay import draw_overlay
from head3d.perception.types import Observation
from head3d.quality.config import GateConfig
from head3d.quality.fit_overlay import draw_fit, draw_photo
from head3d.quality.gate import judge_sight
from head3d.quality.identity import describe_photos, identity_scores
from head3d.quality.photo_pair import head_in_photo
from head3d.quality.report import InputEntry, ReportContent, StageCost
from head3d.quality.sight_overlay import SightView, draw_sight
from head3d.render.confidence import view_confidence
from head3d.render.config import RenderConfig
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.rendering import photo_sight, surface_cache
from head3d.report_extras import read_extras
from head3d.subject import StageRecord, Subject
from head3d.train.cameras import refined_cameras

TURNTABLE_DEG = (-150, -120, -90, -60, -30, 0, 30, 60, 90, 120, 150, 180)
"""Yaw of the small pictures all round the head."""
TURNTABLE_PX = 256
PARTS = ("face", "scalp", "ears")
"""Groups of the head model that the window of an overlay shows."""

Picture = UInt8[np.ndarray, "H W 3"]


def gather_report(
    subject: Subject,
    *,
    records: Mapping[str, StageRecord],
    held_out: Sequence[str],
    render: RenderConfig,
    gate: GateConfig,
) -> ReportContent:
    """Read a finished subject and measure what the report says about it.

    Args:
        subject: With everything but the report.
        records: What each stage took.
        held_out: Names of photos that neither fit nor field has seen; empty if all were used.
        render: Options of the turntable and of the head beside each photo.
        gate: What is said of views that show what no photo saw.
    """
    observations = subject.observations()
    fitted, names = subject.fit(), subject.fitted_photos()
    trained = subject.field()
    cameras = refined_cameras(fitted.cameras, trained.turn, trained.shift)
    views = subject.views()
    headshots = subject.headshots()
    references = describe_photos([one for one in observations if not held_out or one.photo.name in held_out])
    cache = surface_cache(trained)
    around = [named_view(f"yaw{yaw}", yaw_deg=float(yaw), size=(TURNTABLE_PX, TURNTABLE_PX)) for yaw in TURNTABLE_DEG]
    rendered = [render_view(trained, view, config=replace(render, oversample=1), cache=cache) for view in around]
    turntable = finish_set(rendered, around, config=FinishConfig(size=TURNTABLE_PX))
    shown = torch.cat([fitted.model.groups[name] for name in PARTS]).unique()
    heads = {
        name: head_in_photo(trained, cache, fitted, i, camera=cameras[i], around=shown, config=render)
        for i, name in enumerate(names)
    }
    return ReportContent(
        title=subject.path.resolve().name,
        inputs=_inputs(subject.verdicts(), observations, fitted, cameras, heads),
        headshots=headshots,
        aside=subject.refused_headshots(),
        turntable=[shot.rgb_srgb for shot in turntable],
        identity=identity_scores(headshots, references, nets=load_face_nets()),
        held_out=tuple(held_out),
        consistency=subject.consistency(),
        pictures=subject.picture_verdicts(),
        sight=_sights(subject, trained, cache, views, gate),
        eye_contact_deg=subject.eye_contact([view.name for _, view in views]),
        extras=read_extras(subject.path),
        stages=[StageCost(name, one.seconds, one.peak_rss_mb, one.device) for name, one in records.items()],
    )


def _sights(
    subject: Subject,
    trained: RadianceField,
    cache: ShellCache,
    views: Sequence[tuple[RenderOutput, View]],
    gate: GateConfig,
) -> list[SightView]:
    """What photos saw of each view: the maps that were written with the views, or made again where there are none."""
    kept = [read_confidence(subject.path / "views" / view.name) for _, view in views]
    sight = photo_sight(subject, trained, cache) if any(one is None for one in kept) else None
    shown = []
    for (output, view), found in zip(views, kept, strict=True):
        if found is None:
            assert sight is not None, "made for the views without a map"
            found = view_confidence(sight, output, view)
        verdict = judge_sight(view.name, found.shares, config=gate)
        shown.append(SightView(verdict, draw_sight(output, found.map)))
    return shown


def _inputs(
    verdicts: Sequence[Verdict],
    observations: Sequence[Observation],
    fitted: HeadFit,
    cameras: Sequence[Cameras],
    heads: Mapping[str, Picture],
) -> list[InputEntry]:
    """What is shown of each file; cameras and heads are those of the photos that were fitted, in the fit's order."""
    names = list(heads)
    seen = {one.photo.name: one for one in observations}
    entries = []
    for verdict in verdicts:
        entry = InputEntry(verdict.name, verdict.accepted, verdict.reasons, verdict.warnings)
        observation = seen.get(verdict.name)
        if observation is not None:
            overlays = {"landmarks, outline, regions, hairline and ears": draw_overlay(observation, size=384)}
            entry = replace(entry, picture=overlays[next(iter(overlays))][:, :384], overlays=overlays)
        if observation is not None and verdict.name in names:
            entry = _with_fit(entry, observation, fitted, names.index(verdict.name), cameras)
            entry = replace(entry, rendered=heads[verdict.name])
        entries.append(entry)
    return entries


def _with_fit(
    entry: InputEntry, observation: Observation, fitted: HeadFit, index: int, cameras: Sequence[Cameras]
) -> InputEntry:
    camera = cameras[index]
    mesh = fitted.mesh(index)
    around = torch.cat([fitted.model.groups[name] for name in PARTS]).unique()
    pixels = observation.photo.rgb_srgb
    return replace(
        entry,
        picture=draw_photo(pixels, mesh.vertices[around], camera),
        overlays={"the fitted head": draw_fit(pixels, mesh, camera, around=around), **entry.overlays},
        residual_px=float(fitted.residual_px[index]),
        yaw_deg=math.degrees(float(camera.yaw_pitch[0, 0])),
    )

"""A finished subject as files of other programs: meshes, splats, videos, captures, layers, lights."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import UInt8

from head3d import store
from head3d.config import Config, load_config
from head3d.errors import ConfigError
from head3d.events import Emit, Progress, StageDone, StageStart, ignore
from head3d.export.glb import GlbOptions, head_glb
from head3d.export.mesh import HeadMesh, head_mesh
from head3d.export.signing import identity_of
from head3d.export.splat import head_splats
from head3d.export.splat_files import SpzVersion, write_splat_ply, write_spz
from head3d.export.texture import surface_look
from head3d.finish.apply import exposure_gain, finish_headshot, with_backdrop
from head3d.geometry.mesh import Mesh, write_ply
from head3d.imaging.color import srgb_from_linear
from head3d.morphable.expressions import find_expression
from head3d.morphable.types import HeadFit
from head3d.render.config import LightOptions
from head3d.render.lights import ChosenLight
from head3d.render.posed import PosedHead
from head3d.render.types import RenderOutput, View
from head3d.rendering import finish_under, make_views, subject_light, surface_cache
from head3d.subject import Subject

Format = Literal["glb", "ply", "splat", "spz", "mp4", "webm", "transforms", "exr", "light", "mitsuba"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class ExportOptions:
    """How things are exported."""

    glb: GlbOptions = GlbOptions()
    """Meshes and textures (glb, ply, mitsuba)."""
    splats: int = 300_000
    """How many Gaussians (splat, spz)."""
    spz_version: SpzVersion = 2
    """Of .spz files; 3 keeps rotations finer, and fewer programs read it."""
    light: str = "soft-front"
    """What splats, videos, captures and layers show the head under, or what to export; as `head3d render` takes it."""
    light_options: LightOptions = LightOptions()
    """How it is put up."""
    backdrop: str = ""
    """Behind the person in videos; that of the last run if not given."""
    size: int = 512
    """Height and width of pictures, px."""
    frames: int = 72
    """Pictures of a turn (mp4, webm), or of a capture (transforms)."""
    fps: int = 24
    """Pictures a second of videos."""
    looks: tuple[Path, ...] = ()
    """Files of looks (mp4, webm): a turn from the only one, or a path through several; they bring their own light,
    backdrop, frame and expression."""
    views: tuple[str, ...] = ("front",)
    """Named angles or yaw/pitch in degrees (exr, mitsuba)."""
    expression: str = "neutral"
    """As `head3d render` takes it (mp4, webm, exr)."""


def export(
    subject: Subject | str | Path,
    format: Format,
    options: ExportOptions = ExportOptions(),
    *,
    out: Path | None = None,
    config: Config | None = None,
    emit: Emit = ignore,
) -> list[Path]:
    """Write a finished subject in a format of other programs.

    Args:
        subject: A finished subject or its folder.
        format: ``glb``: meshes with textures and 52 expressions; ``ply``: one mesh with vertex colours; ``splat``:
            Gaussians as .ply; ``spz``: the same, packed; ``mp4``, ``webm``: a turntable, the first of them signed;
            ``transforms``: pictures with cameras, masks and depth for nerfstudio; ``exr``: colour, albedo, normal and
            depth of views; ``light``: an HDR map and JSON; ``mitsuba``: a scene of Mitsuba 3.
        options: See :class:`ExportOptions`.
        out: A file, or a folder for formats of several files; in the subject's exports if None.
        config: Options of rendering and finishing; those of the last run if None.
        emit: Hears progress.

    Returns:
        What was written.
    """
    if format not in FORMATS:
        raise ConfigError(f"There is no format {format!r}.", hint=f"There are {', '.join(FORMATS)}.")
    subject = (subject if isinstance(subject, Subject) else Subject(Path(subject))).require()
    source = _Source(subject, options, config or load_config(subject.path / "config.yaml"), emit)
    place = out or subject.path / "exports" / _default_name(format)
    emit(StageStart("export"))
    started = time.monotonic()
    with torch.no_grad(), store.disk_errors(place):
        written = _WRITERS[format](source, place)
        inside = [
            one
            for path in written
            for one in (sorted(path.parent.rglob("*")) if path.name in ("transforms.json", "scene.xml") else [path])
        ]
        subject.record_deliveries([one for one in inside if one.is_file()])
    emit(StageDone("export", time.monotonic() - started))
    return written


class _Source:
    """What exports take of a subject, each part made once and only if it is asked for."""

    def __init__(self, subject: Subject, options: ExportOptions, config: Config, emit: Emit) -> None:
        self.subject, self.options, self.config, self.emit = subject, options, config, emit
        if options.backdrop:
            self.config = replace(config, finish=with_backdrop(config.finish, options.backdrop))
        self.finish = finish_under(replace(self.config.finish, size=options.size), options.light_options)

    @cached_property
    def fit(self) -> HeadFit:
        return self.subject.fit()

    @cached_property
    def field(self):
        return self.subject.field()

    @cached_property
    def cache(self):
        return surface_cache(self.field)

    @cached_property
    def mesh(self) -> HeadMesh:
        return head_mesh(self.fit, self.field, self.cache, rounds=self.options.glb.rounds)

    @cached_property
    def light(self) -> ChosenLight:
        photos = self.subject.fitted_photos()
        put_up = self.options.light_options
        return subject_light(self.options.light, put_up, field=self.field, photos=photos, finish=self.config.finish)

    @cached_property
    def front(self) -> View:
        return self.views(["front"])[0]

    @cached_property
    def posed(self) -> PosedHead:
        shown = find_expression(self.options.expression, self.fit, self.subject.fitted_photos())
        return PosedHead(self.field, self.fit, shown)

    @cached_property
    def gain(self) -> float:
        """Exposure of the front view: one for all pictures."""
        small = make_views(["front"], light=self.light, size_px=min(self.options.size, 512))[0]
        return exposure_gain([self.picture(small)], [small], config=self.finish)

    def views(self, names: Sequence[str]) -> list[View]:
        return make_views(names, light=self.light, size_px=self.options.size)

    def picture(self, view: View) -> RenderOutput:
        return self.posed.picture(self.field, view, config=self.config.render, cache=self.cache)[0]

    def finished(self, view: View, output: RenderOutput) -> UInt8[np.ndarray, "H W 3"]:
        return finish_headshot(output, view, config=self.finish, gain=self.gain).rgb_srgb


def _glb(source: _Source, place: Path) -> list[Path]:
    store.write_bytes(place, head_glb(source.mesh, source.field, source.fit, options=source.options.glb))
    return [place]


def _ply(source: _Source, place: Path) -> list[Path]:
    meshes = [part.mesh for part in source.mesh.parts if part.name != "inner"]
    vertices = torch.cat([one.vertices for one in meshes])
    starts = np.cumsum([0, *(len(one.vertices) for one in meshes)])
    faces = torch.cat([one.faces + int(start) for one, start in zip(meshes, starts, strict=False)])
    colors = srgb_from_linear(surface_look(source.field, vertices).albedo)
    with store.atomic(place) as temporary:
        write_ply(temporary, Mesh(vertices, faces), colors=colors)
    return [place]


def _splats(source: _Source):
    return head_splats(
        source.mesh, source.field, light=source.front.lighting, count=source.options.splats, gain=source.gain
    )


def _splat(source: _Source, place: Path) -> list[Path]:
    return [write_splat_ply(place, _splats(source))]


def _spz(source: _Source, place: Path) -> list[Path]:
    return [write_spz(place, _splats(source), version=source.options.spz_version)]


def _video(source: _Source, place: Path) -> list[Path]:
    from head3d.export.video import write_video

    count = source.options.frames
    if source.options.looks:
        return [_through_looks(source, place)]
    wanted = source.views([f"{360.0 * k / count:g}" for k in range(count)])  # starts and ends at the front

    def frames() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        for step, view in enumerate(wanted):
            yield source.finished(view, source.picture(view))
            source.emit(Progress("export", step + 1, count, view.name))

    facts, signer = {"view": "turntable", "light": source.light.name}, identity_of(source.config.provenance)
    return [write_video(place, frames(), fps=source.options.fps, facts=facts, signer=signer)]


def _through_looks(source: _Source, place: Path) -> Path:
    from head3d.export.video import write_video
    from head3d.looks import read_looks
    from head3d.moving import path, turntable, video_facts, video_frames
    from head3d.studio import Studio

    options = source.options
    looks = [look for file in options.looks for look in read_looks(file)]
    if not looks:
        raise ConfigError("The files hold no look.", hint="Keep a picture in the viewer first.")
    moments = turntable(looks[0], options.frames) if len(looks) == 1 else path(looks, options.frames)
    studio = Studio(source.subject, config=source.config)
    frames = video_frames(
        studio, moments, size=options.size,
        tell=lambda step: source.emit(Progress("export", step, len(moments), "")),
    )  # fmt: skip
    signer = identity_of(source.config.provenance)
    return write_video(place, frames, fps=options.fps, facts=video_facts(studio, looks), signer=signer)


def _transforms(source: _Source, place: Path) -> list[Path]:
    from head3d.export.nerfstudio import CaptureFrame, ring_angles, scattered, write_capture

    angles = ring_angles(source.options.frames)
    frames = []
    for step, view in enumerate(source.views([f"{yaw:g}/{pitch:g}" for yaw, pitch in angles])):
        output = source.picture(view)
        facts = {"view": view.name, "light": view.lighting_name}
        frames.append(CaptureFrame(source.finished(view, output), output, view, facts))
        source.emit(Progress("export", step + 1, len(angles), view.name))
    points = scattered(source.mesh.part("skin").mesh, count=10_000, generator=torch.Generator().manual_seed(0))
    colors = srgb_from_linear(surface_look(source.field, points.vertices).albedo)
    signer = identity_of(source.config.provenance)
    path = write_capture(place, frames, points, colors, signer=signer)
    return [path]


def _exr(source: _Source, place: Path) -> list[Path]:
    from head3d.export.exr import write_exr

    wanted = source.views(source.options.views)
    one = place.suffix.lower() == ".exr"
    if one and len(wanted) > 1:
        raise ConfigError(f"{place} cannot hold {len(wanted)} views.", hint="Give a folder with --out.")
    return [write_exr(place if one else place / f"{view.name}.exr", source.picture(view), view) for view in wanted]


def _light(source: _Source, place: Path) -> list[Path]:
    from head3d.export.light import write_light

    return write_light(place, source.light.name, source.front.lighting)


def _mitsuba(source: _Source, place: Path) -> list[Path]:
    from head3d.export.mitsuba import write_mitsuba

    views = source.views(source.options.views)
    return [write_mitsuba(place, source.mesh, source.field, source.fit, views, options=source.options.glb)]


_WRITERS = {
    "glb": _glb, "ply": _ply, "splat": _splat, "spz": _spz, "mp4": _video, "webm": _video,
    "transforms": _transforms, "exr": _exr, "light": _light, "mitsuba": _mitsuba,
}  # fmt: skip


def _default_name(format: Format) -> str:
    match format:
        case "splat":
            return "splats.ply"
        case "spz":
            return "splats.spz"
        case "mp4" | "webm":
            return f"turntable.{format}"
        case "glb" | "ply":
            return f"head.{format}"
        case "transforms" | "exr" | "light" | "mitsuba":
            return {"transforms": "capture", "exr": "layers"}.get(format, format)

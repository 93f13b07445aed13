"""``head3d bench export SUBJECT``: how near a .glb's turntable is to the field's, read back from the file's bytes."""

import io
import json
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from jaxtyping import Float, Int
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from head3d.bench_kernels import command_line, short, write
from head3d.bench_timing import origin
from head3d.console import listen
from head3d.errors import ConfigError, CorruptPart
from head3d.events import Emit, Progress, StageDone, StageStart, ignore
from head3d.geometry.cameras import Cameras
from head3d.geometry.draw import draw_mesh
from head3d.geometry.sh import Lighting, ambient
from head3d.imaging.color import levels_from_linear, linear_from_levels, srgb_from_levels
from head3d.imaging.io import write_image
from head3d.imaging.similarity import psnr_db
from head3d.kernels.raster import interpolate
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.rendering import surface_cache
from head3d.subject import Subject

GREY = 0.2
"""Linear light behind the head."""
OVERSAMPLE = 2


@dataclass(frozen=True)
class ExportBench:
    """Compare a .glb of a finished subject with its field from all sides: albedo, silhouette, depth."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    glb: Path | None = None
    """The file; made anew by `head3d export` options if not given."""
    angles: int = 8
    """Views, evenly round the head."""
    size_px: int = 512
    """Height and width of the pictures."""
    json: bool = False
    """Print one JSON object instead of a table."""
    out: Path | None = None
    """Also write the JSON to this file, or into this folder as export_MACHINE.json."""
    pictures: Path | None = None
    """Folder for the compared pictures, side by side."""


@dataclass(frozen=True)
class Surface:
    """Triangles of one material as a viewer sees them.

    Attributes:
        vertices: Head frame, m.
        faces: Corners.
        uv: v down; None without texture.
        texture: Linear RGB, or one colour.
    """

    vertices: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "V 2"] | None
    texture: Float[Tensor, "H W 3"] | Float[Tensor, "3"]


def read_glb(path: Path) -> list[Surface]:
    """What a .glb shows at rest: meshes at their nodes, base colours. Only what head3d writes; else CorruptPart."""
    try:
        data = path.read_bytes()
        magic, version, size, length = struct.unpack_from("<4sIII", data)
        if magic != b"glTF" or version != 2 or size != len(data):
            raise ValueError("no glTF 2 container")
        document = json.loads(data[20 : 20 + length])
        binary = memoryview(data)[20 + length + 8 :]
        return _surfaces(document, binary)
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise CorruptPart(f"{path}: not a readable .glb ({error}).", hint="Export it again.") from error


def _surfaces(document: Mapping[str, Any], binary: memoryview) -> list[Surface]:
    def numbers(index: int) -> np.ndarray:
        entry = document["accessors"][index]
        view = document["bufferViews"][entry["bufferView"]]
        dtype = {5126: "<f4", 5125: "<u4", 5123: "<u2"}[entry["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[entry["type"]]
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        return np.frombuffer(binary, dtype, entry["count"] * width, start).reshape(-1, width).copy()

    def texture(index: int) -> Tensor:
        view = document["bufferViews"][document["images"][document["textures"][index]["source"]]["bufferView"]]
        start = view.get("byteOffset", 0)
        with Image.open(io.BytesIO(binary[start : start + view["byteLength"]]), formats=("PNG", "JPEG")) as image:
            return linear_from_levels(np.array(image.convert("RGB")))

    found, textures = [], {}
    for node in document["nodes"]:
        if "mesh" not in node:
            continue
        place = torch.tensor(node.get("translation", [0.0, 0.0, 0.0]))
        for primitive in document["meshes"][node["mesh"]]["primitives"]:
            attributes = primitive["attributes"]
            look = document["materials"][primitive["material"]]["pbrMetallicRoughness"]
            colored = look.get("baseColorTexture", {}).get("index")
            if colored is not None and colored not in textures:
                textures[colored] = texture(colored)
            color = torch.tensor(look.get("baseColorFactor", [1.0] * 4)[:3])
            found.append(
                Surface(
                    torch.from_numpy(numbers(attributes["POSITION"])) + place,
                    torch.from_numpy(numbers(primitive["indices"]).astype(np.int64).reshape(-1, 3)),
                    torch.from_numpy(numbers(attributes["TEXCOORD_0"])) if colored is not None else None,
                    textures[colored] * color if colored is not None else color,
                )
            )
    return found


def draw(surfaces: list[Surface], camera: Cameras) -> tuple[Tensor, Tensor, Tensor]:
    """Base colour (H W 3, linear), cover (H W) and depth (H W, m) of surfaces, pooled from ``OVERSAMPLE``^2 samples."""
    height, width = camera.size
    large = camera.resized((height * OVERSAMPLE, width * OVERSAMPLE))
    color = torch.zeros(*large.size, 3)
    nearest = torch.full(large.size, torch.inf)
    for one in surfaces:
        seen = draw_mesh(one.vertices, one.faces, large)
        won = (seen.triangle >= 0) & (seen.depth < nearest)
        nearest = torch.where(won, seen.depth, nearest)
        if one.uv is None:
            color[won] = one.texture
        else:
            at = (interpolate(one.uv, one.faces, seen) * 2 - 1)[None]
            picture = torch.nn.functional.grid_sample(
                one.texture.permute(2, 0, 1)[None], at, mode="bilinear", padding_mode="border", align_corners=False
            )[0].permute(1, 2, 0)
            color[won] = picture[won]
    cover = torch.isfinite(nearest).float()
    nearest = torch.where(cover > 0, nearest, 0.0)
    pooled = torch.cat([color * cover[..., None], cover[..., None], nearest[..., None]], dim=-1)
    pooled = torch.nn.functional.avg_pool2d(pooled.permute(2, 0, 1)[None], OVERSAMPLE)[0].permute(1, 2, 0)
    cover = pooled[..., 3]
    return pooled[..., :3] / cover.clamp(min=1e-6)[..., None], cover, pooled[..., 4] / cover.clamp(min=1e-6)


def compare(
    surfaces: list[Surface], subject: Subject, *, angles: int, size_px: int, pictures: Path | None, emit: Emit
) -> list[dict[str, float]]:
    """One row per angle; PSNR of albedo before a grey wall, over the whole picture and over the head alone."""
    trained = subject.field()
    cache = surface_cache(trained)
    even = Lighting(ambient(torch.ones(3)))
    rows = []
    for step in range(angles):
        yaw = -180.0 + 360.0 * step / angles
        view = named_view(f"yaw{yaw:+.0f}", size=(size_px, size_px), light=even, yaw_deg=yaw)
        seen = render_view(trained, view, cache=cache)
        color, cover, depth = draw(surfaces, view.camera)
        of_field = _before_grey(seen.albedo, seen.alpha)
        of_glb = _before_grey(color, cover)
        head = ((seen.alpha > 0.5) | (cover > 0.5)).float()
        both = (seen.alpha > 0.95) & (cover > 0.95)
        off = (depth - seen.depth_m)[both].abs() * 1e3
        rows.append(
            {
                "yaw_deg": yaw,
                "psnr_db": psnr_db(of_glb, of_field),
                "psnr_head_db": psnr_db(of_glb, of_field, mask=head),
                "silhouette_iou": float(((seen.alpha > 0.5) & (cover > 0.5)).sum() / head.sum()),
                "depth_median_mm": float(off.median()),
            }
        )
        if pictures is not None:
            both_pictures = np.concatenate(
                [(one.numpy() * 255).round().astype(np.uint8) for one in (of_glb, of_field)], 1
            )
            write_image(pictures / f"{view.name}.png", both_pictures)
        emit(Progress("bench", step + 1, angles, f"yaw {yaw:+.0f}"))
    return rows


def run(options: ExportBench, *, command: str = "", emit: Emit = ignore) -> dict[str, Any]:
    """Measure what the options ask for; the result as it is written."""
    from head3d.exporting import ExportOptions, export

    if options.angles < 1 or options.size_px < 16:
        raise ConfigError("A bench needs at least one angle and pictures of at least 16 px.")
    subject = Subject(options.subject).require()
    start = origin(command)
    glb = options.glb or export(subject, "glb", ExportOptions(), emit=emit)[0]
    started = time.monotonic()
    emit(StageStart("bench", options.angles))
    surfaces = read_glb(glb)
    rows = compare(
        surfaces, subject, angles=options.angles, size_px=options.size_px, pictures=options.pictures, emit=emit
    )
    emit(StageDone("bench", time.monotonic() - started))
    means = {name: short(sum(row[name] for row in rows) / len(rows)) for name in rows[0] if name != "yaw_deg"}
    facts = {"file_mb": short(glb.stat().st_size / 1e6), "triangles": sum(len(one.faces) for one in surfaces)}
    views = [{name: short(value) for name, value in row.items()} for row in rows]
    return {"format": "head3d.bench.export", "version": 1, **start, **facts, **means, "views": views}


def main(words: Sequence[str]) -> int:
    """``head3d bench export SUBJECT ...``; returns the exit code."""
    options = tyro.cli(
        ExportBench, args=list(words), prog="head3d bench export", config=(tyro.conf.FlagCreatePairsOff,)
    )
    with listen("quiet" if options.json else "auto") as emit:
        report = run(options, command=command_line("export", words), emit=emit)
    write(report, options.json, options.out, show=show, stem="export")
    return 0


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print a result as a table."""
    console.print(f"{report['triangles']} triangles, {report['file_mb']} MB, {report['date']}", highlight=False)
    table = Table("yaw", "PSNR dB", "head alone", "silhouette IoU", "depth mm")
    keys = "psnr_db", "psnr_head_db", "silhouette_iou", "depth_median_mm"
    for row in [*report["views"], {**report, "yaw_deg": "mean"}]:
        table.add_row(str(row["yaw_deg"]), *(f"{row[key]:.3g}" for key in keys))
    console.print(table)


def _before_grey(color: Tensor, alpha: Tensor) -> Float[Tensor, "H W 3"]:
    linear = color * alpha[..., None] + GREY * (1 - alpha[..., None])
    return srgb_from_levels(levels_from_linear(linear))

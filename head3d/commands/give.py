"""Commands about what is handed on: export, verify."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from head3d.commands.options import parse
from head3d.console import listen


@dataclass(frozen=True)
class Export:
    """A finished subject as files that other programs read."""

    subject: tyro.conf.Positional[Path]
    """The subject folder."""
    format: Literal["glb", "ply", "splat", "spz", "mp4", "webm", "transforms", "exr", "light", "mitsuba"] = "glb"
    """glb: meshes, textures, 52 ARKit expressions; ply: one mesh with vertex colours; splat: 3D Gaussians (.ply); spz:
    the same, packed; mp4, webm: a turntable, of which mp4 is signed as AI-generated (C2PA), while webm can hold no
    signature and says so in its comment only; transforms: pictures, cameras, masks, depth for nerfstudio; exr: colour,
    albedo, normal, depth of views; light: an HDR map and JSON; mitsuba: a scene of Mitsuba 3."""
    out: Path | None = None
    """A file, or a folder for formats of several files; in the subject's exports if not given."""
    texture_px: int = 2048
    """glb, mitsuba: side of the textures."""
    detail: Literal[0, 1, 2] = 1
    """glb, ply, mitsuba, splats: 7,400, 30,000 or 120,000 triangles of skin."""
    splats: int = 300_000
    """splat, spz: how many Gaussians."""
    spz_version: Literal[2, 3] = 2
    """spz: 3 keeps rotations finer, and fewer programs read it."""
    light: str = "soft-front"
    """Of splats, videos, captures, layers and scenes, or the light to export; as in `head3d render`."""
    light_yaw: float = 0.0
    """Carry the light round the head, degrees; > 0 towards the subject's left."""
    light_frame: Literal["head", "camera"] = "head"
    """What maps, lamps and photos' light keep to."""
    light_exposure: str = "auto"
    """auto, or stops up or down from the light as it is given."""
    backdrop: str = ""
    """mp4, webm: painted, #rrggbb or a picture; that of the last run if not given."""
    size: int = 512
    """mp4, webm, transforms, exr, mitsuba: height and width of pictures, px."""
    frames: int = 72
    """mp4, webm, transforms: how many pictures."""
    fps: int = 24
    """mp4, webm: pictures a second."""
    looks: str = ""
    """mp4, webm: files of looks, with commas, as the viewer keeps picks: a turn from one, a path through several."""
    views: str = "front"
    """exr, mitsuba: named angles, with commas, or yaw/pitch degrees."""
    expression: str = "neutral"
    """mp4, webm, exr: as in `head3d render`."""


def export_command(words: Sequence[str]) -> int:
    from head3d.export.glb import GlbOptions
    from head3d.exporting import ExportOptions, export
    from head3d.render.config import LightOptions

    asked = parse(Export, "export", words)
    options = ExportOptions(
        glb=GlbOptions(asked.texture_px, asked.detail),
        light_options=LightOptions(asked.light_yaw, asked.light_frame, asked.light_exposure),
        views=tuple(name.strip() for name in asked.views.split(",") if name.strip()),
        looks=tuple(Path(name.strip()) for name in asked.looks.split(",") if name.strip()),
        splats=asked.splats,
        spz_version=asked.spz_version,
        light=asked.light,
        backdrop=asked.backdrop,
        size=asked.size,
        frames=asked.frames,
        fps=asked.fps,
        expression=asked.expression,
    )
    with listen() as emit:
        written = export(asked.subject, asked.format, options, out=asked.out, emit=emit)
    print("\n".join(str(path) for path in written))
    return 0


@dataclass(frozen=True)
class Verify:
    """Check the content credentials (C2PA) of pictures and videos: unchanged since head3d made them, and by whom."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures (.png .jpg .webp .avif) and videos (.mp4)."""
    anchor: Path | None = None
    """Certificates (PEM) of authorities to trust beside this machine's own."""
    json: bool = False
    """Print JSON."""


def verify_command(words: Sequence[str]) -> int:
    from head3d.errors import ConfigError
    from head3d.export.provenance import read_provenance
    from head3d.export.signing import verify
    from head3d.records import to_plain

    options = parse(Verify, "verify", words)
    if not options.files:
        raise ConfigError("No picture to verify.", hint="head3d verify PICTURE...")
    try:
        anchors = options.anchor.read_bytes() if options.anchor else b""
    except OSError as error:
        raise ConfigError(f"{options.anchor}: {error.strerror}.", hint="Check the path.") from error
    verdicts = {str(path): verify(path, anchors=anchors) for path in options.files}
    if options.json:
        print(json.dumps({name: to_plain(one) for name, one in verdicts.items()}, indent=1))
    for name, one in verdicts.items() if not options.json else ():
        words_of = [one.state, *([f"signed by {one.signer}"] if one.signer else []), *one.problems]
        if one.state == "unsigned" and read_provenance(Path(name)):
            words_of.append("it says in plain text that it is synthetic, which anybody could have written or removed")
        if one.source_type:
            words_of.append(one.source_type.rpartition("/")[2])
        print(f"{name}: {'; '.join(words_of)}")
    return 0 if all(one.state in ("trusted", "valid") for one in verdicts.values()) else 6

"""The head as a mesh that a browser turns while the field is not asked: baked from the field, in its own frame.

The surface is the zero of the cached signed distance; every vertex carries the field's albedo, normal and how open the
sky is there. The page lights it with the same harmonics and lamps, so that the picture that takes its place does not
jump.
"""

import json
import struct
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.expression import displaced
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume
from head3d.garments.own import OwnWearer
from head3d.garments.wear import Wearer
from head3d.geometry.surface_nets import surface_nets
from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.looks import Look
from head3d.render.shadows import CONE_SHARE, broad_normal, cone_axes, openness
from head3d.studio import Studio, Turn

from .proxy_mesh import BakedHead, dressed

SHAPED_BY = (
    "expression", "units", "garment", "garment_color", "gaze", "gaze_yaw_deg", "gaze_pitch_deg",
    "yaw_deg", "pitch_deg", "distance_m", "seen_from",
)  # fmt: skip
"""Words of a look that its mesh depends on; the camera counts where eyes look into it."""
STEP_M = 1e-5
"""Of a vertex' place in the file: 16 bits hold 0.33 m."""
FACE_BOX_M = ((-0.085, -0.125, 0.02), (0.085, 0.085, 0.16))
"""Where the mesh is finer: eyes, nose and mouth."""
FINER = 2
METER_PX = 64
"""Height of the picture that exposure is measured on."""
CHUNK = 65536
INVERSE_STEPS = 6
LEAST_SLIDE_M = 1e-4
"""Of an eye's surface under a vertex: less shows no other colour."""


def baked(studio: Studio, look: Look) -> BakedHead:
    """Bake the field of a subject with the expression, gaze and clothes of a look."""
    wearer = studio.wearer(look)
    field, cache = (studio.field, studio.cache) if wearer is None else (wearer.field, wearer.cache)
    coarse, fine = _meshes(cache)
    vertices = torch.cat([coarse[0], fine[0]])
    faces = torch.cat([coarse[1], fine[1] + len(coarse[0])])
    normals, colors, sky = _painted(studio, field, cache, vertices)
    if isinstance(wearer, OwnWearer):
        colors = srgb_from_linear(wearer.paint(vertices, linear_from_srgb(colors)))
    vertices = _posed(studio, look, vertices)
    colors = _with_gaze(studio, look, field, cache, vertices, colors)
    head = BakedHead(vertices, normals, colors, sky, faces, len(coarse[1]))
    return dressed(head, wearer) if isinstance(wearer, Wearer) else head


def packed(head: BakedHead) -> bytes:
    """A mesh as the page reads it: length of the header (uint32), header (json), arrays.

    int16 position x 3 (``STEP_M``) and one of padding; int8 normal x 3 and one; uint8 sRGB albedo x 3 and openness;
    uint32 triangles.
    """
    place = np.zeros((len(head.vertices), 4), np.int16)
    place[:, :3] = (head.vertices / STEP_M).round().clamp(-32767, 32767).numpy()
    turned = np.zeros((len(head.vertices), 4), np.int8)
    turned[:, :3] = (head.normals * 127).round().numpy()
    paint = (torch.cat([head.colors, head.sky[:, None]], dim=-1) * 255).round().numpy().astype(np.uint8)
    header = {"vertices": len(place), "triangles": len(head.faces), "coarse": head.coarse, "step_m": STEP_M}
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 4) % 4)
    body = struct.pack("<I", len(text)) + text + place.tobytes() + turned.tobytes() + paint.tobytes()
    return body + head.faces.numpy().astype(np.uint32).tobytes()


def light_table(studio: Studio, look: Look, *, step_deg: int = 15) -> dict[str, Any]:
    """Light of a look for yaws all round (a rig turns with the camera), as the page's shader takes it."""
    rows = []
    for yaw in range(-180, 181, step_deg):
        light = studio.view(replace(look, yaw_deg=float(yaw), roll_deg=0.0, crop="as-rendered"), 16).lighting
        lamps = []
        if light.lamps is not None:
            own = light.lamps
            kind = torch.stack([own.radius, own.distant.float()], dim=-1)
            lamps = torch.cat([own.position, own.color, own.facing, kind], dim=-1).tolist()
        rows.append({"yaw_deg": yaw, "sh": light.sh.flatten().tolist(), "lamps": lamps})
    return {"rows": rows}


def lit_table(studio: Studio, look: Look, *, turn: Turn = nullcontext) -> dict[str, Any]:
    """The table with the exposure a picture of this look would have."""
    gain = studio.gain([studio.picture(replace(look, crop="as-rendered"), METER_PX, turn=turn)])
    return {**light_table(studio, look), "gain": gain}


def _meshes(cache: ShellCache) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    values, cell = cache.values[0].cpu(), cache.cell_m
    origin = cache.origin.cpu()
    whole = surface_nets(values, origin, cell)
    low, high = (torch.tensor(corner) for corner in FACE_BOX_M)
    inside = ((whole.vertices > low + cell) & (whole.vertices < high - cell)).all(-1)
    kept = whole.faces[~inside[whole.faces].all(1)]
    used = torch.zeros(len(whole.vertices), dtype=torch.bool)
    used[kept.flatten()] = True
    number = torch.cumsum(used, 0) - 1
    first = ((low - origin) / cell).floor().long()
    last = ((high - origin) / cell).ceil().long()
    box = values[first[2] : last[2] + 1, first[1] : last[1] + 1, first[0] : last[0] + 1]
    size = [FINER * (n - 1) + 1 for n in box.shape]
    large = torch.nn.functional.interpolate(box[None, None], size=size, mode="trilinear", align_corners=True)[0, 0]
    fine = surface_nets(large, origin + first * cell, cell / FINER)
    return (whole.vertices[used], number[kept]), (fine.vertices, fine.faces)


@torch.no_grad()
def _painted(
    studio: Studio, field: RadianceField, cache: ShellCache, vertices: Float[Tensor, "V 3"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Normal, albedo (sRGB) and openness of vertices of the neutral head."""
    found = []
    for points in vertices.to(cache.values.device).split(CHUNK):
        surface = cache.onto_surface(points)
        normal = broad_normal(cache, surface, fallback=torch.nn.functional.normalize(surface, dim=-1))
        albedo = _albedo(field, surface)
        axes = cone_axes(normal)
        off = torch.full_like(surface[:, 0], 1e-3) + 5e-3 * (field.softness(surface) - 1).clamp(0, 1)
        seen = openness(cache, surface, axes, off_m=off, normal=normal)
        share = torch.full((6,), CONE_SHARE[1], device=seen.device)
        share[0] = CONE_SHARE[0]
        sky = (seen * share).sum(1) / share.sum()
        sky = 1 - studio.config.render.relight.occlusion * (1 - sky)
        found.append(torch.cat([normal, albedo, sky[:, None]], dim=-1).cpu())
    everything = torch.cat(found)
    return everything[:, :3], everything[:, 3:6], everything[:, 6].clamp(0, 1)


def _posed(studio: Studio, look: Look, neutral: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Vertices with the expression: the map p -> p + d(p) to the neutral head, inverted by fixed-point iteration."""
    volume = _displacement(studio, _straight(look))
    if volume is None:
        return neutral
    moved = neutral.clone()
    for _ in range(INVERSE_STEPS):
        moved = neutral - _shift(volume, moved)
    return moved


@torch.no_grad()
def _with_gaze(
    studio: Studio, look: Look, field: RadianceField, cache: ShellCache, vertices: Tensor, colors: Tensor
) -> Float[Tensor, "V 3"]:
    """Albedo (sRGB) of posed vertices where a look turns the eyes.

    Vertices stay and are painted anew, as pictures ask the field: a turned eye slides under its surface, and where a
    lid squeezes the white to nothing, moved vertices would fold.
    """
    turned = _displacement(studio, look)
    if turned is None or look == _straight(look):
        return colors
    before, after = _displacement(studio, _straight(look)), _shift(turned, vertices)
    slid = (after if before is None else after - _shift(before, vertices)).norm(dim=-1) > LEAST_SLIDE_M
    places = cache.onto_surface((vertices + after)[slid].to(cache.values.device))
    painted = colors.clone()
    painted[slid] = _albedo(field, places).cpu()
    return painted


def _albedo(field: RadianceField, surface: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Of places on the neutral head's surface, sRGB."""
    from head3d.render.volume import mirrored_albedo

    albedo, _ = field.surface_color(surface)
    return srgb_from_linear(mirrored_albedo(field, surface, albedo).clamp(0, 1))


def _straight(look: Look) -> Look:
    return replace(look, gaze="own", gaze_yaw_deg=0.0, gaze_pitch_deg=0.0)


def _displacement(studio: Studio, look: Look) -> Volume | None:
    """To the neutral head, head frame, metres; None where nothing moves."""
    _, bent = studio.prepare(look)
    volume = None if bent is None else bent.volume_of(0)
    return None if volume is None else Volume(volume.values.cpu(), volume.origin.cpu(), volume.cell_m)


def _shift(volume: Volume, places: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    return displaced(volume, places) - places

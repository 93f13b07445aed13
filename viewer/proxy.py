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

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import sample_values
from head3d.geometry.surface_nets import surface_nets
from head3d.imaging.color import srgb_from_linear
from head3d.looks import Look
from head3d.render.shadows import CONE_SHARE, broad_normal, cone_axes, openness
from head3d.studio import Studio, Turn

from .proxy_mesh import BakedHead, dressed

STEP_M = 1e-5
"""Of a vertex' place in the file: 16 bits hold 0.33 m."""
FACE_BOX_M = ((-0.085, -0.125, 0.02), (0.085, 0.085, 0.16))
"""Where the mesh is finer: eyes, nose and mouth."""
FINER = 2
METER_PX = 64
"""Height of the picture that exposure is measured on."""
CHUNK = 65536
INVERSE_STEPS = 6


def baked(studio: Studio, look: Look) -> BakedHead:
    """Bake the field of a subject."""
    wearer = studio.wearer(look)
    field, cache = (studio.field, studio.cache) if wearer is None else (wearer.field, wearer.cache)
    coarse, fine = _meshes(cache)
    vertices = torch.cat([coarse[0], fine[0]])
    faces = torch.cat([coarse[1], fine[1] + len(coarse[0])])
    normals, colors, sky = _painted(studio, field, cache, vertices)
    head = BakedHead(_posed(studio, look, vertices), normals, colors, sky, faces, len(coarse[1]))
    return head if wearer is None else dressed(head, wearer)


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
    from head3d.render.volume import mirrored_albedo

    found = []
    for points in vertices.to(cache.values.device).split(CHUNK):
        surface = cache.onto_surface(points)
        normal = broad_normal(cache, surface, fallback=torch.nn.functional.normalize(surface, dim=-1))
        albedo, _ = field.surface_color(surface)
        albedo = mirrored_albedo(field, surface, albedo)
        axes = cone_axes(normal)
        off = torch.full_like(surface[:, 0], 1e-3) + 5e-3 * (field.softness(surface) - 1).clamp(0, 1)
        seen = openness(cache, surface, axes, off_m=off, normal=normal)
        share = torch.full((6,), CONE_SHARE[1], device=seen.device)
        share[0] = CONE_SHARE[0]
        sky = (seen * share).sum(1) / share.sum()
        sky = 1 - studio.config.render.relight.occlusion * (1 - sky)
        found.append(torch.cat([normal, srgb_from_linear(albedo.clamp(0, 1)), sky[:, None]], dim=-1).cpu())
    everything = torch.cat(found)
    return everything[:, :3], everything[:, 3:6], everything[:, 6].clamp(0, 1)


def _posed(studio: Studio, look: Look, neutral: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
    """Vertices with the expression: the map p -> p + d(p) to the neutral head, inverted by fixed-point iteration."""
    _, bent = studio.prepare(replace(look, gaze="own"))
    volume = None if bent is None else bent.volume_of(0)
    if volume is None:
        return neutral
    values, origin = volume.values.cpu(), volume.origin.cpu()
    last = torch.tensor([n - 1 for n in reversed(values.shape[1:])]) * volume.cell_m + origin
    moved = neutral.clone()
    for _ in range(INVERSE_STEPS):
        within = ((moved > origin) & (moved < last)).all(-1)
        shift = torch.zeros_like(moved)
        shift[within] = sample_values(values, origin, volume.cell_m, moved[within])
        moved = neutral - shift
    return moved

"""A garment in a picture of the field: drawn nine times finer than pixels, lit, put before or behind the head."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.garments.fabric import finish_of, touch
from head3d.garments.light import Arriving
from head3d.geometry.cameras import Cameras, project
from head3d.geometry.lamps import arrival, lamp_irradiance
from head3d.geometry.sh import Lighting
from head3d.kernels.raster import RasterOutput, rasterize
from head3d.kernels.shading import shade_sh
from head3d.render.relight import DARKEST
from head3d.render.types import RenderOutput

SAMPLES = 3
"""Along each axis of a pixel."""
SAME_M = 0.003
"""Samples of a pixel within this depth are of one surface."""
HAIR_OVER_M = 0.03
"""Hair this close behind cloth falls over it."""
SKIN_UNDER_M = 0.006
"""Skin this close before cloth is the body in it."""


@dataclass(frozen=True)
class Dressing:
    """A garment ready to be drawn; vertices in the head frame, metres.

    Attributes:
        vertices: Places.
        normals: Unit.
        faces: Corners.
        uv: Metres.
        edge: Metres to the cut edge.
        seam: Metres to the seam.
        weft: Unit, along the cloth's u, per face.
        warp: Along v, per face.
        to_edge: Slope of ``edge`` over space, per face.
        to_seam: Slope of ``seam``, per face.
        fabric: Per face.
        albedo: Linear RGB, per face.
        piece: Per vertex.
    """

    vertices: Float[Tensor, "V 3"]
    normals: Float[Tensor, "V 3"]
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "V 2"]
    edge: Float[Tensor, "V"]
    seam: Float[Tensor, "V"]
    weft: Float[Tensor, "F 3"]
    warp: Float[Tensor, "F 3"]
    to_edge: Float[Tensor, "F 3"]
    to_seam: Float[Tensor, "F 3"]
    fabric: Int[Tensor, "F"]
    albedo: Float[Tensor, "F 3"]
    piece: Int[Tensor, "V"]


@dataclass(frozen=True)
class _Samples:
    """Places of cloth: the number of their pixel and what was drawn there."""

    pixel: Int[Tensor, "P"]
    face: Int[Tensor, "P"]
    weights: Float[Tensor, "P 3"]
    depth: Float[Tensor, "P"]
    share: float


@dataclass(frozen=True)
class Lit:
    """Cloth in a picture, per sample: pixel, share of it, and what is seen."""

    pixel: Int[Tensor, "P"]
    share: Float[Tensor, "P"]
    depth: Float[Tensor, "P"]
    values: Float[Tensor, "P 9"]


@torch.no_grad()
def drawn(dressing: Dressing, camera: Cameras) -> list[_Samples]:
    """Samples of cloth in a camera's picture: one where a pixel shows one piece, all where it shows more."""
    height, width = camera.size
    fine = camera.resized((height * SAMPLES, width * SAMPLES))
    px, depth = project(dressing.vertices, fine.c2w[0], fine.K[0])
    # rows of the picture that show cloth: mostly its lower part
    top = int(px[:, 1].amin().clamp(0, height * SAMPLES)) // SAMPLES
    rows = min(int(px[:, 1].amax().clamp(0, height * SAMPLES)) // SAMPLES + 1, height) - top
    if rows <= 0:
        return []
    shifted = torch.cat([px - px.new_tensor([0, top * SAMPLES]), depth[:, None]], dim=-1)
    seen = rasterize(shifted, dressing.faces, size=(rows * SAMPLES, width * SAMPLES))
    of_face = torch.cat([dressing.piece[dressing.faces[:, 0]], torch.tensor([-1])]).to(torch.int16)
    piece = _tiles(of_face[seen.triangle])  # -1 is the last
    deep = _tiles(seen.depth)
    same = (piece == piece[:, :1]).all(1) & (deep.amax(1) - deep.amin(1) < SAME_M)
    whole = torch.nonzero(same & (piece[:, 0] >= 0))[:, 0]
    mixed = torch.nonzero(~same)[:, 0]
    line, column = whole // width, whole % width
    middle = SAMPLES // 2
    one = _taken(seen, top, width, line * SAMPLES + middle, column * SAMPLES + middle, 1.0)
    row, sample = torch.nonzero(piece[mixed] >= 0, as_tuple=True)
    at = mixed[row]
    line = at // width * SAMPLES + sample // SAMPLES
    column = at % width * SAMPLES + sample % SAMPLES
    return [one, _taken(seen, top, width, line, column, 1 / SAMPLES**2)]


def _taken(seen: RasterOutput, top: int, width: int, line: Tensor, column: Tensor, share: float) -> _Samples:
    pixel = (line // SAMPLES + top) * width + column // SAMPLES
    at = (line, column)
    return _Samples(pixel, seen.triangle[at], seen.barycentrics[at], seen.depth[at], share)


def _tiles(image: Tensor) -> Tensor:
    """(3H, 3W, ...) as (H W, 9, ...)."""
    height, width = image.shape[0] // SAMPLES, image.shape[1] // SAMPLES
    rest = image.shape[2:]
    tiles = image.reshape(height, SAMPLES, width, SAMPLES, *rest).transpose(1, 2)
    return tiles.reshape(height * width, SAMPLES**2, *rest)


@torch.no_grad()
def lit(dressing: Dressing, samples: list[_Samples], camera: Cameras, light: Lighting, arriving: Arriving) -> Lit:
    """Light on samples: radiance, albedo and normal of each."""
    values, pixels, shares, depths = [], [], [], []
    for part in samples:
        if not len(part.pixel):
            continue
        values.append(_shade(dressing, part, camera, light, arriving))
        pixels.append(part.pixel)
        depths.append(part.depth)
        shares.append(torch.full_like(part.depth, part.share))
    if not values:
        none = torch.zeros(0)
        return Lit(none.long(), none, none, torch.zeros(0, 9))
    return Lit(torch.cat(pixels), torch.cat(shares), torch.cat(depths), torch.cat(values))


def _shade(
    dressing: Dressing, part: _Samples, camera: Cameras, light: Lighting, arriving: Arriving
) -> Float[Tensor, "P 9"]:
    corners = dressing.faces[part.face]
    columns = [dressing.vertices, dressing.normals, dressing.uv, dressing.edge[:, None], dressing.seam[:, None]]
    table = torch.cat([*columns, arriving.sky, arriving.lamps], dim=-1)
    found = torch.nn.functional.embedding_bag(corners, table, per_sample_weights=part.weights, mode="sum")
    place, normal, uv, edge, seam = found[:, :3], found[:, 3:6], found[:, 6:8], found[:, 8], found[:, 9]
    sky, seen = found[:, 10:13], found[:, 13:]
    fabric = dressing.fabric[part.face]
    near = touch(fabric, uv, edge, seam, part.depth / camera.K[0, 0, 0])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    slope = (
        near.slope[:, :1] * dressing.weft[part.face]
        + near.slope[:, 1:] * dressing.warp[part.face]
        + near.down[:, None] * dressing.to_edge[part.face]
        - near.groove[:, None] * dressing.to_seam[part.face]
    )
    to_camera = torch.nn.functional.normalize(camera.centre[0] - place, dim=-1)
    facing = (normal * to_camera).sum(-1, keepdim=True)
    normal = torch.where(facing < 0, -normal, normal)
    normal = torch.nn.functional.normalize(normal - slope, dim=-1)
    albedo = (dressing.albedo[part.face] * near.tint[:, None]).clamp(0.002, 0.95)
    gloss, sharpness, fuzz = finish_of(fabric).unbind(-1)
    nowhere = torch.zeros(len(place), dtype=torch.long)
    ones = torch.ones_like(place)
    soft = shade_sh(ones, normal, sh=light.sh.to(place)[None], light=nowhere, darkest=DARKEST)
    matte = soft * _bounced(sky.clamp(0, 1), albedo)
    cosine = (normal * to_camera).sum(-1).clamp(0, 1)
    rim = fuzz * (1 - cosine) ** 3
    sheen = soft * (0.04 * gloss * (0.15 + (1 - cosine) ** 3))[:, None] * sky
    for number in range(seen.shape[1]):
        assert light.lamps is not None
        coming = arrival(light.lamps, number, place)
        color = light.lamps.color[number].to(place)
        falls = lamp_irradiance(normal, coming.direction, coming.sine) * coming.strength * seen[:, number]
        matte = matte + falls[:, None] * color / math.pi
        half = torch.nn.functional.normalize(coming.direction + to_camera, dim=-1)
        wide = sharpness / (1 + sharpness * coming.sine.square())
        lobe = (normal * half).sum(-1).clamp(0, 1) ** wide * (wide + 8) / (8 * math.pi)
        sheen = sheen + (0.04 * gloss * lobe * falls)[:, None] * color
    rgb = albedo * matte * (1 + rim[:, None]) + sheen
    return torch.cat([rgb, albedo, normal], dim=-1)


def _bounced(open_sky: Tensor, albedo: Tensor) -> Tensor:
    """Openness that counts light sent on by the walls of a fold (Jimenez et al. 2016, eq. 10)."""
    a, b, c = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    return torch.maximum(open_sky, ((open_sky * a + b) * open_sky + c) * open_sky)


@torch.no_grad()
def composed(
    output: RenderOutput, cloth: Lit, *, hair: Float[Tensor, "H W"], bare: Float[Tensor, "H W"]
) -> RenderOutput:
    """The picture with cloth: before what lies behind it, behind what lies before it.

    Args:
        output: The head.
        cloth: Samples.
        hair: 0 on skin to 1 on hair.
        bare: How far a pixel shows the body below the chin, 0 to 1.
    """
    height, width = output.alpha.shape
    first = int(cloth.pixel.min()) // width if len(cloth.pixel) else height
    if first > 0:  # rows above all cloth stay as they are: half of a portrait
        below = replace(cloth, pixel=cloth.pixel - first * width)
        rest = _below(output, first)
        if rest is None:
            return output
        return _joined(output, composed(rest, below, hair=hair[first:], bare=bare[first:]), first)
    depth = output.depth_m.reshape(-1)
    behind = torch.where(depth > 0, depth, torch.inf)
    head = behind - HAIR_OVER_M * hair.reshape(-1) + SKIN_UNDER_M * bare.reshape(-1)
    over = cloth.depth < head[cloth.pixel]
    zero = torch.zeros(height * width, 10)
    column = torch.cat([cloth.values, torch.ones_like(cloth.depth)[:, None]], dim=-1) * cloth.share[:, None]
    front = zero.index_add(0, cloth.pixel[over], column[over])
    back = zero.index_add(0, cloth.pixel[~over], column[~over])
    nearest = torch.full((height * width,), torch.inf).scatter_reduce(0, cloth.pixel, cloth.depth, "amin")
    alpha = output.alpha.reshape(-1, 1).clamp(0, 1)
    own = torch.cat([part.reshape(-1, 3) for part in (output.rgb_linear, output.albedo, output.normal)], dim=-1)
    covered = front[:, 9:].clamp(max=1)
    room = 1 - covered
    # what of the back is seen between front and head; both are parts of the pixel that do not overlap
    hidden = back[:, 9:] / room.clamp(min=1e-6)
    rest = room * ((1 - alpha) * hidden.clamp(max=1))
    mixed = front[:, :9] + room * alpha * own + rest * back[:, :9] / back[:, 9:].clamp(min=1e-6)
    whole = covered + room * alpha + rest
    mixed = mixed / whole.clamp(min=1e-6)
    front_most = (covered[:, 0] > 0.5) | ((depth <= 0) & torch.isfinite(nearest)) | (alpha[:, 0] < 0.5)
    deep = torch.where(front_most & torch.isfinite(nearest), nearest, depth)
    shape = output.albedo.shape
    normal = torch.nn.functional.normalize(mixed[:, 6:9], dim=-1, eps=1e-6)
    return replace(
        output,
        rgb_linear=mixed[:, :3].reshape(shape),
        albedo=mixed[:, 3:6].reshape(shape),
        normal=normal.reshape(shape),
        alpha=whole[:, 0].clamp(0, 1).reshape(height, width),
        depth_m=deep.reshape(height, width),
    )


PICTURED = ("rgb_linear", "albedo", "normal", "alpha", "depth_m", "sharp")


def _below(output: RenderOutput, row: int) -> RenderOutput | None:
    """The rows of a picture from one on; None if there are none."""
    if row >= len(output.alpha):
        return None
    return replace(output, **{name: value[row:] for name in PICTURED if (value := getattr(output, name)) is not None})


def _joined(output: RenderOutput, lower: RenderOutput, row: int) -> RenderOutput:
    """A picture with other rows from one on."""
    parts = {}
    for name in PICTURED:
        if (upper := getattr(output, name)) is not None:
            parts[name] = torch.cat([upper[:row], getattr(lower, name)])
    return replace(output, **parts)

"""Hair as geometry: a closed cap over the scalp and locks as tapering ribbons; opaque, so its truth is exact."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.field.outer_map import BOTTOM, TOP, axis_foot
from head3d.geometry.mesh import vertex_normals
from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.prior.clip import Patch, cut_patch
from head3d.prior.features import beard_level, scalp_level
from head3d.prior.hair_styles import HairStyle
from head3d.prior.layers import Layer, plain_layer
from head3d.prior.strands import KNOT, grow, head_reach
from head3d.prior.unwrap import HEIGHT, SkinMap

ROOTS = 4000
NODES = 8
CURLY_NODES = 12
HAIRLINE_FADE_M = 0.005
"""The cap begins this far behind the hairline; up to there hair is painted on the skin."""
BUN_M = 0.038


@dataclass(frozen=True)
class Scalp:
    """Where hair grows on a head model.

    Attributes:
        cap: The scalp's triangles, cut at the hairline.
        level: Distance (m) of the cap's points from the hairline.
        corners: Vertices of the triangle each root lies in, roots in random order, evenly over the scalp.
        weights: And the place in it.
        beard_corners: The same for a beard.
        beard_weights: The same for a beard.
    """

    cap: Patch
    level: Float[Tensor, "P"]
    corners: Int[Tensor, "S 3"]
    weights: Float[Tensor, "S 3"]
    beard_corners: Int[Tensor, "S 3"]
    beard_weights: Float[Tensor, "S 3"]


def find_scalp(model: HeadModel, skin: SkinMap) -> Scalp:
    """Prepare the places where hair grows."""
    level = scalp_level(model)
    seen = torch.zeros(len(model.mean), dtype=torch.bool)
    seen[model.groups["skin"]] = True
    faces = model.faces[seen[model.faces].all(1)]
    cap = cut_patch(faces, level - HAIRLINE_FADE_M)
    at = (model.mean[model.landmark_triangles] * model.landmark_barycentrics[..., None]).sum(1)
    corners, weights = _scatter(skin, (skin.spread(level) > 0.001) & skin.filled, seed=7)
    beard = _scatter(skin, (beard_level(skin.position, at) > 0.0015) & skin.filled, seed=8)
    return Scalp(cap, (cap.carry(level) - HAIRLINE_FADE_M).clamp_min(0), corners, weights, *beard)


def make_hair(
    style: HairStyle,
    color: Float[Tensor, "3"],
    vertices: Float[Tensor, "V 3"],
    generator: torch.Generator,
    *,
    model: HeadModel,
    skin: SkinMap,
    scalp: Scalp,
) -> list[Layer]:
    """Cap, locks and knot of a style on a posed head; nothing for the bald."""
    if style.strands == 0:
        return []
    normals = vertex_normals(vertices, model.faces)
    layers = [_cap(style, color, vertices, normals, generator, scalp)]
    nodes = CURLY_NODES if style.curl > 0.004 else NODES
    root, normal = _roots(vertices, normals, scalp.corners[: style.strands], scalp.weights[: style.strands])
    spread = (vertices[skin.corners[::4, ::4]] * skin.weights[::4, ::4, :, None]).sum(2)
    reach = head_reach((spread - axis_foot(spread)).norm(dim=-1), skin.filled[::4, ::4])
    strands = grow(style, root, normal, reach, generator, nodes=nodes)
    layers.append(ribbons(strands, color, width=style.width, generator=generator))
    if style.comb == "tie":
        layers.append(_tail(style, color, generator) if style.tail > 0 else _bun(color, generator))
    return layers


def make_beard(
    length: float,
    color: Float[Tensor, "3"],
    vertices: Float[Tensor, "V 3"],
    generator: torch.Generator,
    *,
    model: HeadModel,
    scalp: Scalp,
) -> Layer:
    """A full beard of short locks that hang from the cheeks, the lip and the chin."""
    root, normal = _roots(
        vertices, vertex_normals(vertices, model.faces), scalp.beard_corners[:2400], scalp.beard_weights[:2400]
    )
    numbers = torch.rand(len(root), 3, generator=generator)
    down = torch.tensor([0.0, -1.0, 0.0]) + 0.7 * (numbers - 0.5)
    path = [root - 0.0005 * normal]
    for k in range(1, 4):
        direction = torch.nn.functional.normalize(down + (0.9 - 0.2 * k) * normal, dim=-1)
        path.append(path[-1] + direction * (length / 3 * (0.6 + 0.8 * numbers[:, :1])))
    return ribbons(torch.stack(path, dim=1), color, width=0.0011 + 0.11 * length, generator=generator, deep=0.65)


def ribbons(
    strands: Float[Tensor, "S K 3"],
    color: Float[Tensor, "3"],
    *,
    width: float,
    generator: torch.Generator,
    deep: float = 0.5,
    centre: Float[Tensor, "3"] | None = None,
) -> Layer:
    """Ribbons along strands that lie flat on the head and taper to their tips.

    Args:
        strands: Nodes.
        color: Mean albedo of the hair.
        width: Metres.
        generator: For the shades of the locks.
        deep: Share of the sky at the roots.
        centre: What the ribbons face away from, instead of the head's axis.
    """
    count, nodes, _ = strands.shape
    numbers = torch.rand(count, 2, generator=generator)
    along = torch.nn.functional.normalize(torch.gradient(strands, dim=1)[0] + 1e-9, dim=-1)
    out = torch.nn.functional.normalize(strands - (axis_foot(strands) if centre is None else centre), dim=-1)
    side = torch.nn.functional.normalize(torch.linalg.cross(along, out) + 1e-7, dim=-1)
    t = torch.linspace(0, 1, nodes)
    half = 0.5 * width * (0.7 + 0.6 * numbers[:, :1]) * (1 - t**4).clamp_min(0.06).sqrt()
    edges = torch.stack([strands - side * half[..., None], strands + side * half[..., None]], dim=2)
    face_out = torch.nn.functional.normalize(torch.linalg.cross(side, along), dim=-1)
    face_out = face_out * torch.where((face_out * out).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    round_ = 0.45 * torch.stack([-side, side], dim=2)
    normal = torch.nn.functional.normalize((face_out + 0.6 * out)[:, :, None] + round_, dim=-1)
    shade = (0.72 + 0.56 * numbers[:, 1])[:, None] * (0.85 + 0.3 * t)
    colors = (color * shade[..., None]).clamp(0, 0.8)[:, :, None].expand(-1, -1, 2, -1)
    sky = (deep + (1 - deep) * (1.3 * t).clamp(max=1)) * (0.8 + 0.2 * numbers[:, :1])
    first = torch.arange(count)[:, None] * (2 * nodes) + 2 * torch.arange(nodes - 1)[None]
    quad = torch.stack([first, first + 1, first + 2, first + 3], dim=-1).reshape(-1, 4)
    return plain_layer(
        edges.reshape(-1, 3),
        torch.cat([quad[:, [0, 1, 2]], quad[:, [1, 3, 2]]]),
        color=colors.reshape(-1, 3),
        label=int(Region.HAIR),
        normal=normal.reshape(-1, 3),
        open_sky=sky[..., None].expand(-1, -1, 2).reshape(-1),
        gloss=1.5,
    )


def _scatter(skin: SkinMap, mask: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
    """Random texels of a mask, evenly over the head: rows near the crown are narrower than they look."""
    rows = TOP - (torch.arange(HEIGHT) + 0.5) / HEIGHT * (TOP - BOTTOM)
    share = torch.where(rows > 0, rows.cos(), torch.ones(HEIGHT))
    odds = (mask * share[:, None]).reshape(-1)
    # weighted draw without replacement by exponential keys
    keys = torch.empty_like(odds).exponential_(generator=torch.Generator().manual_seed(seed)) / odds.clamp_min(1e-9)
    index = keys.topk(ROOTS, largest=False).indices
    return skin.corners.reshape(-1, 3)[index], skin.weights.reshape(-1, 3)[index]


def _roots(vertices: Tensor, normals: Tensor, corners: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    root = (vertices[corners] * weights[..., None]).sum(1)
    return root, torch.nn.functional.normalize((normals[corners] * weights[..., None]).sum(1), dim=-1)


def _cap(
    style: HairStyle, color: Tensor, vertices: Tensor, normals: Tensor, generator: torch.Generator, scalp: Scalp
) -> Layer:
    """The closed layer of hair on the scalp, thin at the hairline."""
    level = scalp.level
    rise = 0.012 + 0.5 * style.cap
    profile = (1 - (1 - (level / rise).clamp(max=1)) ** 2).sqrt() if style.cap > 0.02 else (level / rise).clamp(max=1)
    bumps = 1 + (0.12 if style.cap > 0.01 else 0.05) * torch.randn(len(level), generator=generator).clamp(-2, 2)
    thickness = 0.0006 + style.cap * profile * bumps
    at = scalp.cap.carry(vertices)
    points = at + thickness[:, None] * torch.nn.functional.normalize(scalp.cap.carry(normals), dim=-1)
    shade = 0.75 + 0.15 * torch.rand(len(level), 1, generator=generator)
    return plain_layer(
        points,
        scalp.cap.faces,
        color=color * shade,
        label=int(Region.HAIR),
        open_sky=torch.full((len(level),), 0.6 if style.cap < 0.02 else 0.75),
        gloss=0.5,
    )


def _tail(style: HairStyle, color: Tensor, generator: torch.Generator) -> Layer:
    """What hangs from the knot."""
    numbers = torch.rand(260, 6, generator=generator)
    start = torch.tensor(KNOT) + 0.012 * (numbers[:, :3] - 0.5)
    side = (numbers[:, 3:6] - 0.5) * torch.tensor([0.9, 0.5, 0.6])
    direction = torch.nn.functional.normalize(torch.tensor([0.0, 0.25, -1.0]) + side, dim=-1)
    step = style.tail * (0.7 + 0.5 * numbers[:, :1]) / 9
    path = [start]
    for k in range(1, 10):
        direction = torch.nn.functional.normalize(0.6 * direction + torch.tensor([0.0, -0.12 * k, 0.03 * k]), dim=-1)
        path.append(path[-1] + direction * step)
    return ribbons(torch.stack(path, dim=1), color, width=0.009, generator=generator)


def _bun(color: Tensor, generator: torch.Generator) -> Layer:
    """A knot of locks wound about an axis that points back and up."""
    turns, count = 16, 150
    numbers = torch.rand(count, 3, generator=generator)
    latitude = (numbers[:, :1] * 2 - 1) * 1.45
    azimuth = numbers[:, 1:2] * 2 * math.pi + torch.linspace(0, 2.2, turns)[None]
    radius = BUN_M * (0.9 + 0.12 * numbers[:, 2:])
    ring = latitude.cos() * radius
    local = torch.stack(
        [ring * azimuth.cos(), ring * azimuth.sin(), (latitude.sin() * radius * 0.8).expand_as(azimuth)], dim=-1
    )
    axis = torch.nn.functional.normalize(torch.tensor([0.0, 0.35, -1.0]), dim=0)
    right = torch.tensor([1.0, 0.0, 0.0])
    frame = torch.stack([right, torch.linalg.cross(axis, right), axis])
    centre = torch.tensor(KNOT) + 0.02 * axis
    return ribbons(local @ frame + centre, color, width=0.012, generator=generator, deep=0.8, centre=centre)

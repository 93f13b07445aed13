"""Complete maps of people's heads, and what photos would have shown of them: lessons for the completion net."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.field.completion_net import RADIUS_UNIT_M
from head3d.field.outer_map import FAR_M, MAP_HEIGHT, MAP_WIDTH, axis_foot, map_place
from head3d.geometry.cameras import intrinsics, look_at_head, project
from head3d.imaging.color import srgb_from_linear
from head3d.kernels.raster import rasterize
from head3d.prior.artist_people import load_artist_person
from head3d.prior.picture import Sitter
from head3d.prior.synthetic import make_person, truth_studio

FINER = 2
"""Texels are the mean of so many along each axis."""
HELD_OUT = ("Black_F_2", "White_M_2", "Asian_F_2", "MENA_M_1", "Hispanic_M_2", "X_NHPI_F_1")
"""Artists' people (the start of their names) that no network of head3d is trained on."""
GRAZING, SQUARE = 0.15, 0.45
HIDDEN_M = 0.012


@dataclass(frozen=True)
class HeadMap:
    """A head's outside.

    Attributes:
        albedo_srgb: In [0, 1].
        radius_m: Distance from the axis.
        there: 1 where there is a surface.
        known: How well the photos show it, in [0, 1]; 1 everywhere before any are taken.
    """

    albedo_srgb: Float[Tensor, "3 H W"]
    radius_m: Float[Tensor, "H W"]
    there: Float[Tensor, "H W"]
    known: Float[Tensor, "H W"]


@dataclass(frozen=True)
class _Outside:
    """A map, and where its texels are in space."""

    head: HeadMap
    points: Float[Tensor, "P 3"]
    normals: Float[Tensor, "P 3"]
    vertices: Float[Tensor, "V 3"]
    faces: Tensor


def outside(person: Sitter) -> _Outside:
    """Draw the outermost surface of a person on the map."""
    scene = person.scene
    width, height = MAP_WIDTH * FINER, MAP_HEIGHT * FINER
    place = map_place(scene.vertices, front=0.0)
    reach = (scene.vertices - axis_foot(scene.vertices)).norm(dim=-1)
    px = torch.stack([place[:, 0] * width, place[:, 1] * height, FAR_M + 0.1 - reach.clamp(max=FAR_M)], dim=1)
    corner = px[scene.faces]
    wraps = corner[..., 0].amax(1) - corner[..., 0].amin(1) > width / 2
    low, high = corner[wraps].clone(), corner[wraps].clone()
    low[..., 0] = torch.where(low[..., 0] > width / 2, low[..., 0] - width, low[..., 0])
    high[..., 0] = torch.where(high[..., 0] < width / 2, high[..., 0] + width, high[..., 0])
    drawn = torch.cat([corner[~wraps], low, high])
    source = torch.cat([torch.nonzero(part)[:, 0] for part in (~wraps, wraps, wraps)])
    corners = torch.arange(3 * len(drawn)).reshape(-1, 3)
    seen = rasterize(drawn.reshape(-1, 3).contiguous(), corners, size=(height, width))
    triangle = torch.where(seen.triangle >= 0, source[seen.triangle.clamp_min(0).long()], 0).reshape(-1)
    weights = seen.barycentrics.reshape(-1, 3)
    there = (seen.triangle >= 0).float().reshape(-1)
    values = torch.cat([scene.vertices, scene.normal, scene.paint], dim=1)[scene.faces[triangle]]
    values = (values * weights[..., None]).sum(1)
    albedo, _ = person.colors(values[:, 6:9], scene.material[triangle], scene.label[triangle])
    points = values[:, :3]
    radius = (points - axis_foot(points)).norm(dim=-1)

    def shrunk(flat: Float[Tensor, "P C"]) -> Float[Tensor, "C H W"]:
        picture = (flat * there[:, None]).T.reshape(1, -1, height, width)
        cover = functional.avg_pool2d(there.reshape(1, 1, height, width), FINER).clamp_min(1e-6)
        return (functional.avg_pool2d(picture, FINER) / cover)[0]

    cover = functional.avg_pool2d(there.reshape(1, 1, height, width), FINER)[0, 0]
    head = HeadMap(
        albedo_srgb=srgb_from_linear(shrunk(albedo).clamp(0, 1)),
        radius_m=shrunk(radius[:, None])[0],
        there=(cover > 0.5).float(),
        known=torch.ones(MAP_HEIGHT, MAP_WIDTH),
    )
    normals = functional.normalize(shrunk(values[:, 3:6]).reshape(3, -1).T, dim=-1)
    return _Outside(head, shrunk(points).reshape(3, -1).T, normals, scene.vertices, scene.faces)


def shown(outer: _Outside, generator: torch.Generator) -> Float[Tensor, "H W"]:
    """How well one to eight photos, mostly from in front, would show each texel, in [0, 1]."""
    count = (1, 1, 2, 3, 4, 4, 5, 8)[int(torch.randint(8, (), generator=generator))]
    best = torch.zeros(len(outer.points))
    outward = functional.normalize(outer.points - axis_foot(outer.points), dim=-1)
    normal = functional.normalize(outer.normals + outward, dim=-1)  # strands look everywhere: half the head's own shape
    for number in range(count):
        yaw, pitch = (torch.rand(2, generator=generator) * 2 - 1).tolist()
        widest = 25.0 if count == 1 else 80.0
        base = 0.0 if count == 1 else (2 * number / (count - 1) - 1) * widest * 0.85
        pose = look_at_head(yaw_deg=base + yaw * widest * 0.2, pitch_deg=pitch * 15, distance_m=1.0)
        size = (128, 128)
        K = intrinsics(128 * 1.0 / 0.55, size)
        px, depth = project(outer.vertices, pose, K)
        buffer = rasterize(torch.cat([px, depth[:, None]], dim=1), outer.faces, size=size).depth
        at, far = project(outer.points, pose, K)
        column, row = (at[:, k].long().clamp(0, 127) for k in (0, 1))
        front = buffer[row, column]
        clear = ((front == 0) | (far < front + HIDDEN_M)).float()
        toward = functional.normalize(pose[:3, 3] - outer.points, dim=-1)
        facing = ((normal * toward).sum(-1) - GRAZING) / (SQUARE - GRAZING)
        best = torch.maximum(best, facing.clamp(0, 1) * clear)
    known = best.reshape(1, 1, MAP_HEIGHT, MAP_WIDTH)
    known = functional.avg_pool2d(functional.pad(known, (2, 2, 2, 2), mode="replicate"), 5, 1)[0, 0]
    grain = functional.interpolate(
        torch.randn(1, 1, 16, 32, generator=generator), (MAP_HEIGHT, MAP_WIDTH), mode="bicubic"
    )
    return (known + 0.15 * grain[0, 0] * (known > 0)).clamp(0, 1)


@lru_cache(maxsize=64)
def _artist(path: Path) -> _Outside:
    return outside(load_artist_person(path))


def artist_paths(data: Path, *, held_out: bool) -> list[Path]:
    """Artists' people to learn from, or those kept aside."""
    found = sorted((data / "valid_heads").glob("*.glb"))
    return [path for path in found if path.name.startswith(HELD_OUT) == held_out]


def map_lesson(seed: int, *, data: Path, held_out: bool = False) -> HeadMap:
    """A person's map and what photos show of it; half synthetic people, half artists'; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    artists = artist_paths(data, held_out=held_out)
    if artists and (held_out or bool(torch.rand((), generator=generator) < 0.6)):
        outer = _artist(
            artists[seed % len(artists) if held_out else int(torch.randint(len(artists), (), generator=generator))]
        )
    else:
        outer = outside(make_person(truth_studio(data), seed))
    head = replace(outer.head, known=shown(outer, generator) * outer.head.there)
    return head if held_out else _varied(head, generator)


def _varied(head: HeadMap, generator: torch.Generator) -> HeadMap:
    """Mirrored, recoloured, turned and stretched a little: few artists' people must do for many."""
    mirror, turn, stretch, gamma = torch.rand(4, generator=generator).tolist()
    gain = torch.exp(0.12 * torch.randn(3, 1, 1, generator=generator) + 0.15 * torch.randn((), generator=generator))
    layers = torch.cat([head.albedo_srgb, head.radius_m[None], head.there[None], head.known[None]])
    if mirror < 0.5:
        layers = layers.flip(-1)
    layers = layers.roll(int((turn - 0.5) * 24), dims=-1)
    rows = torch.linspace(-1, 1, MAP_HEIGHT) * (0.94 + 0.12 * stretch)
    columns = (torch.arange(MAP_WIDTH) + 0.5) / MAP_WIDTH * 2 - 1
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)
    layers = functional.grid_sample(layers[None], grid[None], align_corners=False, padding_mode="border")[0]
    albedo = (layers[:3].clamp(0, 1) ** (0.75 + 0.5 * gamma) * gain).clamp(0, 1)
    radius = layers[3] + 0.03 * RADIUS_UNIT_M * torch.randn((), generator=generator)
    return HeadMap(albedo, radius, (layers[4] > 0.5).float(), layers[5])

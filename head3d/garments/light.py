"""Light on cloth: what of the sky and of each lamp arrives at its vertices, past the head and past other cloth.

The head's shadow is that of its signed distance, as everywhere (``head3d.render.shadows``); pieces of cloth lie closer
to each other than its cells are wide, so that what they take from each other is drawn from many sides once.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.geometry.lamps import arrival
from head3d.geometry.sh import Lighting, sh_basis
from head3d.kernels.raster import rasterize
from head3d.render.relight import DARKEST
from head3d.render.shadows import CONE_SHARE, cone_axes, lamp_visibility, openness

SIDES = 64
"""Directions cloth is looked at from, evenly over the sphere: 25 degrees apart."""
SIDE_PX, SIDE_M = 360, 0.72
"""Of the pictures taken, and what they show."""
BIAS_M = 0.0020
LOBE = 22.0
"""A lamp is seen as the sides about it see, weighted by exp(LOBE (cos - 1)): 17 degrees."""
OFF_M = 0.004
LEAST_SKY = 0.08
"""What still comes into the closest fold, from wall to wall."""


def sides(count: int = SIDES) -> Float[Tensor, "D 3"]:
    """Directions evenly over the sphere (a Fibonacci spiral)."""
    i = torch.arange(count) + 0.5
    y = 1 - 2 * i / count
    turn = i * math.pi * (3 - math.sqrt(5))
    flat = (1 - y * y).sqrt()
    return torch.stack([flat * turn.cos(), y, flat * turn.sin()], dim=-1)


@torch.no_grad()
def seen_from(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    neighbours: sparse.csr_array,
    *,
    centre: Float[Tensor, "3"],
) -> Float[Tensor, "V D"]:
    """Part of each vertex that is seen from each of ``sides()``, past all other cloth, smoothed over the mesh.

    Args:
        vertices: Metres.
        faces: Corners.
        neighbours: Of :func:`mean_about`.
        centre: Middle of what is looked at.
    """
    found = []
    scale = SIDE_PX / SIDE_M
    for way in sides():
        axes = cone_axes(way[None])[0]
        right = torch.nn.functional.normalize(axes[1] - axes[1] @ way * way, dim=0)
        up = torch.linalg.cross(way, right)
        arm = vertices - centre
        x, y = arm @ right * scale + SIDE_PX / 2, arm @ up * scale + SIDE_PX / 2
        depth = 2.0 - arm @ way
        seen = rasterize(torch.stack([x, y, depth], dim=-1), faces, size=(SIDE_PX, SIDE_PX))
        front = torch.where(seen.triangle >= 0, seen.depth, torch.inf)
        # between pixels the nearest surface is not known: each of the four about a place has a word
        column, row = (x - 0.5).floor().long(), (y - 0.5).floor().long()
        inside = (column >= 0) & (row >= 0) & (column < SIDE_PX - 1) & (row < SIDE_PX - 1)
        column, row = column.clamp(0, SIDE_PX - 2), row.clamp(0, SIDE_PX - 2)
        lit = (
            torch.stack([depth <= front[row + a, column + b] + BIAS_M for a in (0, 1) for b in (0, 1)]).float().mean(0)
        )
        found.append(torch.where(inside, lit, torch.ones_like(lit)))
    visible = torch.stack(found, dim=-1)
    for _ in range(2):
        visible = 0.5 * visible + 0.5 * torch.from_numpy(neighbours @ visible.numpy())
    return visible


def as_one(visible: Float[Tensor, "V D"], piece: Int[Tensor, "V"], faces: Int[Tensor, "F 3"]) -> Float[Tensor, "V D"]:
    """The same with what each piece of ``faces`` sees from any of its vertices: a button is smaller than a picture's
    pixels, whose steps would dot its rim."""
    found = visible.clone()
    for number in piece[faces.reshape(-1)].unique():
        own = piece == number
        found[own] = visible[own].amax(0)
    return found


def mean_about(faces: Int[Tensor, "F 3"], count: int) -> sparse.csr_array:
    """(V, V) that takes the mean over the vertices about each."""
    corners = faces.numpy()
    a, b = corners[:, [0, 1, 2, 1, 2, 0]].T.reshape(-1), corners[:, [1, 2, 0, 0, 1, 2]].T.reshape(-1)
    links = sparse.csr_array((np.ones(len(a), np.float32), (a, b)), shape=(count, count))
    total = np.maximum(np.asarray(links.sum(1)).reshape(-1), 1)
    return sparse.csr_array(sparse.diags_array((1 / total).astype(np.float32)) @ links)


@dataclass(frozen=True)
class Arriving:
    """What arrives at vertices.

    Attributes:
        sky: Part of the soft light.
        lamps: Part of each lamp that is seen.
    """

    sky: Float[Tensor, "V 3"]
    lamps: Float[Tensor, "V L"]


@torch.no_grad()
def arriving(
    vertices: Float[Tensor, "V 3"],
    normals: Float[Tensor, "V 3"],
    visible: Float[Tensor, "V D"],
    cache: ShellCache,
    light: Lighting,
    needed: Bool[Tensor, "V"],
) -> Arriving:
    """What of a light arrives at vertices of cloth.

    Args:
        vertices: Metres.
        normals: Unit, towards the camera's side of the cloth.
        visible: Of ``seen_from``.
        cache: The head's signed distance.
        light: Head frame.
        needed: Vertices that are seen.
    """
    sh = light.sh.to(vertices)
    floor = DARKEST * sh[0].abs() / (2 * math.sqrt(math.pi)) + 1e-9
    share = torch.tensor([CONE_SHARE[0], *[CONE_SHARE[1]] * 5])
    sky, rows = torch.ones_like(vertices), torch.nonzero(needed)[:, 0]
    n = normals[rows]
    sent = torch.maximum(sh_basis(cone_axes(n)) @ sh, floor) * share[:, None]
    off = torch.full((len(rows),), OFF_M)
    head_open = openness(cache, vertices[rows], cone_axes(n), off_m=off, normal=n)
    by_head = (sent * head_open[..., None]).sum(1) / sent.sum(1)
    way = sides()
    cosine = (n @ way.T).clamp(min=0)
    glow = torch.maximum(sh_basis(way) @ sh, floor)
    by_cloth = (cosine * visible[rows]) @ glow / (cosine @ glow).clamp(min=1e-9)
    sky[rows] = LEAST_SKY + (1 - LEAST_SKY) * by_head * by_cloth
    lamps = torch.ones(len(vertices), 0 if light.lamps is None else len(light.lamps))
    for number in range(lamps.shape[1]):
        assert light.lamps is not None
        coming = arrival(light.lamps, number, vertices[rows])
        near = torch.exp(LOBE * (coming.direction @ way.T - 1))
        past_cloth = (near * visible[rows]).sum(1) / near.sum(1)
        past_head = lamp_visibility(
            cache, vertices[rows], n, coming.direction, sine=coming.sine, far_m=coming.far_m, off_m=off
        )
        lamps[rows, number] = past_cloth * past_head
    return Arriving(sky, lamps)

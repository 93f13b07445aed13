"""Grow locks of hair: step by step along the comb, bent by their weight, held off the head and out of the face."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.outer_map import BOTTOM, CENTRE, RADIUS, TOP, axis_foot, map_place
from head3d.prior.hair_styles import HairStyle

KNOT = (0.0, 0.055, -0.115)
CROWN = (0.0, 0.13, -0.045)
FACE_TOP_M = 0.075
"""Height of the forehead above which hair need not keep clear of the face."""
COMBED_M = 0.08
"""Over this length from its root a strand still follows the comb."""
LOWEST_HEAD_M = -0.10
WIDEST_M = 0.075
"""Below the chin hair follows the neck and lies before and behind the shoulders, not on top of their ends."""


def grow(
    style: HairStyle,
    root: Float[Tensor, "S 3"],
    normal: Float[Tensor, "S 3"],
    reach: Float[Tensor, "1 1 A B"],
    generator: torch.Generator,
    *,
    nodes: int,
) -> Float[Tensor, "S K 3"]:
    """Nodes of strands, from the root to the tip, head frame, metres.

    Args:
        style: How it grows.
        root: On the skin.
        normal: Unit, outwards.
        reach: Distance of this head's skin from the axis over the map (see ``head_reach``).
        generator: For lengths and waves.
        nodes: K.
    """
    count = len(root)
    numbers = torch.rand(count, 4, generator=generator)
    comb, length = _comb(style, root, normal, numbers[:, 0])
    if style.comb == "tie":
        return _tied(style, root, reach, numbers, nodes=nodes)
    step = length / (nodes - 1)
    lift = {"out": 0.9, "back": 0.1}.get(style.comb, 0.3)
    direction = torch.nn.functional.normalize(comb + lift * normal + 0.12 * _ball(numbers), dim=-1)
    down = torch.tensor([0.0, -1.0, 0.0])
    at = root + 0.3 * style.cap * normal
    path = [at]
    own = style.volume * (0.3 + numbers[:, 1])
    for k in range(1, nodes):
        t = k / (nodes - 1)
        pull = style.weight * min(1.0, 0.5 + t)
        held = (1 - t * length / COMBED_M).clamp(0, 1)[:, None]
        wish = style.stiff * direction + (1 - style.stiff) * held * comb + pull * down
        direction = torch.nn.functional.normalize(wish, dim=-1)
        at = at + direction * step[:, None]
        at = clear_of_head(at, reach, style.cap * 0.8 * min(1.0, 3 * (1 - t) + 0.3) + own * min(1.0, 2 * t))
        if style.comb == "part" or style.name == "fringe":
            at = clear_of_face(at, style.clear_rad * (0.9 + 0.2 * numbers[:, 2]), long=length > 0.09)
        # a pushed node turns the strand: what follows slides along the head
        direction = torch.nn.functional.normalize(at - path[-1] + 1e-9, dim=-1)
        path.append(at)
    strand = torch.stack(path, dim=1)
    return strand + _waves(style, strand, numbers, length) if style.curl > 0 else strand


def head_reach(distance: Float[Tensor, "H W"], filled: Tensor) -> Float[Tensor, "1 1 A B"]:
    """Shrink the distance of the skin from the axis to a coarse map for collisions: the largest of every 8 by 8."""
    coarse = torch.nn.functional.max_pool2d(torch.where(filled, distance, 0.0)[None, None], 8)
    rows = torch.linspace(0.5, coarse.shape[2] - 0.5, coarse.shape[2]) / coarse.shape[2]
    below = CENTRE[1] + (TOP - rows * (TOP - BOTTOM)) * RADIUS < LOWEST_HEAD_M
    coarse[:, :, below] = coarse[:, :, below].clamp(max=WIDEST_M)
    smooth = torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(coarse, (1, 1, 0, 0), mode="circular"), (1, 3), stride=1
    )
    return torch.cat([smooth[..., -1:], smooth, smooth[..., :1]], dim=-1)  # wraps round


def clear_of_head(
    points: Float[Tensor, "S 3"], reach: Float[Tensor, "1 1 A B"], margin: Float[Tensor, "S"] | float
) -> Float[Tensor, "S 3"]:
    """Push points out to the skin and a margin (m)."""
    inner = axis_foot(points)
    out = points - inner
    distance = out.norm(dim=-1)
    place = map_place(points)
    width = reach.shape[-1] - 2
    grid = torch.stack([(place[:, 0] * width + 1) / (width + 2), place[:, 1]], dim=-1) * 2 - 1
    needed = torch.nn.functional.grid_sample(reach, grid[None, None], align_corners=False, padding_mode="border")
    needed = needed[0, 0, 0] + margin
    return inner + out * (torch.maximum(distance, needed) / distance.clamp_min(1e-6))[:, None]


def clear_of_face(points: Float[Tensor, "S 3"], clear_rad: Tensor, *, long: Tensor) -> Float[Tensor, "S 3"]:
    """Turn points in front of the face about the axis until they frame it; short fringes stay."""
    x, z = points[:, 0] - CENTRE[0], points[:, 2] - CENTRE[2]
    azimuth = torch.atan2(x, z)
    depth = ((FACE_TOP_M - points[:, 1]) / 0.05).clamp(0, 1)
    limit = clear_rad * depth
    moves = long & (azimuth.abs() < limit)
    turned = torch.where(x >= 0, limit, -limit)
    radius = (x * x + z * z).sqrt()
    moved = torch.stack([radius * turned.sin() + CENTRE[0], points[:, 1], radius * turned.cos() + CENTRE[2]], dim=-1)
    return torch.where(moves[:, None], moved, points)


def _comb(style: HairStyle, root: Tensor, normal: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Direction (S, 3) in which hair is combed, along the skin, and the length (S) of each strand."""
    top = ((root[:, 1] - 0.05) / 0.06).clamp(0, 1)
    front = ((root[:, 2] - 0.02) / 0.05).clamp(0, 1) * ((root[:, 1] - 0.07) / 0.02).clamp(0, 1)
    x = root[:, 0]
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    match style.comb:
        case "part":
            side = torch.tanh((x - style.part) / 0.006)
            above = torch.stack([side, -0.1 * one, 0.25 * front - 0.1], dim=-1)
            beside = torch.stack([zero, -one, -0.25 * one], dim=-1)
        case "back" | "tie":
            above = torch.stack([0.3 * x / 0.08, 0.1 * one, -one], dim=-1)
            beside = torch.stack([zero, -0.35 * one, -one], dim=-1)
        case "out" | "mesh":
            above = beside = normal
        case "crown":
            away = root - torch.tensor(CROWN)
            above = torch.nn.functional.normalize(away, dim=-1) + torch.tensor([0.25, 0.0, 0.0])
            beside = torch.stack([zero, -one, 0.1 * one], dim=-1)
    comb = above * top[:, None] + beside * (1 - top)[:, None]
    if style.comb != "out":
        comb = comb - (comb * normal).sum(-1, keepdim=True) * normal
    comb = torch.nn.functional.normalize(comb, dim=-1)
    length = style.side + (style.top - style.side) * top
    length = length + (style.fringe - length) * front * (style.fringe < style.top)
    ragged = torch.where(length > 0.1, 0.12, 0.4)
    return comb, length * (1 - ragged / 2 + ragged * number)


def _tied(style: HairStyle, root: Tensor, reach: Tensor, numbers: Tensor, *, nodes: int) -> Float[Tensor, "S K 3"]:
    """Strands drawn over the head to a knot."""
    t = torch.linspace(0, 1, nodes)[None, :, None]
    knot = torch.tensor(KNOT) + 0.012 * _ball(numbers)
    straight = root[:, None] * (1 - t) + knot[:, None] * t
    margin = style.cap + style.volume * numbers[:, 1:2] * torch.ones(1, nodes)
    flat = clear_of_head(straight.reshape(-1, 3), reach, margin.reshape(-1))
    path = flat.reshape(len(root), nodes, 3)
    path[:, 0] = root
    return path


def _waves(style: HairStyle, strand: Tensor, numbers: Tensor, length: Tensor) -> Float[Tensor, "S K 3"]:
    """Offsets of the nodes on a helix about the strand, growing from the root."""
    out = torch.nn.functional.normalize(strand - axis_foot(strand), dim=-1)
    along = torch.nn.functional.normalize(strand[:, -1] - strand[:, 0] + 1e-6, dim=-1)[:, None].expand_as(out)
    side = torch.nn.functional.normalize(torch.linalg.cross(along, out) + 1e-6, dim=-1)
    t = torch.linspace(0, 1, strand.shape[1])[None]
    phase = 2 * math.pi * (style.turns * length[:, None] * t + numbers[:, 3:])
    radius = style.curl * (1.5 * t).clamp(max=1.0)
    return radius[..., None] * (phase.cos()[..., None] * side + 0.6 * (1 + phase.sin())[..., None] * out)


def _ball(numbers: Tensor) -> Float[Tensor, "S 3"]:
    return (numbers[:, [3, 2, 1]] - 0.5) * 2

"""Glasses: two rims, a bridge and two temples as thin tubes; the lenses are clear and not drawn."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.morphable.types import HeadModel
from head3d.perception.types import Region
from head3d.prior.layers import Layer, join, plain_layer

BRIDGE = 168
"""MediaPipe's point between the eyes."""
SIDES = 6
"""Of a tube."""


def make_glasses(
    vertices: Float[Tensor, "V 3"], model: HeadModel, generator: torch.Generator, *, color: Float[Tensor, "3"]
) -> Layer:
    """Glasses on a posed head."""
    wide, high, thick, square = torch.rand(4, generator=generator).tolist()
    half = torch.tensor([0.024 + 0.004 * wide, 0.016 + 0.007 * high])
    radius = 0.0006 + 0.0014 * thick**2
    nose = (vertices[model.landmark_triangles[BRIDGE]] * model.landmark_barycentrics[BRIDGE][:, None]).sum(0)
    eyes = torch.stack([vertices[model.groups[name]].mean(0) for name in ("eye_right", "eye_left")])
    front = torch.maximum(nose[2] + 0.003, eyes[:, 2].max() + 0.026)
    ears = vertices[model.groups["ears"]]
    round_ = torch.linspace(0, 2 * torch.pi, 33)
    power = 1 - 0.45 * square  # 1 is an ellipse, less is squarer
    shape = torch.stack([_powered(round_.cos(), power), _powered(round_.sin(), power)], dim=-1) * half
    tubes, inner = [], []
    for side, sign in ((0, -1.0), (1, 1.0)):
        x = sign * torch.maximum(eyes[side, 0].abs(), half[0] + 0.008)
        rim = torch.stack([x + shape[:, 0], eyes[side, 1] - 0.004 + shape[:, 1], front.expand(33)], dim=-1)
        rim[:, 2] -= 1.6 * (rim[:, 0] - nose[0]) ** 2  # glasses wrap round the face a little
        tubes.append(rim)
        inner.append(rim[(sign * rim[:, 0]).argmin()])
        hinge = rim[(sign * rim[:, 0]).argmax()] + torch.tensor([0.0, 0.5 * float(half[1]), 0.0])
        own = ears[sign * ears[:, 0] > 0]
        top = own[own[:, 1] > own[:, 1].max() - 0.012]
        hook = torch.stack([sign * (top[:, 0].abs().min() + 0.002), top[:, 1].max() - 0.002, top[:, 2].mean()])
        behind = hook + torch.tensor([-0.004 * sign, -0.022, -0.022])
        outward = torch.stack([torch.maximum(hinge[0] * sign, hook[0] * sign) * sign, hinge[1], hinge[2] - 0.008])
        tubes.append(torch.stack([hinge, outward, 0.5 * (outward + hook), hook, behind]))
    middle = 0.5 * (inner[0] + inner[1]) + torch.tensor([0.0, 0.004, 0.002])
    tubes.append(torch.stack([inner[0], middle, inner[1]]))
    return join([_tube(path, radius, color) for path in tubes])


def _powered(x: Tensor, power: float) -> Tensor:
    return x.sign() * x.abs() ** power


def _tube(path: Float[Tensor, "K 3"], radius: float, color: Float[Tensor, "3"]) -> Layer:
    """A tube along a polyline."""
    count = len(path)
    along = torch.nn.functional.normalize(torch.gradient(path, dim=0)[0], dim=-1)
    helper = torch.where(along[:, 1:2].abs() > 0.9, torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
    right = torch.nn.functional.normalize(torch.linalg.cross(helper, along), dim=-1)
    up = torch.linalg.cross(along, right)
    angle = torch.arange(SIDES) * (2 * torch.pi / SIDES)
    normal = right[:, None] * angle.cos()[None, :, None] + up[:, None] * angle.sin()[None, :, None]
    points = path[:, None] + radius * normal
    ring = torch.arange(SIDES)
    first = (torch.arange(count - 1)[:, None] * SIDES + ring).reshape(-1)
    beside = (torch.arange(count - 1)[:, None] * SIDES + (ring + 1) % SIDES).reshape(-1)
    faces = torch.cat(
        [
            torch.stack([first, beside, first + SIDES], dim=-1),
            torch.stack([beside, beside + SIDES, first + SIDES], dim=-1),
        ]
    )
    return plain_layer(
        points.reshape(-1, 3), faces, color=color, label=int(Region.GLASSES), normal=normal.reshape(-1, 3), gloss=2.0
    )

"""Where the irises of a field really are: training puts them where the photos' gazes agreed, if they did."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from scipy import spatial
from torch import Tensor

from head3d.field.gaze import LID_M, Eyeball
from head3d.field.radiance import RadianceField
from head3d.geometry.rotations import matrix_from_axis_angle
from head3d.imaging.color import luminance

MOST_DEG, STEP_DEG = 18, 2
"""How far from the fitted head's iris it is looked for."""
DISC, RING = (0.0, 0.9), (1.2, 1.7)
"""Of the iris' radius: what must be dark, and brighter than that."""
PRIOR = 0.25
"""Log contrast that an iris at ``MOST_DEG`` must have more than one at rest."""
LEAST_POINTS = 12


@torch.no_grad()
def find_irises(trained: RadianceField, eyes: Sequence[Eyeball], *, skin: Float[Tensor, "P 3"]) -> tuple[Eyeball, ...]:
    """The eyes with ``forward`` turned to the darkest disc of an iris' size between the lids.

    Args:
        trained: The field.
        eyes: Of the fitted head.
        skin: Points of its neutral skin about the eyes, head frame, metres.
    """
    tree = spatial.KDTree(skin.numpy())
    return tuple(_find(trained, eye, tree) for eye in eyes)


def _find(trained: RadianceField, eye: Eyeball, skin: spatial.KDTree) -> Eyeball:
    steps = range(-MOST_DEG, MOST_DEG + 1, STEP_DEG)
    turns = [
        (math.radians(pitch), math.radians(yaw)) for yaw in steps for pitch in steps if math.hypot(yaw, pitch) < 19
    ]
    forwards = torch.stack([matrix_from_axis_angle(torch.tensor([p, y, 0.0])) @ eye.forward for p, y in turns])
    # one sheet of points over all candidates: each then only asks which of them are its own
    sideways = torch.linspace(-0.9, 0.9, 61)
    x, y = torch.meshgrid(sideways, sideways, indexing="ij")
    rays = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
    rays = torch.nn.functional.normalize(rays, dim=-1)
    points = eye.centre + eye.radius_m * rays
    distance, _ = skin.query(points.numpy())
    bare = torch.from_numpy(distance > 0.5 * LID_M) & torch.from_numpy(distance < 0.02)
    rays, points = rays[bare], points[bare].to(trained.sd_m.device)
    points = points - trained.sdf(points)[:, None] * rays.to(points)  # what was learned may bulge
    level = luminance(trained.surface_color(points)[0].cpu()).clamp(min=1e-3).log()
    angle = torch.acos((forwards @ rays.T).clamp(-1, 1)) / eye.iris_rad
    best, found = math.inf, eye.forward
    for forward, apart, (pitch, yaw) in zip(forwards, angle, turns, strict=True):
        inside, around = apart < DISC[1], (apart > RING[0]) & (apart < RING[1])
        if min(int(inside.sum()), int(around.sum())) < LEAST_POINTS:
            continue
        turned = math.hypot(pitch, yaw) / math.radians(MOST_DEG)
        score = float(level[inside].mean() - level[around].mean()) + PRIOR * turned**2
        if score < best:
            best, found = score, forward
    return replace(eye, forward=found)

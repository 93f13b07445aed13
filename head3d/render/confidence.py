"""How far a picture can be believed: what the photos saw of each place, what was carried over, what is made up.

Once per field every place near the surface asks each photo whether it is in sight there, how squarely and how finely.
Places that no photo saw may know something from their mirror image or from seen skin close by. A picture then only
looks its pixels up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.occupancy import ShellCache, trace
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, grid_nodes, sample_values
from head3d.geometry.cameras import Cameras, project
from head3d.geometry.conventions import other_side
from head3d.geometry.reproject import backproject
from head3d.kernels.render_field import FieldVolume
from head3d.render.types import RenderOutput, View

SEEN, EXTRAPOLATED = 0.5, 0.15
"""Least confidence of what counts as seen, and as extrapolated; below, it is invented."""
GRAZING, SQUARE = 0.12, 0.45
"""Cosines between the normal and the direction to the camera at which a photo says nothing, and everything."""
FINE_M = 0.0015
"""A pixel this small on the skin shows all that the field holds; one twice as large counts half."""
CARRIED = 0.4
"""Of the confidence of the mirror image, or of the nearest seen skin, that a place itself unseen is given."""
NEAR_M = 0.012
"""Seen skin within this distance tells what is between."""
HIDDEN_M = 0.005
"""A surface this much nearer to the camera hides a place: about a cell of the volume."""
GLIMPSE = 0.25
"""Below this ``photographed`` of the field the photos' pixels were not used: a hand, a strap, the border of a photo."""
LAYERS = 1.9
"""Cells about the surface that are asked, so that every place on it has eight nodes."""
HEAD_FLOOR_M = -0.125
"""Head frame, y: below are neck and shoulders, which are not counted."""


@dataclass(frozen=True)
class Shares:
    """What a view is made of; parts of the head's pixels, together 1 (all 0 where there is no head).

    Attributes:
        seen: Some photo saw the place squarely and finely.
        extrapolated: Seen at a grazing angle or coarsely, mirrored from the other half, or close to what was seen.
        invented: Nothing is known.
        invented_towards: Mean place of what is invented, seen from the middle of the head: unit, head frame, or zeros.
        unseen_towards: The same of what is extrapolated or invented.
    """

    seen: float
    extrapolated: float
    invented: float
    invented_towards: tuple[float, float, float] = (0.0, 0.0, 0.0)
    unseen_towards: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __str__(self) -> str:
        return f"seen {self.seen:.2f}, extrapolated {self.extrapolated:.2f}, invented {self.invented:.2f}"


@dataclass(frozen=True)
class Confidence:
    """Of one view.

    Attributes:
        map: In [0, 1] per pixel, 0 where nothing is (see ``SEEN`` and ``EXTRAPOLATED``).
        shares: Of the head.
    """

    map: Float[Tensor, "H W"]
    shares: Shares


@torch.no_grad()
def sight_volume(trained: RadianceField, cache: ShellCache, cameras: Sequence[Cameras]) -> Volume:
    """Confidence about the surface, in [0, 1], one channel, over the grid of the field's paint; 0 far from it.

    Photos' expressions are left aside: they move skin by less than what counts as near.

    Args:
        trained: The field.
        cache: Of it, refreshed.
        cameras: Of the photos, one each, as training left them.
    """
    cell, shape = trained.cells["paint"], tuple(trained.paint.shape[1:])
    origin, device = trained.paint_origin, trained.paint.device
    nodes = grid_nodes((shape[0], shape[1], shape[2]), origin, cell)
    distance = cache.sdf(nodes)
    rows = torch.nonzero(distance.abs() < LAYERS * cell)[:, 0]
    near = nodes[rows]
    slope = torch.stack(
        [cache.sdf(near + tap) - cache.sdf(near - tap) for tap in 0.5 * cell * torch.eye(3, device=device)]
    )
    normal = torch.nn.functional.normalize(slope.T, dim=-1, eps=1e-9)
    surface = near - distance[rows, None] * normal
    best = torch.zeros(len(rows), device=device)
    for camera in cameras:
        best = torch.maximum(best, _seen_by(camera, cache, surface, normal))
    values = torch.zeros(len(nodes), device=device)
    values[rows] = best * (trained.photographed(surface) / GLIMPSE).clamp(0, 1)
    own = values.reshape(1, *shape)
    mirrored = other_side(surface)
    reach = round(NEAR_M / cell)
    around = torch.nn.functional.max_pool3d(own[None], 2 * reach + 1, 1, reach)[0]
    carried = torch.maximum(
        sample_values(own, origin, cell, mirrored)[:, 0] * (cache.sdf(mirrored).abs() < cell),
        around.reshape(-1)[rows],
    )
    values[rows] = torch.maximum(values[rows], CARRIED * carried)
    return Volume(values.reshape(1, *shape).cpu(), origin.cpu(), cell)


def _seen_by(
    camera: Cameras, cache: ShellCache, surface: Float[Tensor, "P 3"], normal: Float[Tensor, "P 3"]
) -> Float[Tensor, "P"]:
    """How well one photo shows places of the surface, in [0, 1]."""
    c2w, K = camera.c2w[0].to(surface), camera.K[0].to(surface)
    pixels, depth = project(surface, c2w, K)
    height, width = camera.size
    inside = (depth > 0) & (pixels > 0).all(-1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    away = surface - c2w[:3, 3]
    far = away.norm(dim=-1)
    rays = away / far[:, None]
    facing = -(rays * normal).sum(-1)
    score = ((facing - GRAZING) / (SQUARE - GRAZING)).clamp(0, 1) * (FINE_M * K[0, 0] / depth.clamp(min=1e-3)).clamp(
        0, 1
    )
    asked = torch.nonzero(inside & (score > 0))[:, 0]
    t, hit = trace(cache, c2w[:3, 3].expand(len(asked), 3).contiguous(), rays[asked].contiguous())
    clear = ~hit | (t > far[asked] - HIDDEN_M)
    return torch.zeros_like(score).index_put((asked,), score[asked] * clear)


@torch.no_grad()
def view_confidence(
    sight: Volume, output: RenderOutput, view: View, *, displacement: FieldVolume | None = None
) -> Confidence:
    """Confidence of every pixel of a picture.

    Args:
        sight: Of :func:`sight_volume`.
        output: The picture.
        view: Its camera.
        displacement: To the neutral head (m) where the picture shows an expression.
    """
    solid = output.alpha > 0.5
    points = backproject(output.depth_m, view.camera)[solid]
    if displacement is not None:
        values, origin = displacement.values.to(points), displacement.origin.to(points)
        last = torch.tensor([n - 1 for n in reversed(values.shape[1:])]) * displacement.cell_m + origin
        moved = ((points > origin) & (points < last)).all(-1)
        points[moved] = points[moved] + sample_values(values, origin, displacement.cell_m, points[moved])
    found = sample_values(sight.values, sight.origin, sight.cell_m, points)[:, 0].clamp(0, 1)
    image = torch.zeros_like(output.alpha)
    image[solid] = found
    head = points[:, 1] > HEAD_FLOOR_M
    count = max(int(head.sum()), 1)
    seen = head & (found >= SEEN)
    invented = head & (found < EXTRAPOLATED)
    between = head & ~seen & ~invented
    parts = [int(one.sum()) / count for one in (seen, between, invented)]
    unseen = between | invented
    towards = _towards(points[invented]), _towards(points[unseen])
    return Confidence(image, Shares(parts[0], parts[1], parts[2], *towards))


def _towards(points: Float[Tensor, "P 3"]) -> tuple[float, float, float]:
    """Direction of the mean of places; zeros if there is none."""
    if not len(points):
        return 0.0, 0.0, 0.0
    x, y, z = torch.nn.functional.normalize(points.mean(0), dim=0).tolist()
    return x, y, z

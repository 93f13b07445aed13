"""Show the field with another expression: a fine volume that takes points about the posed head to the neutral head.

Samples of both surfaces say where skin comes from; in between the displacement changes as little as it can. The posed
side is the good one to map from: lips that part open a gap whose points all come from the line where they met, which a
smooth map can do, whereas the way back would have to tear.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy import spatial
from torch import Tensor

from head3d.field.lattice_fit import Lattice, fit_lattice, refine_lattice
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.mesh import Mesh, vertex_normals

CELL_M = 0.0025
"""A quarter of the opening of an eye: lids and eyeball get displacements of their own."""
FADE_M = 0.025
"""Room about what moves in which the displacement goes down to zero."""
STILL_M = 1e-4
"""A head whose farthest vertex moves less shows no expression."""
SAMPLE_M = 0.002
"""Distance between samples of a surface, about."""
LAYER_M = 0.003
"""A second and third layer of samples, outside and inside of the skin: normals turn with the skin, and what training
moved off the fitted head (up to 6 mm) goes with it."""
LAYER_WEIGHT = 0.3
CLEAR = 0.75
"""A layer's sample that other skin is nearer to than this part of LAYER_M, on either head, is left out: lips, lids."""
LEAST_VOLUME = 0.01
"""A cell is folded where the map leaves less than this part of its volume."""
REPAIRS, REPAIR_FACTOR, REPAIR_REACH, REPAIR_ROUNDS = 8, 3.0, 1, 30
"""Times folds are smoothed, how much stiffer each time, how many cells about them, and steps of the solver."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Places on the posed head and where they come from.

    Attributes:
        posed: metres, head frame.
        neutral: The same places of the neutral head, metres.
        weights: Of their squared errors.
    """

    posed: Float[Tensor, "P 3"]
    neutral: Float[Tensor, "P 3"]
    weights: Float[Tensor, "P"]


def expression_map(neutral: Mesh, posed: Mesh, *, cell_m: float = CELL_M) -> Volume | None:
    """Displacement (m) that takes points about the posed head to the neutral head; None if nothing moves.

    Args:
        neutral: Outer skin without eyeballs, mouth bag and caps over openings.
        posed: The same triangles with an expression.
        cell_m: Distance between nodes.
    """
    used = posed.faces.unique()
    start, end = posed.vertices.detach().float(), neutral.vertices.detach().float()
    active = used[(start - end).norm(dim=-1)[used] > STILL_M]
    if not len(active):
        return None
    around = torch.cat([start[active], end[active]])
    lattice = Lattice(around.amin(0) - FADE_M, around.amax(0) + FADE_M, cell_m)
    samples = surface_samples(neutral, posed)
    data = samples.posed, samples.neutral - samples.posed, samples.weights
    return unfolded(fit_lattice(lattice, *data), *data)


def unfolded(
    volume: Volume, points_m: Float[Tensor, "P 3"], values: Float[Tensor, "P 3"], weights: Float[Tensor, "P"]
) -> Volume:
    """Make a fitted map stiffer wherever it folds, until it folds no more; the rest keeps to the samples."""
    stiffer = torch.ones(volume.shape)
    for _ in range(REPAIRS):
        bad = folds(volume, least=LEAST_VOLUME).reshape([n - 1 for n in volume.shape])
        if not bool(bad.any()):
            break
        about = torch.nn.functional.pad(bad.float(), (1, 0, 1, 0, 1, 0))[None, None]
        about = torch.nn.functional.max_pool3d(about, 2 * REPAIR_REACH + 1, 1, REPAIR_REACH)[0, 0]
        stiffer = stiffer * (1 + (REPAIR_FACTOR - 1) * about)
        volume = refine_lattice(volume, points_m, values, weights, rounds=REPAIR_ROUNDS, stiffer=stiffer)
    return volume


def surface_samples(neutral: Mesh, posed: Mesh) -> SurfaceSamples:
    """Samples of the skin, and of a layer before and behind it, where no other part of the skin is near."""
    start, end = posed.vertices.detach().float(), neutral.vertices.detach().float()
    corners, weights = lattice_of_faces(start, posed.faces)

    def carried(values: Tensor) -> Tensor:
        return (values[corners] * weights[..., None]).sum(1)

    skin, origin = carried(start), carried(end)
    outward = torch.nn.functional.normalize(carried(vertex_normals(start, posed.faces)), dim=-1)
    outward_then = torch.nn.functional.normalize(carried(vertex_normals(end, posed.faces)), dim=-1)
    trees = spatial.KDTree(skin.numpy()), spatial.KDTree(origin.numpy())
    posed_parts, neutral_parts, trust = [skin], [origin], [torch.ones(len(skin))]
    for height in (LAYER_M, -LAYER_M):
        off, off_then = skin + height * outward, origin + height * outward_then
        alone = torch.ones(len(skin), dtype=torch.bool)
        for tree, layer in zip(trees, (off, off_then), strict=True):
            distance, _ = tree.query(layer.numpy(), distance_upper_bound=2 * LAYER_M)
            alone &= torch.from_numpy(distance >= CLEAR * LAYER_M)
        posed_parts.append(off[alone])
        neutral_parts.append(off_then[alone])
        trust.append(torch.full((int(alone.sum()),), LAYER_WEIGHT))
    return SurfaceSamples(torch.cat(posed_parts), torch.cat(neutral_parts), torch.cat(trust))


def lattice_of_faces(
    vertices: Float[Tensor, "V 3"], faces: Tensor, *, step_m: float = SAMPLE_M
) -> tuple[Tensor, Float[Tensor, "P 3"]]:
    """Places spread evenly over triangles: corners (P,3) as vertex indices, and barycentric weights."""
    a, b, c = vertices[faces].unbind(1)
    longest = torch.stack([(a - b).norm(dim=-1), (b - c).norm(dim=-1), (c - a).norm(dim=-1)]).amax(0)
    parts = (longest / step_m).ceil().clamp(1, 24).long()
    corners, weights = [], []
    for count in parts.unique().tolist():
        chosen = faces[parts == count]
        # the middles of the upright small triangles: no sample lies on an edge, so none comes twice
        places = [((i + 1 / 3) / count, (j + 1 / 3) / count) for i in range(count) for j in range(count - i)]
        u, v = torch.tensor(places).unbind(-1)
        each = torch.stack([1 - u - v, u, v], dim=-1)
        corners.append(chosen.repeat_interleave(len(each), dim=0))
        weights.append(each.repeat(len(chosen), 1))
    return torch.cat(corners), torch.cat(weights)


def displaced(volume: Volume, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
    """Points taken to the neutral head; those outside the volume stay."""
    last = torch.tensor([n - 1 for n in reversed(volume.shape)]) * volume.cell_m
    inside = ((points_m >= volume.origin) & (points_m <= volume.origin + last)).all(-1)
    moved = sample_values(volume.values, volume.origin, volume.cell_m, points_m)
    return points_m + moved * inside[:, None]


def jacobians(volume: Volume) -> Float[Tensor, "P 3 3"]:
    """Derivative d(neutral)/d(posed) of the map in the middle of every cell; rows are outputs. Cells x fastest."""
    values = volume.values.permute(1, 2, 3, 0)
    columns = []
    for axis in (2, 1, 0):  # x, y, z
        slope = values.diff(dim=axis) / volume.cell_m
        for other in {0, 1, 2} - {axis}:
            last = slope.shape[other] - 1
            slope = 0.5 * (slope.narrow(other, 0, last) + slope.narrow(other, 1, last))
        columns.append(slope)
    return torch.eye(3) + torch.stack(columns, dim=-1).reshape(-1, 3, 3)


def folds(volume: Volume, *, least: float = 0.0) -> Bool[Tensor, "P"]:
    """Cells where the map turns space inside out, or squeezes it to less than ``least`` of its volume."""
    return torch.linalg.det(jacobians(volume)) <= least

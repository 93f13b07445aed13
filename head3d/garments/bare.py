"""A field without its own clothes: below the neckline of the photos the fitted body, in the skin's colour.

Hair stays where photos show hair. What a garment covers far from its opening is cut away, so that nothing of the body
stands out of it.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.from_mesh import ShellConfig, base_volume
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, box_grid, sample_values
from head3d.garments.torso import STEP_M, UP_M, Array, Torso, body_vertices, hung
from head3d.geometry.easing import smooth_rise
from head3d.geometry.mesh import Mesh
from head3d.geometry.subdivide import subdivide
from head3d.imaging.color import lab_from_linear, luminance
from head3d.morphable.region_votes import LabelledView, region_votes
from head3d.morphable.shell import outer_shell
from head3d.morphable.types import HeadFit
from head3d.perception.types import Region

BARE = (Region.SKIN, Region.NECK, Region.EARS, Region.LIPS)
BODY_CELL_M = 0.004
"""Of the body's distance: it has no detail below the neck."""
HEAD_M = 0.12
"""What is within this of the crown has no clothes on."""
COARSE_M = 0.008
"""Cells in which zones are kept: they blend over more than that."""
LINES_M = np.arange(-0.045, 0.0901, 0.0025)
"""Necklines that are tried, as ways from the natural one."""
SURE_M = 0.03
"""A neckline this far from the natural one costs as much as one vertex of the wrong kind."""
SMOOTH_RAD = 0.3
FADE_M = (-0.010, -0.002)
"""Over which the photos' skin fades into the painted, from the neckline up."""
LEAST_REACH_M = 2e-4
HANGS_M = -0.005
"""Hair this far down hangs over the neckline."""
STRAY_M = -0.055
"""Above the neckline up to here clothes' colour is looked for, and the neck's tone."""
UPPER_FACE_M = -0.02
"""Above the mouth, where no beard grows."""
FEW = 12
Tone = Callable[[Float[Tensor, "P 3"]], Float[Tensor, "P 3"]]
"""Albedo of skin at places."""


@dataclass(frozen=True)
class Bare:
    """A person without clothes.

    Attributes:
        field: Theirs.
        hangs: How far hair hangs over the neckline, 0 to 1, at evenly spaced azimuths from -180 degrees.
        painted: How far places have a painted colour instead of the photos', 0 to 1.
    """

    field: RadianceField
    hangs: Float[np.ndarray, "72"]
    painted: Volume


def bare_field(
    trained: RadianceField,
    fit: HeadFit,
    photos: Sequence[LabelledView],
    torso: Torso,
    *,
    keep_m: Float[np.ndarray, "A"],
) -> Bare:
    """The same person without clothes, down to where a garment covers them.

    Args:
        trained: The field; left as it is.
        fit: Its fit.
        photos: Say where clothes begin.
        torso: The form of the fit's model.
        keep_m: Way (m) down the form to which the body is kept, at evenly spaced azimuths from -180 degrees.
    """
    mesh = outer_shell(fit.model, fit.vertices().detach().float())
    body = body_vertices(fit.model)
    azimuth, way = on_form(fit, torso, body)
    bare, cloth, hair = (one[body] for one in region_votes(photos, mesh, (BARE, (Region.CLOTH,), (Region.HAIR,))))
    line = own_neckline(azimuth, way, cloth - bare)
    beyond = np.full(len(mesh.vertices), -0.1)
    beyond[body] = way - line(azimuth)
    covered = np.full(len(mesh.vertices), -0.1)
    covered[body] = way - np.interp(azimuth, _spread(len(keep_m)), keep_m, period=2 * np.pi)
    hairy = np.zeros(len(mesh.vertices))
    hairy[body] = (hair > cloth + bare) & (hair > 0)
    zones = _zones(trained, mesh, np.stack([beyond, covered, hairy]))
    made = copy.deepcopy(trained)
    with torch.no_grad():
        _shape(made, mesh, zones)
        neck = (beyond[body] < FADE_M[0]) & (beyond[body] > STRAY_M) & (bare > cloth)
        painted = _paint(made, zones, tone=_skin_tones(trained, mesh, fit.model.groups["face"], body, azimuth, neck))
    low = (way > HANGS_M) & (way < 0.06)
    return Bare(made, _by_azimuth(azimuth[low], hairy[body][low]), painted)


def _by_azimuth(azimuth: Array, values: Array) -> Array:
    """Mean of values about each of 72 azimuths."""
    apart = (_spread(72)[:, None] - azimuth + np.pi) % (2 * np.pi) - np.pi
    weight = np.exp(-((apart / 0.2) ** 2)) + 1e-6
    return (weight * values).sum(1) / weight.sum(1)


def on_form(fit: HeadFit, torso: Torso, vertices: np.ndarray) -> tuple[Array, Array]:
    """Azimuth (radians) and way (m) on the form of vertices of the model."""
    count = torso.points.shape[0]
    grid = torso.points[::4, ::2]
    tree = spatial.KDTree(grid.reshape(-1, 3))
    _, nearest = tree.query(hung(fit.model.mean[vertices].double().numpy()))
    row, column = np.divmod(nearest, grid.shape[1])
    return _spread(count)[row * 4], UP_M + column * 2 * STEP_M


def own_neckline(azimuth: Array, way: Array, votes: Array):
    """Way (m) from the natural neckline to where the photos' clothes begin, as a function of the azimuth.

    About each azimuth the line is chosen that leaves least skin below and least cloth above it.

    Args:
        azimuth: Of body vertices.
        way: Theirs.
        votes: Photos that show cloth there, less those that show skin.
    """
    bins = np.radians(np.arange(-180, 180, 15))
    cost = []
    for one in bins:
        apart = np.abs((azimuth - one + np.pi) % (2 * np.pi) - np.pi)
        weight = np.exp(-((apart / SMOOTH_RAD) ** 2))
        below = way[:, None] > LINES_M
        wrong = np.where(below, np.maximum(-votes, 0)[:, None], np.maximum(votes, 0)[:, None])
        cost.append((weight[:, None] * np.minimum(wrong, 2.0)).sum(0) + (LINES_M / SURE_M) ** 2)
    best = LINES_M[np.stack(cost).argmin(1)]
    smooth = (np.roll(best, 1) + 2 * best + np.roll(best, -1)) / 4

    def line(at: Array) -> Array:
        return np.interp(at, bins, smooth, period=2 * np.pi)

    return line


def _zones(trained: RadianceField, mesh: Mesh, values: Array) -> Volume:
    """Values of vertices in the space about them."""
    low = trained.shape_origin
    high = low + torch.tensor([n - 1 for n in reversed(trained.shape.shape[1:])]) * trained.cells["shape"]
    shape, origin = box_grid(low, high, COARSE_M)
    volume = Volume(torch.zeros(len(values), *shape), origin, COARSE_M)
    distance, index = spatial.KDTree(mesh.vertices.numpy()).query(volume.nodes().numpy(), k=4)
    weight = 1 / (distance + 3e-3) ** 2
    near = (values[:, index] * weight).sum(-1) / weight.sum(-1)
    return Volume(torch.from_numpy(near).float().reshape(volume.values.shape), origin, COARSE_M)


def _read(zones: Volume, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    beyond, covered, hairy = sample_values(zones.values, zones.origin, zones.cell_m, nodes).unbind(-1)
    return beyond, covered, 1 - smooth_rise(hairy, 0.2, 0.6)


def _shape(made: RadianceField, mesh: Mesh, zones: Volume) -> None:
    """Body instead of clothes, and nothing where a garment covers it; no residual there."""
    body = base_volume(subdivide(mesh), config=ShellConfig(cell_m=BODY_CELL_M))
    cell = made.cells["shape"]
    top = float(mesh.vertices[:, 1].max()) - HEAD_M
    rows = min(max(int((top - float(made.shape_origin[1])) / cell), 1), made.shape.shape[2])
    own = Volume(made.shape[:, :, :rows].contiguous(), made.shape_origin, cell)  # the head's heights stay
    nodes = own.nodes()
    beyond, covered, skin = _read(zones, nodes)
    inner = sample_values(body.values, body.origin, body.cell_m, nodes)[:, 0]
    flat = own.values.reshape(-1)
    share = smooth_rise(beyond, -0.008, 0.006) * skin
    dressed = flat + (inner - flat) * share
    cut = torch.maximum(dressed, covered)
    made.shape[:, :, :rows] = (dressed + (cut - dressed) * skin).reshape(own.values.shape)
    traits = Volume(made.traits, made.traits_origin, made.cells["traits"])
    beyond, _, skin = _read(zones, traits.nodes())
    share = (smooth_rise(beyond, -0.008, 0.006) * skin).reshape(traits.shape)
    made.traits[0] = made.traits[0] + (LEAST_REACH_M - made.traits[0]) * share
    made.traits[1] = made.traits[1] + (1.0 - made.traits[1]) * share


def _paint(made: RadianceField, zones: Volume, *, tone: Tone) -> Volume:
    """The skin's colour where clothes were, and where their colour strayed onto the neck; how far, 0 to 1."""
    paint = Volume(made.paint, made.paint_origin, made.cells["paint"])
    nodes = paint.nodes()
    beyond, _, skin = _read(zones, nodes)
    painted = tone(nodes)
    share = (torch.maximum(smooth_rise(beyond, *FADE_M), _stray(made, paint, nodes, beyond, painted)) * skin).reshape(
        paint.shape
    )
    logits = torch.logit(painted.clamp(0.005, 0.995)).T.reshape(3, *paint.shape)
    made.paint[:3] = made.paint[:3] + (logits - made.paint[:3]) * share
    made.paint[3] = made.paint[3] * (1 - share)
    made.glimpsed *= 1 - share  # nor is there any of a shirt's weave
    return Volume(share[None], made.paint_origin, made.cells["paint"])


def _stray(
    made: RadianceField,
    paint: Volume,
    nodes: Float[Tensor, "P 3"],
    beyond: Float[Tensor, "P"],
    tone: Float[Tensor, "P 3"],
) -> Float[Tensor, "P"]:
    """How far places of the neck have a collar's colour, paler than skin, 0 to 1. Darker is a shadow or a beard."""
    near = torch.nonzero((beyond > STRAY_M) & (beyond < 0.01))[:, 0]
    near = near[made.base_sdf(nodes[near]).abs() < 0.008]
    found = torch.zeros(len(nodes))
    if not len(near):
        return found
    lab, skin = lab_from_linear(made.surface_color(nodes[near])[0]), lab_from_linear(tone[near])
    chroma, usual = lab[:, 1:].norm(dim=-1), skin[:, 1:].norm(dim=-1)
    lighter = lab[:, 0] - skin[:, 0]
    pale = (lighter > 9.0) | ((lighter > -12.0) & (chroma < 0.62 * usual))
    found[near] = pale.float()
    wide = ndimage.maximum_filter(found.reshape(paint.shape).numpy(), 3)
    soft = ndimage.gaussian_filter(wide, 1.0)
    return torch.from_numpy(soft).reshape(-1).clamp(0, 1)


def _skin_tones(
    trained: RadianceField, mesh: Mesh, face: Tensor, body: np.ndarray, azimuth: Array, near: Bool[np.ndarray, "B"]
) -> Tone:
    """Albedo of the bare neck about each place of the body; what lies in a beard's shadow is left aside.

    Args:
        trained: The field with its clothes.
        mesh: The fitted head.
        face: Its vertices.
        body: Vertices of neck and shoulders.
        azimuth: Theirs.
        near: Which of them are bare neck.
    """
    with torch.no_grad():
        upper = face[mesh.vertices[face, 1] > UPPER_FACE_M]
        usual = trained.surface_color(mesh.vertices[upper])[0].median(0).values
        color = trained.surface_color(mesh.vertices[body[near]])[0]
    light = luminance(color) / luminance(usual)
    lit = (light > 0.62) & (light < 1.35)
    color = torch.cat([color[lit], 0.86 * usual[None]])
    turn = torch.from_numpy(azimuth[near]).float()[lit]
    middle = color[:-1].median(0).values if int(lit.sum()) >= FEW else color[-1]
    color = torch.minimum(torch.maximum(color, 0.8 * middle), 1.2 * middle)

    def tone(points: Tensor) -> Tensor:
        at = torch.atan2(points[:, 0], points[:, 2] + 0.03)
        table = torch.from_numpy(_spread(72)).float()
        apart = (table[:, None] - turn + torch.pi) % (2 * torch.pi) - torch.pi
        weight = torch.cat([torch.exp(-((apart / 0.6) ** 2)), torch.full((72, 1), 2.0)], dim=1)
        tones = weight @ color / weight.sum(1, keepdim=True)
        place = (at + torch.pi) / (2 * torch.pi) * len(table)
        low = place.floor().long()
        part = (place - low)[:, None]
        return tones[low % len(table)] * (1 - part) + tones[(low + 1) % len(table)] * part

    return tone


def _spread(count: int) -> Array:
    return (np.arange(count) / count * 2 - 1) * np.pi

"""From the fit and the photos to a field that can be trained: shell, cropped photos, light, paint."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy import spatial
from torch import Tensor

from head3d.field.config import FieldConfig
from head3d.field.deform import Deformation, expression_volume
from head3d.field.from_mesh import ShellConfig, base_volume
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, box_grid
from head3d.geometry.cameras import Cameras
from head3d.geometry.mesh import Mesh
from head3d.geometry.subdivide import subdivide
from head3d.morphable.expressions import eyeballs
from head3d.morphable.shell import outer_shell
from head3d.morphable.types import HeadFit
from head3d.perception.types import Observation, Region
from head3d.train.body import body_photo, still_bodies, without_body
from head3d.train.config import CropConfig, StartShape
from head3d.train.curtain import distance_to, hung
from head3d.train.grown import HAIR_SOFTNESS, bald, grow
from head3d.train.hair import BARE, votes
from head3d.train.kinds import HAIR, node_kinds
from head3d.train.lift import GRID, Lifted, evidence, lift_net, lift_nodes, lifted, where_lifted
from head3d.train.preference import prefer_best
from head3d.train.rays import TrainPhoto, crop_photo
from head3d.train.start import start_light_and_paint
from head3d.train.survey import EDGE_M, HAIR_EDGE_M, survey
from head3d.train.symmetry import sight_of

REACH_M = 0.006
"""How far the surface of skin may leave the fitted head."""
HAIR_M = 0.006
"""A shell that stands this far off the mesh is hair or cloth."""
STRONG_EXPRESSION_M = 0.005
"""A broad smile moves the corners of the mouth by about a centimetre."""
HAIR_REACH_M = 0.015
GLANCE_M = 0.012
"""This near to a place that a photo shows, the surface is free; it stiffens over as much again."""
UNSEEN_REACH = 0.01
"""Part of the reach that is left where no photo looks: nothing but noise would move the surface there."""
ROOM_M = 0.02
"""Room of the volume beyond hair that hangs free, and what the lift takes for hair."""
FAR_M = 0.015
TRAITS_CELL_M = 0.01
CELLS_M = (0.0025, 0.004)
"""Distance between the nodes of the shape and of the paint."""


@dataclass(frozen=True)
class Prepared:
    """What training needs.

    Attributes:
        field: Untrained.
        photos: As training sees them.
        deformation: Their expressions.
        kinds: Of each node of the field's paint, 0 skin, 1 hair, 2 clothes.
        tones: Of each node, how far the smooth part of its colours is to be believed, in [0, 1].
    """

    field: RadianceField
    photos: list[TrainPhoto]
    deformation: Deformation
    kinds: Int[Tensor, "M"]
    tones: Float[Tensor, "M"]


def prepare(
    fit: HeadFit,
    observations: Sequence[Observation],
    *,
    field: FieldConfig,
    crop: CropConfig,
    light_ridge: float,
    prefer: float,
    seed: int,
    start: StartShape = "lift",
    cells_m: tuple[float, float] = CELLS_M,
) -> Prepared:
    """Make the field's zero from the fit, and look at it from every photo once; ``start`` as in ``TrainConfig``."""
    mesh = outer_shell(fit.model, fit.vertices().detach().float())
    expressions = [outer_shell(fit.model, fit.vertices(i).detach().float()) for i in range(len(observations))]
    bodies = still_bodies(fit, observations, mesh, body=body_photo(fit, observations, crop))
    chin = float(mesh.vertices[fit.model.groups["face"], 1].min())
    trusts = [photo_trust(camera, mesh, posed, crop) for camera, posed in zip(fit.cameras, expressions, strict=True)]
    photos = [
        crop_photo(
            observation,
            camera,
            config=crop,
            body=number in bodies,
            chin_y_m=chin,
            seed=seed + number,
            trust=trusts[number] / max(trusts),
        )
        for number, (observation, camera) in enumerate(zip(observations, fit.cameras, strict=True))
    ]
    photos = [
        photo if number in bodies else without_body(photo, posed, fit.model)
        for number, (photo, posed) in enumerate(zip(photos, expressions, strict=True))
    ]
    deformation = Deformation([expression_volume(mesh, posed) for posed in expressions])
    grown = bald(mesh) if start == "mesh" else grow(mesh, fit.model, photos)
    net = lift_net() if start == "lift" else None
    whole = None if net is None else lifted(net, evidence(mesh, grown, photos))
    regions = vertex_regions(fit, mesh, grown.thick, photos)
    if whole is not None and not (regions == 1).any():
        whole = whole.hairless()
    ready = field_of_mesh(
        mesh,
        photos,
        deformation,
        cloak=grown.cloak,
        curtain=grown.curtain,
        whole=whole,
        regions=regions,
        chin_y_m=chin,
        field=field,
        light_ridge=light_ridge,
        prefer=prefer,
        seed=seed,
        cells_m=cells_m,
    )
    balls = [torch.cat([eye.centre, eye.forward, torch.tensor([eye.radius_m])]) for eye in eyeballs(fit)]
    ready.field.eyes.copy_(torch.stack(balls))
    return ready


def field_of_mesh(
    mesh: Mesh,
    photos: Sequence[TrainPhoto],
    deformation: Deformation,
    *,
    cloak: Volume | None = None,
    curtain: Volume | None = None,
    whole: Lifted | None = None,
    regions: Int[Tensor, "V"],
    chin_y_m: float,
    field: FieldConfig,
    light_ridge: float,
    prefer: float,
    seed: int,
    cells_m: tuple[float, float] = CELLS_M,
) -> Prepared:
    """An untrained field: the mesh, grown by hair and clothes, painted and lit from the photos.

    Args:
        mesh: Closed outside of the head.
        photos: Cropped.
        deformation: Their expressions.
        cloak: How far hair and clothes stand off the mesh, metres (see ``cloak_volume``).
        curtain: Signed distance (m) to hair that hangs free of the mesh.
        whole: What the lift says of all that no photo shows.
        regions: Of each vertex, 0 skin, 1 hair, 2 clothes: unseen places take the colour of their own kind.
        chin_y_m: Height of the chin.
        field: Learned parts.
        light_ridge: Stiffness of the light; ten times it is used for one photo.
        prefer: How strongly each place is learned from the photo that shows it best (see preference.py).
        seed: Of the learned parts.
        cells_m: Distance between the nodes of the shape and of the paint, metres.
    """
    fine = subdivide(mesh, rounds=2)  # flat faces of 2 cm show as facets
    solid = [mesh.vertices]
    if curtain is not None:
        solid.append(curtain.nodes()[curtain.values.reshape(-1) < 0])
    if whole is not None:
        inside = whole.inside()
        solid.append(inside[inside[:, 1] > mesh.vertices[:, 1].min()])  # what is lower no picture shows
    box = torch.cat(solid).amin(0) - ROOM_M, torch.cat(solid).amax(0) + ROOM_M
    shape = base_volume(fine, cloak=cloak, box=box, config=ShellConfig(cell_m=cells_m[0]))
    if curtain is not None:
        shape = hung(shape, curtain)
    top = shape.origin + torch.tensor([n - 1 for n in reversed(shape.shape)]) * shape.cell_m
    traits = surface_traits(shape.origin, top) if cloak is None else hair_traits(cloak)
    if curtain is not None:
        traits = loose_traits(traits, curtain)
    finer, low = box_grid(shape.origin, top, cells_m[1])
    paint = Volume(torch.zeros(4, *finer), low, cells_m[1])
    generator = torch.Generator().manual_seed(seed)
    nothing = torch.zeros(len(photos), 9, 3)
    made = RadianceField(field, shape=shape, traits=traits, paint=paint, sh=nothing, generator=generator)
    looked_at = survey(made, photos, deformation, hair_edge_m=EDGE_M if curtain is None else HAIR_EDGE_M)
    blind = None
    if whole is not None:
        blind = Volume(1 - glanced(lift_nodes(), looked_at.points).reshape(1, *GRID), *where_lifted())
        made.shape.copy_(whole.moved(shape, blind).values)
        made.traits.copy_(whole.softened(traits, blind).values)
    with torch.no_grad():
        nodes = Volume(made.traits, made.traits_origin, made.cells["traits"]).nodes()
        part = UNSEEN_REACH + (1 - UNSEEN_REACH) * glanced(nodes, looked_at.points)
        made.traits[:1] *= part.reshape(1, *made.traits.shape[1:])
    photos, seen = prefer_best(photos, looked_at, sharpness=prefer)
    nodes = paint.nodes()
    away = made.base_sdf(nodes)
    close = torch.nonzero(away.abs() < FAR_M)[:, 0]
    _, nearest = spatial.KDTree(mesh.vertices.numpy()).query(nodes[close].numpy())
    usual = torch.nn.functional.one_hot(regions[torch.from_numpy(nearest)], 3).float()
    if whole is not None and blind is not None:
        usual = torch.lerp(usual, whole.likely(nodes[close]), blind.at(nodes[close]))
    if curtain is not None:
        hangs = distance_to(curtain, nodes[close]) < away[close].clamp(min=0.0) + HAIR_M
        usual[hangs] = torch.eye(3)[HAIR]
    kinds = node_kinds(looked_at, paint, close, usual, chin_y_m=chin_y_m)
    ridge = light_ridge * (10.0 if len(photos) == 1 else 1.0)
    light, paint = start_light_and_paint(made, seen, photos, kinds=kinds, ridge=ridge)
    with torch.no_grad():
        made.sh.copy_(light)
        made.paint.copy_(paint.values)
        sight = sight_of(looked_at.points, looked_at.photo, looked_at.facing, looked_at.weight, nodes_m=nodes)
        made.glimpsed.copy_(made.paint[3:] * sight.word.reshape(paint.shape))
    return Prepared(made, photos, deformation, kinds.kind, sight.tone)


def hair_traits(cloak: Volume) -> Volume:
    """How far the surface may leave the shell (m), and how blurred it is: hair gives way more than skin."""
    hair = (cloak.values / HAIR_M).clamp(0.0, 1.0)
    reach = REACH_M + hair * (HAIR_REACH_M - REACH_M) + 0.25 * cloak.values
    return Volume(torch.cat([reach, 1.0 + hair * (HAIR_SOFTNESS - 1.0)]), cloak.origin, cloak.cell_m)


def loose_traits(traits: Volume, curtain: Volume) -> Volume:
    """Traits with those of thick hair about a curtain."""
    about = (1.0 - distance_to(curtain, traits.nodes()) / HAIR_REACH_M).clamp(0.0, 1.0).reshape(1, *traits.shape)
    loose = torch.cat([HAIR_REACH_M * about, 1.0 + (HAIR_SOFTNESS - 1.0) * about])
    return Volume(torch.maximum(traits.values, loose), traits.origin, traits.cell_m)


def surface_traits(low: Float[Tensor, "3"], high: Float[Tensor, "3"]) -> Volume:
    """The same where all is skin."""
    shape, origin = box_grid(low, high, TRAITS_CELL_M)
    return Volume(torch.stack([torch.full(shape, REACH_M), torch.ones(shape)]), origin, TRAITS_CELL_M)


def glanced(points_m: Float[Tensor, "P 3"], places_m: Float[Tensor, "S 3"]) -> Float[Tensor, "P"]:
    """How near points are to places that photos show: 1 about them, 0 farther away."""
    distance, _ = spatial.KDTree(places_m.numpy()).query(points_m.numpy(), distance_upper_bound=2 * GLANCE_M)
    return torch.from_numpy((2.0 - distance / GLANCE_M).clip(0.0, 1.0)).float()  # inf where nothing is near


def photo_trust(camera: Cameras, neutral: Mesh, posed: Mesh, crop: CropConfig) -> float:
    """How much a photo's colours say: less if it is coarse, or an expression folds the skin."""
    fine = min(float(camera.K[0, 0, 0]) / float(camera.centre[0].norm()) * crop.pixel_m, 1.0)
    moved = (neutral.vertices - posed.vertices).norm(dim=-1)
    strong = float(moved.quantile(0.98)) / STRONG_EXPRESSION_M
    return max(fine, 0.3) / (1.0 + strong**2)


def vertex_regions(fit: HeadFit, mesh: Mesh, thick: Tensor, photos: Sequence[TrainPhoto]) -> Int[Tensor, "V"]:
    """What each vertex of the head is: 0 skin, 1 hair (the scalp, if photos show more hair than skin there), 2 clothes.

    What stands off below the chin is hair only where more photos show hair than cloth.
    """
    of_vertex = torch.zeros(len(thick), dtype=torch.long)
    shows = {one: sum(int((p.labels == one).sum()) for p in photos) for one in (Region.SKIN, Region.HAIR, Region.CLOTH)}
    if shows[Region.HAIR] > 0.03 * shows[Region.SKIN] and "scalp" in fit.model.groups:
        scalp = fit.model.groups["scalp"]
        hair, cloth, bare = votes(photos, mesh, ((Region.HAIR,), (Region.CLOTH,), BARE))
        if hair[scalp.numpy()].sum() > bare[scalp.numpy()].sum():
            of_vertex[scalp] = 1
        high = mesh.vertices[:, 1] > float(mesh.vertices[fit.model.groups["face"], 1].min())
        of_vertex[(thick > HAIR_M) & (high | torch.from_numpy(hair > cloth))] = 1
    if shows[Region.CLOTH] > 0.03 * shows[Region.SKIN] and "shoulders" in fit.model.groups:
        of_vertex[fit.model.groups["shoulders"]] = 2
    return of_vertex

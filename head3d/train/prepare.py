"""From the fit and the photos to a field that can be trained: shell, cropped photos, light, paint."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.spatial import cKDTree

from head3d.field.deform import Deformation, expression_volume
from head3d.field.from_mesh import ShellConfig, base_volume
from head3d.field.radiance import FieldConfig, RadianceField
from head3d.field.volumes import Volume, box_grid
from head3d.geometry.mesh import Mesh
from head3d.morphable.types import HeadFit
from head3d.perception.types import Observation, Region
from head3d.train.rays import CropConfig, TrainPhoto, crop_photo
from head3d.train.start import start_light_and_paint, survey

REACH_M = 0.006
"""How far the surface of skin may leave the fitted head."""
TRAITS_CELL_M = 0.008
PAINT_CELL_M = 0.004


@dataclass(frozen=True)
class Prepared:
    """What training needs: an untrained field, the photos as it sees them, and their expressions."""

    field: RadianceField
    photos: list[TrainPhoto]
    deformation: Deformation


def visible_mesh(fit: HeadFit, photo: int | None = None) -> Mesh:
    """The fitted head without what lies inside the mouth (it is not part of the shell)."""
    hidden = torch.zeros(len(fit.model.mean), dtype=torch.bool)
    for name in ("mouth_inner", "teeth", "tongue"):
        if name in fit.model.groups:
            hidden[fit.model.groups[name]] = True
    faces = fit.model.faces[~hidden[fit.model.faces].all(1)]
    return Mesh(fit.vertices(photo).detach().float(), faces)


def prepare(
    fit: HeadFit,
    observations: Sequence[Observation],
    *,
    field: FieldConfig,
    crop: CropConfig,
    light_ridge: float,
    seed: int,
) -> Prepared:
    """Make the field's zero from the fit, and look at it from every photo once."""
    mesh = visible_mesh(fit)
    body = body_photo(fit, observations)
    chin = float(fit.model.mean[fit.model.groups["face"], 1].min())
    photos = [
        crop_photo(observation, camera, config=crop, body=number == body, chin_y_m=chin, seed=seed + number)
        for number, (observation, camera) in enumerate(zip(observations, fit.cameras, strict=True))
    ]
    deformation = Deformation(
        [expression_volume(mesh, visible_mesh(fit, number)) for number in range(len(observations))]
    )
    shape = base_volume(mesh, config=ShellConfig())
    top = shape.origin + torch.tensor([n - 1 for n in reversed(shape.shape)]) * shape.cell_m
    coarse, low = box_grid(shape.origin, top, TRAITS_CELL_M)
    traits = Volume(torch.stack([torch.full(coarse, REACH_M), torch.ones(coarse)]), low, TRAITS_CELL_M)
    finer, low = box_grid(shape.origin, top, PAINT_CELL_M)
    paint = Volume(torch.zeros(4, *finer), low, PAINT_CELL_M)
    generator = torch.Generator().manual_seed(seed)
    made = RadianceField(
        field, shape=shape, traits=traits, paint=paint, sh=fit.sh.detach().float(), generator=generator
    )
    seen = survey(made, photos, deformation)
    light, paint = start_light_and_paint(
        made,
        seen,
        usable_light(fit),
        node_region=node_regions(fit, mesh, paint, photos),
        ridge=light_ridge * (10.0 if len(photos) == 1 else 1.0),
    )
    with torch.no_grad():
        made.sh.copy_(light)
        made.paint.copy_(paint.values)
    return Prepared(made, photos, deformation)


def usable_light(fit: HeadFit) -> torch.Tensor | None:
    """The fit's light, or None if it has none."""
    sh = fit.sh.detach().float()
    lit = torch.isfinite(sh).all() and bool((sh[:, 0].mean(-1) > 1e-3).all())
    return sh if lit else None


def body_photo(fit: HeadFit, observations: Sequence[Observation]) -> int:
    """The photo that shoulders and clothes are learned from: frontal, and showing enough of them."""
    best, chosen = -math.inf, 0
    for number, (observation, camera) in enumerate(zip(observations, fit.cameras, strict=True)):
        yaw = abs(float(camera.yaw_pitch[0, 0]))
        labels = observation.parsing.labels
        share = float((labels == Region.CLOTH).mean() / max((labels == Region.SKIN).mean(), 1e-3))
        score = -yaw + 0.3 * min(share, 1.0)
        if score > best:
            best, chosen = score, number
    return chosen


def node_regions(fit: HeadFit, mesh: Mesh, paint: Volume, photos: Sequence[TrainPhoto]) -> torch.Tensor:
    """What each node of the paint belongs to: 0 skin, 1 hair (the scalp, if any photo shows hair), 2 clothes."""
    of_vertex = torch.zeros(len(mesh.vertices), dtype=torch.long)
    shows = {
        region: sum(int((photo.labels == region).sum()) for photo in photos) for region in (Region.HAIR, Region.CLOTH)
    }
    head = sum(int((photo.labels == Region.SKIN).sum()) for photo in photos)
    if shows[Region.HAIR] > 0.03 * head and "scalp" in fit.model.groups:
        of_vertex[fit.model.groups["scalp"]] = 1
    if shows[Region.CLOTH] > 0.03 * head and "shoulders" in fit.model.groups:
        of_vertex[fit.model.groups["shoulders"]] = 2
    _, nearest = cKDTree(mesh.vertices.numpy()).query(paint.nodes().numpy(), distance_upper_bound=0.08)
    padded = torch.cat([of_vertex, torch.zeros(1, dtype=torch.long)])
    return padded[torch.from_numpy(nearest)]

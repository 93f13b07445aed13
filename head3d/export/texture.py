"""Pictures of a field's surface in texture coordinates: albedo, and normals in the frame of each triangle."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from head3d.export.atlas import Unwrapped
from head3d.field.detail import changed
from head3d.field.gaze import Eyeball
from head3d.field.radiance import RadianceField, mirrored_albedo
from head3d.geometry.cameras import intrinsics, look_at_head, project
from head3d.geometry.mesh import Mesh, vertex_normals
from head3d.kernels.raster import RasterOutput, interpolate, rasterize
from head3d.shapes import shaped

CHUNK = 1 << 17
NEAREST_M = 4e-3
"""A texel's place is moved onto the field's surface by no more than this."""
NORMAL_STEP_M = 1e-3
LOOKS = 768
"""Picture side, px, in which it is seen what lids leave of an eyeball."""
WHITE = 1.25
"""Angle from the gaze, in radii of the iris, beyond which an eyeball is white."""


@dataclass(frozen=True)
class Texels:
    """Where the texels of a picture lie.

    Attributes:
        seen: Of the texture: which triangle covers each texel.
        place: Head frame, m.
        normal: Unit, as interpolated between vertices.
        row_column: Of each texel that is covered.
    """

    seen: RasterOutput
    place: Float[Tensor, "T 3"]
    normal: Float[Tensor, "T 3"]
    row_column: tuple[Int[Tensor, "T"], Int[Tensor, "T"]]


@dataclass(frozen=True)
class Frames:
    """Tangent frames of a mesh's vertices; normals are those of the mesh without its seams."""

    normal: Float[Tensor, "V 3"]
    tangent: Float[Tensor, "V 4"]
    """Along growing u, unit; the last number is the sign of cross(normal, tangent) against growing v."""


@shaped
@dataclass(frozen=True)
class SurfaceLook:
    """Places on a field's surface.

    Attributes:
        place: Head frame, m.
        normal: Unit, outwards.
        albedo: Linear RGB.
        residual: Radiance beyond the shaded albedo, linear RGB.
    """

    place: Float[Tensor, "T 3"]
    normal: Float[Tensor, "T 3"]
    albedo: Float[Tensor, "T 3"]
    residual: Float[Tensor, "T 3"]


def texels_of(part: Unwrapped, normals: Float[Tensor, "V 3"], *, side_px: int) -> Texels:
    """The covered texels of one mesh.

    Args:
        part: With texture coordinates.
        normals: Unit, of its vertices.
        side_px: Of the square picture.
    """
    assert part.mesh.uv is not None
    u, v = part.mesh.uv.unbind(1)
    flat = torch.stack([u * side_px, (1.0 - v) * side_px, torch.ones_like(u)], dim=-1)
    seen = rasterize(flat, part.mesh.faces, size=(side_px, side_px))
    rows, columns = torch.nonzero(seen.triangle >= 0, as_tuple=True)
    both = interpolate(torch.cat([part.mesh.vertices, normals], dim=-1), part.mesh.faces, seen)[rows, columns]
    normal = torch.nn.functional.normalize(both[:, 3:], dim=-1, eps=1e-12)
    return Texels(seen, both[:, :3], normal, (rows, columns))


@torch.no_grad()
def surface_look(
    trained: RadianceField, places: Float[Tensor, "T 3"], *, apart_m: float = 0.002, mirror_unseen: bool = True
) -> SurfaceLook:
    """The field's surface next to places near it (m), as pictures of the field show it.

    Args:
        places: Head frame, m.
        apart_m: How far they are from each other: of the photos' detail, what is finer is averaged.
        mirror_unseen: Take the colour of places no photo saw from the other half of the head.
    """
    parts = []
    for start in range(0, len(places), CHUNK):
        origin = place = places[start : start + CHUNK]
        normal = place
        for _ in range(2):
            met = trained.surface(place, step_m=NORMAL_STEP_M)
            normal = torch.nn.functional.normalize(met.gradient, dim=-1, eps=1e-9)
            way = place - met.sdf[:, None] * normal - origin
            length = way.norm(dim=-1, keepdim=True).clamp(min=1e-12)
            place = origin + way * (NEAREST_M / length).clamp(max=1.0)
        albedo, residual = trained.surface_color(place)
        albedo = mirrored_albedo(trained, place, albedo) if mirror_unseen else albedo
        albedo = changed(albedo, trained.detail(place, pixel_m=apart_m)[0])
        parts.append(torch.cat([place, normal, albedo, residual], dim=-1))
    return SurfaceLook(*torch.cat(parts).split(3, dim=-1))


def texel_m(texels: Texels) -> float:
    """How far texels are from each other on the surface, in the middle."""
    return float((texels.place[1:] - texels.place[:-1]).norm(dim=-1).median()) if len(texels.place) > 1 else 0.002


def tangent_frames(part: Unwrapped, normals: Float[Tensor, "V 3"]) -> Frames:
    """Frames that a normal map is written in and read with (glTF's TANGENT)."""
    assert part.mesh.uv is not None
    corners, uv = part.mesh.vertices[part.mesh.faces], part.mesh.uv[part.mesh.faces]
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    d1, d2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    along = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * area.sign()[:, None]
    summed = torch.zeros_like(part.mesh.vertices)
    for corner in range(3):
        summed = summed.index_add(0, part.mesh.faces[:, corner], along)
    tangent = summed - (summed * normals).sum(-1, keepdim=True) * normals
    spare = torch.linalg.cross(normals, torch.eye(3)[normals.abs().argmin(1)])  # where u has no direction
    tangent = torch.where(tangent.norm(dim=-1, keepdim=True) > 1e-12, tangent, spare)
    tangent = torch.nn.functional.normalize(tangent, dim=-1, eps=1e-20)
    # charts are never mirrored: right, up and outwards are right-handed everywhere
    return Frames(normals, torch.cat([tangent, torch.ones(len(tangent), 1)], dim=-1))


def in_frames(normal: Float[Tensor, "T 3"], texels: Texels, part: Unwrapped, frames: Frames) -> Float[Tensor, "T 3"]:
    """Normals of the head frame in the frame of each texel: x along u, y along v, z outwards."""
    rows, columns = texels.row_column
    along = interpolate(frames.tangent[:, :3], part.mesh.faces, texels.seen)[rows, columns]
    tangent = torch.nn.functional.normalize(along, dim=-1, eps=1e-12)
    binormal = torch.linalg.cross(texels.normal, tangent)
    own = torch.stack([(normal * axis).sum(-1) for axis in (tangent, binormal, texels.normal)], dim=-1)
    own[:, 2] = own[:, 2].clamp(min=0.05)  # a normal map cannot say inwards
    return torch.nn.functional.normalize(own, dim=-1)


def eye_colors(
    texels: Texels, albedo: Float[Tensor, "T 3"], eye: Eyeball, *, in_sight: Bool[Tensor, "T"]
) -> Float[Tensor, "T 3"]:
    """An eyeball's albedo where lids cover it, continued from what they leave: the iris around, the white outwards.

    Args:
        texels: Of the eyeball.
        albedo: The field's at each of them; that of the lids where those are in front.
        eye: Its gaze.
        in_sight: Which of them a camera in front sees.
    """
    ray = torch.nn.functional.normalize(texels.place - eye.centre, dim=-1)
    angle = torch.acos((ray @ eye.forward).clamp(-1.0, 1.0)) / eye.iris_rad
    white = in_sight & (angle > WHITE)
    fallback = torch.tensor([0.55, 0.52, 0.5])
    sclera = albedo[white].median(0).values if int(white.sum()) > 30 else fallback
    result = albedo.clone()
    result[~in_sight] = sclera
    for low in np.arange(0.0, WHITE, 0.1):  # rings of the iris
        ring = (angle >= low) & (angle < low + 0.1)
        known = ring & in_sight
        if int(known.sum()) > 10:
            result[ring & ~in_sight] = albedo[known].median(0).values
    return result


def eye_in_sight(texels: Texels, eye: Eyeball, skin: Mesh) -> Bool[Tensor, "T"]:
    """Which texels of an eyeball no lid hides from a camera in front of it, a little inside the lids' border."""
    size = (LOOKS, LOOKS)
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=0.5, target_m=eye.centre)
    K = intrinsics(LOOKS * 0.5 / (3.2 * eye.radius_m), size)
    pixels, depth = project(skin.vertices, c2w, K)
    drawn = rasterize(torch.cat([pixels, depth[:, None]], dim=-1), skin.faces, size=size)
    front = torch.where(drawn.triangle >= 0, drawn.depth, torch.inf)
    at, far = project(texels.place, c2w, K)
    x, y = (at[:, k].long().clamp(0, LOOKS - 1) for k in (0, 1))
    hidden = (front < float((eye.centre - c2w[:3, 3]).norm())).numpy()
    covered = np.asarray(ndimage.binary_dilation(hidden, iterations=LOOKS // 100), dtype=bool)
    open_ = torch.from_numpy(~covered)
    return open_[y, x] & (far < front[y, x]) & ((texels.place - eye.centre)[:, 2] > 0)


def picture_of(parts: list[tuple[Texels, Float[Tensor, "T 3"]]], *, side_px: int) -> Float[Tensor, "H W 3"]:
    """Values of texels as one picture, continued over its empty places: seams do not show when it is filtered."""
    picture, filled = torch.zeros(side_px, side_px, 3), torch.zeros(side_px, side_px, dtype=torch.bool)
    for texels, values in parts:
        rows, columns = texels.row_column
        picture[rows, columns] = values.float()
        filled[rows, columns] = True
    near = np.asarray(ndimage.distance_transform_edt(~filled.numpy(), return_distances=False, return_indices=True))
    return picture[torch.from_numpy(near[0]).long(), torch.from_numpy(near[1]).long()]


def seamless_normals(mesh: Mesh, part: Unwrapped) -> Float[Tensor, "V 3"]:
    """Normals of an unwrapped mesh, as if it had no seams."""
    return vertex_normals(mesh.vertices, mesh.faces)[part.source]

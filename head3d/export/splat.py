"""3D Gaussians on the surface of a head (Kerbl et al. 2023): flat on skin and clothes, deep where hair is soft.

They show the head under one light: splats carry no light of their own.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import spatial
from torch import Tensor

from head3d.export.mesh import HeadMesh
from head3d.export.texture import surface_look
from head3d.field.radiance import RadianceField
from head3d.geometry.mesh import Mesh, face_normals
from head3d.geometry.sh import Lighting, harmonics_of
from head3d.imaging.color import srgb_from_linear
from head3d.kernels.shading import shade_sh
from head3d.render.relight import DARKEST
from head3d.shapes import shaped

SH0 = 0.5 / math.sqrt(math.pi)
"""First harmonic: a splat's colour is 0.5 + SH0 times its coefficient, in sRGB."""
SPREAD = 0.65
"""Standard deviation along the surface against the mean distance to the three nearest: they overlap, edges stay."""
FLATNESS = 0.15
"""Across against along."""
OPACITY = 0.98
HAIR_OPACITY = 0.85
SHOULDERS_BELOW_M, SHOULDER_SHARE = -0.15, 0.35
"""Below the neck splats stand less close."""
SOFT = 1.5
"""Surfaces blurrier than skin by more than this are hair: their splats fill the depth of the blur."""


@shaped
@dataclass(frozen=True)
class Splats:
    """Gaussians in the head frame.

    Attributes:
        centres: m.
        scales: Standard deviations along their own axes, m.
        rotations: Unit quaternions (w, x, y, z), own axes to head frame.
        opacity: In (0, 1).
        color: sRGB in [0, 1], the same from everywhere.
    """

    centres: Float[Tensor, "P 3"]
    scales: Float[Tensor, "P 3"]
    rotations: Float[Tensor, "P 4"]
    opacity: Float[Tensor, "P"]
    color: Float[Tensor, "P 3"]


@torch.no_grad()
def head_splats(head: HeadMesh, trained: RadianceField, *, light: Lighting, count: int, gain: float = 1.0) -> Splats:
    """Splats of a head.

    Args:
        head: Gives the surface to spread them over: skin and eyes.
        trained: Gives each its place, colour and depth.
        light: They show the head under; shadows are left out.
        count: How many.
        gain: Exposure.
    """
    meshes = [head.part(name).mesh for name in ("skin", "eye_right", "eye_left")]
    places = torch.cat([_spread_over(one, share) for one, share in zip(meshes, _shares(meshes, count), strict=True)])
    area = sum(float(_weights(one).sum()) for one in meshes)
    look = surface_look(trained, places, apart_m=(area / count) ** 0.5)
    # what lids cover of the eyes was drawn onto the lids
    points, normals = look.place, look.normal
    distance, _ = spatial.KDTree(points.numpy()).query(points.numpy(), k=4, workers=1)
    along = SPREAD * torch.from_numpy(distance[:, 1:].mean(1)).float().clamp(2e-4, 6e-3)
    softness = trained.softness(points)
    blur = float(trained.sd_m) * softness
    hairy = softness > SOFT
    generator = torch.Generator().manual_seed(0)
    depth = torch.randn(len(points), generator=generator).clamp(-2, 2) * blur * hairy
    across = torch.where(hairy, torch.maximum(0.7 * blur, FLATNESS * along), FLATNESS * along)
    sh = harmonics_of(light) * gain
    shaded = shade_sh(
        look.albedo, normals, sh=sh[None], light=torch.zeros(len(points), dtype=torch.long), darkest=DARKEST
    )
    return Splats(
        points + normals * depth[:, None],
        torch.stack([along, along, across], dim=-1),
        _towards(normals),
        torch.where(hairy, HAIR_OPACITY, OPACITY),
        srgb_from_linear((shaded + look.residual * gain).clamp(0.0, 1.0)),
    )


def _shares(meshes: list[Mesh], count: int) -> list[int]:
    areas = [float(_weights(one).sum()) for one in meshes]
    return [max(round(count * area / sum(areas)), 16) for area in areas]


def _weights(mesh: Mesh) -> Float[Tensor, "F"]:
    """Area, less of it where shoulders are (the eyes' whites count fully)."""
    area = 0.5 * face_normals(mesh.vertices, mesh.faces).norm(dim=-1)
    low = mesh.vertices[mesh.faces].mean(1)[:, 1] < SHOULDERS_BELOW_M
    return area * torch.where(low, SHOULDER_SHARE, 1.0)


def _spread_over(mesh: Mesh, count: int) -> Float[Tensor, "P 3"]:
    """Places on a mesh, evenly by weight: one in each of ``count`` equal pieces of it in the order of its triangles."""
    total = torch.cumsum(_weights(mesh).double(), 0)
    at = (torch.arange(count, dtype=torch.float64) + 0.5) / count * total[-1]
    face = torch.searchsorted(total, at).clamp(max=len(total) - 1)
    k = torch.arange(count, dtype=torch.float64)
    a, b = (0.7548776662466927 * k) % 1.0, (0.5698402909980532 * k) % 1.0  # plastic number: even within triangles
    fold = a + b > 1
    a, b = torch.where(fold, 1 - a, a), torch.where(fold, 1 - b, b)
    x, y, z = mesh.vertices[mesh.faces[face]].unbind(1)
    return x + (y - x) * a[:, None].float() + (z - x) * b[:, None].float()


def _towards(normals: Float[Tensor, "P 3"]) -> Float[Tensor, "P 4"]:
    """Quaternions (w, x, y, z) that carry +Z to each normal the short way."""
    x, y, z = normals.unbind(-1)
    turned = torch.stack([1 + z, -y, x, torch.zeros_like(x)], dim=-1)
    half = torch.tensor([0.0, 1.0, 0.0, 0.0])  # about X, where the normal is -Z
    turned = torch.where((z < -1 + 1e-6)[:, None], half, turned)
    return torch.nn.functional.normalize(turned, dim=-1)

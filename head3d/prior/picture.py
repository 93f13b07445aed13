"""Photograph a person of mesh: 2 x 2 samples a pixel, each shaded; everything is averaged but depth and label."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.geometry.draw import draw_mesh
from head3d.geometry.sh import irradiance_basis
from head3d.perception.types import Region
from head3d.prior.layers import Layer, Material
from head3d.prior.light import StudioLight
from head3d.shapes import shaped

SAMPLES = 2
"""Along each axis of a pixel."""
SAME_SURFACE_M = 0.01
"""Samples of a pixel within this depth of its nearest one are of one surface; its depth is theirs."""
REFLECTANCE = 0.028
"""Fresnel reflectance of skin and of the eye head-on (refractive index 1.4)."""
SHARPNESS = {
    Material.SKIN: 14.0,
    Material.EYE: 300.0,
    Material.PLAIN: 30.0,
    Material.HAIR_MAP: 30.0,
    Material.TEXTURE: 14.0,
}
"""Blinn-Phong exponents."""


class Sitter(Protocol):
    """Who can be photographed: a scene, and the colours of its surfaces."""

    @property
    def scene(self) -> Layer:
        """Everything that is drawn."""
        ...

    def colors(
        self, paint: Float[Tensor, "P 3"], material: Int[Tensor, "P"], label: Int[Tensor, "P"]
    ) -> tuple[Float[Tensor, "P 3"], UInt8[Tensor, "P"]]:
        """Albedo (linear RGB) and ``Region`` of samples, from the paint of their layer."""
        ...


@shaped
@dataclass(frozen=True)
class SyntheticPictures:
    """Pictures and their truth. Nothing is premultiplied; where alpha is 0 everything is 0.

    Attributes:
        rgb_linear: albedo * irradiance + highlights.
        alpha: Covered share of each pixel.
        depth_m: z-depth of the nearest surface in the pixel.
        normal: Unit shading normal, head frame.
        albedo: Linear RGB.
        irradiance: Light that reaches the surface, over pi: a white matte surface looks like this.
        labels: ``perception.types.Region`` of most of the pixel.
    """

    rgb_linear: Float[Tensor, "N H W 3"]
    alpha: Float[Tensor, "N H W"]
    depth_m: Float[Tensor, "N H W"]
    normal: Float[Tensor, "N H W 3"]
    albedo: Float[Tensor, "N H W 3"]
    irradiance: Float[Tensor, "N H W 3"]
    labels: UInt8[Tensor, "N H W"]


@dataclass(frozen=True)
class _Shaded:
    """One picture."""

    mean: Float[Tensor, "H W 12"]
    alpha: Float[Tensor, "H W"]
    depth: Float[Tensor, "H W"]
    label: UInt8[Tensor, "H W"]


def pictures(
    person: Sitter,
    cameras: Cameras,
    lights: list[StudioLight],
    *,
    matte: bool = False,
    occlusion: bool = True,
) -> SyntheticPictures:
    """Photograph a person with every camera, each under its light (or all under one).

    Args:
        person: Whom.
        cameras: N cameras of one picture size.
        lights: One, or N.
        matte: Leave the highlights out.
        occlusion: Let less of the sky into folds and under hair; without it irradiance is exactly that of the
            harmonics at the normal.
    """
    scene = person.scene
    room = torch.zeros(len(scene.vertices), 1)  # for what only samples know
    attributes = torch.cat(
        [scene.normal, scene.paint, scene.open_sky[:, None], scene.gloss[:, None], scene.vertices, room], dim=1
    )
    shots = []
    for i in range(len(cameras)):
        light = lights[i if len(lights) > 1 else 0]
        shots.append(_shoot(person, scene, attributes, cameras[i], light, matte=matte, occlusion=occlusion))
    mean = torch.stack([shot.mean for shot in shots])
    return SyntheticPictures(
        rgb_linear=mean[..., 0:3],
        alpha=torch.stack([shot.alpha for shot in shots]),
        depth_m=torch.stack([shot.depth for shot in shots]),
        normal=torch.nn.functional.normalize(mean[..., 9:12], dim=-1),
        albedo=mean[..., 3:6],
        irradiance=mean[..., 6:9],
        labels=torch.stack([shot.label for shot in shots]),
    )


def _shoot(
    person: Sitter,
    scene: Layer,
    attributes: Float[Tensor, "V 12"],
    camera: Cameras,
    light: StudioLight,
    *,
    matte: bool,
    occlusion: bool,
) -> _Shaded:
    height, width = camera.size
    fine = camera.resized((height * SAMPLES, width * SAMPLES))
    seen = draw_mesh(scene.vertices, scene.faces, fine)
    triangle = _by_pixel(seen.triangle[..., None])[..., 0]
    pixel = torch.nonzero((triangle >= 0).any(1))[:, 0]
    triangle, depth = triangle[pixel], _by_pixel(seen.depth[..., None])[pixel, :, 0]
    there, face = triangle >= 0, triangle.clamp_min(0)
    values = torch.nn.functional.embedding_bag(
        scene.faces[face.view(-1)],
        attributes,
        per_sample_weights=_by_pixel(seen.barycentrics)[pixel].view(-1, 3),
        mode="sum",
    )
    kind = (scene.material * 16 + scene.label).to(torch.uint8)[face]
    material, label = kind >> 4, kind & 15
    values[:, 3:6], region = person.colors(values[:, 3:6], material.view(-1), label.view(-1))
    values[:, 11] = (label == int(Region.HAIR)).view(-1)
    values = values.view(len(pixel), SAMPLES**2, 12)
    # Where the samples of a pixel are of one smooth surface they are averaged, then lit once.
    surface = _one_surface(there, depth, kind)
    row, sample = torch.nonzero(there & ~surface[:, None], as_tuple=True)
    count = there.sum(1)
    shaded = _shade(
        torch.cat([values.sum(1)[surface] / SAMPLES**2, values[row, sample]]),
        torch.cat([material[surface, 0], material[row, sample]]).long(),
        camera.centre[0],
        light,
        matte=matte,
        occlusion=occlusion,
    )
    once = int(surface.sum())
    mean = values.new_zeros(len(pixel), 12)
    mean[surface] = shaded[:once]
    mean.index_add_(0, row, shaded[once:] / count[row, None])
    region = torch.where(there, region.view(-1, SAMPLES**2), 0)

    def place(found: Tensor) -> Tensor:
        return found.new_zeros(height * width, *found.shape[1:]).index_copy(0, pixel, found)

    return _Shaded(
        place(mean).view(height, width, 12),
        place(count / SAMPLES**2).view(height, width),
        place(_nearest(depth)).view(height, width),
        place(_most(region)).view(height, width),
    )


def _by_pixel(samples: Float[Tensor, "A B C"]) -> Float[Tensor, "P 4 C"]:
    """Samples (2H, 2W, C) as (H W, 4, C): row by row, those of a pixel side by side."""
    height, width, channels = samples.shape[0] // SAMPLES, samples.shape[1] // SAMPLES, samples.shape[2]
    tiles = samples.view(height, SAMPLES, width, SAMPLES, channels).permute(0, 2, 1, 3, 4)
    return tiles.reshape(height * width, SAMPLES**2, channels)


def _one_surface(
    there: Bool[Tensor, "P 4"], depth: Float[Tensor, "P 4"], kind: Int[Tensor, "P 4"]
) -> Bool[Tensor, "P"]:
    """Pixels all of whose samples are near each other and of one material, eyes excepted."""
    same = (kind == kind[:, :1]).all(1) & there.all(1) & (kind[:, 0] >> 4 != int(Material.EYE))
    return same & (depth.amax(1) - depth.amin(1) < SAME_SURFACE_M)


def _shade(
    values: Float[Tensor, "P 12"],
    kinds: Int[Tensor, "P"],
    eye: Float[Tensor, "3"],
    light: StudioLight,
    *,
    matte: bool,
    occlusion: bool,
) -> Float[Tensor, "P 12"]:
    """Radiance, albedo, irradiance and normal of surface points: normal, albedo, sky, gloss, place and hairiness."""
    normal = _unit(values[:, 0:3])
    albedo, sky, gloss, place, hair = values[:, 3:6], values[:, 6:7], values[:, 7:8], values[:, 8:11], values[:, 11:]
    to_camera = _unit(eye - place)
    # Ribbons are seen from both sides; a normal that turns away is bent back to the limb.
    away = _dot(normal, to_camera)
    normal = _unit(normal - hair * 1.05 * away.clamp_max(0) * to_camera)
    irradiance = (irradiance_basis(normal) @ light.sh).clamp_min(0)
    if occlusion:
        irradiance = irradiance * sky
    rgb = albedo * irradiance
    if not matte:
        rgb = rgb + _highlights(normal, to_camera, kinds, gloss * sky, light)
    return torch.cat([rgb, albedo, irradiance, normal], dim=1)


def _dot(a: Float[Tensor, "P 3"], b: Float[Tensor, "P 3"]) -> Float[Tensor, "P 1"]:
    """Dot products; a product with ones is several times faster than a sum over three."""
    return (a * b) @ a.new_ones(3, 1)


def _unit(vector: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
    return vector * _dot(vector, vector).clamp_min(1e-20).rsqrt()


def _highlights(
    normal: Tensor, to_camera: Tensor, material: Tensor, gloss: Tensor, light: StudioLight
) -> Float[Tensor, "P 3"]:
    """Blinn-Phong lobes of the lamps, energy as (n + 8) / 8 pi, with Schlick's Fresnel."""
    sharp = torch.zeros(len(SHARPNESS))
    for kind, value in SHARPNESS.items():
        sharp[int(kind)] = value
    exponent = sharp[material][:, None]
    strength = gloss * REFLECTANCE * (exponent + 8) / (8 * math.pi)
    along, across = normal @ light.direction.T, to_camera @ light.direction.T
    # The half-way vector's length follows from the angle between its two parts.
    cosine = (along + _dot(normal, to_camera)).clamp_min(0) * (2 + 2 * across).clamp_min(1e-6).rsqrt()
    return (strength * cosine.clamp_max(1) ** exponent * along.clamp_min(0)) @ light.color


def _nearest(depth: Float[Tensor, "P 4"]) -> Float[Tensor, "P"]:
    """Depth at the middle of pixels: 1 / z is linear over a plane, so its mean over the samples of one surface."""
    there = depth > 0
    near = torch.where(there, depth, torch.inf).amin(1, keepdim=True)
    one = there & (depth < near + SAME_SURFACE_M)
    inverse = torch.where(one, 1 / depth.clamp_min(1e-6), 0.0).sum(1) / one.sum(1).clamp_min(1)
    return torch.where(inverse > 0, 1 / inverse.clamp_min(1e-6), 0.0)


def _most(labels: UInt8[Tensor, "P 4"]) -> UInt8[Tensor, "P"]:
    """The commonest of four labels, the first of equally common ones; background only where it is most of the pixel."""
    votes = torch.stack([(labels == labels[:, k : k + 1]).sum(1, dtype=torch.uint8) for k in range(SAMPLES**2)], dim=1)
    votes = 2 * votes + 3 * (labels > 0)
    return labels.gather(1, votes.argmax(1, keepdim=True))[:, 0]

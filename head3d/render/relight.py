"""Light on a picture of the field that is there: soft light with openness, lamps with shadows, a sheen on skin."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.occupancy import ShellCache, trace
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras, pixel_rays
from head3d.geometry.lamps import Lamps, arrival, lamp_irradiance
from head3d.geometry.sh import Lighting, sh_basis
from head3d.kernels.relight import LAMP_NUMBERS, relight_pixels
from head3d.kernels.shading import shade_sh
from head3d.render.config import RelightConfig
from head3d.render.corneas import eye_normals, glints, wet
from head3d.render.shadows import CONE_SHARE, OFF_M, broad_normal, cone_axes, lamp_visibility, openness
from head3d.render.sheen import lamp_sheen, mirrored, sky_sheen

DARKEST = 0.03
"""Irradiance never falls below this part of the ambient light: an order-2 fit may go negative, real light does not."""
THINNEST = 1e-3
"""Pixels of less coverage show nothing."""
CHUNK = 1 << 17
"""Pixels lit at once: 60 MB of taps."""
LEAST_ALBEDO = 0.02
"""Of black hair: what is darker tells the light on it by its sheen, which is not its neighbours'."""
RIM_COSINE = 0.4
"""Normals that lie at least this far off the direction to the camera are a rim's, and looked at twice."""
EDGE_PX = 2
"""Width of an edge of which pixels show two surfaces, or too little of one."""
MID_AIR_M = 1.5e-3
"""A pixel's place this far from the cached surface is on none: 99 of 100 pixels lie within 1.2 mm."""

FINE = 0.3
"""Part of the fine normals in what is lit; the rest is broad_normal's. All of it shows the noise of the geometry."""
MIRROR_SINE = 0.4
"""Width of what the broad lobe mirrors."""
HAIR_OFF_M = 5e-3
"""Rays start this much further out on hair, whose surface is a cloud with lumps."""
HAIRLESS = 0.3
"""Hair of this strength has no sheen of skin any more (``kHairless`` of the kernel)."""
HAIR_SINE = 0.15
"""A lamp on hair is at least this wide, for the same reason."""


@dataclass(frozen=True)
class Pixels:
    """Pixels that show something.

    Attributes:
        place: Head frame, metres.
        neutral: The same place on the neutral head.
        normal: Unit, outward.
        albedo: Linear RGB.
        hair: 0 on skin to 1 on hair.
    """

    place: Float[Tensor, "P 3"]
    neutral: Float[Tensor, "P 3"]
    normal: Float[Tensor, "P 3"]
    albedo: Float[Tensor, "P 3"]
    hair: Float[Tensor, "P"]


@dataclass(frozen=True)
class _Surface:
    """Pixels, with the normals that soft light and lamps see and those that shadows and sheen see (``broad``)."""

    point: Float[Tensor, "P 3"]
    canonical: Float[Tensor, "P 3"]
    normal: Float[Tensor, "P 3"]
    broad: Float[Tensor, "P 3"]
    albedo: Float[Tensor, "P 3"]
    to_camera: Float[Tensor, "P 3"]
    hair: Float[Tensor, "P"]


def needs_relight(light: Lighting, config: RelightConfig) -> bool:
    """Whether light is more than harmonics on a matte surface."""
    return light.lamps is not None or config.photo


@torch.no_grad()
def relight(
    trained: RadianceField,
    cache: ShellCache,
    light: Lighting,
    camera: Cameras,
    *,
    albedo: Float[Tensor, "H W 3"],
    normal: Float[Tensor, "H W 3"],
    alpha: Float[Tensor, "H W"],
    depth_m: Float[Tensor, "H W"],
    config: RelightConfig,
    deformation: Deformation | None = None,
    photo: int = 0,
) -> Float[Tensor, "H W 3"]:
    """Linear RGB radiance of a picture under other light, not clamped above.

    Shadow rays walk the neutral head, from the neutral place of each point: with an expression, shadows that cross the
    mouth are those of the neutral head.

    Args:
        trained: The field, for where it is hair.
        cache: Its signed distance.
        light: Head frame.
        camera: Of the picture.
        albedo: Linear RGB.
        normal: Unit, outward, head frame.
        alpha: Coverage; pixels below ``THINNEST`` stay black.
        depth_m: z-depth, 0 where it is not known.
        config: What to do.
        deformation: Expressions, as the picture was made with.
        photo: Whose.
    """
    device = cache.values.device
    bent = deformation if deformation is not None and deformation.moving else None
    rows = torch.nonzero(alpha.reshape(-1) > THINNEST)[:, 0]
    out = torch.zeros_like(albedo).reshape(-1, 3)
    sure = torch.zeros_like(alpha).reshape(-1)
    for index in rows.split(CHUNK):
        fine = normal.reshape(-1, 3)[index].to(device)
        place, neutral, on_surface = _places(cache, camera, depth_m, fine, index, bent, photo)
        sure[index] = on_surface.to(sure)
        eye = wet(trained.eyes, neutral)
        pixels = Pixels(
            place,
            neutral,
            fine,
            albedo.reshape(-1, 3)[index].to(device),
            # what is in an eye shines as eyes do: the sheen of skin would make a grey iris of a brown one
            torch.maximum((trained.softness(neutral) - 1).clamp(0.0, 1.0), HAIRLESS * eye),
        )
        path = relight_compiled if cache.compiled(place) else relight_torch
        lit = path(pixels, cache, light, camera.centre[0], config)
        if light.lamps is not None and config.gloss > 0:
            lit = lit + config.gloss * _in_eyes(trained, pixels, eye, light.lamps, camera.centre[0])
        out[index] = lit.to(out)
    return _lit_as_neighbours(out.reshape(albedo.shape), albedo, sure.reshape(alpha.shape))


def _in_eyes(
    trained: RadianceField, pixels: Pixels, eye: Float[Tensor, "P"], lamps: Lamps, camera_m: Float[Tensor, "3"]
) -> Float[Tensor, "P 3"]:
    """Radiance of the lamps that eyes mirror."""
    rows = torch.nonzero(eye > 0)[:, 0]
    shown = torch.zeros_like(pixels.place)
    if not len(rows):
        return shown
    place = pixels.place[rows]
    to_camera = torch.nn.functional.normalize(camera_m.to(place) - place, dim=-1)
    normal = eye_normals(trained.eyes, place, pixels.neutral[rows])
    return shown.index_copy(0, rows, eye[rows, None] * glints(normal, place, to_camera, lamps))


def _lit_as_neighbours(
    lit: Float[Tensor, "H W 3"], albedo: Float[Tensor, "H W 3"], sure: Float[Tensor, "H W"]
) -> Float[Tensor, "H W 3"]:
    """Give pixels across an edge the light of the sure ones beside them: their own place is a guess, and an outline."""
    light = torch.cat([lit / albedo.clamp(min=LEAST_ALBEDO), torch.ones_like(lit[..., :1])], dim=-1) * sure[..., None]
    # each pixel counts with its own light or that of the pixels about it, up to EDGE_PX away, the nearest first
    for _ in range(EDGE_PX):
        around = torch.nn.functional.avg_pool2d(light.permute(2, 0, 1)[None], 3, stride=1, padding=1)[0]
        light = torch.where(light[..., 3:] > 0, light, around.permute(1, 2, 0))
        light = torch.where(light[..., 3:] > 0, light / light[..., 3:].clamp(min=1e-6), light)
    known = (sure <= 0) & (light[..., 3] > 0)
    return torch.where(known[..., None], albedo.clamp(min=LEAST_ALBEDO) * light[..., :3], lit)


def _places(
    cache: ShellCache,
    camera: Cameras,
    depth_m: Tensor,
    fine: Tensor,
    index: Tensor,
    bent: Deformation | None,
    photo: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Places of pixels (by their number), the same on the neutral head, and whether a pixel shows one surface.

    A pixel across an edge has the mean depth of both sides, in mid-air, and a thin one none: the ray of the latter is
    followed to the surface, or to where it is nearest to the middle of the head. Then both go to the nearest surface.
    A rim where the surface turns away from the camera is no place that a camera sees, either.
    """
    width = depth_m.shape[1]
    centres = torch.stack([index % width, index // width], dim=-1).float() + 0.5
    origin, way = (t.to(cache.values.device) for t in pixel_rays(centres, camera.c2w[0], camera.K[0]))
    depth = depth_m.reshape(-1)[index].to(way)
    place = origin + way * (depth / (way @ camera.c2w[0, :3, 2].to(way)))[:, None]
    which = torch.full((len(way),), photo, device=way.device)
    thin = torch.nonzero(depth <= 0)[:, 0]
    if len(thin):
        o, d = origin[thin], way[thin]
        t, hit = trace(cache, o, d, deformation=bent, photo=which[thin])
        place[thin] = o + d * torch.where(hit, t, -(o * d).sum(-1))[:, None]
    neutral = place if bent is None else bent.to_canonical(place, which)
    away = cache.sdf(neutral).abs() > MID_AIR_M
    sure, lost = (depth > 0) & ~away, torch.nonzero(away)[:, 0]
    rim = torch.nonzero(sure & (-(fine * way).sum(-1) < RIM_COSINE))[:, 0]
    behind = -(broad_normal(cache, neutral[rim], fallback=fine[rim]) * way[rim]).sum(-1) < 0.0
    sure[rim[behind]] = False
    if not len(lost):
        return place, neutral, sure
    moved = neutral[lost]
    for _ in range(4):  # Newton's steps; the distance is nearly one, so that few are needed
        slope = broad_normal(cache, moved, fallback=-way[lost])
        moved = moved - slope * cache.sdf(moved)[:, None]
    shift = torch.zeros_like(place).index_copy(0, lost, moved - neutral[lost])
    return place + shift, neutral + shift, sure


def relight_compiled(
    pixels: Pixels, cache: ShellCache, light: Lighting, eye: Float[Tensor, "3"], config: RelightConfig
) -> Float[Tensor, "P 3"]:
    """Light on pixels in one call of the kernel."""
    lamps = pixels.place.new_zeros(0, LAMP_NUMBERS)
    if light.lamps is not None:
        own = light.lamps
        lamps = torch.cat([own.position, own.color, own.facing, own.radius[:, None], own.distant[:, None]], dim=-1)
    return relight_pixels(
        cache.volume,
        place=pixels.place,
        neutral=pixels.neutral,
        normal=pixels.normal,
        albedo=pixels.albedo,
        hair=pixels.hair,
        eye=eye,
        sh=light.sh,
        lamps=lamps,
        shadows=config.shadows,
        occlusion=config.occlusion,
        gloss=config.gloss,
    )


def relight_torch(
    pixels: Pixels, cache: ShellCache, light: Lighting, eye: Float[Tensor, "3"], config: RelightConfig
) -> Float[Tensor, "P 3"]:
    """The same in plain torch."""
    fine = pixels.normal
    broad = broad_normal(cache, pixels.neutral, fallback=fine)
    to_camera = torch.nn.functional.normalize(eye.to(fine) - pixels.place, dim=-1)
    normal = torch.nn.functional.normalize(broad + FINE * (fine - broad), dim=-1, eps=1e-6)
    surface = _Surface(pixels.place, pixels.neutral, normal, broad, pixels.albedo, to_camera, pixels.hair)
    return _light(surface, cache, light, config)


def _light(surface: _Surface, cache: ShellCache, light: Lighting, config: RelightConfig) -> Tensor:
    off = OFF_M + HAIR_OFF_M * surface.hair
    sh = light.sh.to(surface.albedo)
    open_sky = _open_sky(surface, cache, sh, off, config.occlusion)
    nowhere = torch.zeros(len(surface.point), dtype=torch.long, device=sh.device)
    soft = shade_sh(torch.ones_like(surface.albedo), surface.normal, sh=sh[None], light=nowhere, darkest=DARKEST)
    matte = soft * _bounced(open_sky, surface.albedo)
    sheen = torch.zeros_like(matte)
    skin = (1 - surface.hair / HAIRLESS).clamp(min=0.0) * config.gloss  # hair shines along its strands, not like this
    if config.gloss > 0:
        sheen = sky_sheen(surface.broad, surface.to_camera, sh) * _mirror_sees(surface, cache, off)[:, None]
    for number in range(len(light.lamps) if light.lamps is not None else 0):
        assert light.lamps is not None
        arriving, shine = _lamp(surface, cache, light.lamps, number, off, config)
        matte = matte + arriving / math.pi
        sheen = sheen + shine
    return surface.albedo * matte + sheen * skin[:, None]


def _open_sky(surface: _Surface, cache: ShellCache, sh: Tensor, off: Tensor, strength: float) -> Tensor:
    """Part of the soft light (P 3) that reaches a point: what its open cones send of what all cones send."""
    if strength <= 0:
        return torch.ones_like(surface.albedo)
    axes = cone_axes(surface.broad)
    seen = openness(cache, surface.canonical, axes, off_m=off, normal=surface.broad)
    share = torch.full((6,), CONE_SHARE[1], device=sh.device)
    share[0] = CONE_SHARE[0]
    floor = DARKEST * sh[0].abs() / (2 * math.sqrt(math.pi))
    sent = torch.maximum(sh_basis(axes) @ sh, floor + 1e-9) * share[:, None]
    part = (sent * seen[..., None]).sum(1) / sent.sum(1)
    return 1 - strength * (1 - part)


def _mirror_sees(surface: _Surface, cache: ShellCache, off: Tensor) -> Tensor:
    """Part of the mirrored direction that is open, as for a wide lamp: a jaw does not mirror the sky behind a neck."""
    wide = torch.full_like(off, MIRROR_SINE)
    way = mirrored(surface.broad, surface.to_camera)
    return lamp_visibility(cache, surface.canonical, surface.broad, way, sine=wide, far_m=wide * torch.inf, off_m=off)


def _bounced(open_sky: Tensor, albedo: Tensor) -> Tensor:
    """Openness that counts light sent on by the walls of a crease, which are as the surface: bright skin glows there.

    Cubic fit of Jimenez et al. 2016, "Practical real-time strategies for accurate indirect occlusion", eq. 10.
    """
    a, b, c = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    return torch.maximum(open_sky, ((open_sky * a + b) * open_sky + c) * open_sky)


def _lamp(
    surface: _Surface, cache: ShellCache, lamps: Lamps, number: int, off: Tensor, config: RelightConfig
) -> tuple[Tensor, Tensor]:
    """Irradiance (P 3) from one lamp, and the radiance of the sheen it makes."""
    coming = arrival(lamps, number, surface.point)
    sine = torch.maximum(coming.sine, HAIR_SINE * surface.hair)
    cosine = lamp_irradiance(surface.normal, coming.direction, sine)
    seen = torch.zeros_like(cosine)
    lit = torch.nonzero(cosine * coming.strength > 1e-4)[:, 0]
    if config.shadows > 0 and len(lit):
        found = lamp_visibility(
            cache,
            surface.canonical[lit],
            surface.broad[lit],
            coming.direction[lit],
            sine=sine[lit],
            far_m=coming.far_m[lit],
            off_m=off[lit],
        )
        seen[lit] = 1 - config.shadows * (1 - found)
    else:
        seen[lit] = 1.0
    color = lamps.color[number].to(surface.albedo)
    arriving = (cosine * coming.strength * seen)[:, None] * color
    if config.gloss <= 0:
        return arriving, torch.zeros_like(arriving)
    return arriving, arriving * lamp_sheen(surface.broad, surface.to_camera, coming.direction, sine=sine)[:, None]

"""Rays through the field: albedo, normal and light of what their samples meet; whole views in tiles."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from head3d.field.deform import Deformation
from head3d.field.fused import kernel_parts
from head3d.field.occupancy import ShellCache, march
from head3d.field.radiance import RadianceField, mirrored_albedo
from head3d.geometry.cameras import pixel_grid, pixel_rays
from head3d.kernels.render_field import MOST_COLORS, FieldParts, FieldVolume, render_field
from head3d.kernels.shading import shade_sh
from head3d.render.config import RenderConfig
from head3d.render.detail import with_detail
from head3d.render.pooling import pool_rays
from head3d.render.relight import DARKEST, needs_relight, relight
from head3d.render.relit import relit
from head3d.render.sections import crispness, section_weights
from head3d.render.types import RayBundle, RenderOutput, View
from head3d.shapes import shaped

BAND_RAYS = 1 << 20
"""Rays made at once for one launch: 12 MB of directions."""


@shaped
@dataclass(frozen=True)
class RayColors:
    """What rays see. Not composited; ``radiance`` is that of the surface, not times alpha.

    Attributes:
        radiance: Linear RGB.
        albedo: Linear RGB.
        residual: Added to the shaded albedo, linear RGB.
        gradient: Of the signed distance at the surface: the normal, if it had unit length.
        alpha: Opacity.
        t: Distance to the surface along the ray, metres.
        curvature: Mean signed distance of the taps about the surface minus that at it, metres.
        point: Place of the heaviest sample, canonical head frame, metres.
        hit: Whether a ray had any sample.
    """

    radiance: Float[Tensor, "R 3"]
    albedo: Float[Tensor, "R 3"]
    residual: Float[Tensor, "R 3"]
    gradient: Float[Tensor, "R 3"]
    alpha: Float[Tensor, "R"]
    t: Float[Tensor, "R"]
    curvature: Float[Tensor, "R"]
    point: Float[Tensor, "R 3"]
    hit: Bool[Tensor, "R"]


def shade(
    albedo: Float[Tensor, "R 3"],
    normal: Float[Tensor, "R 3"],
    sh: Float[Tensor, "N 9 3"],
    light: Int[Tensor, "R"] | None = None,
) -> Float[Tensor, "R 3"]:
    """Matte surface under order-2 light; irradiance is kept positive smoothly. Linear RGB.

    ``light`` says which of the lights in ``sh``; None: each ray has its own.
    """
    light = torch.arange(len(albedo), device=sh.device) if light is None else light
    return shade_sh(albedo, normal, sh=sh, light=light, darkest=DARKEST)


def render_rays(
    trained: RadianceField,
    cache: ShellCache,
    rays: RayBundle,
    sh: Float[Tensor, "N 9 3"],
    *,
    sd_m: float,
    samples: int,
    colors: int,
    normal_step_m: float,
    levels: Float[Tensor, "C"] | None = None,
    color_levels: Float[Tensor, "C"] | None = None,
    deformation: Deformation | None = None,
    mirror_unseen: bool = False,
    crisp: float = 1.0,
    generator: torch.Generator | None = None,
) -> RayColors:
    """Follow rays into the field. ``rays.photo`` chooses the light in ``sh`` and the expression in ``deformation``.

    Outlines of skin are ``crisp`` times as blurred as ``sd_m`` says.
    """
    moving = deformation is not None and deformation.moving

    def canonical(points: Tensor, which: Tensor) -> Tensor:
        return deformation.to_canonical(points, rays.photo[which]) if deformation is not None else points

    places = march(
        cache,
        rays.origins.detach(),
        rays.directions.detach(),
        sd_m=sd_m,
        samples=samples,
        deformation=deformation,
        photo=rays.photo,
        generator=generator,
    )
    hit = places.valid.any(1)
    ray, slot = torch.nonzero(places.valid, as_tuple=True)
    points = rays.origins[ray] + rays.directions[ray] * places.t[ray, slot][:, None]
    if moving:
        points = canonical(points, ray)
    sdf = torch.ones_like(places.t).index_put((ray, slot), trained.sdf(points, levels=levels))
    soft = torch.ones_like(places.t).index_put((ray, slot), trained.softness(points.detach(), crisp=crisp))
    weights = section_weights(sdf, places.valid, sd_m * soft)
    alpha = weights.sum(1).clamp(max=1.0)

    heaviest = torch.topk(weights, min(colors, weights.shape[1]), dim=1).indices
    share = weights.gather(1, heaviest)
    use = share > 1e-4
    use[:, 0] |= hit
    # the surface within a section: where the signed distance crosses zero. Its gradient (as in IDR, Yariv et al. 2020)
    # lets colours move the surface along the ray
    s0, s1, gap = sdf[:, :-1], sdf[:, 1:], (places.t[:, 1:] - places.t[:, :-1]).clamp(min=0.0)
    crossing = (s0 > 0) & (s1 < 0) & places.valid[:, 1:]
    drop = torch.where(crossing, s0 - s1, torch.ones_like(s0)).clamp(min=1e-5)
    inner = torch.where(crossing, s0 / drop, ((s0 > 0) & (s1 > 0) & (s1 < s0)).to(s0))
    section_t = torch.cat([places.t[:, :-1] + gap * inner, places.t[:, -1:]], dim=1)
    r, k = torch.nonzero(use, as_tuple=True)
    at = section_t[r, heaviest[r, k]]
    surface = rays.origins[r] + rays.directions[r] * at[:, None]
    if moving:
        surface = canonical(surface, r)
    albedo_s, residual_s = trained.surface_color(surface, levels=color_levels)
    if mirror_unseen:
        albedo_s = mirrored_albedo(trained, surface, albedo_s)
    portion = share[r, k] + 1e-6
    total = torch.zeros_like(alpha).index_add(0, r, portion).clamp(min=1e-9)
    portion = (portion / total[r])[:, None]
    albedo = torch.zeros_like(rays.origins).index_add(0, r, albedo_s * portion)
    residual = torch.zeros_like(rays.origins).index_add(0, r, residual_s * portion)
    t = torch.zeros_like(alpha).index_add(0, r, at * portion[:, 0])

    rows = torch.nonzero(hit)[:, 0]
    best_t = section_t.detach().gather(1, heaviest[:, :1])[:, 0]
    point = rays.origins + rays.directions * best_t[:, None]
    if moving:
        point = point.index_copy(0, rows, canonical(point[rows], rows))
    met = trained.surface(point[rows], step_m=normal_step_m, levels=levels)
    gradient = torch.zeros_like(rays.origins).index_put((rows,), met.gradient)
    curvature = torch.zeros_like(alpha).index_put((rows,), met.mean - met.sdf)
    normal = torch.nn.functional.normalize(gradient, dim=-1, eps=1e-6)
    radiance = shade(albedo, normal, sh, rays.photo) + residual
    return RayColors(radiance, albedo, residual, gradient, alpha, t, curvature, point, hit)


@torch.no_grad()
def render_view(
    trained: RadianceField,
    view: View,
    *,
    config: RenderConfig = RenderConfig(),
    cache: ShellCache | None = None,
    deformation: Deformation | None = None,
    photo: int = 0,
) -> RenderOutput:
    """Make one picture of the field.

    Args:
        trained: The field.
        view: Camera (one) and light.
        config: Samples and tiles.
        cache: Of this field, refreshed; made here if None (pass it when several views are made).
        deformation: Expressions of the photos, to show the head with one of them; None is neutral.
        photo: Whose expression.
    """
    if cache is None:
        cache = ShellCache(trained)
        cache.refresh(trained)
    plain = _render_plain(trained, view, config=config, cache=cache, deformation=deformation, photo=photo)
    return with_detail(trained, plain, view, deformation=deformation, photo=photo)


def _render_plain(
    trained: RadianceField,
    view: View,
    *,
    config: RenderConfig,
    cache: ShellCache,
    deformation: Deformation | None,
    photo: int,
) -> RenderOutput:
    """Without the detail of the photos."""
    seen_as = {"cache": cache, "deformation": deformation, "photo": photo}
    if not needs_relight(view.lighting, config.relight):
        return _render_matte(trained, view, config=config, **seen_as)
    height, width = view.camera.size
    times = config.oversample
    large = view.camera.resized((height * times, width * times))
    seen = _render_matte(trained, replace(view, camera=large), config=replace(config, oversample=1), **seen_as)
    lit = relight(
        trained,
        cache,
        view.lighting,
        large,
        albedo=seen.albedo,
        normal=seen.normal,
        alpha=seen.alpha,
        depth_m=seen.depth_m,
        config=config.relight,
        deformation=deformation,
        photo=photo,
    )
    if times == 1:
        return replace(seen, rgb_linear=lit)
    others = seen.albedo, seen.normal, seen.alpha[..., None], seen.depth_m[..., None]
    return pool_rays(torch.cat([lit, *others], dim=-1), times)


def _render_matte(
    trained: RadianceField,
    view: View,
    *,
    config: RenderConfig,
    cache: ShellCache,
    deformation: Deformation | None,
    photo: int,
) -> RenderOutput:
    """Under the harmonics of the view's light alone."""
    parts = kernel_parts(trained, crisp=crispness(trained, view.camera, oversample=config.oversample))
    deform = _volume_of(deformation, photo)
    if parts is None or cache.values.device != parts.geometry.table.device or config.colors > MOST_COLORS:
        return render_view_torch(trained, view, config=config, cache=cache, deformation=deformation, photo=photo)
    output = _render_fused(parts, view, cache=cache, config=config, deform=deform)
    return output if deform is None else relit(output, view, deform)


def _volume_of(deformation: Deformation | None, photo: int) -> FieldVolume | None:
    return None if deformation is None else deformation.volume_of(photo)


def _render_fused(
    parts: FieldParts, view: View, *, cache: ShellCache, config: RenderConfig, deform: FieldVolume | None
) -> RenderOutput:
    """In one launch per band of rows."""
    camera, times = view.camera, config.oversample
    height, width = camera.size
    large = camera.resized((height * times, width * times))
    rows = max(1, BAND_RAYS // (width * times * times))
    bands = []
    for top in range(0, height, rows):
        count = min(rows, height - top) * times
        pixels = pixel_grid(count, width * times)
        pixels[:, 1] += top * times
        _, directions = pixel_rays(pixels, large.c2w[0], large.K[0])
        bands.append(
            render_field(
                parts,
                cache.volume,
                centre=large.c2w[0, :3, 3],
                forward=large.c2w[0, :3, 2],
                directions=directions.reshape(count, width * times, 3).to(cache.values.device),
                sh=view.lighting.sh,
                deform=deform,
                oversample=times,
                samples=config.samples,
                colors=config.colors,
                normal_step_m=config.normal_step_m,
                mirror_unseen=config.mirror_unseen,
            )
        )
    names = ("rgb", "albedo", "normal", "alpha", "depth_m")
    # pictures go on to files and finishing, on the CPU
    return RenderOutput(*(torch.cat([getattr(band, name) for band in bands]).cpu() for name in names))


@torch.no_grad()
def render_view_torch(
    trained: RadianceField,
    view: View,
    *,
    config: RenderConfig,
    cache: ShellCache,
    deformation: Deformation | None = None,
    photo: int = 0,
) -> RenderOutput:
    """Matte pictures tile by tile with the field's own functions: slower than the kernels, for every kind of field."""
    camera, times = view.camera, config.oversample
    height, width = camera.size
    large = camera.resized((height * times, width * times))
    pixels = pixel_grid(height * times, width * times)
    parts = []
    for start in range(0, len(pixels), config.tile):
        origins, directions = pixel_rays(pixels[start : start + config.tile], large.c2w[0], large.K[0])
        near, far = cache.span(origins, directions)
        rays = RayBundle(origins, directions, near, far, torch.full((len(origins),), photo, dtype=torch.long))
        light = torch.zeros(photo + 1, 9, 3)
        light[photo] = view.lighting.sh
        seen = render_rays(
            trained,
            cache,
            rays,
            light,
            sd_m=float(trained.sd_m),
            samples=config.samples,
            colors=config.colors,
            normal_step_m=config.normal_step_m,
            deformation=deformation,
            mirror_unseen=config.mirror_unseen,
            crisp=crispness(trained, camera, oversample=times),
        )
        depth = seen.t * (directions @ camera.c2w[0, :3, 2])
        normal = torch.nn.functional.normalize(seen.gradient, dim=-1, eps=1e-6)
        parts.append(torch.cat([seen.radiance, seen.albedo, normal, seen.alpha[:, None], depth[:, None]], dim=-1))
    output = pool_rays(torch.cat(parts).reshape(height * times, width * times, 11), times)
    deform = _volume_of(deformation, photo)
    return output if deform is None else relit(output, view, deform)

"""A subject's field baked onto its meshes: texture coordinates, albedo and normals as pictures."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.export.atlas import Chart, Unwrapped, ball_chart, charts_of, packed
from head3d.export.mesh import HeadMesh
from head3d.export.texture import (
    eye_colors,
    eye_in_sight,
    in_frames,
    picture_of,
    seamless_normals,
    surface_look,
    tangent_frames,
    texel_m,
    texels_of,
)
from head3d.field.radiance import RadianceField
from head3d.imaging.color import levels_from_linear, levels_from_srgb
from head3d.morphable.expressions import eyeballs
from head3d.morphable.types import HeadFit

SHOULDERS_BELOW_M = -0.15
SHOULDER_DENSITY, EYE_DENSITY = 0.55, 1.6
"""Texels a metre against the head's: clothes get fewer, irises more."""
EYES = ("eye_right", "eye_left")


@dataclass(frozen=True)
class BakedHead:
    """What other programs need to draw a head.

    Attributes:
        skin: The skin with texture coordinates.
        tangent: Of its vertices: along growing u, unit, and the sign of the frame (glTF's TANGENT).
        eyes: The eyeballs with texture coordinates: right, left.
        color: Albedo of all three, sRGB.
        bumps: Normals of the skin in the frame of each triangle, (n + 1) / 2.
    """

    skin: Unwrapped
    tangent: Float[Tensor, "V 4"]
    eyes: tuple[Unwrapped, Unwrapped]
    color: UInt8[np.ndarray, "S S 3"]
    bumps: UInt8[np.ndarray, "S S 3"]


def bake(head: HeadMesh, trained: RadianceField, fit: HeadFit, *, side_px: int) -> BakedHead:
    """Bake a head (see :func:`head3d.export.mesh.head_mesh`) into square pictures of ``side_px``."""
    skin, eyes = head.part("skin"), [head.part(name) for name in EYES]
    balls = eyeballs(fit)
    charts = [_at_density(chart) for chart in charts_of(skin.mesh)]
    charts += [
        ball_chart(eye.mesh, ball.forward, index=1 + k, density=EYE_DENSITY)
        for k, (eye, ball) in enumerate(zip(eyes, balls, strict=True))
    ]
    flat, right, left = packed([part.mesh for part in (skin, *eyes)], charts)
    normals = seamless_normals(skin.mesh, flat)
    frames = tangent_frames(flat, normals)
    texels = texels_of(flat, normals, side_px=side_px)
    look = surface_look(trained, texels.place, apart_m=texel_m(texels))
    painted = [(texels, look.albedo)]
    for eye, ball, flat_eye in zip(eyes, balls, (right, left), strict=True):
        of_eye = texels_of(flat_eye, seamless_normals(eye.mesh, flat_eye), side_px=side_px)
        color = surface_look(trained, of_eye.place, apart_m=texel_m(of_eye)).albedo
        in_sight = eye_in_sight(of_eye, ball, skin.mesh)
        painted.append((of_eye, eye_colors(of_eye, color, ball, in_sight=in_sight)))
    bumps = picture_of([(texels, in_frames(look.normal, texels, flat, frames))], side_px=side_px)
    return BakedHead(
        flat,
        frames.tangent,
        (right, left),
        levels_from_linear(picture_of(painted, side_px=side_px)),
        levels_from_srgb(0.5 * bumps + 0.5),
    )


def _at_density(chart: Chart) -> Chart:
    low = chart.height_m < SHOULDERS_BELOW_M
    return replace(chart, plane=chart.plane * SHOULDER_DENSITY) if low else chart

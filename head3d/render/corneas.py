"""What wet eyes mirror: the lamps, on the cornea's own curve, so that catchlights lie where portraits have them.

The trained surface is far too rough for a mirror. The eyeball is a sphere and the cornea a steeper cap on it: their
normals are known from where the eyes are.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.geometry.lamps import Lamps, arrival
from head3d.render.sheen import lamp_sheen

CORNEA_RADIUS_M = 7.8e-3
"""Of a human cornea's front (Gullstrand's eye: 7.7 mm; its ball: 12)."""
CORNEA_RIM_M = 5.7e-3
"""Half the width of a cornea."""
ABOVE_M = (0.4e-3, 1.4e-3)
"""A place up to the first above the eyeball is eye, one beyond the second is lid."""
F0 = 0.025
"""Reflection of tears at normal incidence: refractive index 1.376."""
ROUGHNESS = 0.06
WIDEST_SINE = 0.2
"""Softboxes are brightest in the middle: they are mirrored as if they were no wider than that."""


def wet(eyes: Float[Tensor, "2 7"], points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
    """How far places of the neutral head are eye, in [0, 1].

    Args:
        eyes: Centre, forward and radius of either eyeball (metres), as a field keeps them; a radius of 0 is no eye.
        points_m: Places on the surface, head frame.
    """
    found = torch.zeros_like(points_m[:, 0])
    for eye in eyes.to(points_m):
        if eye[6] <= 0:
            continue
        above = (points_m - eye[:3]).norm(dim=-1) - eye[6]
        found = torch.maximum(found, ((ABOVE_M[1] - above) / (ABOVE_M[1] - ABOVE_M[0])).clamp(0.0, 1.0))
    return found


def eye_normals(
    eyes: Float[Tensor, "2 7"], place_m: Float[Tensor, "P 3"], neutral_m: Float[Tensor, "P 3"]
) -> Float[Tensor, "P 3"]:
    """Unit normals of eyeball and cornea at places that are ``wet``, head frame.

    Args:
        eyes: As for :func:`wet`.
        place_m: In the picture.
        neutral_m: The same on the neutral head, which says where on the eye it is when the eye has turned.
    """
    centres = eyes[:, :3].to(place_m)
    nearest = (neutral_m[:, None] - centres).norm(dim=-1).argmin(1)
    centre, forward, radius = centres[nearest], eyes.to(place_m)[nearest, 3:6], eyes.to(place_m)[nearest, 6:]
    ball = torch.nn.functional.normalize(place_m - centre, dim=-1)
    was = torch.nn.functional.normalize(neutral_m - centre, dim=-1)
    axis = torch.nn.functional.normalize(forward + ball - was, dim=-1)
    aside = (ball - axis * (ball * axis).sum(-1, keepdim=True)) * radius
    cap = torch.nn.functional.normalize(aside / CORNEA_RADIUS_M + axis, dim=-1)
    edge = ((CORNEA_RIM_M - aside.norm(dim=-1, keepdim=True)) / (0.2 * CORNEA_RIM_M)).clamp(0.0, 1.0)
    return torch.nn.functional.normalize(ball + edge * (cap - ball), dim=-1)


def glints(
    normal: Float[Tensor, "P 3"], place_m: Float[Tensor, "P 3"], to_camera: Float[Tensor, "P 3"], lamps: Lamps
) -> Float[Tensor, "P 3"]:
    """Radiance of the lamps in wet eyes; lids and brows do not shade it."""
    shown = torch.zeros_like(normal)
    for number in range(len(lamps)):
        coming = arrival(lamps, number, place_m)
        cosine = (normal * coming.direction).sum(-1).clamp(min=0.0)
        mirror = lamp_sheen(
            normal,
            to_camera,
            coming.direction,
            sine=coming.sine.clamp(max=WIDEST_SINE),
            lobes=((1.0, ROUGHNESS),),
            f0=F0,
        )
        shown = shown + (cosine * coming.strength * mirror)[:, None] * lamps.color[number].to(normal)
    return shown

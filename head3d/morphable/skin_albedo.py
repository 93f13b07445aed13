"""Plain colours for a head model without photos: skin, lips, brows, eyes, teeth. Linear RGB."""

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.morphable.types import HeadModel

SKIN = (0.50, 0.28, 0.19)
"""Light-brown skin: what remains of the model where no photo sees it, before the photos' own tone replaces it."""

LIPS_OVER_SKIN = (0.70, 0.42, 0.45)
CHEEKS_OVER_SKIN = (1.0, 0.90, 0.90)
BROWS_OVER_SKIN = (0.16, 0.13, 0.12)
SCLERA = (0.62, 0.58, 0.55)
IRIS = (0.07, 0.04, 0.025)
PUPIL = (0.01, 0.01, 0.01)
TEETH = (0.60, 0.53, 0.43)
MOUTH = (0.20, 0.05, 0.045)

IRIS_ANGLE = 0.40
"""Angle of the iris' rim at the eye's centre of rotation, rad: 6 mm out on a ball of 15 mm."""

PUPIL_ANGLE = 0.14
FADE_M = 0.002
"""Colours fade over this distance beyond the vertices of a group."""


def default_albedo(
    model: HeadModel, *, skin: Float[Tensor, "3"] | None = None, iris: Float[Tensor, "3"] | None = None
) -> Float[Tensor, "V 3"]:
    """Albedo per vertex (linear RGB) of a head nobody has photographed.

    Args:
        model: Neutral, its eyes looking straight ahead.
        skin: Tone of the skin; lips, cheeks and brows follow it.
        iris: Colour of the irises.
    """
    tone = torch.tensor(SKIN) if skin is None else skin
    albedo = tone.expand(len(model.mean), 3).clone()
    for group, over_skin in (("nose", CHEEKS_OVER_SKIN), ("lips", LIPS_OVER_SKIN), ("brows", BROWS_OVER_SKIN)):
        amount = group_falloff(model, group)[:, None]
        albedo = albedo * (1 - amount) + amount * tone * torch.tensor(over_skin)
    albedo[model.groups["mouth_inner"]] = torch.tensor(MOUTH)
    albedo[model.groups["teeth"]] = torch.tensor(TEETH)
    for side, group in enumerate(("eye_right", "eye_left")):
        index = model.groups[group]
        albedo[index] = eye_albedo(model.mean[index] - model.eye_centres[side], iris=iris)
    return albedo


def eye_albedo(from_centre: Float[Tensor, "*B 3"], *, iris: Float[Tensor, "3"] | None = None) -> Float[Tensor, "*B 3"]:
    """Colour (linear RGB) of points on an eyeball that looks along +Z, given from its centre of rotation (m)."""
    direction = torch.nn.functional.normalize(from_centre, dim=-1)
    angle = torch.acos(direction[..., 2].clamp(-1, 1))[..., None]
    color = torch.where(angle < IRIS_ANGLE, torch.tensor(IRIS) if iris is None else iris, torch.tensor(SCLERA))
    return torch.where(angle < PUPIL_ANGLE, torch.tensor(PUPIL), color)


def group_falloff(model: HeadModel, group: str) -> Float[Tensor, "V"]:
    """1 on a group of skin vertices, falling to 0 within millimetres beside it; 0 everywhere but on the outer skin."""
    skin = model.groups["skin"]
    distance = torch.cdist(model.mean[skin], model.mean[model.groups[group]]).amin(1)
    amount = torch.zeros(len(model.mean))
    amount[skin] = torch.exp(-((distance / FADE_M) ** 2))
    return amount

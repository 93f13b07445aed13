"""How dark skin is, told apart from how bright its light was.

A photo shows the product of the two. What is known of each: skin owes its colour to melanin and blood, cameras balance
for white and expose faces much alike, and the white of an eye is much the same in everybody. The pigments are what all
this makes likeliest: dark skin is not explained by dim light, nor a dim photo by dark skin.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.morphable.chromophores import BLOOD, MELANIN, skin_color, typology_angle_deg

GRID = (96, 32)
"""Steps of melanin and of blood, log-spaced."""
USUAL_BLOOD = (0.010, 0.5)
"""Median volume share of blood in the skin of faces, and the deviation of its logarithm."""
TOGETHER = 2.0
"""So many independent photos a set of photos counts as at most: one camera took them, often in one room."""


@dataclass(frozen=True)
class Beliefs:
    """Means and standard deviations of natural logarithms, measured on portraits of 81 people in one known light.

    Attributes:
        level: Irradiance of the front of the face (1 makes white paper white), its mean of channels.
        level_spread: Between photos.
        balance_spread: Of the light's red and blue against its mean of channels, after the camera's white balance.
        gloss: What the surface of skin mirrors of its surroundings, in all colours alike: added to the albedo.
        bias: Of skin in photos about what melanin and blood give, per channel.
        skin_spread: Of its red and blue about that.
        white: Colour of the white of an eye over a white sheet's in the light of the skin, were the skin white, too.
        white_slope: Lids shade it and cast their colour on it: how far its brightness follows the skin's.
        white_spread: Of its brightness between people and photos.
        white_balance_spread: Of its red and blue.
        grey_spread: Of red and blue of what looks grey in a photo (a wall, a white shirt) about those of its light.
    """

    level: float = -0.14
    level_spread: float = 0.40
    balance_spread: float = 0.08
    gloss: float = 0.02
    bias: tuple[float, float, float] = (-0.10, -0.03, 0.09)
    skin_spread: float = 0.08
    white: tuple[float, float, float] = (-0.65, -0.88, -0.92)
    white_slope: float = 0.30
    white_spread: float = 0.25
    white_balance_spread: float = 0.08
    grey_spread: float = 0.03


@dataclass(frozen=True)
class SkinTone:
    """What skin was found to be.

    Attributes:
        albedo: Linear RGB.
        angle_deg: Typology angle of it.
        spread_deg: Standard deviation of that, by what the photos tell.
    """

    albedo: Float[Tensor, "3"]
    angle_deg: float
    spread_deg: float


def anchor_skin(
    skins: Sequence[Float[Tensor, "3"]],
    whites: Sequence[Float[Tensor, "3"] | None],
    greys: Sequence[Float[Tensor, "3"] | None] = (),
    *,
    beliefs: Beliefs = Beliefs(),
) -> SkinTone:
    """Albedo of the skin that photos show, whatever their exposure.

    Args:
        skins: Median linear RGB of bare skin that faces the camera, one of each photo.
        whites: Linear RGB of the brightest part of the whites of the eyes, None where a photo shows too little of them.
        greys: Linear RGB of what looks grey in each photo, None where nothing does; none at all if not given.
        beliefs: What is known beforehand.
    """
    log_skin = torch.stack([skin.double().clamp_min(1e-4).log() for skin in skins])
    cast, unsure = torch.zeros_like(log_skin), torch.full((len(skins), 1), beliefs.balance_spread, dtype=torch.float64)
    for i, grey in enumerate(greys):
        if grey is not None:
            log_grey = grey.double().clamp_min(1e-4).log()
            cast[i], unsure[i] = log_grey - log_grey.mean(), beliefs.grey_spread
    log_skin = log_skin - cast
    albedo, prior = _table()
    shown = (albedo + beliefs.gloss).log() + torch.tensor(beliefs.bias, dtype=torch.float64)
    light = log_skin[:, None] - shown  # (N, G, 3)
    level, balance = _split(light)
    cost = ((level - beliefs.level) / beliefs.level_spread).square()
    cost = cost + balance.square().sum(-1) / (unsure.square() + beliefs.skin_spread**2)
    known = [i for i, white in enumerate(whites) if white is not None]
    if known:
        log_white = torch.stack([white.double().clamp_min(1e-4).log() for white in whites if white is not None])
        log_white = log_white - cast[known]
        paper = torch.tensor(beliefs.white, dtype=torch.float64) + beliefs.white_slope * shown.mean(-1, keepdim=True)
        level, balance = _split(log_white[:, None] - light[known] - paper)
        spread = math.hypot(beliefs.white_balance_spread, beliefs.skin_spread)
        cost[known] = cost[known] + (level / beliefs.white_spread).square() + (balance / spread).square().sum(-1)
    chance = torch.softmax(prior - 0.5 * min(1.0, TOGETHER / len(log_skin)) * cost.sum(0), dim=0)
    # what pigments cannot give is partly the light's colour and partly the skin's own
    own = beliefs.skin_spread**2 / (beliefs.skin_spread**2 + unsure.square())
    rest = log_skin - chance @ shown
    rest = (own * (rest - rest.mean(-1, keepdim=True)))[unsure[:, 0] == unsure.min()].median(0).values
    rest = torch.tensor(beliefs.bias, dtype=torch.float64) + rest
    found = ((chance @ albedo.log()) + rest - rest.mean()).exp().float()
    angles = typology_angle_deg(albedo.float()).double()
    spread_deg = (chance @ (angles - chance @ angles).square()).sqrt()
    return SkinTone(found, float(typology_angle_deg(found)), float(spread_deg))


def _split(logs: Float[Tensor, "*B 3"]) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B 2"]]:
    """Level (mean of channels), and red and blue against it."""
    level = logs.mean(-1)
    return level, (logs - level[..., None])[..., [0, 2]]


@functools.cache
def _table() -> tuple[Float[Tensor, "G 3"], Float[Tensor, "G"]]:
    """Albedo over the grid of pigments, and the logarithm of its probability: even in typology angle."""
    melanin, blood = (
        torch.logspace(math.log10(a), math.log10(b), n) for (a, b), n in zip((MELANIN, BLOOD), GRID, strict=True)
    )
    color = skin_color(melanin[:, None].expand(GRID), blood[None].expand(GRID))
    angle = typology_angle_deg(color)
    even = (angle[:-1] - angle[1:]).abs()
    even = torch.cat([even[:1], (even[1:] + even[:-1]) / 2, even[-1:]]).clamp_min(1e-3).log()
    odds = -0.5 * ((blood / USUAL_BLOOD[0]).log() / USUAL_BLOOD[1]).square()
    return color.reshape(-1, 3).double(), (even + odds[None]).reshape(-1).double()

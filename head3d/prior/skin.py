"""Paint one person's skin: pigment and blood over the map, freckles, moles, stubble, lips, brows, lashes."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from head3d.morphable.chromophores import BLOOD, MELANIN, look_up_color, melanin_of_angle
from head3d.perception.types import Region
from head3d.prior.features import BROWS_LOW, BROWS_TOP, FINE, Features
from head3d.prior.unwrap import HEIGHT, WIDTH, SkinMap

TONE_DEG = (-68.0, 58.0)
"""Typology angles of the people, drawn evenly: the range that pigment over living skin can reach, Monk 4 to 10. The
three palest swatches of Monk's scale are lighter than any skin measured (L* above 90)."""

BROW_HAIRS = 150


@dataclass(frozen=True)
class SkinTraits:
    """What a person's skin is like.

    Attributes:
        tone_deg: Typology angle of the bare skin.
        blood: Volume share in the dermis.
        redness: Of cheeks and nose, times the rest.
        blotches: Unevenness of the pigment.
        freckles: 0 to 1.
        moles: How many.
        lips: Blood of the lips over the skin's.
        stubble: Darkness of a shaved beard; 1 is the ground under a full one.
        scalp_stubble: Darkness of hair on the scalp, 0 to 1: of a shaved head, or under the locks.
        brow_thickness: 1 is usual.
        eye_rings: Darkness about the eyes.
    """

    tone_deg: float
    blood: float
    redness: float
    blotches: float
    freckles: float
    moles: int
    lips: float
    stubble: float
    scalp_stubble: float
    brow_thickness: float
    eye_rings: float


@dataclass(frozen=True)
class SkinTexture:
    """Maps of one person.

    Attributes:
        albedo: Linear RGB.
        labels: ``Region`` of the skin.
    """

    albedo: Float[Tensor, "3 H W"]
    labels: UInt8[Tensor, "H W"]


def draw_skin(generator: torch.Generator, *, bearded: bool, bald: bool) -> SkinTraits:
    """Draw a skin at random: tones evenly over the whole range."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    tone = uniform(*TONE_DEG)
    pale = max(0.0, tone / 60)
    freckled, mole_rate = uniform(0, 1), uniform(0, 1)
    stubble, scalp = uniform(0, 1), uniform(0.1, 0.55)
    return SkinTraits(
        tone_deg=tone,
        blood=uniform(0.005, 0.014 - 0.008 * pale),  # more would hide how pale the skin is
        redness=uniform(1.1, 2.2),
        blotches=uniform(0.02, 0.055),
        freckles=max(0.0, freckled - 0.65) / 0.35 * (0.3 + 0.7 * pale),
        moles=int(12 * mole_rate**3),
        lips=uniform(2.5, 7.0),
        stubble=0.4 * stubble if bearded else 0.0,
        scalp_stubble=scalp if bald else 0.9,
        brow_thickness=uniform(0.7, 1.4) * (1.15 if bearded else 0.95),
        eye_rings=uniform(0.0, 0.35),
    )


def paint_skin(
    traits: SkinTraits,
    hair_color: Float[Tensor, "3"],
    generator: torch.Generator,
    *,
    skin: SkinMap,
    features: Features,
    table: Float[Tensor, "M B 3"],
) -> SkinTexture:
    """Paint the maps of a person."""
    broad, patchy, grain, speckle, fine = _own_noise(skin.noise, generator)
    lips = features.lips
    melanin = torch.add(broad, patchy, alpha=0.7).mul_(traits.blotches).add_(grain, alpha=0.05).add_(fine, alpha=0.05)
    melanin.mul_(features.calm).add_(math.log(melanin_of_angle(traits.tone_deg, traits.blood)))
    melanin.add_(features.eyes, alpha=traits.eye_rings)
    melanin.add_(lips, alpha=0.25 * max(0.0, -traits.tone_deg / 60) - 0.4)
    if traits.freckles > 0:
        spots = ((speckle - 2.1 + 0.9 * traits.freckles * features.sun) * 2).clamp_(0, 1).mul_(0.2 + features.sun)
        melanin.add_(spots.mul_(1 - lips), alpha=0.8 - 0.004 * abs(traits.tone_deg))
    _add_moles(melanin, traits.moles, generator, features)
    blood = torch.mul(patchy, 0.13).add_(grain, alpha=0.1).add_(speckle, alpha=0.05).mul_(features.calm)
    blood.add_(math.log(traits.blood)).add_(features.cheeks, alpha=math.log(traits.redness))
    blood.add_(features.eyes, alpha=0.25).add_(lips * (1 + 0.06 * grain), alpha=math.log(traits.lips))
    albedo = look_up_color(
        table,
        melanin.clamp_(math.log(MELANIN[0]), math.log(MELANIN[1])),
        blood.clamp_(math.log(BLOOD[0]), math.log(BLOOD[1])),
    )
    edge = torch.add(grain, fine).mul_(0.25).add_(1).mul_(features.scalp).clamp_(0, 1)
    scalp = torch.mul(fine, 0.1).add_(0.85).clamp_(0.3, 1.05).mul_(edge).mul_(traits.scalp_stubble)
    short = scalp
    if traits.stubble > 0:
        stubble = torch.mul(fine, 0.2).add_(patchy, alpha=0.1).add_(0.75).clamp_(0.2, 1.2).mul_(features.beard)
        short = torch.maximum(scalp, stubble.mul_(1.25 * traits.stubble).clamp_(max=0.95))
    brows = paint_brows(traits, generator, features)
    dark = torch.minimum(hair_color, torch.tensor([0.05, 0.035, 0.03]))
    for amount, color in ((short, hair_color * 0.8), (brows, hair_color), (features.lash_line, dark)):
        albedo.lerp_(color[:, None, None].expand_as(albedo), amount.expand_as(albedo))
    labels = torch.full((HEIGHT, WIDTH), int(Region.SKIN), dtype=torch.uint8)
    labels[features.ears > 0.5] = int(Region.EARS)
    labels[scalp > 0.3] = int(Region.HAIR)
    labels[lips > 0.5] = int(Region.LIPS)
    labels[_grown(brows) > 0.35] = int(Region.BROWS)
    return SkinTexture(albedo, labels)


def paint_brows(traits: SkinTraits, generator: torch.Generator, features: Features) -> Float[Tensor, "H W"]:
    """Hairs of both brows: upright next to the nose, then along the arch, thinner towards the temple."""
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for top, low in zip(BROWS_TOP, BROWS_LOW, strict=True):
        # both run from the temple to the nose
        upper, lower = features.points[list(top)].numpy(), features.points[list(low)].numpy()
        middle, half = (upper + lower) / 2, (upper - lower) / 2 * 0.8 * traits.brow_thickness
        numbers = torch.rand(BROW_HAIRS, 4, generator=generator).numpy()
        along = numbers[:, 0] ** 0.9 * 3.85 + 0.1
        across = (numbers[:, 1] * 2 - 1) * np.interp(along, [0, 1.2, 3.4, 4], [0.15, 0.75, 1.0, 0.75])
        root = _on_curve(middle, along) + across[:, None] * _on_curve(half, along)
        forward = _on_curve(middle, along - 0.4) - _on_curve(middle, along)  # to the temple
        forward /= np.linalg.norm(forward, axis=1, keepdims=True) + 1e-6
        up = _on_curve(half, along)
        up /= np.linalg.norm(up, axis=1, keepdims=True) + 1e-6
        lift = np.interp(along, [0, 2, 3.4, 4], [-0.15, 0.15, 0.7, 1.5]) - 0.5 * across + 0.5 * (numbers[:, 2] - 0.5)
        direction = forward + lift[:, None] * up
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        tip = root + direction * (6.0 + 5.0 * numbers[:, 3:])
        lines = np.round((np.stack([root, tip], 1) - 0.5) * 2**FINE).astype(np.int32)
        cv2.polylines(canvas, list(lines), False, 255, 1, cv2.LINE_AA, FINE)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.7).astype(np.float32) / 255
    base = cv2.GaussianBlur(canvas, (0, 0), 2.5).astype(np.float32) / 255
    return torch.from_numpy(np.minimum(0.75 * soft + 0.45 * base, 0.92))


def _grown(brows: Tensor) -> Tensor:
    return torch.from_numpy(cv2.GaussianBlur(brows.numpy(), (0, 0), 2.0))


def _on_curve(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (M, 2) of a polyline at parameters in vertices, going on straight before its start."""
    base = np.clip(np.floor(at).astype(int), 0, len(points) - 2)
    share = (at - base)[:, None]
    return points[base] * (1 - share) + points[base + 1] * share


def _own_noise(noise: Float[Tensor, "B H W"], generator: torch.Generator) -> tuple[Tensor, ...]:
    """The patterns turned about the head, up or down and mirrored at random: every person's are different."""
    turns = torch.randint(0, WIDTH, (len(noise), 2), generator=generator).tolist()
    flips = torch.randint(0, 2, (len(noise),), generator=generator).tolist()
    turned = []
    for layer, (right, down), flip in zip(noise, turns, flips, strict=True):
        moved = layer.roll((down % HEIGHT, right), (0, 1))
        turned.append(moved.flip(1) if flip else moved)
    return tuple(turned)


def _add_moles(melanin: Tensor, count: int, generator: torch.Generator, features: Features) -> None:
    """Dark round spots of 1.5 to 3.5 mm, in place."""
    low, high = features.points[:468].amin(0), features.points[:468].amax(0)
    for _ in range(count):
        place = low + (high - low) * torch.rand(2, generator=generator)
        radius = 1.0 + 1.4 * float(torch.rand((), generator=generator))
        column, row = int(place[0]), int(place[1])
        window = (slice(max(row - 6, 0), row + 7), slice(max(column - 6, 0), column + 7))
        y = torch.arange(window[0].start, min(window[0].stop, HEIGHT)) - place[1]
        x = torch.arange(window[1].start, min(window[1].stop, WIDTH)) - place[0]
        spot = torch.exp(-(((y[:, None] ** 2 + x[None] ** 2) / radius**2) ** 2))
        melanin[window] += 1.4 * spot * (1 - features.lips[window])

"""One look for a set of pictures, taken from a reference or from the backdrop, while skin stays the skin it is.

The look is a map of CIE Lab. One map serves the whole set: its pictures stay of one session. It acts on hair, clothes
and backdrop; skin follows only as far as nobody sees it, the same way in every picture.

Towards the backdrop it is the linear optimal transport between two clouds of colours (Pitie and Kokaram 2007, "The
linear Monge-Kantorovitch linear colour mapping"). Towards another portrait that takes the other person's shirt for a
look: hair and clothes ended farther from what the other camera would have made of them than if nothing had been done.
What two portraits have in common is the wall behind, if it is the same wall. So the shift of the wall is the look, as
far as it is likelier another exposure and white balance than another wall (:func:`expected_grade`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.imaging.color import lab_from_linear, linear_from_lab
from head3d.imaging.panorama import read_linear
from head3d.imaging.warp import resize
from head3d.shapes import shaped

SKIN_BUDGET = 0.7
"""Mean CIE76 difference that the skin of a set may move: below one, which trained eyes just see side by side."""
GAIN_LIMITS = (0.75, 1.33)
"""Of the map along each of its axes: beyond, it is other clothes and not another look, and noise and banding show."""
MOST_SHIFT = (16.0, 12.0)
"""Of the mean, lightness and chroma: two thirds of a stop and a strong cast. What is further off is another room."""
GRADE_SPREAD = (7.0, 4.0)
"""Usual shift of L*, and of a* and b*, between two cameras' pictures of one wall (standard deviations)."""
SAME_WALL, OTHER_WALL = (2.0, 1.5), (20.0, 20.0)
"""Spread of the difference of two walls beyond that: of the same one by shade and grain, and of two different ones."""
WALL_STRIP, WALL_FLOOR = 0.16, 0.6
"""Part of a portrait's width at either side, above this part of its height, that shows what stands behind."""
SAMPLES = 60_000
"""Colours that a cloud is measured on: its mean to 0.1."""
REFERENCE_PX = 384
"""Longer side of a reference: its look needs no detail."""
SKIN_NEAR, SKIN_FAR = 1.8, 5.2
"""Distance of a pixel's albedo to the face's, over the spread: surely skin below, surely none above."""
SKIN_SPREAD = (14.0, 5.0, 6.0)
"""Usual spread (standard deviation) of L*, a*, b* of one person's skin albedo."""
SURELY = 0.9
"""Likeness from which on a pixel counts wholly as skin."""


@shaped
@dataclass(frozen=True)
class LabMap:
    """lab -> matrix (lab - source) + target.

    Attributes:
        matrix: Symmetric, positive.
        source: Mean colour of the set.
        target: Mean colour of the look.
    """

    matrix: Float[Tensor, "3 3"]
    source: Float[Tensor, "3"]
    target: Float[Tensor, "3"]

    def __call__(self, lab: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
        """The mapped colours."""
        return (lab - self.source) @ self.matrix.T + self.target

    def part(self, strength: float) -> "LabMap":
        """As far along the way as ``strength`` says: 0 changes nothing, 1 is the whole map (McCann's interpolation)."""
        eye = torch.eye(3, dtype=self.matrix.dtype)
        matrix = (1 - strength) * eye + strength * self.matrix
        return LabMap(matrix, self.source, (1 - strength) * self.source + strength * self.target)


@dataclass(frozen=True)
class Look:
    """What a set is changed by.

    Attributes:
        map: For hair, clothes and backdrop.
        skin_map: For skin: the same map as far as the budget goes.
        on_backdrop: Whether the backdrop is changed too; not where the look is the backdrop's own.
    """

    map: LabMap
    skin_map: LabMap
    on_backdrop: bool


def transport(source: Float[Tensor, "P 3"], target: Float[Tensor, "Q 3"]) -> LabMap:
    """The linear map with the least squared way that brings mean and covariance of one cloud to those of the other.

    With covariances S and T the matrix is S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2; its gains are kept within ``GAIN_LIMITS``.

    Args:
        source: CIE Lab colours.
        target: CIE Lab colours.
    """
    s, t = _covariance(source), _covariance(target)
    root = _power(s, 0.5)
    inverse = _power(s, -0.5)
    values, vectors = torch.linalg.eigh(inverse @ _power(root @ t @ root, 0.5) @ inverse)
    matrix = (vectors * values.clamp(*GAIN_LIMITS)) @ vectors.T
    middle, shift = source.mean(0), target.mean(0) - source.mean(0)
    chroma = shift[1:] * (MOST_SHIFT[1] / shift[1:].norm().clamp_min(1e-6)).clamp_max(1.0)
    shift = torch.cat([shift[:1].clamp(-MOST_SHIFT[0], MOST_SHIFT[0]), chroma])
    return LabMap(matrix.to(source), middle, middle + shift)


def skin_weight(albedo: Float[Tensor, "H W 3"], face: Bool[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """How surely each pixel is skin, 0 to 1: by its albedo's likeness to the bare face's; light and shade say nothing.

    Args:
        albedo: Linear RGB.
        face: Pixels of the bare face (see ``head3d.finish.apply.face_mask``); if there are none nothing is skin.
    """
    if not bool(face.any()):
        return torch.zeros(albedo.shape[:2])
    lab = lab_from_linear(albedo.clamp_min(0))
    middle = lab[face].median(0).values
    spread = torch.tensor(SKIN_SPREAD)
    far = ((lab - middle) / spread).square().sum(-1).sqrt()
    return 1 - ((far - SKIN_NEAR) / (SKIN_FAR - SKIN_NEAR)).clamp(0, 1)


def find_look(
    people: Sequence[Float[Tensor, "H W 3"]],
    alphas: Sequence[Float[Tensor, "H W"]],
    skins: Sequence[Float[Tensor, "H W"]],
    *,
    target: Float[Tensor, "h w 3"],
    backdrop: Float[Tensor, "h2 w2 3"] | None,
    strength: float = 1.0,
) -> Look:
    """One look for a set.

    Args:
        people: Exposed pictures without backdrop, linear RGB, straight alpha.
        alphas: Their coverage.
        skins: See :func:`skin_weight`.
        target: A picture that has the look, linear RGB.
        backdrop: What stands behind the set and is changed too; None if ``target`` is what stands behind it.
        strength: 0 to 1.
    """
    rest, skin = [], []
    for rgb, alpha, likely in zip(people, alphas, skins, strict=True):
        rest.append(rgb[(alpha > 0.9) & (likely < 0.1)])
        skin.append(rgb[(alpha > 0.9) & (likely > SURELY)])
    if backdrop is not None:
        bare = sum(int((alpha < 0.1).sum()) for alpha in alphas)
        rest.append(_sample(backdrop.reshape(-1, 3), max(bare, 16)))
    shown = lab_from_linear(target.clamp_min(0))
    if backdrop is not None:
        wall = lab_from_linear(backdrop.reshape(-1, 3).clamp_min(0)).median(0).values
        shift = expected_grade(wall_of(shown) - wall)
        whole = LabMap(torch.eye(3), wall, wall + shift).part(strength)
    else:
        wanted = _sample(shown.reshape(-1, 3), SAMPLES)
        ours = lab_from_linear(_sample(torch.cat(rest), SAMPLES).clamp_min(0))
        if len(ours) < 16:  # nothing but skin: there is nothing to change
            ours = wanted
        whole = transport(ours, wanted).part(strength)
    return Look(whole, _within_budget(whole, torch.cat(skin)), backdrop is not None)


def wall_of(lab: Float[Tensor, "h w 3"]) -> Float[Tensor, "3"]:
    """Colour of what stands behind in a portrait: the median of its upper sides."""
    height, width = lab.shape[:2]
    strip, floor = max(round(width * WALL_STRIP), 1), max(round(height * WALL_FLOOR), 1)
    sides = torch.cat([lab[:floor, :strip].reshape(-1, 3), lab[:floor, -strip:].reshape(-1, 3)])
    return sides.median(0).values


def expected_grade(gap: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """What the gap between two walls (CIE Lab) says of the gap between two cameras.

    Either the wall is the same, and the gap is the cameras' but for a little; or it is another, which tells hardly
    anything. Both are Gaussian; this is the mean of the posterior, which follows small gaps and forgets large ones.
    """
    grade, same, other = (torch.tensor((s[0], s[1], s[1])).to(gap) for s in (GRADE_SPREAD, SAME_WALL, OTHER_WALL))
    log_odds = gap.new_zeros(())
    for spread, sign in ((same, 1.0), (other, -1.0)):
        variance = grade.square() + spread.square()
        log_odds = log_odds - sign * 0.5 * (gap.square() / variance + variance.log()).sum()
    known = torch.sigmoid(log_odds)
    follow = [grade.square() / (grade.square() + spread.square()) for spread in (same, other)]
    return (known * follow[0] + (1 - known) * follow[1]) * gap


def apply_look(
    rgb_linear: Float[Tensor, "H W 3"], look: Look, *, skin: Float[Tensor, "H W"] | None = None
) -> Float[Tensor, "H W 3"]:
    """Change colours by a look; linear RGB in and out, not below 0. Without ``skin`` nothing is skin."""
    lab = lab_from_linear(rgb_linear.clamp_min(0))
    changed = look.map(lab)
    if skin is not None:
        changed = torch.lerp(changed, look.skin_map(lab), (skin / SURELY).clamp(0, 1)[..., None])
    return linear_from_lab(changed).clamp_min(0)


def skin_delta_e(first: Float[Tensor, "H W 3"], second: Float[Tensor, "H W 3"], skin: Float[Tensor, "H W"]) -> float:
    """Mean CIE76 difference of two pictures (linear RGB) over what is surely skin; 0 where there is none."""
    mask = skin > SURELY
    if not bool(mask.any()):
        return 0.0
    one, other = (lab_from_linear(picture[mask].clamp(0, 1)) for picture in (first, second))
    return float((one - other).norm(dim=-1).mean())


def read_reference(path: Path) -> Float[Tensor, "h w 3"]:
    """A reference portrait, small, linear RGB."""
    picture = read_linear(path)
    height, width = picture.shape[:2]
    scale = min(REFERENCE_PX / max(height, width), 1.0)
    return resize(picture, (max(round(height * scale), 1), max(round(width * scale), 1))).clamp(0, 1)


def _covariance(cloud: Float[Tensor, "P 3"]) -> Float[Tensor, "3 3"]:
    """In float64, with a spread of one unit of Lab added: a painted backdrop has none of its own."""
    centred = cloud.double() - cloud.double().mean(0)
    return centred.T @ centred / max(len(cloud) - 1, 1) + torch.eye(3, dtype=torch.float64)


def _power(matrix: Float[Tensor, "3 3"], exponent: float) -> Float[Tensor, "3 3"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-9) ** exponent) @ vectors.T


def _sample(colors: Float[Tensor, "P 3"], count: int) -> Float[Tensor, "Q 3"]:
    """About ``count`` of the colours, evenly spread over the picture; some of them more than once if it has fewer."""
    if len(colors) <= 1:
        return colors
    return colors[torch.linspace(0, len(colors) - 1, count).long()]


def _within_budget(whole: LabMap, skin: Float[Tensor, "P 3"]) -> LabMap:
    """The map as far along as moves the skin by ``SKIN_BUDGET`` on the mean."""
    if len(skin) == 0:
        return whole.part(0.0)
    lab = lab_from_linear(skin.clamp(0, 1))
    moved = float((whole(lab) - lab).norm(dim=-1).mean())
    return whole.part(min(1.0, SKIN_BUDGET / max(moved, 1e-6)))

"""The field before its first step: light of each photo, and the paint (coarse albedo) the photos put on the shell."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.sh import ambient, irradiance_basis
from head3d.imaging.color import linear_from_levels, luminance
from head3d.morphable.skin_tone import anchor_skin
from head3d.perception.types import Region
from head3d.train.kinds import NodeKinds
from head3d.train.lamp_fit import fit_lamps, lamp_harmonics, lamp_shading
from head3d.train.paint import paint_nodes
from head3d.train.rays import TrainPhoto
from head3d.train.survey import Survey

SKIN = (Region.SKIN, Region.EARS, Region.NECK)
FEWEST_ROWS = 60
"""Photos that show less skin tell no light."""
ROWS = 1500
"""Rows of a photo that its lamps are solved from."""
THRIFT = 0.02
"""Price of lamps (see ``fit_lamps``)."""
TURNS = 3
"""Alternations between the light of all photos and their exposures."""
DARKEST = 0.05
"""Irradiance of the front's unit below which skin tells no exposure."""
PULL = 0.1
"""How strongly a photo's lamps are those of all photos (see ``fit_lamps``)."""
WHITE_PART = (0.75, 0.95)
"""The white of an eye is what lies between these quantiles of its brightness: no iris, no highlight."""
WALL_MATTE, GREY_PART, EVEN, MOST_TINT = 13, 0.03, 12.0, 0.045
"""Matte (of 255) and part of a picture of what may tell the light's tint, how uneven it is (levels), and how far its
channels may lie apart, as a part of the highest: what looks grey to so little is grey."""
FLAT = 0.5
"""A wall of which more than this part is one colour, to the level, was never lit: it was put behind a cut-out."""
BRIGHT = {Region.BACKGROUND: 50, Region.CLOTH: 170}
"""Darker walls and clothes (levels) show more of what they mirror than of their light."""
FEWEST_PX = 60
"""Eyes of fewer pixels tell nothing about their white."""


def solve_light(
    seen: Survey, albedo: Float[Tensor, "P 3"], *, count: int, use: Bool[Tensor, "P"], ridge: float
) -> Float[Tensor, "N 9 3"]:
    """Light of every photo: first its grey shape, of a sky and few lamps, then a stiff correction per channel.

    A photo sees one side of the head; for the directions it does not see, the light stays near that of all photos.

    Args:
        seen: Survey of the base.
        albedo: Present guess, linear RGB.
        count: Number of photos.
        use: Rows to trust (skin).
        ridge: Stiffness, per squared coefficient of grey light of level one.
    """
    basis = irradiance_basis(seen.normals).double()
    good = use & (seen.facing > 0.25) & (seen.weight > 0.05)
    good &= (seen.colors.amax(-1) < 0.95) & (seen.colors.amin(-1) > 0.004)  # neither blown out nor black
    ratio = (seen.colors / albedo).double()
    rows = {photo: torch.nonzero(good & (seen.photo == photo))[:, 0] for photo in range(count)}
    rows = {photo: index for photo, index in rows.items() if len(index) >= FEWEST_ROWS}
    light = ambient(torch.ones(3)).double().repeat(count, 1, 1)
    stiff = 10 * torch.tensor([1e-4] + [ridge] * 3 + [3 * ridge] * 5, dtype=torch.float64)
    for photo, grey in _grey_lights(seen.normals, ratio, rows).items():
        for channel in range(3):
            goal, b = grey[:, channel], ratio[rows[photo], channel]
            light[photo, :, channel] = _robust_ridge(basis[rows[photo]], b, stiff, goal)
    return torch.stack([keep_positive(sh) for sh in light.float()])


def _grey_lights(
    normals: Float[Tensor, "P 3"], ratio: Float[Tensor, "P 3"], rows: dict[int, Tensor]
) -> dict[int, Float[Tensor, "9 3"]]:
    """Light of each photo, one shape for its channels: first one light for all photos and each photo's exposure."""
    if not rows:
        return {}
    some = {photo: index[:: max(len(index) // ROWS, 1)] for photo, index in rows.items()}
    shading = {photo: lamp_shading(normals[index]) for photo, index in some.items()}
    usual = torch.cat([ratio[index] for index in some.values()]).median(0).values.clamp(min=1e-3)
    level, grey = dict.fromkeys(rows, usual), dict[int, Tensor]()
    shared = torch.zeros(0)
    for turn in range(TURNS):
        if turn:
            for photo, index in some.items():
                explained = (shading[photo] @ shared).clamp_min(DARKEST)
                level[photo] = (ratio[index] / explained[:, None]).median(0).values.clamp(min=1e-3)
        grey = {photo: (ratio[index] / level[photo]).mean(-1) for photo, index in some.items()}
        shared, _ = fit_lamps(torch.cat([*shading.values()]), torch.cat([*grey.values()]), thrift=THRIFT)
    harmonics, found = lamp_harmonics().double(), dict[int, Tensor]()
    for photo in rows:
        powers, _ = fit_lamps(shading[photo], grey[photo], near=shared, thrift=THRIFT, pull=PULL)
        found[photo] = (powers @ harmonics)[:, None] * level[photo]
    return found


def _robust_ridge(A: Tensor, b: Tensor, stiff: Tensor, goal: Tensor) -> Tensor:
    """Reweighted (Huber) least squares with a ridge towards ``goal``; the ridge counts per row."""
    weight = torch.ones_like(b)
    x = goal
    for _ in range(4):
        left = (A * weight[:, None]).T @ A + torch.diag(stiff * weight.sum())
        x = torch.linalg.solve(left, A.T @ (weight * b) + stiff * weight.sum() * goal)
        error = (A @ x - b).abs()
        weight = 1 / (error / (error.median() + 1e-6)).clamp(min=1.5)
    return x


def eye_white(photo: TrainPhoto) -> Float[Tensor, "3"] | None:
    """Linear RGB of the white of the eyes in a photo; None if they are shut or too small."""
    eyes = linear_from_levels(photo.rgb_srgb[photo.labels == Region.EYES])
    if len(eyes) < FEWEST_PX:
        return None
    bright = luminance(eyes)
    low, high = torch.quantile(bright, torch.tensor(WHITE_PART))
    return eyes[(bright >= low) & (bright <= high)].median(0).values


def grey_part(photo: TrainPhoto) -> Float[Tensor, "3"] | None:
    """Linear RGB of an even wall, else of bright clothes, that look grey in a photo; None without either."""
    for region, sure in ((Region.BACKGROUND, photo.matte < WALL_MATTE), (Region.CLOTH, photo.matte > 255 - WALL_MATTE)):
        pixels = photo.rgb_srgb[(photo.labels == region) & sure].astype(np.float32)
        if len(pixels) < GREY_PART * photo.matte.size:
            continue
        middle = np.median(pixels, axis=0)
        if (pixels == middle).all(-1).mean() > FLAT:
            continue
        even = np.median(np.abs(pixels - middle).mean(-1)) < (EVEN if region == Region.BACKGROUND else 2 * EVEN)
        bright = middle.max() > BRIGHT[region]
        if even and bright and middle.max() - middle.min() < MOST_TINT * middle.max():
            return linear_from_levels(middle[None].round().astype(np.uint8))[0]
    return None


def keep_positive(sh: Float[Tensor, "9 3"], *, least: float = 0.5) -> Float[Tensor, "9 3"]:
    """Damp what is not ambient until no direction receives less than a part of the ambient irradiance."""
    i = torch.arange(200) + 0.5
    z, azimuth = 1 - 2 * i / 200, 2.399963 * i  # golden angle: even over the sphere
    around = torch.stack([(1 - z * z).sqrt() * azimuth.cos(), z, (1 - z * z).sqrt() * azimuth.sin()], dim=-1)
    ambient_part = sh * torch.tensor([1.0] + [0.0] * 8)[:, None]
    flat = (irradiance_basis(around) @ ambient_part).mean(0)
    lowest = (irradiance_basis(around) @ (sh - ambient_part)).amin(0)
    factor = ((1 - least) * flat / (-lowest).clamp(min=1e-9)).clamp(max=1.0)
    return ambient_part + (sh - ambient_part) * factor.min()


def start_light_and_paint(
    trained: RadianceField,
    seen: Survey,
    photos: Sequence[TrainPhoto],
    *,
    kinds: NodeKinds,
    ridge: float,
    rounds: int = 2,
) -> tuple[Float[Tensor, "N 9 3"], Volume]:
    """Alternate between the photos' light and the coarse albedo.

    Args:
        trained: Whose paint volume gives the nodes.
        seen: Survey of the base.
        photos: Whose whites of the eyes tell how bright their light was.
        kinds: Of the nodes of the paint: unseen places take the colour of their own kind.
        ridge: Stiffness of the light.
        rounds: Alternations.

    Returns:
        Light (N,9,3), and the paint: albedo logits and seen.
    """
    count = len(photos)
    skin = torch.isin(seen.label, torch.tensor([int(region) for region in SKIN]))
    if int(skin.sum()) < 200:
        skin = seen.weight > 0.5
    frontal = skin & (seen.facing > 0.5)
    # the split between albedo and light is not in the pixels of the skin alone
    tones = [seen.colors[frontal & (seen.photo == number)] for number in range(count)]
    skins = {number: tone.median(0).values for number, tone in enumerate(tones) if len(tone) > 20}
    whites = [eye_white(photos[number]) for number in skins]
    greys = [grey_part(photos[number]) for number in skins]
    level = anchor_skin(list(skins.values()), whites, greys).albedo if skins else torch.full((3,), 0.3)
    albedo = level.expand(len(seen.points), 3)
    sh = torch.zeros(count, 9, 3)
    paint = Volume(trained.paint.clone(), trained.paint_origin, trained.cells["paint"])
    near_surface = (trained.base_sdf(paint.nodes()).abs() < 2.5 * paint.cell_m).numpy()
    for turn in range(rounds):
        sh = solve_light(seen, albedo, count=count, use=skin, ridge=ridge * (1 if turn else 3))
        light = (irradiance_basis(seen.normals)[:, :, None] * sh[seen.photo]).sum(1)
        floor = 0.12 * sh[seen.photo, 0] / 3.545
        delit = (seen.colors / torch.maximum(light, floor)).clamp(0.005, 0.98)
        gauge = level / delit[frontal].median(0).values  # the product is seen, the split is not: keep the skin's tone
        delit, sh = (delit * gauge).clamp(0.005, 0.98), sh / gauge
        paint = paint_nodes(paint, seen, delit, kinds=kinds, near_surface=near_surface)
        albedo = torch.sigmoid(sample_values(paint.values[:3], paint.origin, paint.cell_m, seen.points))
    return sh, paint

"""The photos' own clothes in another colour: folds, seams and shade stay, the colour is new.

Where cloth is the photos' regions say, once for the surface of the head; where exactly it ends, the colours of the
field on both sides of the edge. Both belong to the 3D head, so every view shows the same clothes.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage, spatial
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, slope_by_taps
from head3d.garments.catalogue import Outfit
from head3d.geometry.easing import smooth_rise
from head3d.geometry.reproject import backproject
from head3d.imaging.color import lab_from_linear, luminance
from head3d.morphable.region_votes import LabelledView, point_votes
from head3d.perception.types import Region
from head3d.render.types import RenderOutput, View

SKIN = (Region.SKIN, Region.NECK, Region.EARS, Region.LIPS)
POINTS = 160_000
CELL_M, BLUR_M = 3e-3, 4e-3
"""The region is known about as well as photos' regions are drawn."""
CLEAR = 40.0
"""Distance in Lab from which skin and cloth are told apart surely."""
COLOR_SAYS = 0.6
"""How far the colours shift an edge that the regions leave open."""
COLORS_OUTVOTE = 2.0
"""What sure colours weigh against the votes of all photos, which weigh one."""
FOLDS = (0.4, 1.9)
"""Of a place's luminance against the cloth's: beyond it is noise of black cloth or a hole."""
SWALLOWS = 0.02
"""Albedo of a channel that shows next to nothing of the light."""
FEW = 50


@dataclass(frozen=True)
class OwnCloth:
    """Where cloth is on a head and what it looks like.

    Attributes:
        share: How far places are cloth, 0 to 1, head frame.
        cloth: Its usual albedo, linear RGB.
        skin: That of the skin beside it.
    """

    share: Volume
    cloth: Float[Tensor, "3"]
    skin: Float[Tensor, "3"]

    def cover(self, output: RenderOutput, view: View) -> Float[Tensor, "H W"]:
        """How far pixels are cloth, 0 to 1."""
        points = backproject(output.depth_m, view.camera).reshape(-1, 3)
        found = self.cover_at(points, output.albedo.reshape(-1, 3)).reshape(output.alpha.shape)
        return found * (output.depth_m > 0)

    def cover_at(self, points_m: Float[Tensor, "P 3"], albedo: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """How far places of the surface are cloth, 0 to 1."""
        share = self.share.at(points_m.cpu()).reshape(-1).to(albedo)
        alike = _likeness(albedo, self.cloth, self.skin)
        open_edge = 4 * share * (1 - share)  # well inside, a print may have any colour
        return smooth_rise(share + 2 * COLOR_SAYS * alike * open_edge, 0.35, 0.65)

    def in_dye(self, albedo: Float[Tensor, "*B 3"], *, dye: Sequence[float]) -> Float[Tensor, "*B 3"]:
        """Cloth in another colour: the dye's chroma, and as much of its luminance as a place has of the cloth's own."""
        own = albedo.clamp_min(1e-3)
        folds = (luminance(own) / luminance(self.cloth).to(own).clamp_min(1e-3)).clamp(*FOLDS)[..., None]
        return own.new_tensor(tuple(dye)) * folds

    def dyed(self, output: RenderOutput, view: View, *, dye: Sequence[float]) -> RenderOutput:
        """A render with the cloth in another colour.

        Each place has the dye's chroma and as much of its luminance as it has of the cloth's own: so folds keep their
        contrast, and navy is navy on a white shirt, too.
        """
        cover = self.cover(output, view)[..., None]
        own, wanted = output.albedo.clamp_min(1e-3), self.in_dye(output.albedo, dye=dye)
        albedo = output.albedo + (wanted - output.albedo) * cover
        # what is divided out of a channel that cloth swallows is noise: there light is taken to be grey
        grey = (luminance(output.rgb_linear) / luminance(own))[..., None]
        lit = torch.where((own > SWALLOWS).all(-1, keepdim=True), output.rgb_linear / own, grey)
        rgb = output.rgb_linear + (lit * wanted - output.rgb_linear) * cover
        return replace(output, rgb_linear=rgb, albedo=albedo)


@torch.no_grad()
def find_cloth(field: RadianceField, cache: ShellCache, photos: Sequence[LabelledView]) -> OwnCloth | None:
    """The own clothes of a field; None where no photo shows any.

    Args:
        field: The head.
        cache: Its surface.
        photos: Their regions say what is cloth.
    """
    points = cache.surface_points(POINTS, generator=torch.Generator().manual_seed(0))
    normal = torch.nn.functional.normalize(slope_by_taps(cache.sdf, points, step_m=CELL_M), dim=-1, eps=1e-9)
    albedo, points, normal = field.surface_color(points)[0].cpu(), points.cpu(), normal.cpu()
    cloth, skin, hair = point_votes(photos, points, normal, ((Region.CLOTH,), SKIN, (Region.HAIR,)))
    seen, sure = cloth + skin + hair, np.maximum(cloth + skin + hair, 1)
    if (cloth > skin + hair).sum() < FEW or (skin > cloth + hair).sum() < FEW:
        return None
    return cloth_of(points, albedo, says=(cloth - skin) / sure, known=(seen > 0) & (hair <= cloth + skin))


def cloth_of(
    points_m: Float[Tensor, "P 3"], albedo: Float[Tensor, "P 3"], *, says: np.ndarray, known: np.ndarray
) -> OwnCloth:
    """The own clothes of a surface.

    Args:
        points_m: Places all over it, head frame.
        albedo: Theirs, linear RGB.
        says: From -1 for what all photos call skin to 1 for what all call cloth.
        known: Which places photos call one of the two; hair is none, the rest is what the nearest known place is.
    """
    places = points_m.numpy()
    seen_skin, seen_cloth = known & (says < -0.5), known & (says > 0.5)
    if not seen_skin.any() or not seen_cloth.any():
        seen_skin, seen_cloth = known & (says < 0), known & (says > 0)
    low_skin = seen_skin & (places[:, 1] <= np.quantile(places[seen_skin, 1], 0.3))
    tones = [albedo[torch.from_numpy(one)].median(0).values for one in (seen_cloth, low_skin)]
    # regions are drawn badly here and there; where skin and cloth differ, colours outvote them
    colors = 2 * COLORS_OUTVOTE * _likeness(albedo, *tones).numpy()
    below = places[:, 1] < places[low_skin, 1].max()
    value = (says + colors * below > 0).astype(np.float32)
    _, nearest = spatial.KDTree(places[known]).query(places[~known])
    value[~known] = value[known][nearest]
    low = points_m.amin(0) - 4 * BLUR_M
    shape = tuple(((points_m.amax(0) + 4 * BLUR_M - low) / CELL_M).ceil().int().flip(0).add(1).tolist())
    cells = np.ravel_multi_index(tuple(((points_m - low) / CELL_M).round().long().flip(1).numpy().T), shape)

    def blurred(weights: np.ndarray) -> np.ndarray:
        grid = np.bincount(cells, weights=weights, minlength=int(np.prod(shape))).reshape(shape)
        return ndimage.gaussian_filter(grid.astype(np.float32), BLUR_M / CELL_M, mode="constant")

    share = blurred(value) / np.maximum(blurred(np.ones_like(value)), 1e-4)
    return OwnCloth(Volume(torch.from_numpy(share.clip(0, 1))[None], low, CELL_M), tones[0], tones[1])


def _likeness(
    albedo: Float[Tensor, "*B 3"], cloth: Float[Tensor, "3"], skin: Float[Tensor, "3"]
) -> Float[Tensor, "*B"]:
    """From -0.5 for the skin's colour to 0.5 for the cloth's; nearer 0 the more the two are alike."""
    lab = lab_from_linear(albedo.clamp_min(0))
    ends = [lab_from_linear(one[None].to(albedo))[0] for one in (cloth, skin)]
    to_cloth, to_skin = ((lab - one).norm(dim=-1) for one in ends)
    clarity = min(float((ends[0] - ends[1]).norm()) / CLEAR, 1.0)
    return (to_skin / (to_skin + to_cloth).clamp_min(1e-3) - 0.5) * clarity


class OwnWearer:
    """A person in its own clothes, dyed: used as :class:`head3d.garments.wear.Wearer` is."""

    def __init__(
        self, trained: RadianceField, cache: ShellCache, photos: Sequence[LabelledView], outfit: Outfit
    ) -> None:
        self.field, self.cache, self.outfit = trained, cache, outfit
        self.cloth = find_cloth(trained, cache, photos)

    def dyed(self, outfit: Outfit) -> "OwnWearer":
        """The same clothes in another colour, at once."""
        other = copy.copy(self)
        other.outfit = outfit
        return other

    @torch.no_grad()
    def paint(self, points_m: Float[Tensor, "P 3"], albedo: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
        """Albedo of places of the neutral surface, cloth dyed."""
        if self.cloth is None:
            return albedo
        wanted = self.cloth.in_dye(albedo, dye=self.outfit.dyes[0])
        return albedo + (wanted - albedo) * self.cloth.cover_at(points_m, albedo)[:, None]

    @torch.no_grad()
    def dress(
        self, output: RenderOutput, view: View, *, turn: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> RenderOutput:
        """The picture with its clothes dyed; as it is where no photo shows clothes."""
        with turn():
            return output if self.cloth is None else self.cloth.dyed(output, view, dye=self.outfit.dyes[0])

"""After training: what no photo saw is imagined, and written into the field's colours.

On the head's map (``field.outer_map``) the strands beside a gap are mirrored into it, and the completion net, where its
weights are installed, works on that. The answer is shifted to meet the seen colours without a step, then the colour
grid learns it, while it is held to what it was everywhere else. So every view shows the same back of the head.
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from head3d.field.completion_net import completion_net, fill_map
from head3d.field.occupancy import ShellCache
from head3d.field.outer_map import MAP_HEIGHT, MAP_WIDTH, axis_foot, map_place, outer_points
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.conventions import other_side
from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.render.volume import mirrored_albedo
from head3d.train.state import TrainState, adam, falling

BATCH = 16384
"""Places a step: half of them where the map is imagined, a quarter where photos looked, a quarter anywhere."""
RATE = 0.5
"""Learning rate, as a part of that in training."""
GAP_M = 0.0015
"""Places between those of the map are taught as well: they are this far apart."""
OUTERMOST_M = 0.006
"""Surface this far within the map's is hidden behind it: its colour stays."""
BAND_CELLS = 3.0
"""Nodes of the paint within this distance of the surface may count from now on."""
SURE = (0.35, 0.75)
"""A place seen less than the first is imagined altogether, one seen more than the second not at all."""


def imagine_unseen(state: TrainState, *, steps: int, seen_m: Float[Tensor, "S 3"] | None = None) -> None:
    """Paint the unseen outside of a trained field, in place.

    Args:
        state: Finished, its cache refreshed.
        steps: Of learning the imagined colours; 0 leaves the field as it is.
        seen_m: Places of the surface where photos looked, as dense as their pixels: colours stay as fine as they are.
    """
    if steps < 1:
        return
    net, trained, cache = completion_net(), state.field, state.cache
    points, hit = outer_points(cache)
    albedo, share = _present(trained, points)
    share = share * hit
    shape = (MAP_HEIGHT, MAP_WIDTH)
    radius = ((points - axis_foot(points)).norm(dim=-1) * hit).reshape(shape)
    known = share.reshape(shape)
    given = srgb_from_linear(albedo).T.reshape(3, *shape) * hit.reshape(shape)
    made = met(fill_map(net, given, known, radius), given, known)
    wish = Wish(made, radius, trained)
    held = points[:0] if seen_m is None else seen_m
    _learn(state, wish, points[hit & (share < SURE[1])], held, steps=steps)


def met(
    made: Float[Tensor, "3 H W"], given: Float[Tensor, "3 H W"], known: Float[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """An imagined map moved to meet the given one at the border: their smooth difference is carried on and added."""
    weight = known.clamp(0, 1)[None, None]
    levels = [((given - made)[None] * weight, weight)]
    while min(levels[-1][1].shape[-2:]) > 1:
        total, amount = levels[-1]
        levels.append((functional.avg_pool2d(total, 2), functional.avg_pool2d(amount, 2)))
    smooth = levels[-1][0].mean((2, 3), keepdim=True) / levels[-1][1].mean().clamp_min(1e-4)
    for total, amount in reversed(levels):
        smooth = functional.interpolate(smooth, total.shape[-2:], mode="bilinear", align_corners=False)
        have = (4 * amount).clamp(0, 1)
        smooth = have * total / amount.clamp_min(1e-4) + (1 - have) * smooth
    return (made + smooth[0]).clamp(0, 1)


class Wish:
    """Which albedo places of the surface should have: what they have where photos looked, else the imagined one."""

    def __init__(
        self, made_srgb: Float[Tensor, "3 H W"], radius_m: Float[Tensor, "H W"], trained: RadianceField
    ) -> None:
        self.map = torch.cat([linear_from_srgb(made_srgb), radius_m[None]])[None]
        self.paint = trained.paint.clone()
        self.origin, self.cell_m = trained.paint_origin, trained.cells["paint"]

    def imagined(self, points_m: Float[Tensor, "P 3"]) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
        """Imagined albedo, and how far it is to be taken, in [0, 1]."""
        place = map_place(points_m, front=0.0)
        wide = torch.cat([self.map[..., -1:], self.map, self.map[..., :1]], dim=-1)  # columns go round
        columns = self.map.shape[-1]
        at = torch.stack([(place[:, 0] * columns + 1) / (columns + 2), place[:, 1]], dim=-1)
        found = functional.grid_sample(wide, (at * 2 - 1)[None, None], align_corners=False, padding_mode="border")
        found = found[0, :, 0].T
        within = found[:, 3] - (points_m - axis_foot(points_m)).norm(dim=-1)
        seen = sample_values(self.paint, self.origin, self.cell_m, points_m)[:, 3]
        seen = torch.maximum(seen, _mirrored_share(self.paint, self.origin, self.cell_m, points_m))
        unseen = ((SURE[1] - seen) / (SURE[1] - SURE[0])).clamp(0, 1)
        return found[:, :3], unseen * (within < OUTERMOST_M)


def _mirrored_share(paint: Tensor, origin: Tensor, cell_m: float, points_m: Tensor) -> Float[Tensor, "P"]:
    return sample_values(paint, origin, cell_m, other_side(points_m))[:, 3]


@torch.no_grad()
def _present(trained: RadianceField, points_m: Float[Tensor, "P 3"]) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
    """Albedo as it is rendered today (the mirrored place's where only that was seen), and how far it is known."""
    albedo, _ = trained.surface_color(points_m)
    share = _mirrored_share(trained.paint, trained.paint_origin, trained.cells["paint"], points_m)
    return mirrored_albedo(trained, points_m, albedo), torch.maximum(trained.seen(points_m), share)


def _learn(
    state: TrainState, wish: Wish, gaps: Float[Tensor, "G 3"], held: Float[Tensor, "S 3"], *, steps: int
) -> None:
    """Let the colour grid count everywhere about the surface, and teach it what is wished for.

    Entries of the hash tables are shared by seen and unseen places. A handful of lessons would let the details of
    the seen ones go; so each step has places of its own, and the field of before tells what they looked like.
    """
    trained, cache, generator = state.field, state.cache, state.generator
    before = copy.deepcopy(trained)
    _count_everywhere(trained, cache)
    learned = [*trained.color.parameters(), *trained.color_decoder.parameters()]
    rate = RATE * state.config.color_rate
    optimiser = adam([{"params": learned, "lr": rate}])
    schedule = falling(optimiser, steps=steps)
    for _ in range(steps):
        points = torch.cat(
            [
                cache.onto_surface(_drawn(gaps, BATCH // 2 if len(gaps) else 0, spread_m=GAP_M, generator=generator)),
                _drawn(held, BATCH // 4 if len(held) else 0, spread_m=0.0, generator=generator),
                cache.surface_points(BATCH // 4, generator=generator),
            ]
        )
        with torch.no_grad():
            was, residual = _present(before, points)[0], before.surface_color(points)[1]
        imagined, share = wish.imagined(points)
        share = share[:, None]
        wanted = was * (1 - share) + imagined * share
        albedo, radiance = trained.surface_color(points)
        loss = (srgb_from_linear(albedo) - srgb_from_linear(wanted)).abs().mean()
        loss = loss + (radiance - residual * (1 - share)).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()


def _drawn(places_m: Tensor, count: int, *, spread_m: float, generator: torch.Generator) -> Float[Tensor, "C 3"]:
    """Random ones of some places, up to half of ``spread_m`` aside along each axis."""
    if not count:
        return places_m[:0]
    index = torch.randint(len(places_m), (count,), generator=generator).to(places_m.device)
    aside = torch.rand(count, 3, generator=generator).to(places_m) - 0.5
    return places_m[index] + aside * spread_m


@torch.no_grad()
def _count_everywhere(trained: RadianceField, cache: ShellCache) -> None:
    """The colour grid counts in a band about the whole surface."""
    paint = Volume(trained.paint, trained.paint_origin, trained.cells["paint"])
    band = cache.sdf(paint.nodes()).abs() < BAND_CELLS * paint.cell_m
    counts = torch.where(band.reshape(paint.shape), torch.ones_like(trained.paint[3]), trained.paint[3])
    trained.paint[3].copy_(counts)

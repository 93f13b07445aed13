"""After training: what no photo saw is imagined, and written into the field's colours.

A place whose mirror was seen takes that one's colours. For the rest, on the head's map (``field.outer_map``), the
strands beside a gap are mirrored into it, and the completion net, where its weights are installed, works on that. Both
are shifted to meet the seen colours without a step, then the colour grid learns them, while it is held to what it was
everywhere else. So every view shows the same back of the head.
"""

import copy

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from head3d.field.completion_net import completion_net, fill_map
from head3d.field.occupancy import ShellCache
from head3d.field.outer_map import MAP_HEIGHT, MAP_WIDTH, axis_foot, map_place, outer_points
from head3d.field.radiance import LEAST_MIRRORED, RadianceField
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.conventions import other_side
from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.train.adam import Adam, Falling
from head3d.train.kinds import HAIR
from head3d.train.state import TrainState

BATCH = 16384
"""Places a step: half of them where no photo looked, a quarter where photos looked, a quarter anywhere."""
RATE = 0.5
"""Learning rate, as a part of that in training."""
GAP_M = 0.0015
"""Places between those of the map are taught as well: they are this far apart."""
OUTERMOST_M = 0.006
"""Surface this far within the map's is hidden behind it: its colour stays."""
BAND_CELLS = 3.0
"""Nodes of the paint within this distance of the surface may count from now on."""
SMOOTH_PX, SMOOTHINGS = 6, 3
"""Smooth is what is left of a map after so many means over squares of twice as many pixels and one."""
SURE = (0.35, 0.75)
"""A place seen less than the first is imagined altogether, one seen more than the second not at all."""


def imagine_unseen(
    state: TrainState,
    *,
    steps: int,
    seen_m: Float[Tensor, "S 3"] | None = None,
    tones: Float[Tensor, "M"] | None = None,
    kinds: Int[Tensor, "M"] | None = None,
) -> None:
    """Paint the unseen outside of a trained field, in place.

    Args:
        state: Finished, its cache refreshed.
        steps: Of learning the imagined colours; 0 leaves the field as it is.
        seen_m: Places of the surface where photos looked, as dense as their pixels: colours stay as fine as they are.
        tones: Of each node of the paint, how far the smooth part of its colours is to be believed; all alike if None.
        kinds: Of each node, 0 skin, 1 hair, 2 clothes: only hair is made of strands (a bald scalp made
            of what is beside it looks worse than a smooth one, LPIPS .147 against .134). All if None.
    """
    if steps < 1:
        return
    net, trained, cache = completion_net(), state.field, state.cache
    points, hit = outer_points(cache)
    twins = Twins(trained, points, hit, tones=tones)
    albedo, share = twins.colors(trained, points)
    shape = (MAP_HEIGHT, MAP_WIDTH)
    radius = ((points - axis_foot(points)).norm(dim=-1) * hit).reshape(shape)
    known = (share * hit).reshape(shape)
    given = srgb_from_linear(albedo).T.reshape(3, *shape) * hit.reshape(shape)
    made = met(fill_map(net, given, known, radius), given, known)
    strands = None
    if kinds is not None:
        hair = (kinds == HAIR).to(trained.paint).reshape(1, *trained.paint.shape[1:])
        strands = Volume(hair, trained.paint_origin, trained.cells["paint"])
    wish = Wish(made, radius, strands)
    held = points[:0] if seen_m is None else seen_m
    _learn(state, wish, twins, points[hit & (trained.photographed(points) < SURE[1])], held, steps=steps)


def met(
    made: Float[Tensor, "3 H W"], given: Float[Tensor, "3 H W"], known: Float[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """An imagined map moved to meet the given one at the border: their smooth difference is carried on and added."""
    return (made + carried_on(given - made, known)).clamp(0, 1)


def carried_on(change: Float[Tensor, "3 H W"], known: Float[Tensor, "H W"]) -> Float[Tensor, "3 H W"]:
    """A map of changes, smooth, and whole also where it is not known."""
    weight = known.clamp(0, 1)[None, None]
    levels = [(change[None] * weight, weight)]
    while min(levels[-1][1].shape[-2:]) > 1:
        total, amount = levels[-1]
        levels.append((functional.avg_pool2d(total, 2), functional.avg_pool2d(amount, 2)))
    smooth = levels[-1][0].mean((2, 3), keepdim=True) / levels[-1][1].mean().clamp_min(1e-4)
    for total, amount in reversed(levels):
        smooth = functional.interpolate(smooth, total.shape[-2:], mode="bilinear", align_corners=False)
        have = (4 * amount).clamp(0, 1)
        smooth = have * total / amount.clamp_min(1e-4) + (1 - have) * smooth
    return smooth[0]


class Twins:
    """Colours of a head whose unseen places look like their mirrors.

    Light and balance of photos are never known quite: where both sides of a face were seen squarely they differ by a
    smooth tone, which is carried on to where one was not. Where one side was seen at a slant and its mirror squarely,
    it keeps its detail and takes the other's smooth part.
    """

    @torch.no_grad()
    def __init__(
        self,
        trained: RadianceField,
        points_m: Float[Tensor, "P 3"],
        hit: Bool[Tensor, "P"],
        *,
        tones: Float[Tensor, "M"] | None,
    ) -> None:
        """Points of the map, which of them lie on the head, and which smooth colours to believe."""
        sides = points_m, other_side(points_m)
        own, other = (srgb_from_linear(trained.surface_color(places)[0]).T for places in sides)
        seen = [trained.photographed(places) * hit for places in sides]
        believed = seen
        if tones is not None:
            volume = tones.to(trained.paint).reshape(1, *trained.paint.shape[1:])
            where = trained.paint_origin, trained.cells["paint"]
            believed = [part * sample_values(volume, *where, at)[:, 0] for part, at in zip(seen, sides, strict=True)]
        apart, both = _map_of(own - other), _map_of((seen[0] * seen[1])[None])
        self.tone = carried_on(apart, _map_of((believed[0] * believed[1])[None])[0])
        # of the difference that is left, what is smooth and to the other's credit
        near = smooth(both).clamp_min(1e-3)
        slant = _map_of((believed[1] - believed[0]).clamp(min=0)[None])
        self.shift = smooth((self.tone - apart) * both) / near * smooth(slant)

    @torch.no_grad()
    def colors(
        self, trained: RadianceField, points_m: Float[Tensor, "P 3"]
    ) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
        """Albedo (the mirrored place's where only that was seen), and how far it is known."""
        albedo = srgb_from_linear(trained.surface_color(points_m)[0]) + _looked_up(self.shift, points_m)
        mirrored = other_side(points_m)
        own, other = trained.photographed(points_m), trained.photographed(mirrored)
        need = (1 - own) * other
        rows = torch.nonzero(need > LEAST_MIRRORED)[:, 0]
        if len(rows):
            tone = _looked_up(self.tone, points_m[rows])
            twin = srgb_from_linear(trained.surface_color(mirrored[rows])[0]) + tone
            albedo = albedo.index_copy(0, rows, torch.lerp(albedo[rows], twin, need[rows, None]))
        return linear_from_srgb(albedo.clamp(0, 1)), torch.maximum(own, other)


def _map_of(values: Float[Tensor, "C P"]) -> Float[Tensor, "C H W"]:
    return values.reshape(-1, MAP_HEIGHT, MAP_WIDTH)


def smooth(values: Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
    """Means over about a centimetre of a map whose columns go round the head."""
    for _ in range(SMOOTHINGS):
        wide = functional.pad(values[None], (SMOOTH_PX, SMOOTH_PX, 0, 0), mode="circular")
        wide = functional.pad(wide, (0, 0, SMOOTH_PX, SMOOTH_PX), mode="replicate")
        values = functional.avg_pool2d(wide, 2 * SMOOTH_PX + 1, 1)[0]
    return values


class Wish:
    """What is imagined for places of the surface."""

    def __init__(
        self, made_srgb: Float[Tensor, "3 H W"], radius_m: Float[Tensor, "H W"], strands: Volume | None = None
    ) -> None:
        """A map of colours, how far from the axis it lies, and where it counts, in [0, 1]; everywhere if None."""
        self.map = torch.cat([linear_from_srgb(made_srgb), radius_m[None]])
        self.strands = strands

    def imagined(
        self, points_m: Float[Tensor, "P 3"], known: Float[Tensor, "P"]
    ) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
        """Albedo, and how far it is to be taken where colours are known so far, in [0, 1]."""
        found = _looked_up(self.map, points_m)
        within = found[:, 3] - (points_m - axis_foot(points_m)).norm(dim=-1)
        unseen = ((SURE[1] - known) / (SURE[1] - SURE[0])).clamp(0, 1)
        share = unseen * (within < OUTERMOST_M)
        return found[:, :3], share if self.strands is None else share * self.strands.at(points_m)[:, 0]


def _looked_up(map_: Float[Tensor, "C H W"], points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
    """Values of a map of the head at points of the head frame (m)."""
    place = map_place(points_m, front=0.0)
    wide = torch.cat([map_[..., -1:], map_, map_[..., :1]], dim=-1)[None]  # columns go round
    columns = map_.shape[-1]
    at = torch.stack([(place[:, 0] * columns + 1) / (columns + 2), place[:, 1]], dim=-1)
    found = functional.grid_sample(wide, (at * 2 - 1)[None, None], align_corners=False, padding_mode="border")
    return found[0, :, 0].T


def _learn(
    state: TrainState,
    wish: Wish,
    twins: Twins,
    gaps: Float[Tensor, "G 3"],
    held: Float[Tensor, "S 3"],
    *,
    steps: int,
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
    optimiser = Adam([{"params": learned, "lr": rate}])
    schedule = Falling(optimiser, steps=steps)
    for _ in range(steps):
        points = torch.cat(
            [
                cache.onto_surface(_drawn(gaps, BATCH // 2 if len(gaps) else 0, spread_m=GAP_M, generator=generator)),
                _drawn(held, BATCH // 4 if len(held) else 0, spread_m=0.0, generator=generator),
                cache.surface_points(BATCH // 4, generator=generator),
            ]
        )
        with torch.no_grad():
            was, known = twins.colors(before, points)
            residual = before.surface_color(points)[1]
        imagined, share = wish.imagined(points, known)
        share = share[:, None]
        wanted = was * (1 - share) + imagined * share
        albedo, radiance = trained.surface_color(points)
        loss = (srgb_from_linear(albedo) - srgb_from_linear(wanted)).abs().mean()
        own = before.photographed(points)[:, None]
        loss = loss + (radiance - residual * own).abs().mean()
        optimiser.zero_grad()
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

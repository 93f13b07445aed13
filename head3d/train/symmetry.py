"""The side no photo saw gets the shape of the other: heads are nearly symmetric, and hair nearly as much.

A field of signed distances is mirrored by its own formula: the distance at p becomes that at p's mirror, as far as that
one was seen and p was not. The geometry grid learns the mixture. Colours follow in ``imagine.py``.
"""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.field.volumes import Volume, sample_values
from head3d.geometry.conventions import other_side
from head3d.shapes import shaped
from head3d.train.adam import Adam, Falling
from head3d.train.choice import photo_quality, sampled
from head3d.train.state import TrainState

BATCH = 8192
"""Points a step: half about the mirrored surface, half about the present one, in pairs."""
ABOUT_M = 0.006
"""Points about the mirrored surface lie this far off at most."""
HELD_M = 0.002
"""Those about the present surface lie so near to it."""
STEP_M = 0.0015
STEADY = 0.5
"""Weight of slopes along this step: a tenth of a millimetre of noise turns a normal by degrees."""
RATE = 1.0
"""Learning rate, as a part of that in training."""
BLURS = 3
"""Times what was seen is averaged over neighbouring nodes: shapes change over more than colours do."""
SEEN = (0.15, 0.6)
"""A place seen less than the first is mirrored altogether, one seen more than the second not at all."""
LEAST_SHARE = 0.05
"""Part of the surface that has to gain by it."""
LEAST_SLOPE = 0.2
"""Of a blend of two shapes: less than this is taken for this."""
OUTDONE = (0.5, 0.9)
"""A place shown less than this part as well as its mirror counts as unseen, one shown more than the second as seen: the
far ear of a portrait, looked at along its rim, is better taken from a photo of the other one."""
SQUARE = (0.42, 0.6)
"""Unless a photo looks at it squarely: one that it sees at the first squared cosine has no word of its own yet, one at
the second (39 degrees) has all."""
GRAZED = (0.02, 0.1)
"""A photo has no word on what it sees at the first squared cosine (82 degrees) or less, and all from the second (72):
at the very outline its colours are half the wall's, and would be carried on over all that no photo shows."""
LIT = (0.45, 0.8)
"""Tones are believed from squared cosines between these (48 and 27 degrees): where a face turns away from a camera its
photo shows the wall's light and a dark edge, which order-2 light cannot explain."""


@shaped
@dataclass(frozen=True)
class Sight:
    """How photos show the nodes of a volume.

    Attributes:
        word: How far places are to be taken from photos of themselves, in [0, 1]: 0 where their mirror was shown far
            better, or the outline alone shows them.
        tone: How far the smooth part of their colours is to be believed.
    """

    word: Float[Tensor, "M"]
    tone: Float[Tensor, "M"]


def sight_of(
    points_m: Float[Tensor, "P 3"],
    photo: Int[Tensor, "P"],
    facing: Float[Tensor, "P"],
    weight: Float[Tensor, "P"],
    *,
    nodes_m: Float[Tensor, "M 3"],
) -> Sight:
    """Judge what photos show.

    Args:
        points_m: Where pixels of all photos fall, neutral head frame.
        photo: Index of the photo of each.
        facing: Cosine between the surface and its ray.
        weight: The photo's word on this colour, in [0, 1].
        nodes_m: The places.
    """
    nothing, count = torch.zeros(len(points_m), dtype=torch.bool), int(photo.max()) + 1 if len(photo) else 1
    square = facing.clamp(min=0) ** 2
    best, squarest = (
        photo_quality(points_m, photo, square * part, nothing, count=count).amax(0)
        for part in (weight.clamp(min=0).sqrt(), (weight > 0).to(square))
    )
    own, other = (sampled(best, places) for places in (nodes_m, other_side(nodes_m)))
    looked_at = sampled(squarest, nodes_m)
    word = torch.maximum(_ramp(own / other.clamp(min=1e-6), OUTDONE), _ramp(looked_at, SQUARE))
    return Sight(word * _ramp(looked_at, GRAZED), _ramp(looked_at, LIT))


def _ramp(value: Tensor, ends: tuple[float, float]) -> Tensor:
    return ((value - ends[0]) / (ends[1] - ends[0])).clamp(0.0, 1.0)


class Mirror:
    """How far each place is to be as its mirror."""

    def __init__(self, trained: RadianceField) -> None:
        seen = trained.glimpsed[None]
        for _ in range(BLURS):
            seen = torch.nn.functional.avg_pool3d(seen, 3, stride=1, padding=1, count_include_pad=False)
        self.seen, self.origin, self.cell_m = seen[0].clone(), trained.paint_origin, trained.cells["paint"]

    def share(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """In [0, 1]: 1 where only the mirrored place (head frame) was seen."""
        own, other = (self._known(points) for points in (points_m, other_side(points_m)))
        return (1 - own) * other

    def _known(self, points_m: Tensor) -> Float[Tensor, "P"]:
        seen = sample_values(self.seen, self.origin, self.cell_m, points_m)[:, 0]
        return _ramp(seen, SEEN)


def mirror_unseen(state: TrainState, *, steps: int) -> None:
    """Give the unseen side of a trained field the shape of the seen one, in place; it gets a new cache.

    Args:
        state: Finished, its cache refreshed.
        steps: Of learning; 0 leaves the field as it is.
    """
    trained, cache, generator = state.field, state.cache, state.generator
    mirror = Mirror(trained)
    some = other_side(cache.surface_points(4 * BATCH, generator=generator))
    wanted = some[mirror.share(some) > 0.05]
    if steps < 1 or len(wanted) < LEAST_SHARE * len(some):
        return
    before = copy.deepcopy(trained)
    steep = steepness(before, mirror)
    _let_reach(trained, mirror)
    learned = [*trained.geometry.parameters(), *trained.geometry_decoder.parameters()]
    rate = RATE * state.config.geometry_rate
    optimiser = Adam([{"params": learned, "lr": rate}])
    schedule = Falling(optimiser, steps=steps)
    for _ in range(steps):
        index = torch.randint(len(wanted), (BATCH // 2,), generator=generator).to(wanted.device)
        held = cache.surface_points(BATCH // 4, generator=generator)
        places = torch.cat([wanted[index], held])
        reach = torch.cat([torch.full((BATCH // 2, 1), ABOUT_M), torch.full((BATCH // 4, 1), HELD_M)]).to(places)
        places = places + reach * (2 * torch.rand(places.shape, generator=generator).to(places) - 1)
        way = torch.randn(BATCH // 4, 3, generator=generator).to(places)
        beside = places[BATCH // 2 :] + STEP_M * torch.nn.functional.normalize(way, dim=-1)
        points = torch.cat([places, beside])
        with torch.no_grad():
            goal = blended_sdf(before, mirror, points) / sample_values(*steep, points)[:, 0]
        off = trained.sdf(points) - goal
        turned = (off[-len(held) :] - off[BATCH // 2 : -len(held)]).abs().mean() / STEP_M
        optimiser.zero_grad()
        (off.abs().mean() / ABOUT_M + STEADY * turned).backward()
        optimiser.step()
        schedule.step()
    state.cache = ShellCache(trained)  # the old one knows no more than the old reach
    state.cache.refresh(trained)


@torch.no_grad()
def blended_sdf(before: RadianceField, mirror: Mirror, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
    """Signed distance (m) of a field whose unseen side is the mirror of its seen one."""
    share = mirror.share(points_m)
    found = before.sdf(points_m)
    rows = torch.nonzero(share > 0.01)[:, 0]
    if not len(rows):
        return found
    other = before.sdf(other_side(points_m[rows]))
    return found.index_copy(0, rows, found[rows] + share[rows] * (other - found[rows]))


@torch.no_grad()
def steepness(before: RadianceField, mirror: Mirror) -> tuple[Tensor, Tensor, float]:
    """Slope of the blended distance, as values, origin and cell of a volume.

    Between two shapes that differ by a centimetre it rises by less than a metre a metre: divided by its slope it is a
    distance again, and the surface as crisp there as elsewhere.
    """
    paint = Volume(before.paint, before.paint_origin, before.cells["paint"])
    blended = blended_sdf(before, mirror, paint.nodes()).reshape(paint.shape)
    slope = torch.stack(torch.gradient(blended, spacing=paint.cell_m)).norm(dim=0)
    return slope.clamp(LEAST_SLOPE, 1.0)[None], paint.origin, paint.cell_m


@torch.no_grad()
def _let_reach(trained: RadianceField, mirror: Mirror) -> None:
    """Let the residual reach as far as on the side whose shape it is to take, and let hair be as soft."""
    traits = Volume(trained.traits, trained.traits_origin, trained.cells["traits"])
    nodes = traits.nodes()
    share = mirror.share(nodes)
    other = sample_values(trained.traits, trained.traits_origin, trained.cells["traits"], other_side(nodes))
    own = trained.traits.reshape(2, -1).T
    mixed = own + share[:, None] * (torch.maximum(own, other) - own)
    trained.traits.copy_(mixed.T.reshape(trained.traits.shape))

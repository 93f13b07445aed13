"""The radiance field of one person: geometry, albedo and, per photo, light.

Signed distance = distance to the fitted head's closed shell (a volume) + a learned residual of bounded reach. Albedo =
a coarse volume taken from the photos + a learned residual, which fades where no photo looked. So before training the
field is the fitted head, and what is never seen stays it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from head3d.field.config import FieldConfig, GridConfig
from head3d.field.decoder import Decoder
from head3d.field.detail import DETAIL_PARTS, PhotoDetail, PhotoDetails
from head3d.field.encodings import HashEncoding, decoded, make_encoding
from head3d.field.volumes import Volume, channels_last, sample_values
from head3d.geometry.conventions import FIELD_HALF_SIZE_M, other_side
from head3d.kernels.sdf_taps import SdfTaps, Shell, TapShape, UnitVolume, encode_mlp_sdf, join_taps, tap_places

TAP_SHAPE: TapShape = "tetrahedron"
"""Where normals look for the signed distance about a point, as pictures do (cuda_ext/math/field.h).

Measured on a trained person: six taps along the axes cost a step 2 % more, leave the gradient's length 9 % nearer to
one, and held-out pixels where they are; steps as wide as the finest open cell (Li et al. 2023) lose 0.2 dB of those.
"""

GEOMETRY_UNIT_M = 0.01
"""The geometry decoder speaks in centimetres, so that its weights are of order one."""

LEAST_MIRRORED = 0.02
"""Shares of the mirrored place below this are not looked up."""


@dataclass(frozen=True)
class Surface:
    """Signed distance at points, and what taps about them say.

    Attributes:
        sdf: Signed distance, m.
        gradient: Of the signed distance: the normal, if it had unit length.
        mean: Signed distance, mean of the taps, m.
    """

    sdf: Float[Tensor, "P"]
    gradient: Float[Tensor, "P 3"]
    mean: Float[Tensor, "P"]


class RadianceField(nn.Module):
    """Signed distance, albedo and residual colour at points of the head frame (metres), and the light of each photo.

    Buffers: ``shape`` (1,D,H,W) base signed distance m; ``traits`` (2,d,h,w) = reach of the residual m, softness (1 =
    skin); ``paint`` (4,d,h,w) = base albedo as logits, learned in [0, 1]: how far the colour grid counts; ``glimpsed``
    (1,d,h,w) in [0, 1]: how far photos' pixels were used, the same until a net has imagined the rest; ``sh`` (N,9,3);
    ``eyes`` (2,7) centre, forward (unit) and radius (m) of the eyeballs, zeros if they are not known;
    ``turn`` (N,3) rad and ``shift`` (N,2) m: what training changed on each photo's camera (see head3d.train.cameras);
    ``sd_m`` the blur of the surface.
    """

    shape: Tensor
    shape_origin: Tensor
    traits: Tensor
    traits_origin: Tensor
    paint: Tensor
    paint_origin: Tensor
    glimpsed: Tensor
    turn: Tensor
    shift: Tensor
    sd_m: Tensor
    eyes: Tensor

    def __init__(
        self,
        config: FieldConfig,
        *,
        shape: Volume,
        traits: Volume,
        paint: Volume,
        sh: Float[Tensor, "N 9 3"],
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        for name, volume in (("shape", shape), ("traits", traits), ("paint", paint)):
            self.register_buffer(name, channels_last(volume.values.clone()))
            self.register_buffer(f"{name}_origin", volume.origin.clone())
        self.register_buffer("glimpsed", paint.values[3:].clone())
        self.origins = {"shape": shape.origin.tolist(), "traits": traits.origin.tolist()}
        self.cells = {"shape": shape.cell_m, "traits": traits.cell_m, "paint": paint.cell_m}
        self.geometry = make_encoding(config.geometry, generator=generator)
        self.color = make_encoding(config.color, generator=generator)
        self.geometry_decoder = Decoder(self.geometry.width, 1, hidden=config.hidden, generator=generator)
        self.color_decoder = Decoder(self.color.width, 6, hidden=config.hidden, generator=generator)
        self.sh = nn.Parameter(sh.clone())
        self.register_buffer("turn", torch.zeros(len(sh), 3))
        self.register_buffer("shift", torch.zeros(len(sh), 2))
        self.register_buffer("sd_m", torch.tensor(1.2e-3))
        self.register_buffer("eyes", torch.zeros(2, 7))
        self.details = PhotoDetails()
        self.grain = PhotoDetails()

    def base_sdf(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """Signed distance (m) to the fitted head's shell."""
        return sample_values(self.shape, self.shape_origin, self.cells["shape"], points_m)[:, 0]

    def residual_sdf(
        self, points_m: Float[Tensor, "P 3"], *, levels: Float[Tensor, "C"] | None = None
    ) -> Float[Tensor, "P"]:
        """Learned displacement (m), within the reach allowed there. ``levels`` fades features (coarse to fine)."""
        reach = self._traits(points_m)[:, 0].detach()
        raw = decoded(self.geometry, self.geometry_decoder, points_m, levels=levels)[:, 0] * GEOMETRY_UNIT_M
        return reach * torch.tanh(raw / reach)

    def sdf(self, points_m: Float[Tensor, "P 3"], *, levels: Float[Tensor, "C"] | None = None) -> Float[Tensor, "P"]:
        """Signed distance, m, negative inside."""
        if isinstance(self.geometry, HashEncoding):
            return self._tapped(self.geometry, points_m, taps="none", step_m=0.0, levels=levels).outputs[:, 0]
        return self.base_sdf(points_m) + self.residual_sdf(points_m, levels=levels)

    def softness(self, points_m: Float[Tensor, "P 3"], *, crisp: float = 1.0) -> Float[Tensor, "P"]:
        """How many times blurrier than skin the surface is (hair); skin itself is ``crisp``."""
        traits = self.crisp_traits(crisp)
        return sample_values(traits, self.traits_origin, self.cells["traits"], points_m)[:, 1]

    def crisp_traits(self, crisp: float) -> Float[Tensor, "2 D H W"]:
        """Traits in which skin is less blurred by a factor than in training; hair stays as it is."""
        if crisp == 1.0:
            return self.traits
        soft = self.traits[1:]
        part = crisp + (1 - crisp) * (soft - 1).clamp(0, 1)
        return channels_last(torch.cat([self.traits[:1], soft * part]))

    def reach(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """How far the learned residual may move the surface, m."""
        return self._traits(points_m)[:, 0]

    def _traits(self, points_m: Tensor) -> Float[Tensor, "P 2"]:
        return sample_values(self.traits, self.traits_origin, self.cells["traits"], points_m)

    def surface_color(
        self, points_m: Float[Tensor, "P 3"], *, levels: Float[Tensor, "C"] | None = None
    ) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P 3"]]:
        """Albedo in (0, 1), linear, and residual radiance. ``levels`` fades features (coarse to fine)."""
        base = self._paint(points_m)
        counts = base[:, 3:].detach()
        learned = decoded(self.color, self.color_decoder, points_m, levels=levels) * counts
        albedo = torch.sigmoid(base[:, :3] + learned[:, :3])
        return albedo, self.config.residual_color * torch.tanh(learned[:, 3:])

    def seen(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """How far the colour grid counts at each place, in [0, 1]: where a photo looked, or a net imagined."""
        return self._paint(points_m)[:, 3]

    def photographed(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """How far a photo looked at each place, in [0, 1]."""
        return sample_values(self.glimpsed, self.paint_origin, self.cells["paint"], points_m)[:, 0]

    def detail(
        self, points_m: Float[Tensor, "P 3"], *, pixel_m: float
    ) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
        """Logarithm of the factor that photos' detail puts on the albedo, and how far a photo has its word there.

        Places that were not seen themselves look like their mirrors. ``pixel_m``: what is finer is averaged.
        """
        own = self.photographed(points_m)
        change, word = self.details.change(points_m, pixel_m=pixel_m)
        change, word = change * own[:, None], word * own
        need = (1 - own) * self.photographed(other_side(points_m))
        rows = torch.nonzero(need > LEAST_MIRRORED)[:, 0]
        if len(rows):
            more, other = self.details.change(other_side(points_m[rows]), pixel_m=pixel_m)
            change = change.index_add(0, rows, more * need[rows, None])
            word = word.index_add(0, rows, other * need[rows])
        if len(self.grain):
            more, rest = self.grain.change(points_m, pixel_m=pixel_m)
            left = 1 - word.clamp(max=1.0)
            change, word = change + more * left[:, None], word + rest * left
        return change, word

    def _paint(self, points_m: Tensor) -> Float[Tensor, "P 4"]:
        return sample_values(self.paint, self.paint_origin, self.cells["paint"], points_m)

    def surface(
        self, points_m: Float[Tensor, "P 3"], *, step_m: float, levels: Float[Tensor, "C"] | None = None
    ) -> Surface:
        """Signed distance at points and its gradient, from taps about them. ``levels`` as for :meth:`sdf`."""
        if isinstance(self.geometry, HashEncoding):
            seen = self._tapped(self.geometry, points_m, taps=TAP_SHAPE, step_m=step_m, levels=levels)
            return Surface(seen.outputs[:, 0], seen.gradient / (2 * FIELD_HALF_SIZE_M), seen.mean)
        places = tap_places(points_m, TAP_SHAPE, step_m)
        values = self.sdf(places.reshape(-1, 3), levels=levels).reshape(places.shape[:2])
        return Surface(values[:, 0], *join_taps(values, TAP_SHAPE, step_m))

    def _tapped(
        self, geometry: HashEncoding, points_m: Tensor, *, taps: TapShape, step_m: float, levels: Tensor | None
    ) -> SdfTaps:
        """Base, residual and taps in one pass; lengths within the cube are in its widths, distances in metres."""
        width, decoder = 2 * FIELD_HALF_SIZE_M, self.geometry_decoder
        return encode_mlp_sdf(
            points_m / width + 0.5,
            geometry.table,
            config=geometry.grid,
            layers=decoder.layers(levels),
            taps=taps,
            step=step_m / width,
            unit=GEOMETRY_UNIT_M,
            shell=Shell(self._in_cube("shape"), self._in_cube("traits")),
        )

    def _in_cube(self, name: Literal["shape", "traits"]) -> UnitVolume:
        width = 2 * FIELD_HALF_SIZE_M
        x, y, z = (at / width + 0.5 for at in self.origins[name])
        return UnitVolume(getattr(self, name).permute(1, 2, 3, 0), (x, y, z), self.cells[name] / width)


def mirrored_albedo(
    trained: RadianceField, points: Float[Tensor, "P 3"], albedo: Float[Tensor, "P 3"]
) -> Float[Tensor, "P 3"]:
    """Albedo with that of the mirrored place (head frame, m) blended in where only that one was seen."""
    mirror = other_side(points)
    need = (1 - trained.seen(points)) * trained.seen(mirror)
    rows = torch.nonzero(need > LEAST_MIRRORED)[:, 0]
    if not len(rows):
        return albedo
    other, _ = trained.surface_color(mirror[rows])
    share = need[rows, None]
    return albedo.index_copy(0, rows, albedo[rows] * (1 - share) + other * share)


def field_state(trained: RadianceField) -> dict[str, Tensor]:
    """Everything of a field as tensors for safetensors: weights, volumes, and its config as one vector."""
    state = {name: value.detach().contiguous() for name, value in trained.state_dict().items()}
    state["config"] = _pack_config(trained.config)
    state["cells"] = torch.tensor([trained.cells[name] for name in ("shape", "traits", "paint")], dtype=torch.float64)
    return state


def field_from_state(state: dict[str, Tensor]) -> RadianceField:
    """The field that :func:`field_state` wrote."""
    cells = state["cells"].tolist()
    volumes = {
        name: Volume(state[name], state[f"{name}_origin"], cell)
        for name, cell in zip(("shape", "traits", "paint"), cells, strict=True)
    }
    made = RadianceField(
        _unpack_config(state["config"]),
        shape=volumes["shape"],
        traits=volumes["traits"],
        paint=volumes["paint"],
        sh=state["sh"],
    )
    made.details.extend(_details(state, "details"))
    made.grain.extend(_details(state, "grain"))
    # fields of before the net have what was glimpsed in their paint alone, older ones do not know their eyes
    kept = {"glimpsed": state["paint"][3:], "eyes": made.eyes, **state}
    made.load_state_dict({name: value for name, value in kept.items() if name not in ("config", "cells")})
    return made


def _details(state: dict[str, Tensor], kind: str) -> Iterator[PhotoDetail]:
    """Detail that is kept beside the field."""
    for number in itertools.count():
        own = {name: state[key] for name in DETAIL_PARTS if (key := f"{kind}.{number}.{name}") in state}
        if not own:
            return
        yield PhotoDetail(own["change"], own["depth_m"], c2w=own["c2w"], K=own["K"])


_KINDS = ("hash", "triplane")


def _pack_config(config: FieldConfig) -> Tensor:
    numbers: list[float] = [config.hidden, config.residual_color]
    for grid in (config.geometry, config.color):
        numbers += [_KINDS.index(value) if name == "kind" else value for name, value in asdict(grid).items()]
    return torch.tensor(numbers, dtype=torch.float64)


def _unpack_config(numbers: Tensor) -> FieldConfig:
    hidden, residual, *rest = numbers.tolist()
    names = [f.name for f in fields(GridConfig)]
    grids = []
    for start in (0, len(names)):
        values = dict(zip(names, rest[start : start + len(names)], strict=True))
        kind = _KINDS[int(values.pop("kind"))]
        whole = {name: int(value) for name, value in values.items()}
        grids.append(GridConfig(kind=kind, **whole))  # pyright: ignore[reportArgumentType]
    return FieldConfig(geometry=grids[0], color=grids[1], hidden=int(hidden), residual_color=residual)

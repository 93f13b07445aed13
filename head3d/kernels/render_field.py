"""A whole picture of a radiance field in one launch: march, hash features, networks, light, sum. Forward only.

A field is a signed distance (a volume plus a learned residual of bounded reach) with an albedo (a volume of logits plus
a learned part where photos looked). The plain torch path is ``head3d.render``'s, which this one agrees with.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from head3d.errors import KernelBuildError, ShapeError
from head3d.kernels.encoding import HashGridConfig, level_layout
from head3d.kernels.library import call, library, require

MOST_COLORS = 8
"""Sections of a ray that may get a colour; kMostColors of cuda_ext/math/field.h."""
MOST_LEVELS = 32
"""Of a hash grid; kMostLevels there."""
MOST_FEATURES = 64
"""Of an encoded point; kMostFeatures there."""


@dataclass(frozen=True)
class FieldVolume:
    """Values at the nodes of a regular grid, at least two along each axis."""

    values: Float[Tensor, "C D H W"]
    """Channels, then z, y, x."""
    origin: Float[Tensor, "3"]
    """Position of node (0, 0, 0), metres."""
    cell_m: float
    """Distance between nodes, metres."""


@dataclass(frozen=True)
class FieldNet:
    """Hash features -> hidden units (ReLU) -> outputs."""

    config: HashGridConfig
    table: Float[Tensor, "E F"]
    weight_in: Float[Tensor, "U I"]
    bias_in: Float[Tensor, "U"]
    weight_out: Float[Tensor, "O U"]


@dataclass(frozen=True)
class FieldParts:
    """What the formulas of cuda_ext/math/field.h read."""

    shape: FieldVolume
    """Base signed distance, metres (1 channel)."""
    traits: FieldVolume
    """Reach of the residual, metres, and how many times softer than skin the surface is."""
    paint: FieldVolume
    """Base albedo as logits (3), how far a photo looked (1)."""
    geometry: FieldNet
    """One output, in ``unit_m``."""
    color: FieldNet
    """Six outputs: what is added to the logits, residual radiance."""
    box_m: float
    """Width of the cube that the hash grids span about the origin."""
    unit_m: float
    """Metres per geometry output."""
    residual_color: float
    """Largest residual radiance."""
    sd_m: float
    """Blur of the surface."""


@dataclass(frozen=True)
class FieldPicture:
    """Linear RGB and albedo of the surface (not times alpha), normal, opacity, z-depth in metres (0 where empty)."""

    rgb: Float[Tensor, "H W 3"]
    albedo: Float[Tensor, "H W 3"]
    normal: Float[Tensor, "H W 3"]
    alpha: Float[Tensor, "H W"]
    depth_m: Float[Tensor, "H W"]


def fits(parts: FieldParts) -> bool:
    """Whether the kernels are there and take a field of this size and kind."""
    tables = (parts.geometry.table, parts.color.table)
    small = all(
        net.config.levels <= MOST_LEVELS and net.config.width <= MOST_FEATURES for net in (parts.geometry, parts.color)
    )
    return (
        small and all(table.dtype == torch.float32 for table in tables) and library(tables[0].device.type) is not None
    )


@torch.no_grad()
def render_field(
    parts: FieldParts,
    cache: FieldVolume,
    *,
    centre: Float[Tensor, "3"],
    forward: Float[Tensor, "3"],
    directions: Float[Tensor, "Y X 3"],
    sh: Float[Tensor, "9 3"],
    deform: FieldVolume | None = None,
    oversample: int = 1,
    samples: int = 40,
    colors: int = 4,
    normal_step_m: float = 1e-3,
    mirror_unseen: bool = True,
    singly: bool = False,
) -> FieldPicture:
    """Make a picture, or a band of its rows. Needs the compiled kernels (see :func:`fits`).

    Args:
        parts: The field.
        cache: Its present signed distance, to march on (1 channel).
        centre: Of the camera, head frame, metres.
        forward: Its axis, unit.
        directions: Of rays, unit: row by row, ``oversample`` rows and columns of them per pixel.
        sh: Incident radiance, order-2 harmonics, linear RGB.
        deform: Displacement to the neutral head, metres (3 channels), zero at its borders; None: no expression.
        oversample: Rays per pixel along each side.
        samples: Per ray at most.
        colors: Of these, how many (the heaviest) are given a colour, at most ``MOST_COLORS``.
        normal_step_m: Distance of the taps that give the normal.
        mirror_unseen: Take the colour of places no photo saw from the other half of the head.
        singly: March one ray at a time as CUDA always does; slow on a CPU, to compare with.
    """
    require("centre", centre, (3,))
    require("forward", forward, (3,))
    require("directions", directions, (None, None, 3))
    require("sh", sh, (9, 3))
    if not 1 <= colors <= MOST_COLORS or samples < 1 or oversample < 1:
        actual = f"colors={colors}, samples={samples}, oversample={oversample}"
        raise ShapeError("colors, samples, oversample", expected=f"1 to {MOST_COLORS}, >= 1, >= 1", actual=actual)
    height, width = (size // oversample for size in directions.shape[:2])
    require("directions", directions, (height * oversample, width * oversample, 3))
    lib = library(parts.geometry.table.device.type)
    assert lib is not None, "the caller asks fits() first"
    name = "render_singly" if singly and lib.device == "cpu" else "render_field"
    if name == "render_singly" and (lib := library("cpu", "checks")) is None:
        raise KernelBuildError("Drawing one ray after the other needs a compiler.", hint="Install g++.")
    field = _described(parts, cache, deform)
    camera = torch.cat([centre, forward]).double().cpu()
    like = parts.geometry.table
    rgb, albedo, normal = (like.new_empty(height, width, 3) for _ in range(3))
    alpha, depth = (like.new_empty(height, width) for _ in range(2))
    call(
        lib, name, field.slots, field.numbers, camera, sh.detach().double().cpu().contiguous(),
        directions.float().contiguous(), height, width, oversample, samples, colors, float(normal_step_m),
        int(mirror_unseen), rgb, albedo, normal, alpha, depth,
    )  # fmt: skip
    return FieldPicture(rgb, albedo, normal, alpha, depth)


@torch.no_grad()
def march_field(
    cache: FieldVolume,
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    *,
    sd_m: float,
    samples: int,
    jitter: Float[Tensor, "R"] | None = None,
    deform: FieldVolume | None = None,
) -> tuple[Float[Tensor, "R S"], Bool[Tensor, "R S"]]:
    """Where rays sample the shell about the surface (see head3d.field.occupancy.march). Needs the kernels.

    The steps are those of :func:`render_field`, to the bit.

    Args:
        cache: Signed distance, metres (1 channel).
        origins: metres.
        directions: unit.
        sd_m: Blur of the surface.
        samples: Per ray at most.
        jitter: Shift of the samples of each ray, in steps.
        deform: Displacement to the neutral head, as for :func:`render_field`.

    Returns:
        Distances along the rays (metres, 0 where there is no sample), and where there is one.
    """
    require("origins", origins, (None, 3))
    require("directions", directions, (len(origins), 3))
    if jitter is not None:
        require("jitter", jitter, (len(origins),))
        jitter = jitter.float().contiguous()
    lib = library(cache.values.device.type)
    assert lib is not None, "the caller asks for the library first"
    field = _described(None, cache, deform, sd_m=sd_m)
    t = cache.values.new_zeros(len(origins), samples)
    valid = torch.zeros(len(origins), samples, dtype=torch.bool, device=t.device)
    rays = origins.float().contiguous(), directions.float().contiguous(), jitter, len(origins)
    call(lib, "field_march", field.slots, field.numbers, *rays, samples, t, valid)
    return t, valid


@torch.no_grad()
def field_sdf(parts: FieldParts, points_m: Float[Tensor, "P 3"], *, base: bool = True) -> Float[Tensor, "P"]:
    """Signed distance (m) of a field at points; without ``base`` only its learned residual. Needs the kernels."""
    require("points_m", points_m, (None, 3))
    lib = library(parts.geometry.table.device.type)
    assert lib is not None, "the caller asks fits() first"
    field = _described(parts, None, None)
    points = points_m.float().contiguous()
    out = points.new_empty(len(points))
    call(lib, "field_sdf", field.slots, field.numbers, points, len(points), int(base), out)
    return out


_PLANAR = WeakIdKeyDictionary()
"""Copies of volumes by the tensor they were made of, with its version then; gone when the tensor is."""


def planar(values: Tensor) -> Tensor:
    """The tensor with its first axis outermost in memory, as the kernels read it.

    Fields keep their volumes channels last, for look-ups of single points. Copying one (32 MB) for every launch took
    longer than drawing a tile of a picture, so the copy is kept until the volume changes.
    """
    if values.is_contiguous() or values.is_inference():  # the latter keep no count of their changes
        return values.contiguous()
    kept = _PLANAR.get(values)
    if kept is None or kept[0] != values._version:
        kept = _PLANAR[values] = (values._version, values.contiguous())
    return kept[1]


def described_cache(cache: FieldVolume) -> "_Described":
    """A field of which only the distance to march on is there."""
    return _described(None, cache, None)


@dataclass(frozen=True)
class _Described:
    """Integers and reals of abi.h; ``held`` keeps what the addresses point to."""

    slots: Tensor
    numbers: Tensor
    held: list[Tensor]


def _described(
    parts: FieldParts | None, cache: FieldVolume | None, deform: FieldVolume | None, *, sd_m: float = 0.0
) -> _Described:
    """Without ``parts`` the description holds what marching needs."""
    slots: list[int] = []
    numbers: list[float] = []
    held: list[Tensor] = []

    def address(tensor: Tensor) -> int:
        held.append(planar(tensor.detach() if tensor.requires_grad else tensor))
        return held[-1].data_ptr()

    own = (None, None, None) if parts is None else (parts.shape, parts.traits, parts.paint)
    names = (("cache", 1), ("shape", 1), ("traits", 2), ("paint", 4), ("deform", 3))
    for (name, channels), volume in zip(names, (cache, *own, deform), strict=True):
        if volume is None:
            slots += [0, 2, 2, 2]
            numbers += [0.0, 0.0, 0.0, 1.0]
            continue
        require(name, volume.values, (channels, None, None, None))
        if min(volume.values.shape[1:]) < 2 or volume.values.dtype != torch.float32:
            raise ShapeError(name, expected="float32, two nodes along each axis", actual=str(volume.values.shape))
        slots += [address(volume.values), *reversed(volume.values.shape[1:])]
        numbers += [*volume.origin.tolist(), volume.cell_m]
    if parts is None:
        slots += [0] * 20
        numbers += [0.0, 0.0, 0.0, sd_m]
    else:
        for name, net, outputs in (("geometry", parts.geometry, 1), ("color", parts.color, 6)):
            slots += _net_slots(name, net, outputs, address)
        numbers += [1 / parts.box_m, parts.unit_m, parts.residual_color, parts.sd_m]
    return _Described(torch.tensor(slots), torch.tensor(numbers, dtype=torch.float64), held)


def _net_slots(name: str, net: FieldNet, outputs: int, address: Callable[[Tensor], int]) -> list[int]:
    grid, hidden = net.config, len(net.bias_in)
    require(f"{name} table", net.table, (grid.entries, grid.features))
    require(f"{name} weight_in", net.weight_in, (hidden, grid.width))
    require(f"{name} weight_out", net.weight_out, (outputs, hidden))
    scales, layout = level_layout(grid)
    tables = address(net.table), address(scales), address(layout)
    weights = address(net.weight_in), address(net.bias_in), address(net.weight_out)
    return [*tables, grid.levels, grid.features, int(grid.interpolation == "smoothstep"), *weights, hidden]

"""A whole picture of a radiance field in one launch: march, hash features, networks, light, sum. Forward only.

A field is a signed distance (a volume plus a learned residual of bounded reach) with an albedo (a volume of logits plus
a learned part where photos looked). The plain torch path is ``head3d.render``'s, which this one agrees with.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
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
    return small and all(table.dtype == torch.float32 for table in tables) and library(tables[0].device.type) is not None


@torch.no_grad()
def render_field(
    parts: FieldParts,
    cache: FieldVolume,
    *,
    c2w: Float[Tensor, "4 4"],
    K: Float[Tensor, "3 3"],
    size: tuple[int, int],
    sh: Float[Tensor, "9 3"],
    deform: FieldVolume | None = None,
    oversample: int = 1,
    samples: int = 40,
    colors: int = 4,
    normal_step_m: float = 1e-3,
    mirror_unseen: bool = True,
    singly: bool = False,
) -> FieldPicture:
    """Make a picture. Needs the compiled kernels (see :func:`fits`).

    Args:
        parts: The field.
        cache: Its present signed distance, to march on (1 channel).
        c2w: Camera to head frame, metres, OpenCV axes.
        K: Intrinsics of the picture, px, no skew; pixel centres at +0.5.
        size: Height and width, px.
        sh: Incident radiance, order-2 harmonics, linear RGB.
        deform: Displacement to the neutral head, metres (3 channels), zero at its borders; None: no expression.
        oversample: Rays per pixel along each side.
        samples: Per ray at most.
        colors: Of these, how many (the heaviest) are given a colour, at most ``MOST_COLORS``.
        normal_step_m: Distance of the taps that give the normal.
        mirror_unseen: Take the colour of places no photo saw from the other half of the head.
        singly: March one ray at a time as the CUDA kernel does (CPU only; slower).
    """
    require("c2w", c2w, (4, 4))
    require("K", K, (3, 3))
    require("sh", sh, (9, 3))
    if not 1 <= colors <= MOST_COLORS or samples < 1 or oversample < 1:
        actual = f"colors={colors}, samples={samples}, oversample={oversample}"
        raise ShapeError("colors, samples, oversample", expected=f"1 to {MOST_COLORS}, >= 1, >= 1", actual=actual)
    lib = library(parts.geometry.table.device.type)
    assert lib is not None, "the caller asks fits() first"
    field = _described(parts, cache, deform)
    fine = K.double().cpu()
    camera = torch.cat([c2w[:3].double().cpu().reshape(-1), fine.diagonal()[:2], fine[:2, 2]])
    camera[12:] *= oversample
    like = parts.geometry.table
    height, width = size
    rgb, albedo, normal = (like.new_empty(height, width, 3) for _ in range(3))
    alpha, depth = (like.new_empty(height, width) for _ in range(2))
    call(
        lib, "render_field", field.slots, field.numbers, camera, sh.double().cpu().contiguous(), height, width,
        oversample, samples, colors, float(normal_step_m), int(mirror_unseen), int(singly),
        rgb, albedo, normal, alpha, depth,
    )  # fmt: skip
    return FieldPicture(rgb, albedo, normal, alpha, depth)


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


@dataclass(frozen=True)
class _Described:
    """Integers and reals of abi.h; ``held`` keeps what the addresses point to."""

    slots: Tensor
    numbers: Tensor
    held: list[Tensor]


def _described(parts: FieldParts, cache: FieldVolume | None, deform: FieldVolume | None) -> _Described:
    slots: list[int] = []
    numbers: list[float] = []
    held: list[Tensor] = []

    def address(tensor: Tensor) -> int:
        held.append(tensor.detach().contiguous())
        return held[-1].data_ptr()

    volumes = (cache, 1), (parts.shape, 1), (parts.traits, 2), (parts.paint, 4), (deform, 3)
    names = ("cache", "shape", "traits", "paint", "deform")
    for name, (volume, channels) in zip(names, volumes, strict=True):
        if volume is None:
            slots += [0, 2, 2, 2]
            numbers += [0.0, 0.0, 0.0, 1.0]
            continue
        require(name, volume.values, (channels, None, None, None))
        if min(volume.values.shape[1:]) < 2 or volume.values.dtype != torch.float32:
            raise ShapeError(name, expected="float32, two nodes along each axis", actual=str(volume.values.shape))
        slots += [address(volume.values), *reversed(volume.values.shape[1:])]
        numbers += [*volume.origin.tolist(), volume.cell_m]
    for name, net, outputs in (("geometry", parts.geometry, 1), ("color", parts.color, 6)):
        grid, hidden = net.config, len(net.bias_in)
        require(f"{name} table", net.table, (grid.entries, grid.features))
        require(f"{name} weight_in", net.weight_in, (hidden, grid.width))
        require(f"{name} weight_out", net.weight_out, (outputs, hidden))
        scales, layout = level_layout(grid)
        slots += [address(net.table), address(scales), address(layout), grid.levels, grid.features]
        slots += [int(grid.interpolation == "smoothstep"), *map(address, (net.weight_in, net.bias_in, net.weight_out))]
        slots.append(hidden)
    numbers += [1 / parts.box_m, parts.unit_m, parts.residual_color, parts.sd_m]
    return _Described(torch.tensor(slots), torch.tensor(numbers, dtype=torch.float64), held)

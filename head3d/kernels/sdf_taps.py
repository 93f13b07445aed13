"""Signed distance and its gradient by finite differences: points and their taps, encoded and decoded in one pass.

The distance is a small network's first output over a hash grid, alone or as a bounded displacement of a known surface.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ShapeError
from head3d.kernels.encoding import HashGridConfig, level_layout
from head3d.kernels.grid_sample import grid_sample3
from head3d.kernels.library import call_for, library_for, require
from head3d.kernels.mlp import Activation, Layers, encode_mlp, flat_parameters, network_shape
from head3d.kernels.ops import kernel_op

TapShape = Literal["none", "tetrahedron", "axes"]

TAPS: dict[TapShape, list[list[float]]] = {
    "none": [],
    "tetrahedron": [[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]],
    "axes": [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]],
}
"""Places of the taps about a point, in steps; the order of tap_sign in cuda_ext/math/sdf_taps.h."""

CUDA_SHARED_BYTES = 48 * 1024
"""Shared memory that a block has without asking."""


@dataclass(frozen=True)
class UnitVolume:
    """Values at the nodes of a grid in the unit cube; what lies outside has the border's value."""

    values: Float[Tensor, "D H W C"]
    """Of which the first channel counts; z, y, x, at least two nodes along each."""
    origin: tuple[float, float, float]
    """Place of node (0, 0, 0): x, y, z."""
    cell: float
    """Distance between nodes."""


@dataclass(frozen=True)
class Shell:
    """A known surface, and how far a network may displace it. Neither gets a gradient, nor passes one through reach."""

    base: UnitVolume
    """Signed distance."""
    reach: UnitVolume
    """Largest displacement, positive."""


@dataclass(frozen=True)
class SdfTaps:
    """What :func:`encode_mlp_sdf` says of points.

    Attributes:
        outputs: Of the network; the first is the signed distance.
        gradient: Of the signed distance, per unit of length of the cube; zero without taps.
        mean: Signed distance, mean of the taps; zero without taps.
    """

    outputs: Float[Tensor, "P O"]
    gradient: Float[Tensor, "P 3"]
    mean: Float[Tensor, "P"]


def encode_mlp_sdf(
    points_unit: Float[Tensor, "P 3"],
    table: Float[Tensor, "E F"],
    *,
    config: HashGridConfig,
    layers: Layers,
    taps: TapShape = "axes",
    step: float = 1e-3,
    unit: float = 1.0,
    shell: Shell | None = None,
    activation: Activation = "relu",
) -> SdfTaps:
    """Signed distance, its gradient and the network's other outputs; taps ask the network for the first output only.

    The distance is base + reach * tanh(unit * raw / reach), raw being the network's first output; without a shell
    it is unit * raw. Its gradient is that of the distance and not of raw, as Li et al. 2023 (Neuralangelo) take it:
    a step as wide as a cell of the grid's finest active level lets each tap's cell learn.

    Args:
        points_unit: In the unit cube; features of what lies outside are those of its border.
        table: Of the grid.
        config: Shape of the grid.
        layers: Of the network; the first takes ``config.width`` numbers.
        taps: Six along the axes; four corners of a tetrahedron, cheaper and exact for planes only; or none.
        step: Distance of the taps along each axis, in lengths of the cube.
        unit: Lengths per raw output.
        shell: Known surface.
        activation: After every layer but the last.

    Returns:
        Differentiable once, in points (through every tap), table and parameters.
    """
    require("points_unit", points_unit, (None, 3))
    require("table", table, (config.entries, config.features))
    shape = network_shape(layers, config.width, activation)
    for volume in [] if shell is None else [shell.base, shell.reach]:
        require("shell", volume.values, (None, None, None, None))
        if min(volume.values.shape[:3]) < 2:
            raise ShapeError("shell", expected="two nodes along each axis", actual=str(tuple(volume.values.shape)))
    if taps != "none" and not step > 0:
        raise ShapeError("step", expected="a positive length", actual=str(step))
    points = points_unit.to(table.dtype)
    if not _compiled(table, layers, len(TAPS[taps])):
        return encode_mlp_sdf_torch(
            points, table, config=config, layers=layers, taps=taps, step=step, unit=unit, shell=shell,
            activation=activation,
        )  # fmt: skip
    flat = flat_parameters(layers, table.dtype)
    tape = torch.is_grad_enabled() and any(t.requires_grad for t in (points, table, flat))
    smooth = config.interpolation == "smoothstep"
    base, reach, nodes, frames = _described(shell, table)
    grid = *level_layout(config), smooth
    seen = _sdf_taps(
        points, table, flat, *grid, shape, base, reach, nodes, [*frames, step, unit], len(TAPS[taps]), tape
    )
    return SdfTaps(*seen[:3])


def encode_mlp_sdf_torch(
    points: Tensor, table: Tensor, *, config: HashGridConfig, layers: Layers, taps: TapShape, step: float, unit: float,
    shell: Shell | None, activation: Activation,
) -> SdfTaps:  # fmt: skip
    """The same from the ops it fuses, which have plain torch paths of their own."""
    places = tap_places(points, taps, step)
    raw = encode_mlp(places.reshape(-1, 3), table, config=config, layers=layers, activation=activation)
    distance = raw[:, 0] * unit
    if shell is not None:
        reach = _sampled(shell.reach, places.reshape(-1, 3)).detach()
        distance = _sampled(shell.base, places.reshape(-1, 3)) + reach * torch.tanh(distance / reach)
    distance = distance.reshape(places.shape[:2])
    own = raw[:: places.shape[1]]
    return SdfTaps(torch.cat([distance[:, :1], own[:, 1:]], dim=1), *join_taps(distance, taps, step))


def tap_places(points: Float[Tensor, "P 3"], taps: TapShape, step: float) -> Float[Tensor, "P K 3"]:
    """Each point, then its taps."""
    return points[:, None] + points.new_tensor([[0.0, 0, 0], *TAPS[taps]]) * step


def join_taps(
    distance: Float[Tensor, "P K"], taps: TapShape, step: float
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P"]]:
    """Gradient, and mean of the taps, from distances at :func:`tap_places`; zeros without taps."""
    if taps == "none":
        return distance.new_zeros(len(distance), 3), distance.new_zeros(len(distance))
    others = distance[:, 1:]
    share = 1 / ((4 if taps == "tetrahedron" else 2) * step)
    return (others[..., None] * others.new_tensor(TAPS[taps])).sum(1) * share, others.mean(1)


def _sampled(volume: UnitVolume, places: Tensor) -> Tensor:
    last = places.new_tensor([n - 1 for n in reversed(volume.values.shape[:3])])
    at = (places - places.new_tensor(volume.origin)) / (volume.cell * last)
    return grid_sample3(volume.values.detach()[..., :1].to(places), at.flip(-1))[:, 0]


def _compiled(table: Tensor, layers: Layers, taps: int) -> bool:
    lib = library_for(table)
    if lib is None:
        return False
    rows = 8 if taps else 1  # a point and its taps stay together; tiles of points are powers of two
    widest = max(layers[0][0].shape[1], *(weight.shape[0] for weight, _ in layers))
    fits = lib.device == "cpu" or 2 * widest * (rows + 1) * table.element_size() <= CUDA_SHARED_BYTES
    return fits and all(weight.device == table.device for weight, _ in layers)


def _described(shell: Shell | None, table: Tensor) -> tuple[Tensor | None, Tensor | None, list[int], list[float]]:
    """Values of base and reach, and where they lie, as abi.h has it."""
    if shell is None:
        return None, None, [2, 2, 2, 1] * 2, [0.0, 0.0, 0.0, 1.0] * 2
    volumes = shell.base, shell.reach
    base, reach = (volume.values.detach().to(table).contiguous() for volume in volumes)
    nodes = [n for volume in volumes for n in (*reversed(volume.values.shape[:3]), volume.values.shape[3])]
    return base, reach, nodes, [x for volume in volumes for x in (*volume.origin, volume.cell)]


def _surroundings(count: int, base: Tensor | None, reach: Tensor | None, nodes: list[int], reals: list[float]) -> tuple:
    """The arguments that forward and backward share; reals: frames of the volumes, step, unit."""
    frames = torch.tensor(reals[:8], dtype=torch.float64)
    return count, reals[8], base, reach, torch.tensor(nodes), frames, reals[9]


@kernel_op("sdf_taps")
def _sdf_taps(
    points: Tensor, table: Tensor, flat: Tensor, scales: Tensor, layout: Tensor, smooth: bool, shape: list[int],
    base: Tensor | None, reach: Tensor | None, nodes: list[int], reals: list[float], count: int, tape: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Outputs, gradient, mean; and features and slopes of all rows for the way back (empty without ``tape``)."""
    rows = len(points) * (1 + count) if tape else 0
    made = table.new_zeros if count == 0 else table.new_empty
    outputs, gradient, mean = table.new_empty(len(points), shape[3]), made(len(points), 3), made(len(points))
    features, slope = table.new_empty(rows, shape[0]), table.new_empty(rows)
    where = points.contiguous(), len(points), *_surroundings(count, base, reach, nodes, reals)
    grid = table.contiguous(), scales, layout, len(layout), table.shape[1], int(smooth)
    kept = (features, slope) if tape else (None, None)
    network = flat, torch.tensor(shape), *kept, outputs, gradient, mean
    call_for(table, "sdf_taps_fwd", *where, *grid, *network)
    return outputs, gradient, mean, features, slope


@kernel_op("sdf_taps_backward")
def _sdf_taps_backward(
    g_outputs: Tensor, g_gradient: Tensor, g_mean: Tensor, points: Tensor, slope: Tensor, base: Tensor | None,
    reach: Tensor | None, nodes: list[int], reals: list[float], count: int, need_points: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Places of all rows, cotangents of the network's outputs there, and what the base gives the points (or empty)."""
    rows, outputs = len(points) * (1 + count), g_outputs.shape[1]
    places, g_raw = points.new_empty(rows, 3), points.new_empty(rows, outputs)
    g_points = points.new_empty(points.shape if need_points else 0)
    where = points.contiguous(), len(points), *_surroundings(count, base, reach, nodes, reals)
    cotangents = outputs, slope, g_outputs.contiguous(), g_gradient.contiguous(), g_mean.contiguous()
    call_for(
        points,
        "sdf_taps_bwd",
        *where,
        *cotangents,
        places,
        g_raw,
        g_points if need_points else None,
    )
    return places, g_raw, g_points


@_sdf_taps.register_fake
def _(points, table, flat, scales, layout, smooth, shape, base, reach, nodes, reals, count, tape):
    number = points.shape[0]
    rows = number * (1 + count) if tape else 0
    seen = table.new_empty(number, shape[3]), table.new_empty(number, 3), table.new_empty(number)
    return *seen, table.new_empty(rows, shape[0]), table.new_empty(rows)


@_sdf_taps_backward.register_fake
def _(g_outputs, g_gradient, g_mean, points, slope, base, reach, nodes, reals, count, need_points):
    rows = points.shape[0] * (1 + count)
    g_points = points.new_empty(points.shape if need_points else (0,))
    return points.new_empty(rows, 3), points.new_empty(rows, g_outputs.shape[1]), g_points


def _save(ctx, inputs, output):
    points, table, flat, scales, layout, ctx.smooth, ctx.shape, base, reach, ctx.nodes, ctx.reals, ctx.count, _ = inputs
    ctx.mark_non_differentiable(*output[3:])
    ctx.save_for_backward(points, table, flat, scales, layout, base, reach, *output[3:])


def _gradient(ctx, g_outputs, g_gradient, g_mean, *_):
    points, table, flat, scales, layout, base, reach, features, slope = ctx.saved_tensors
    which = int(ctx.needs_input_grad[0]) + 2 * int(ctx.needs_input_grad[1])
    ops = torch.ops.head3d
    places, g_raw, g_points = _sdf_taps_backward(
        g_outputs, g_gradient, g_mean, points, slope, base, reach, ctx.nodes, ctx.reals, ctx.count, bool(which & 1)
    )
    g_features, g_flat = ops.mlp_backward(g_raw, features, flat, ctx.shape, which != 0)
    g_table = None
    if which:
        g_places, g_table = ops.hash_grid_backward(g_features, places, table, scales, layout, ctx.smooth, which)
        if which & 1:
            g_points = g_points + g_places.reshape(len(points), 1 + ctx.count, 3).sum(1)
    wanted = g_points if which & 1 else None, g_table if which & 2 else None
    return *wanted, g_flat, *[None] * 10


_sdf_taps.register_autograd(_gradient, setup_context=_save)

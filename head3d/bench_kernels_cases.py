"""What ``head3d bench kernels`` measures.

A new op is a function that returns a ``Case``, and a line in ``default_cases``. Its reference is the same call with
``HEAD3D_KERNELS=torch``, unless it names another.
"""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from head3d import bench_scene_cases as scenes
from head3d.bench_case import Arithmetic, Case, Work, noise, retained
from head3d.bench_op_cases import op_cases
from head3d.kernels.adam import AdamConfig, AdamState, adam_step_touched
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init, hash_grid_torch
from head3d.kernels.grid_sample import grid_sample3
from head3d.kernels.mlp import Precision, encode_mlp, mlp, mlp_torch
from head3d.kernels.mlp_bf16 import has_bf16

WIDTHS = (32, 64, 64, 16)
"""The network of the main line: inputs, two hidden layers, outputs."""
ADAM_BYTES = 28
"""Adam reads gradient, value and two moments, and writes the last three: 7 float32."""


def default_cases() -> list[Case]:
    """Every op in its usual size, the main line first."""
    return [
        *main_line(),
        *main_line(precision="bfloat16"),
        hash_grid_forward(),
        hash_grid_backward(),
        mlp_case(backward=False),
        mlp_case(backward=True),
        grid_sample_case(backward=False),
        grid_sample_case(backward=True),
        scenes.march_case(),
        scenes.composite_case(backward=False),
        scenes.composite_case(backward=True),
        scenes.march_composite(),
        scenes.raster_case(),
        scenes.closest_case(),
        scenes.signed_distance_case(),
        adam_case(touched=1.0),
        adam_case(touched=0.1),
        *op_cases(),
    ]


def main_line(
    samples: int = 1 << 18,
    *,
    table_log2: int = 17,
    reference_samples: int | None = None,
    precision: Precision = "float32",
) -> list[Case]:
    """Hash grid and network together: forward, forward and backward, and a whole step of training.

    Plain torch gets all samples for the step, whose dense update of the table they share, and a quarter otherwise.
    """
    quarter = samples // 4
    half = precision == "bfloat16"
    arithmetic: Arithmetic = "matrix" if half and has_bf16() else "fma"
    options = {"precision": precision} if half else {}
    return [
        encode_mlp_case(
            goal, samples=samples, table_log2=table_log2, reference_samples=reference_samples or fewer,
            arithmetic=arithmetic, **options,
        )
        for goal, fewer in (("forward", quarter), ("backward", quarter), ("step", None))
    ]  # fmt: skip


def main_grid(table_log2: int = 17) -> HashGridConfig:
    """16 levels of 2 features, 16 to 7,000 cells along an axis."""
    return HashGridConfig(16, 2, table_log2, 16, 1.5)


def grid_work(grid: HashGridConfig, *, passes: int = 1) -> Work:
    """Of encoding a point, of the way back to the table, or of both: each visits 8 corners of each level."""
    flops = grid.levels * (16 * grid.features + 28)
    formula = f"{passes} x [{8 * grid.levels} corners; L (16 F + 28) flops: 28 for place and weights]"
    table = (1 << grid.log2_table_size) * grid.features * 4
    size = 12 + 4 * grid.width
    return Work(formula, passes * size, passes * flops, passes * 8.0 * grid.levels, table)


def mlp_flops(widths: tuple[int, ...] = WIDTHS) -> int:
    """Of one sample forward: 2 in out for each layer. Backward: twice that."""
    return 2 * sum(a * b for a, b in pairwise(widths))


def network(device: torch.device, widths: tuple[int, ...] = WIDTHS) -> list[tuple[Tensor, Tensor]]:
    """Weights (He et al. 2015) and biases that want gradients."""
    layers = []
    for index, (a, b) in enumerate(pairwise(widths)):
        weight = (noise(b, a, device=device, seed=index) * 2 - 1) * (6 / a) ** 0.5
        layers.append((weight.requires_grad_(), torch.zeros(b, device=device, requires_grad=True)))
    return layers


def encode_mlp_case(
    goal: str,
    *,
    samples: int,
    table_log2: int,
    reference_samples: int | None = None,
    arithmetic: Arithmetic = "fma",
    **options: Any,
) -> Case:
    """The main line; ``options`` go to ``encode_mlp`` (a precision, say), ``arithmetic`` is what they compute with."""
    grid = main_grid(table_log2)

    def inputs(device: torch.device, count: int) -> SimpleNamespace:
        table = hash_grid_init(grid, torch.Generator().manual_seed(0)).to(device).requires_grad_(goal != "forward")
        layers = network(device)
        parameters = [table, *(tensor for layer in layers for tensor in layer)]
        if goal == "forward":
            layers = [(weight.detach(), bias.detach()) for weight, bias in layers]
        columns = [p.detach().view(len(p), -1) for p in parameters]
        moments = [AdamState.of(column) for column in columns]
        adam = torch.optim.Adam(parameters, lr=1e-3, eps=1e-15) if goal == "step" else None
        g_out = noise(count, WIDTHS[-1], device=device, seed=9) - 0.5
        return SimpleNamespace(
            points=noise(count, 3, device=device), table=table, layers=layers, parameters=parameters, columns=columns,
            moments=moments, adam=adam, g_out=g_out,
        )  # fmt: skip

    def ours(x: SimpleNamespace) -> Any:
        out = encode_mlp(x.points, x.table, config=grid, layers=x.layers, **options)
        if goal == "forward":
            return out
        gradients = torch.autograd.grad(out, x.parameters, x.g_out)
        if goal == "step":
            for column, moments, gradient in zip(x.columns, x.moments, gradients, strict=True):
                g = gradient.view(column.shape)
                adam_step_touched(column, g, state=moments, step=1, config=AdamConfig(learning_rate=1e-3))
        return gradients

    def reference(x: SimpleNamespace) -> Any:
        out = mlp_torch(hash_grid_torch(x.points, x.table, grid), x.layers)
        if goal == "forward":
            return out
        gradients = torch.autograd.grad(out, x.parameters, x.g_out)
        if goal == "step":
            for parameter, gradient in zip(x.parameters, gradients, strict=True):
                parameter.grad = gradient
            x.adam.step()
        return gradients

    def work(_: SimpleNamespace) -> Work:
        passes = 1 if goal == "forward" else 2
        encode = grid_work(grid, passes=passes)
        size, flops = passes * (12 + 4 * WIDTHS[-1]), encode.flops + (1 if passes == 1 else 3) * mlp_flops()
        formula = f"{encode.formula}; network {1 if passes == 1 else 3} x {mlp_flops()} flops; points and outputs"
        if goal == "backward":
            size += 4 * grid.entries * grid.features / samples
            formula += "; gradient of the table out"
        if goal == "step":
            size += ADAM_BYTES * grid.entries * grid.features / samples
            formula += f"; Adam {ADAM_BYTES} bytes per number of the table"
        return Work(formula, size, flops, encode.gathers, encode.table_bytes, arithmetic)

    goals = {"forward": "forward", "backward": "forward + backward", "step": "step"}
    name = " ".join(["encode_mlp", goals[goal], *map(str, options.values())])
    params = {"levels": grid.levels, "features": grid.features, "table_log2": table_log2, "widths": WIDTHS, **options}
    if goal == "forward":
        ours, reference = torch.no_grad()(ours), torch.no_grad()(reference)
    return Case(name, "samples", samples, inputs, ours, work, reference, reference_samples, params)


def hash_grid_forward(samples: int = 1 << 18) -> Case:
    """Encoding alone."""
    grid = main_grid()

    def inputs(device: torch.device, count: int) -> tuple[Tensor, Tensor]:
        return noise(count, 3, device=device), hash_grid_init(grid, torch.Generator().manual_seed(0)).to(device)

    return Case(
        "hash_grid forward", "samples", samples, inputs, lambda x: hash_grid(x[0], x[1], grid),
        lambda _: grid_work(grid), reference_samples=1 << 16, params={"table_log2": grid.log2_table_size},
    )  # fmt: skip


def hash_grid_backward(samples: int = 1 << 18) -> Case:
    """From the gradient of the features to that of the table."""
    grid = main_grid()

    def inputs(device: torch.device, count: int) -> tuple[Tensor, Tensor, Tensor]:
        table = hash_grid_init(grid, torch.Generator().manual_seed(0)).to(device).requires_grad_()
        out = hash_grid(noise(count, 3, device=device), table, grid)
        return out, table, noise(*out.shape, device=device, seed=1) - 0.5

    encode = grid_work(grid)
    size = encode.bytes + 4 * grid.entries * grid.features / samples
    work = replace(encode, bytes=size, formula=f"{encode.formula}; gradient of the table out")
    return Case(
        "hash_grid backward", "samples", samples, inputs, retained, lambda _: work, reference_samples=1 << 16,
        params={"table_log2": grid.log2_table_size},
    )  # fmt: skip


def mlp_case(samples: int = 1 << 18, *, backward: bool) -> Case:
    """The network alone."""

    def inputs(device: torch.device, count: int) -> SimpleNamespace:
        layers, features = network(device), noise(count, WIDTHS[0], device=device) - 0.5
        if not backward:
            return SimpleNamespace(features=features, layers=[(w.detach(), b.detach()) for w, b in layers])
        leaves = [features.requires_grad_(), *(tensor for layer in layers for tensor in layer)]
        g_out = noise(count, WIDTHS[-1], device=device, seed=9) - 0.5
        return SimpleNamespace(features=features, layers=layers, leaves=leaves, g_out=g_out)

    def ours(x: SimpleNamespace) -> Any:
        out = mlp(x.features, x.layers)
        return torch.autograd.grad(out, x.leaves, x.g_out) if backward else out

    times = 3 if backward else 1
    size = 4.0 * (WIDTHS[0] + WIDTHS[-1]) * (2 if backward else 1)
    work = Work(f"{times} x {mlp_flops()} flops (2 in out per layer); inputs and outputs", size, times * mlp_flops())
    name = "mlp forward + backward" if backward else "mlp forward"
    return Case(name, "samples", samples, inputs, ours, lambda _: work, params={"widths": WIDTHS})


def grid_sample_case(samples: int = 1 << 19, *, backward: bool) -> Case:
    """Trilinear lookup in a dense grid, and back to it."""
    nodes, channels = 96, 4

    def inputs(device: torch.device, count: int) -> Any:
        grid = noise(nodes, nodes, nodes, channels, device=device, seed=1)
        points = noise(count, 3, device=device)
        if not backward:
            return grid, points
        out = grid_sample3(grid.requires_grad_(), points)
        return out, grid, noise(count, channels, device=device, seed=2) - 0.5

    ours = retained if backward else lambda x: grid_sample3(*x)
    table = nodes**3 * channels * 4
    work = Work("8 corners; 16 C + 28 flops", 12 + 4.0 * channels, 16.0 * channels + 28, 8, table)
    name = "grid_sample3 backward" if backward else "grid_sample3 forward"
    return Case(name, "samples", samples, inputs, ours, lambda _: work, params={"nodes": nodes, "channels": channels})


def adam_case(numbers: int = 1 << 22, *, touched: float) -> Case:
    """A step of the table, of which a part has a gradient; the reference is torch's, which steps all of it."""

    def inputs(device: torch.device, count: int) -> SimpleNamespace:
        table = noise(count // 2, 2, device=device)
        gradient = (noise(count // 2, 2, device=device, seed=1) - 0.5) * (
            noise(count // 2, 1, device=device, seed=2) < touched
        )
        theirs = table.clone().requires_grad_()
        theirs.grad = gradient.clone()
        adam = torch.optim.Adam([theirs], lr=1e-3, eps=1e-15)
        return SimpleNamespace(table=table, gradient=gradient, state=AdamState.of(table), adam=adam)

    def ours(x: SimpleNamespace) -> None:
        adam_step_touched(x.table, x.gradient, state=x.state, step=1, config=AdamConfig(learning_rate=1e-3))

    work = Work(f"{ADAM_BYTES} bytes and 14 flops per touched number, 4 bytes per other", ADAM_BYTES, 14)
    if touched < 1:
        work = Work(work.formula, touched * ADAM_BYTES + (1 - touched) * 4, touched * 14)
    name, params = f"adam {touched:.0%} touched", {"touched": touched}
    return Case(name, "numbers", numbers, inputs, ours, lambda _: work, lambda x: x.adam.step(), params=params)

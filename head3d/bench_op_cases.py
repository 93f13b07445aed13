"""Cases of the ops beside the main line: distance with taps, tri-plane, shading, distortion loss, silhouettes."""

from itertools import pairwise

import torch
from torch import Tensor

from head3d.bench_case import Case, Work, noise
from head3d.bench_scene_cases import FACES, head_mesh
from head3d.geometry.cameras import project
from head3d.kernels.antialias import antialias, twin_corners
from head3d.kernels.distortion import distortion
from head3d.kernels.encoding import HashGridConfig
from head3d.kernels.raster import rasterize
from head3d.kernels.sdf_taps import TAPS, Shell, TapShape, UnitVolume, encode_mlp_sdf
from head3d.kernels.shading import shade_lamps, shade_sh
from head3d.kernels.triplane import triplane
from head3d.render.views import named_view

PER_RAY = 32
"""Sections of each ray whose spread is measured."""


def op_cases() -> list[Case]:
    """Every op of this file in its usual size."""
    return [
        *(sdf_case(taps) for taps in TAPS),
        triplane_case(), shade_sh_case(), shade_lamps_case(), distortion_case(), antialias_case(),
    ]  # fmt: skip


def _both_ways(out: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    return out.detach(), *torch.autograd.grad(out.square().sum(), leaves)


def sdf_case(taps: TapShape, samples: int = 1 << 16) -> Case:
    """The field's signed distance on a shell's volumes with the gradient of ``taps``, and the way back to the table.

    Grid, network and volumes are those of a trained head; a sample is a point, whose taps are rows of their own.
    """
    grid, rows = HashGridConfig.spanning(24, 400, levels=8, log2_table_size=17), 1 + len(TAPS[taps])
    widths, reach = (grid.width, 32, 1), UnitVolume(torch.full((50, 73, 85, 2), 0.6), (0.0, 0.0, 0.25), 0.0125)

    def inputs(device: torch.device, count: int) -> list:
        table = ((noise(grid.entries, 2, device=device) - 0.5) * 0.1).requires_grad_()
        layers = [(noise(b, a, device=device, seed=a) - 0.5).requires_grad_() for a, b in pairwise(widths)]
        base = UnitVolume(noise(144, 219, 257, 1, device=device, seed=3) - 0.5, (0.0, -0.03, 0.25), 0.0039)
        shell = Shell(base, UnitVolume(reach.values.to(device), reach.origin, reach.cell))
        around = torch.nn.functional.normalize(noise(count, 3, device=device, seed=4) - 0.5, dim=1)
        near = 0.5 + around * (0.2 + 0.005 * noise(count, 1, device=device, seed=5))  # as samples lie about a head
        return [near, shell, table, *layers]

    def ours(x: list) -> tuple[Tensor, ...]:
        network = [(weight, None) for weight in x[3:]]
        seen = encode_mlp_sdf(x[0], x[2], config=grid, layers=network, taps=taps, step=2.5e-3, unit=0.01, shell=x[1])
        loss = seen.outputs.square().sum() + seen.gradient.square().sum() + seen.mean.square().sum()
        return seen.gradient.detach(), *torch.autograd.grad(loss, x[2:])

    flops = 2.0 * sum(a * b for a, b in pairwise(widths))
    formula = f"{rows} rows x [16 corners of the volumes, 8 L there and back; 2 L (16 F + 28) + 3 x {flops:.0f} flops]"
    work = Work(
        formula, 12 + rows * 4 * grid.width * 2, rows * (2 * grid.levels * (16 * 2 + 28) + 3 * flops),
        rows * (16.0 + 16 * grid.levels), grid.entries * 8,
    )  # fmt: skip
    return Case(
        f"encode_mlp_sdf {taps}", "samples", samples, inputs, ours, lambda _: work, reference_samples=samples // 4,
        params={"levels": grid.levels, "widths": widths, "rows": rows},
    )  # fmt: skip


def triplane_case(samples: int = 1 << 18, *, size: int = 400, channels: int = 16) -> Case:
    """Values of three planes, and gradients of planes and points."""

    def inputs(device: torch.device, count: int) -> list[Tensor]:
        planes = noise(3, size, size, channels, device=device) - 0.5
        return [planes.requires_grad_(), noise(count, 3, device=device, seed=1).requires_grad_()]

    formula = "12 corners of C numbers each way; 3 x (8 C + 20) flops forward, three times that both ways"
    work = Work(formula, 2 * (12 + 4 * channels), 9.0 * (8 * channels + 20), 24.0, 3 * size * size * channels * 4)
    return Case(
        "triplane", "samples", samples, inputs, lambda x: _both_ways(triplane(x[0], x[1]), x), lambda _: work,
        params={"size": size, "channels": channels}, reference_samples=samples // 4,
    )  # fmt: skip


def shade_sh_case(rays: int = 1 << 18, *, lights: int = 4) -> Case:
    """Light of order 2, and gradients of albedo, normal and light."""

    def inputs(device: torch.device, count: int) -> list[Tensor]:
        normal = torch.nn.functional.normalize(noise(count, 3, device=device, seed=1) - 0.5, dim=1)
        sh = noise(lights, 9, 3, device=device, seed=2)
        which = torch.arange(count, device=device) % lights
        return [noise(count, 3, device=device).requires_grad_(), normal.requires_grad_(), sh.requires_grad_(), which]

    def ours(x: list[Tensor]) -> tuple[Tensor, ...]:
        return _both_ways(shade_sh(x[0], x[1], sh=x[2], light=x[3], darkest=0.03), x[:3])

    work = Work("albedo, normal and index in, radiance out, both ways; 80 flops forward, 240 both ways", 100, 240)
    return Case("shade_sh", "rays", rays, inputs, ours, lambda _: work, params={"lights": lights})


def shade_lamps_case(rays: int = 1 << 18, *, lamps: int = 4) -> Case:
    """Point lights, and gradients of albedo, normal and intensities."""

    def inputs(device: torch.device, count: int) -> list[Tensor]:
        normal = torch.nn.functional.normalize(noise(count, 3, device=device, seed=1) - 0.5, dim=1)
        bright = noise(lamps, 3, device=device, seed=2)
        points, places = noise(count, 3, device=device, seed=3), 2 + noise(lamps, 3, device=device, seed=4)
        leaves = [noise(count, 3, device=device).requires_grad_(), normal.requires_grad_(), bright.requires_grad_()]
        return [*leaves, points, places]

    def ours(x: list[Tensor]) -> tuple[Tensor, ...]:
        return _both_ways(shade_lamps(x[0], x[1], points=x[3], positions=x[4], intensities=x[2]), x[:3])

    formula = "albedo, normal and point in, radiance out, both ways; 25 flops a lamp forward, 75 both ways"
    work = Work(formula, 120, 75.0 * lamps)
    return Case("shade_lamps", "rays", rays, inputs, ours, lambda _: work, params={"lamps": lamps})


def distortion_case(samples: int = 1 << 18) -> Case:
    """Spread of the weights along rays, and the gradient of the weights."""

    def inputs(device: torch.device, count: int) -> list[Tensor]:
        rays = max(count // PER_RAY, 1)
        first = torch.arange(rays, device=device) * PER_RAY
        packed = torch.stack([first, torch.full_like(first, PER_RAY)], 1)
        starts = torch.arange(rays * PER_RAY, device=device) % PER_RAY * 1e-3
        return [noise(len(starts), device=device).requires_grad_(), starts, starts + 1e-3, packed]

    def ours(x: list[Tensor]) -> tuple[Tensor, ...]:
        return _both_ways(distortion(x[0], x[1], ends=x[2], packed_info=x[3]), x[:1])

    work = Work("weight, start and end in, gradient out; 12 flops forward, 36 both ways", 28, 36)
    return Case("distortion", "samples", samples, inputs, ours, lambda _: work, params={"per_ray": PER_RAY})


def antialias_case(size: int = 512, *, channels: int = 4) -> Case:
    """Blending across the silhouettes of the head, and gradients of picture and vertices."""

    def inputs(device: torch.device, _: int) -> list:
        vertices, faces = head_mesh(FACES)
        camera = named_view("front", size=(size, size)).camera
        pixels, depth = project(vertices, camera.c2w[0], camera.K[0])
        places, corners = torch.cat([pixels, depth[:, None]], 1).to(device), faces.to(device)
        seen = rasterize(places, corners, size=(size, size))
        image = noise(size, size, channels, device=device).requires_grad_()
        return [image, places.float().requires_grad_(), seen, corners, twin_corners(corners)]

    def ours(x: list) -> tuple[Tensor, ...]:
        return _both_ways(antialias(x[0], x[2], vertices_px_depth=x[1], faces=x[3], twins=x[4]), x[:2])

    work = Work("picture, index and depth in, picture out, both ways", 2 * (8 * channels + 12))
    params = {"faces": FACES, "size_px": size, "channels": channels}
    return Case("antialias", "pixels", size * size, inputs, ours, lambda _: work, params=params)

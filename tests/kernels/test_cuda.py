"""The CUDA kernels against the CPU kernels, on the same numbers."""

from dataclasses import replace

import pytest
import torch

from head3d.kernels.adam import AdamConfig, AdamState, adam_step_touched
from head3d.kernels.compositing import composite
from head3d.kernels.distortion import distortion
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.grid_sample import grid_sample3
from head3d.kernels.library import library
from head3d.kernels.marching import march_shell
from head3d.kernels.raster import rasterize
from head3d.kernels.render_field import FieldParts, field_sdf, march_field, render_field
from tests.reference.painted_ball import CENTRE, FORWARD, SLANTED, ball, directions
from tests.reference.shapes import sphere

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here may fall back unnoticed."""
    monkeypatch.setenv("HEAD3D_KERNELS", "auto")
    assert library("cuda") is not None


def on_both(function, *tensors: torch.Tensor):
    """Outputs and gradients of a function on the CPU and on CUDA."""
    results = []
    for device in ("cpu", "cuda"):
        inputs = [t.detach().to(device).requires_grad_() for t in tensors]
        out = function(*inputs)
        gradients = torch.autograd.grad(out.square().sum(), inputs)
        results.append([t.cpu() for t in (out.detach(), *gradients)])
    return zip(*results, strict=True)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_hash_grid():
    config = HashGridConfig(6, 2, 12, 8, 1.6, "smoothstep")
    table = hash_grid_init(config, torch.Generator().manual_seed(0)).double() * 1e4
    points = noise(1000, 3).sigmoid()
    for cpu, cuda in on_both(lambda p, t: hash_grid(p, t, config), points, table):
        assert torch.allclose(cpu, cuda, atol=1e-9)


def test_grid_sample3():
    for cpu, cuda in on_both(grid_sample3, noise(5, 6, 7, 3), noise(500, 3, seed=1).sigmoid()):
        assert torch.allclose(cpu, cuda, atol=1e-9)


@pytest.mark.parametrize("stop_below", [0.0, 0.4])
def test_composite(stop_below):
    count = torch.arange(40) % 11
    packed = torch.stack([count.cumsum(0) - count, count], 1)
    samples = int(count.sum())

    def run(sdf, sd, values):
        seen = composite(sdf, sd, packed_info=packed.to(sdf.device), values=values, stop_below=stop_below)
        return torch.cat([seen.weights, seen.opacity, seen.values.flatten()])

    for cpu, cuda in on_both(run, noise(samples), noise(samples).sigmoid() + 0.2, noise(samples, 4)):
        assert torch.allclose(cpu, cuda, atol=1e-9)


def test_distortion():
    count = torch.arange(40) % 11
    packed = torch.stack([count.cumsum(0) - count, count], 1)
    samples = int(count.sum())

    def run(weights, starts, ends):
        return distortion(weights, starts, ends=ends, packed_info=packed.to(weights.device))

    edges = (noise(2 * samples).sigmoid() + 0.1).cumsum(0)
    for cpu, cuda in on_both(run, noise(samples, seed=1).sigmoid(), edges[::2], edges[1::2]):
        assert torch.allclose(cpu, cuda, atol=1e-9)


def test_march_shell():
    axis = torch.linspace(-1, 1, 41)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).norm(dim=-1) - 0.6
    origins = 3 * torch.nn.functional.normalize(noise(500, 3).float(), dim=1)
    directions = torch.nn.functional.normalize(0.5 * noise(500, 3, seed=1).float() - origins, dim=1)
    seen = []
    for device in ("cpu", "cuda"):
        rays = [t.to(device) for t in (origins, directions, torch.zeros(500), torch.full((500,), 9.0))]
        seen.append(
            march_shell(
                grid.to(device), torch.full((3,), -1.0, device=device), cell_m=0.05, origins=rays[0],
                directions=rays[1], near=rays[2], far=rays[3], step_m=0.02, half_width_m=0.06,
            )
        )  # fmt: skip
    same = seen[0].packed_info[:, 1] == seen[1].packed_info[:, 1].cpu()
    assert same.float().mean() > 0.98  # fused multiply-adds differ in the last bit


def test_rasterize():
    vertices, faces = sphere(1.0, steps=24)
    x, y, z = (vertices.double() + torch.tensor([0.0, 0, 3])).unbind(1)
    places = torch.stack([60 * x / z + 32, 60 * y / z + 32, z], 1)
    cpu, cuda = (rasterize(places.to(device), faces.to(device), size=(64, 64)) for device in ("cpu", "cuda"))
    same = cpu.triangle == cuda.triangle.cpu()
    assert same.float().mean() > 0.999  # equal float32 depths fall to the lower index
    assert torch.allclose(cpu.depth, cuda.depth.cpu(), atol=1e-5)
    assert torch.allclose(cpu.barycentrics[same], cuda.barycentrics.cpu()[same], atol=1e-5)


def test_render_field():
    parts, rays = ball(), directions(64, 64)
    made = []
    for device in ("cpu", "cuda"):
        moved = on_device(parts, device)
        seen = render_field(
            moved, moved.shape, centre=CENTRE, forward=FORWARD, directions=rays.to(device), sh=SLANTED, oversample=2,
            singly=True,
        )  # fmt: skip
        made.append(torch.cat([seen.rgb, seen.albedo, seen.normal, seen.alpha[..., None]], dim=-1).cpu())
    apart = (made[0] - made[1]).abs().amax(-1)
    assert (apart > 1e-3).float().mean() < 5e-3  # such rays took another turn at a rounding
    points = noise(3000, 3).float() * 0.1
    cpu, cuda = (field_sdf(on_device(parts, device), points.to(device)) for device in ("cpu", "cuda"))
    assert torch.allclose(cpu, cuda.cpu(), atol=1e-6)


def test_march_field():
    parts, rays = ball(), directions(40, 40).reshape(-1, 3)
    marched = []
    for device in ("cpu", "cuda"):
        moved = on_device(parts, device)
        origins = CENTRE.expand(1600, 3).to(device)
        marched.append(march_field(moved.shape, origins, rays.to(device), sd_m=parts.sd_m, samples=20))
    same = (marched[0][1] == marched[1][1].cpu()).all(1)
    assert same.float().mean() > 0.98


def on_device(parts: FieldParts, device: str) -> FieldParts:
    """The same field, its tensors elsewhere."""

    def moved(one):
        tensors = {name: value.to(device) for name, value in vars(one).items() if isinstance(value, torch.Tensor)}
        return replace(one, **tensors)

    return replace(
        parts, **{name: moved(getattr(parts, name)) for name in ("shape", "traits", "paint", "geometry", "color")}
    )


def test_adam_step_touched():
    results = []
    for device in ("cpu", "cuda"):
        table, gradient = (noise(100, 2, seed=seed).float().to(device) for seed in (0, 1))
        gradient[::3] = 0
        state = AdamState.of(table)
        adam_step_touched(table, gradient, state=state, step=1, config=AdamConfig())
        results.append(table.cpu())
    assert torch.allclose(*results, atol=1e-6)

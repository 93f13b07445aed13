"""The CUDA kernels against the CPU kernels, on the same numbers."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from head3d.kernels.adam import AdamConfig, AdamState, adam_step_touched
from head3d.kernels.antialias import antialias
from head3d.kernels.closest import closest_point
from head3d.kernels.compositing import composite
from head3d.kernels.distortion import distortion
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.grid_sample import grid_sample3
from head3d.kernels.library import library
from head3d.kernels.marching import march_shell
from head3d.kernels.mlp import encode_mlp
from head3d.kernels.raster import rasterize
from head3d.kernels.render_field import FieldParts, field_sdf, march_field, render_field
from head3d.kernels.sdf_taps import encode_mlp_sdf
from head3d.kernels.shading import shade_lamps, shade_sh
from head3d.kernels.triplane import triplane
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


def network(dtype: torch.dtype) -> list[torch.Tensor]:
    sizes = ((64, 32), (64,), (64, 64), (64,), (16, 64), (16,))
    return [(noise(*size, seed=i) / size[-1] ** 0.5).to(dtype) for i, size in enumerate(sizes)]


def layers_of(flat):
    return list(zip(flat[::2], flat[1::2], strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_encode_mlp(dtype):
    config = HashGridConfig(16, 2, 12, 8, 1.3)
    table = hash_grid_init(config, torch.Generator().manual_seed(0)).to(dtype) * 1e4
    tensors = noise(5000, 3).sigmoid().to(dtype), table, *network(dtype)
    limit = 1e-9 if dtype == torch.float64 else 1e-4
    for cpu, cuda in on_both(lambda p, t, *f: encode_mlp(p, t, config=config, layers=layers_of(f)), *tensors):
        assert (cpu - cuda).norm() <= limit * cpu.norm()


@pytest.mark.parametrize("taps", ["none", "tetrahedron", "axes"])
def test_encode_mlp_sdf(taps):
    config = HashGridConfig(16, 2, 12, 8, 1.3)
    table = hash_grid_init(config, torch.Generator().manual_seed(0)).double() * 1e4
    tensors = noise(3000, 3).sigmoid(), table, *network(torch.float64)

    def run(points, table, *flat):
        seen = encode_mlp_sdf(points, table, config=config, layers=layers_of(flat), taps=taps, step=0.01)
        return torch.cat([seen.outputs, seen.gradient, seen.mean[:, None]], 1)

    for cpu, cuda in on_both(run, *tensors):
        assert (cpu - cuda).norm() <= 1e-9 * cpu.norm()


def test_encode_mlp_in_16_bits():
    """Against float32: emulated, bfloat16 put 4.8 % of noise on the gradient of the points, which suffers most."""
    config = HashGridConfig(16, 2, 12, 8, 1.3)
    table = hash_grid_init(config, torch.Generator().manual_seed(0)) * 1e4
    tensors = noise(5000, 3).sigmoid().float(), table, *network(torch.float32)

    def run(points, values, *flat):
        precision = "bfloat16" if points.is_cuda else "float32"
        return encode_mlp(points, values, config=config, layers=layers_of(flat), precision=precision)

    for cpu, cuda in on_both(run, *tensors):
        assert (cpu - cuda).norm() <= 0.08 * cpu.norm()


def test_grid_sample3():
    for cpu, cuda in on_both(grid_sample3, noise(5, 6, 7, 3), noise(500, 3, seed=1).sigmoid()):
        assert torch.allclose(cpu, cuda, atol=1e-9)


def test_triplane():
    for cpu, cuda in on_both(triplane, noise(3, 6, 7, 5), noise(500, 3, seed=1).sigmoid()):
        assert torch.allclose(cpu, cuda, atol=1e-9)


def test_shade_sh():
    def run(albedo, normal, sh, *, lights: int):
        light = torch.arange(len(albedo), device=albedo.device) // 100 % lights
        return shade_sh(albedo, normal, sh=sh, light=light, darkest=0.03)

    for lights in (1, 7):  # warps of one light, and of two
        sh = noise(lights, 9, 3, seed=2)
        for cpu, cuda in on_both(partial(run, lights=lights), noise(999, 3), noise(999, 3, seed=1), sh):
            assert torch.allclose(cpu, cuda, atol=1e-9)


def test_shade_lamps():
    points, positions = noise(999, 3, seed=2), 3 * noise(4, 3, seed=3)

    def run(albedo, normal, intensities):
        where = {"points": points.to(albedo.device), "positions": positions.to(albedo.device)}
        return shade_lamps(albedo, normal, **where, intensities=intensities)

    for cpu, cuda in on_both(run, noise(999, 3), noise(999, 3, seed=1), noise(4, 3, seed=4)):
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


def test_antialias():
    vertices, faces = sphere(1.0, steps=12)
    places = vertices.double() * torch.tensor([20, 20, -1]) + torch.tensor([32.3, 31.9, 3])
    image = noise(64, 64, 3)

    def run(pixels, corners):
        seen = rasterize(corners, faces.to(corners.device), size=(64, 64))
        return antialias(pixels, seen, vertices_px_depth=corners, faces=faces.to(corners.device))

    for cpu, cuda in on_both(run, image, places):
        assert torch.allclose(cpu, cuda, atol=1e-9)


def test_closest_point():
    vertices, faces = sphere(1.0, steps=24)
    points = 1.5 * noise(5000, 3).float()
    cpu, cuda = (closest_point(points.to(d), vertices.to(d), faces.to(d)) for d in ("cpu", "cuda"))
    assert torch.allclose(cpu.distance, cuda.distance.cpu(), atol=1e-6)
    corners = vertices[faces[cuda.triangle.cpu()]]
    named = (cuda.barycentrics.cpu()[..., None] * corners).sum(1)
    assert torch.allclose((points - named).norm(dim=1), cpu.distance, atol=2e-6)


def test_adam_step_touched():
    results = []
    for device in ("cpu", "cuda"):
        table, gradient = (noise(100, 2, seed=seed).float().to(device) for seed in (0, 1))
        gradient[::3] = 0
        state = AdamState.of(table)
        adam_step_touched(table, gradient, state=state, step=1, config=AdamConfig())
        results.append(table.cpu())
    assert torch.allclose(*results, atol=1e-6)

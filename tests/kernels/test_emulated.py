"""The CUDA kernels, emulated (tests/kernels/emulator), against the CPU kernels; and the emulator itself."""

from pathlib import Path

import pytest
import torch

from head3d.errors import Head3DError
from head3d.kernels.adam import AdamConfig, AdamState, adam_step_touched
from head3d.kernels.compositing import composite
from head3d.kernels.encoding import HashGridConfig, hash_grid
from head3d.kernels.grid_sample import grid_sample3
from head3d.kernels.library import call
from head3d.kernels.marching import march_shell
from head3d.kernels.raster import rasterize
from head3d.kernels.relight import relight_pixels
from head3d.kernels.render_field import field_sdf, march_field, render_field
from tests.kernels.emulated import compile_emulated
from tests.reference.painted_ball import CENTRE, FORWARD, SLANTED, ball, directions
from tests.reference.shapes import sphere


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def differentiated(function, *tensors: torch.Tensor) -> list[torch.Tensor]:
    """Outputs and gradients."""
    inputs = [t.detach().clone().requires_grad_() for t in tensors]
    out = function(*inputs)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), inputs)]


def agree(pair, rtol: float | None = None, atol: float | None = None) -> None:
    for one, two in zip(*pair, strict=True):
        torch.testing.assert_close(two, one, rtol=rtol, atol=atol)


class TestOps:
    @pytest.mark.parametrize("features", [1, 2, 4, 8])
    @pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
    def test_hash_grid(self, emulated, dtype, tolerance, features, interpolation):
        config = HashGridConfig(5, features, 9, 4, 1.7, interpolation)
        # some points lie outside the cube, at its corners and in one another's cells
        edges = torch.tensor([[0.0, 0, 0], [1, 1, 1], [-0.1, 0.5, 1.2]])
        points = torch.cat([noise(150, 3).sigmoid(), edges]).to(dtype)
        table = noise(config.entries, features, seed=1, dtype=dtype)
        agree(emulated(lambda: differentiated(lambda p, t: hash_grid(p, t, config), points, table)), **tolerance)

    def test_grid_sample3(self, emulated, dtype, tolerance):
        tensors = noise(5, 6, 7, 3, dtype=dtype), noise(300, 3, seed=1, dtype=dtype).sigmoid()
        agree(emulated(lambda: differentiated(grid_sample3, *tensors)), **tolerance)

    def test_composite(self, emulated, dtype, tolerance):
        count = torch.arange(40) % 11
        packed = torch.stack([count.cumsum(0) - count, count], 1)
        samples = int(count.sum())

        def run(sdf, sd, values):
            seen = composite(sdf, sd, packed_info=packed, values=values)
            return torch.cat([seen.weights, seen.opacity, seen.values.flatten()])

        tensors = noise(samples), noise(samples).sigmoid() + 0.2, noise(samples, 4)
        agree(emulated(lambda: differentiated(run, *(t.to(dtype) for t in tensors))), **tolerance)

    def test_march_shell(self, emulated):
        axis = torch.linspace(-1, 1, 41)
        grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).norm(dim=-1) - 0.6
        origins = 3 * torch.nn.functional.normalize(noise(300, 3).float(), dim=1)
        directions = torch.nn.functional.normalize(0.5 * noise(300, 3, seed=1).float() - origins, dim=1)

        def run():
            return march_shell(
                grid, torch.full((3,), -1.0), cell_m=0.05, origins=origins, directions=directions,
                near=torch.zeros(300), far=torch.full((300,), 9.0), step_m=0.02, half_width_m=0.06,
            )  # fmt: skip

        cpu, cuda = emulated(run)
        same = cpu.packed_info[:, 1] == cuda.packed_info[:, 1]
        assert same.float().mean() > 0.98  # fused multiply-adds differ in the last bit
        assert len(cpu.t) > 1000

    def test_rasterize(self, emulated):
        vertices, faces = sphere(1.0, steps=24)
        x, y, z = (vertices.double() + torch.tensor([0.0, 0, 3])).unbind(1)
        places = torch.stack([60 * x / z + 32, 60 * y / z + 32, z], 1)
        cpu, cuda = emulated(lambda: rasterize(places, faces, size=(64, 64)))
        same = cpu.triangle == cuda.triangle
        assert same.float().mean() > 0.999  # equal float32 depths fall to the lower index
        assert torch.allclose(cpu.depth, cuda.depth, atol=1e-5)
        assert torch.allclose(cpu.barycentrics[same], cuda.barycentrics[same], atol=1e-5)

    def test_render_field(self, emulated):
        parts, rays = ball(), directions(24, 24)
        points = noise(300, 3, dtype=torch.float32) * 0.1

        def run():
            seen = render_field(
                parts, parts.shape, centre=CENTRE, forward=FORWARD, directions=rays, sh=SLANTED, oversample=2,
                singly=True,
            )  # fmt: skip
            picture = torch.cat([seen.rgb, seen.albedo, seen.normal, seen.alpha[..., None]], dim=-1)
            start = CENTRE.expand(576, 3).contiguous()
            valid = march_field(parts.shape, start, rays.reshape(-1, 3), sd_m=parts.sd_m, samples=20)[1]
            return picture, valid, field_sdf(parts, points)

        (picture, valid, sdf), (cuda_picture, cuda_valid, cuda_sdf) = emulated(run)
        apart = (picture - cuda_picture).abs().amax(-1)
        assert (apart > 1e-3).float().mean() < 5e-3  # such rays took another turn at a rounding
        assert (valid == cuda_valid).all(1).float().mean() > 0.98
        assert torch.allclose(sdf, cuda_sdf, atol=1e-6)

    def test_relight(self, emulated):
        parts, count = ball(), 400
        place = torch.nn.functional.normalize(noise(count, 3).float(), dim=1) * 0.1
        albedo, hair = noise(count, 3, seed=1).float().sigmoid(), noise(count, seed=2).float().clamp(0, 1)
        lamps = torch.tensor(
            [[0.6, 0.5, 0.6, 2, 2, 1, 0, 0, 0, 0.05, 1], [-0.4, 0.2, 0.6, 1, 2, 3, 0.5, -0.2, -0.8, 0.1, 0]]
        )

        def run():
            return (
                relight_pixels(
                    parts.shape, place=place, neutral=place, normal=place * 10, albedo=albedo, hair=hair, eye=CENTRE,
                    sh=SLANTED, lamps=lamps, shadows=0.9, occlusion=0.8, gloss=1.0,
                ),
            )  # fmt: skip

        agree(emulated(run), atol=1e-4, rtol=1e-3)

    def test_adam_step_touched(self, emulated):
        def run():
            table, gradient = (noise(300, 2, seed=seed, dtype=torch.float32) for seed in (0, 1))
            gradient[::3] = 0
            state = AdamState.of(table)
            for step in (1, 2):
                adam_step_touched(table, gradient, state=state, step=step, config=AdamConfig())
            return table, state.first, state.second

        agree(emulated(run), atol=1e-6, rtol=1e-5)


PROBE = """
#include "launch.h"
namespace head3d::probe {
// Sums 64 numbers of a block through shared memory; a forgotten barrier and a write past the end can be asked for.
__global__ void sum(const int64_t* numbers, int64_t mode, int64_t* out) {
  int64_t* seen = shared_memory<int64_t>();
  const int i = threadIdx.x;
  seen[i] = numbers[i];
  if (mode == 1) seen[64 + i] = 0;
  if (mode == 2 && i < 32) return;
  if (mode != 3) __syncthreads();
  int64_t total = 0;
  for (int k = 0; k < 64; ++k) total += seen[k];
  out[i] = total;
  const int64_t of_warp = __shfl_xor_sync(~0u, numbers[i], 1);
  out[64 + i] = of_warp + 100 * __popc(__match_any_sync(~0u, int(numbers[i] % 4)));
}
}  // namespace head3d::probe
extern "C" __attribute__((visibility("default"))) int head3d_probe(const int64_t* numbers, int64_t mode, int64_t* out,
                                                                   int64_t stream) {
  HEAD3D_LAUNCH_AS(head3d::probe::sum, dim3(1), dim3(64), 64 * 8, stream, numbers, mode, out);
  return 0;
}
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("probe")
    (folder / "probe.cu").write_text(PROBE.replace('"launch.h"', '"cuda/launch.h"'))
    return compile_emulated(folder, 900, [folder / "probe.cu"])


class TestEmulator:
    """What it must notice, it notices."""

    def run(self, probe, monkeypatch, mode: int) -> torch.Tensor:
        probe.install(monkeypatch)
        out = torch.zeros(128, dtype=torch.int64)
        call(probe.library, "probe", torch.arange(64), mode, out)
        return out

    @pytest.mark.parametrize("backwards", [False, True])
    def test_threads_meet_and_exchange(self, probe, monkeypatch, backwards):
        with probe.order(backwards):
            out = self.run(probe, monkeypatch, 0)
        assert (out[:64] == 63 * 32).all()
        assert (out[64:] == (torch.arange(64) ^ 1) + 800).all()

    def test_a_forgotten_barrier_gives_wrong_sums(self, probe, monkeypatch):
        assert not (self.run(probe, monkeypatch, 3)[:64] == 63 * 32).all()

    @pytest.mark.parametrize(("mode", "message"), [(1, "behind the shared memory"), (2, "others never reach")])
    def test_faults_are_errors(self, probe, monkeypatch, mode, message):
        with pytest.raises(Head3DError, match="719"):
            self.run(probe, monkeypatch, mode)
        assert message in probe.message

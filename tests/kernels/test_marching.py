from typing import Any

import pytest
import torch

from head3d.errors import ShapeError
from head3d.kernels.marching import march_shell

CELL, LOW, RADIUS = 0.05, torch.tensor([-1.0, -1.1, -1.2]), 0.6


def ball() -> torch.Tensor:
    axes = [float(LOW[a]) + CELL * torch.arange(n, dtype=torch.float32) for a, n in enumerate((41, 45, 49))]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).norm(dim=-1) - RADIUS


def bundle(count: int = 300) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    origins = 3 * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    aim = 0.8 * torch.randn(count, 3, generator=generator)
    directions = torch.nn.functional.normalize(aim - origins, dim=1)
    return {
        "origins": origins, "directions": directions, "near": torch.zeros(count), "far": torch.full((count,), 10.0),
        "jitter": torch.rand(count, generator=generator),
    }  # fmt: skip


class TestMarchShell:
    def test_a_ray_at_a_ball_samples_the_shell_and_stops_inside(self, path):
        seen = march_shell(
            ball(), LOW, cell_m=CELL, step_m=0.01, half_width_m=0.05, origins=torch.tensor([[0.0, 0, 3]]),
            directions=torch.tensor([[0.0, 0, -1]]), near=torch.zeros(1), far=torch.tensor([9.0]),
        )  # fmt: skip
        assert seen.packed_info.tolist() == [[0, len(seen.t)]]
        assert 9 <= len(seen.t) <= 12
        assert float(seen.t[0]) == pytest.approx(3 - 0.65, abs=0.011) and float(seen.t[-1]) < 3 - 0.54
        assert torch.allclose(seen.t.diff(), torch.full((len(seen.t) - 1,), 0.01), atol=1e-5)

    def test_samples_lie_in_the_shell_in_order(self, path):
        rays = bundle()
        seen = march_shell(ball(), LOW, cell_m=CELL, step_m=0.02, half_width_m=0.06, **rays)
        points = rays["origins"][seen.ray] + rays["directions"][seen.ray] * seen.t[:, None]
        assert (points.norm(dim=1) - RADIUS).abs().max() < 0.06 + 0.02 + 0.003  # jitter moves by a step, cells round
        start, count = seen.packed_info.unbind(1)
        assert (start == count.cumsum(0) - count).all() and int(count.sum()) == len(seen.t)
        assert (torch.repeat_interleave(torch.arange(300), count) == seen.ray).all()
        same = seen.ray[1:] == seen.ray[:-1]
        assert (seen.t.diff()[same] > 0.0199).all()

    def test_both_paths_agree(self, both):
        rays = bundle()
        compiled, plain = both(lambda: march_shell(ball(), LOW, cell_m=CELL, step_m=0.02, half_width_m=0.06, **rays))
        assert (compiled.packed_info == plain.packed_info).float().mean() > 0.99  # a last bit may add a sample
        same = (compiled.packed_info[:, 1] == plain.packed_info[:, 1]).nonzero()[:, 0]
        for r in same[:50].tolist():
            (a, n), (b, _) = compiled.packed_info[r].tolist(), plain.packed_info[r].tolist()
            assert torch.allclose(compiled.t[a : a + n], plain.t[b : b + n], atol=1e-4)

    def test_at_most_so_many_samples_and_none_for_rays_that_miss(self, path):
        rays = bundle()
        few = march_shell(ball(), LOW, cell_m=CELL, step_m=0.02, half_width_m=0.06, most=3, **rays)
        assert int(few.packed_info[:, 1].max()) == 3
        rays["directions"] = rays["origins"] / 3
        away = march_shell(ball(), LOW, cell_m=CELL, step_m=0.02, half_width_m=0.06, **rays)
        assert len(away.t) == 0 and (away.packed_info[:, 1] == 0).all()
        none: dict[str, Any] = {name: tensor[:0] for name, tensor in rays.items()}
        assert march_shell(ball(), LOW, cell_m=CELL, step_m=0.02, half_width_m=0.06, **none).packed_info.shape == (0, 2)

    def test_bad_input_names_the_argument(self):
        rays = bundle()
        rays["directions"] = rays["directions"][0]
        with pytest.raises(ShapeError, match="directions"):
            march_shell(ball(), LOW, cell_m=CELL, step_m=0.1, half_width_m=0.1, **rays)
        rays = bundle()
        with pytest.raises(ShapeError, match="step_m"):
            march_shell(ball(), LOW, cell_m=CELL, step_m=0.0, half_width_m=0.1, **rays)

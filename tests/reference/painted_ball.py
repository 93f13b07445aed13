"""A ball with a bumpy, painted, half-seen surface as the kernels take a field, and rays that see it."""

import torch

from head3d.kernels.encoding import HashGridConfig, hash_grid_init
from head3d.kernels.render_field import FieldNet, FieldParts, FieldVolume

RADIUS_M = 0.1
CENTRE = torch.tensor([0.02, -0.01, 0.6])
FORWARD = torch.tensor([0.0, 0.0, -1.0])
GRIDS = HashGridConfig.spanning(8, 40, levels=3, log2_table_size=10), HashGridConfig(2, 4, 9, 8, 2.0, "smoothstep")
WHITE = torch.zeros(9, 3)
WHITE[0] = 2 * torch.pi**0.5
SLANTED = WHITE + torch.randn(9, 3, generator=torch.Generator().manual_seed(9)) * 0.4


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def net(grid: HashGridConfig, outputs: int, *, seed: int, scale: float) -> FieldNet:
    generator = torch.Generator().manual_seed(seed)
    table = hash_grid_init(grid, generator) * 1e4
    weights = [torch.randn(*shape, generator=generator) for shape in ((20, grid.width), (20,), (outputs, 20))]
    return FieldNet(grid, table, weights[0], weights[1] * 0.1, weights[2] * scale)


def ball(*, learned: float = 1.0) -> FieldParts:
    """A ball with a bumpy, painted, half-seen surface; ``learned`` scales what the networks add."""
    low, cell = torch.full((3,), -0.16), 0.01
    z, y, x = torch.meshgrid(*[torch.arange(33) * cell - 0.16] * 3, indexing="ij")
    shape = torch.stack([x, y, z]).norm(dim=0) - RADIUS_M
    coarse = random(6, 9, 9, 9, seed=1)
    traits = torch.stack([0.004 + 0.004 * coarse[0], 1 + 2 * coarse[1]])
    paint = torch.cat([coarse[2:5] * 2 - 1, (coarse[5:] * 2 - 0.5).clamp(0, 1)])
    return FieldParts(
        FieldVolume(shape[None], low, cell), FieldVolume(traits, low, 0.04), FieldVolume(paint, low, 0.04),
        net(GRIDS[0], 1, seed=2, scale=0.02 * learned), net(GRIDS[1], 6, seed=3, scale=0.2 * learned),
        box_m=0.5, unit_m=0.01, residual_color=0.1, sd_m=1.5e-3,
    )  # fmt: skip


def directions(height: int, width: int, *, spread: float = 0.3) -> torch.Tensor:
    y, x = (torch.linspace(-spread, spread, n) if n > 1 else torch.zeros(1) for n in (height, width))
    rays = torch.stack([x.expand(height, width), y[:, None].expand(height, width), -torch.ones(height, width)], dim=-1)
    return torch.nn.functional.normalize(rays, dim=-1)

"""Learned grids that turn a point into features: multi-resolution hash grid (Müller et al. 2022) and tri-plane."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from head3d.field.config import GridConfig
from head3d.field.decoder import Decoder
from head3d.geometry.conventions import FIELD_HALF_SIZE_M
from head3d.kernels.encoding import HashGridConfig, hash_grid, hash_grid_init
from head3d.kernels.mlp import encode_mlp
from head3d.kernels.triplane import triplane


def unit_box(points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P 3"]:
    """Map the field's box to [0, 1]; points outside go to its border."""
    return (points_m / (2 * FIELD_HALF_SIZE_M) + 0.5).clamp(0.0, 1.0)


class HashEncoding(nn.Module):
    """Features of points from hash tables of several resolutions, finest last."""

    def __init__(self, config: GridConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.grid = HashGridConfig.spanning(
            config.coarsest_cells,
            config.finest_cells,
            levels=config.levels,
            features=config.features,
            log2_table_size=config.table_log2,
        )
        self.table = nn.Parameter(hash_grid_init(self.grid, generator))  # tiny: at step 0 the field is the fitted head

    @property
    def width(self) -> int:
        """Number of features of a point."""
        return self.grid.width

    def forward(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
        """Features at points of the head frame, differentiable in table and points."""
        return hash_grid(unit_box(points_m), self.table, self.grid)


class TriplaneEncoding(nn.Module):
    """Features of points summed over three planes XY, YZ, ZX; ``features`` * ``levels`` channels."""

    def __init__(self, config: GridConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        channels, size = config.features * config.levels, config.finest_cells
        self.width = channels
        planes = (torch.rand(3, channels, size, size, generator=generator) * 2 - 1) * 1e-4
        # files keep channels first; memory has them last, as the kernel reads them: else it copies the planes each time
        self.planes = nn.Parameter(planes.contiguous(memory_format=torch.channels_last))

    def forward(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P C"]:
        """Features at points of the head frame, differentiable in planes and points."""
        return triplane(self.planes.permute(0, 2, 3, 1), unit_box(points_m))


def make_encoding(config: GridConfig, *, generator: torch.Generator | None = None) -> HashEncoding | TriplaneEncoding:
    """The encoding a config asks for."""
    match config.kind:
        case "hash":
            return HashEncoding(config, generator=generator)
        case "triplane":
            return TriplaneEncoding(config, generator=generator)


def decoded(
    encoding: HashEncoding | TriplaneEncoding,
    decoder: Decoder,
    points_m: Float[Tensor, "P 3"],
    *,
    levels: Float[Tensor, "C"] | None = None,
) -> Float[Tensor, "P O"]:
    """What a decoder says of the features at points. ``levels`` fades features (coarse to fine)."""
    if isinstance(encoding, HashEncoding):
        return encode_mlp(unit_box(points_m), encoding.table, config=encoding.grid, layers=decoder.layers(levels))
    features = encoding(points_m)
    return decoder(features if levels is None else features * levels)

"""Shape of the learned parts of a field."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class GridConfig:
    """Shape of one learned grid."""

    kind: Literal["hash", "triplane"] = "hash"
    """Hash grid (sharp, 360 degrees) or tri-plane (smoother, for priors)."""
    levels: int = 8
    """Resolutions."""
    features: Literal[1, 2, 4, 8] = 2
    """Features per level."""
    coarsest_cells: int = 24
    """Cells across the field's box at the coarsest level; below 20 the cell borders show as kinks."""
    finest_cells: int = 400
    """Cells across the field's box at the finest level."""
    table_log2: int = 17
    """Entries per level at most, as a power of two."""


@dataclass(frozen=True)
class FieldConfig:
    """Learned parts of the field."""

    geometry: GridConfig = field(default_factory=lambda: GridConfig(coarsest_cells=24, finest_cells=400, table_log2=17))
    """Grid of the signed-distance residual."""
    color: GridConfig = field(default_factory=lambda: GridConfig(coarsest_cells=24, finest_cells=1600, table_log2=19))
    """Grid of the albedo."""
    hidden: int = 32
    """Width of both decoders."""
    residual_color: float = 0.1
    """Largest radiance the field may add to the shaded albedo (highlights, what the light model misses)."""

"""What nets do to renders: options."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RefineConfig:
    """What nets do to a render before it is finished."""

    enlarge: bool = True
    """Make large heads from half their size: what lies between is blur of the field's, and a net draws it better."""
    net: Literal["own", "realesrgan"] = "own"
    """Ours, or Real-ESRGAN x4plus: fetched when first used, minutes a picture without a GPU, and less alike."""

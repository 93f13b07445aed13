"""When a picture is warned about, and when it is put aside: options."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GateConfig:
    """When a view is warned about, and when it is no headshot of this person."""

    warn_invented: float = 0.12
    """Part of the head's pixels that no photo tells anything about, above which a view comes with a warning."""
    refuse_invented: float = 0.45
    """The same, above which a view is put aside (headshots/refused) instead of among the headshots."""
    warn_unseen: float = 0.6
    """Part of the head's pixels that photos saw at a grazing angle at best, or not at all (extrapolated and invented
    together), above which a view comes with a warning: half of a head may well be its other half mirrored."""
    pictures: bool = True
    """Look at every finished picture: the same person? blurred, torn, wrongly lit, distorted? Such ones are put aside,
    too. The thresholds are those of the detector's own calibration (`head3d train-gate`)."""

"""Lenses: focal lengths as photographers say them, and where the camera stands so that the head keeps its size."""

from head3d.errors import ConfigError

HEAD_HEIGHT_M = 0.235
"""Chin to crown of an adult, with a little hair."""
HEAD_SHARE = 0.57
"""Part of the picture's height that the head takes."""
FULL_FRAME_HEIGHT_MM = 24.0
"""Height of the 35 mm format that focal lengths are quoted for."""
LENS_MM = (35.0, 135.0)
"""Least and most at equal framing: a wider one would stand at the nose, a longer one changes nothing that is seen."""


def lens_distance_m(lens_mm: float) -> float:
    """From the camera to the middle of the head, where a lens gives the head its usual size.

    A head of height h takes the part f h / (d 24 mm) of the picture at the distance d.

    Args:
        lens_mm: 35 mm equivalent focal length.

    Raises:
        ConfigError: Not within ``LENS_MM``.
    """
    low, high = LENS_MM
    if isinstance(lens_mm, bool) or not isinstance(lens_mm, int | float) or not low <= lens_mm <= high:
        raise ConfigError(f"A lens of {lens_mm!r} mm frames no head.", hint=f"Use {low:g} to {high:g}.")
    return lens_mm / FULL_FRAME_HEIGHT_MM * HEAD_HEIGHT_M / HEAD_SHARE


def camera_distance_m(lens_mm: float | None, *, distance_m: float, focal_mm: float | None, usual_m: float) -> float:
    """How far the camera stands: as the lens says, else as given.

    Args:
        lens_mm: See :func:`lens_distance_m`; None if no lens is asked for.
        distance_m: Asked for.
        focal_mm: Asked for: a zoom where the camera stands.
        usual_m: The distance if nobody asks.

    Raises:
        ConfigError: A lens and one of the others.
    """
    if lens_mm is None:
        return distance_m
    if focal_mm is not None or distance_m != usual_m:
        raise ConfigError(
            "A lens at equal framing says itself how far the camera stands.",
            hint="Leave out the lens (--lens-mm), or the distance and --focal-mm, which zooms.",
        )
    return lens_distance_m(lens_mm)

"""What offices demand of a passport picture, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PassportRules:
    """Bounds, each with its source. Parts of the picture are of its height unless it says otherwise.

    The defaults are those of ICAO Doc 9303-3 and ISO/IEC 39794-5 annex D (19794-5 before); a preset gives the others.
    """

    head: tuple[float, float] = (0.70, 0.80)
    """Top of the head to chin (the preset says whether hair counts)."""
    eyes: tuple[float, float] = (0.50, 0.70)
    """The eye line above the lower edge."""
    centre: tuple[float, float] = (0.45, 0.55)
    """Middle between the eyes from the left edge, as a part of the width."""
    yaw_deg: float = 5.0
    """Turn of the head to a side."""
    pitch_deg: float = 5.0
    """Turn up or down."""
    roll_deg: float = 8.0
    """Tilt of the eye line."""
    eye_open: float = 0.15
    """Least opening of each eye over its width: 0.25 and more is usual, 0.1 is a blink."""
    mouth_gap: float = 0.06
    """Most gap between the lips over the distance between the eyes: 0.01 is closed, 0.06 are 4 mm."""
    unit: float = 0.25
    """Most weight of any unit of expression but of the eyes' direction: a smile for a headshot has 0.5."""
    eye_contrast: float = 4.0
    """Least spread (standard deviation of L*) within each eye: dark glasses, hair and glare are flat."""
    background_lightness: float = 80.0
    """Least mean L* of the background: light grey and lighter."""
    background_spread: float = 5.0
    """Most spread (standard deviation of L*) of the background, and most difference between its sides: plain, and
    without a shadow."""
    background_chroma: float = 10.0
    """Most mean chroma (CIE Lab) of the background."""
    clipped: float = 0.005
    """Most part of the face with a channel at 253 or more."""
    crushed: float = 0.01
    """Most part of the skin with every channel at 4 or less."""
    lightness: tuple[float, float] = (20.0, 90.0)
    """Median L* of the face: wide, since skin is dark or light by itself; outside nobody's skin is well exposed."""
    levels: int = 64
    """Least number of levels between the face's 0.5th and 99.5th percentile; the standard counts 128, pores too."""
    evenness: float = 0.5
    """Least of the means of forehead, cheeks and chin over the greatest, in levels (39794-5: 50 %)."""
    margin: float = 0.01
    """Least room above the hair."""

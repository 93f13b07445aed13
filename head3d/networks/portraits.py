"""Photos of people that networks learn from, and of people they never see."""

from pathlib import Path

LONDON_HELD_OUT = 20
"""Of the Face Research Lab London Set: the last so many people are kept aside."""
OPENPEOPLE = ("P002", "P006", "P007", "P010")
"""Learned from; the others (P001, P005, P009) are kept aside."""


def portraits(data: Path, *, held_out: bool = False) -> list[Path]:
    """Photos to learn from (London's people, openpeople's), or of London's people held out, person by person."""
    london = sorted({path.stem for path in (data / "london512").glob("*/*.jpg")})
    chosen = london[-LONDON_HELD_OUT:] if held_out else london[:-LONDON_HELD_OUT]
    found = [path for person in chosen for path in sorted((data / "london512").glob(f"*/{person}.jpg"))]
    if not held_out:
        found += [path for person in OPENPEOPLE for path in sorted((data / "openpeople" / person).glob("*.jpg"))]
    return found

"""Sample photos for the demo and the tests: synthetic people of the MIT-licensed ``openpeople`` package."""

from pathlib import Path

from PIL import Image

from head3d import store, weights
from head3d.errors import ConfigError

PEOPLE = ("P001", "P002", "P005", "P006", "P007", "P009", "P010")
SHEET_BOXES = {"front": (74, 146, 542, 638), "left": (668, 146, 1136, 638), "right": (1856, 146, 2324, 638)}
"""Left, top, right, bottom px of the head views in every character sheet, inside their white frames. The face in "left"
and "right" may look the same way: they are two casual photos from the side, not a turntable."""


def write_sample_photos(out: Path, *, person: str = "P001") -> list[Path]:
    """Write the photos a casual user would have: a portrait, a selfie, and two views from the side.

    Returns:
        Their paths. What is there already stays as it is.
    """
    if person not in PEOPLE:
        raise ConfigError(f"There are no sample photos of {person!r}.", hint=f"Choose one of {', '.join(PEOPLE)}.")
    source = weights.get("openpeople") / person / "assets"
    store.make_folder(out)
    written = []
    for name in ("studio_portrait", "amateur_selfie"):
        written.append(out / f"{name}.jpg")
        if not written[-1].exists():
            store.write_bytes(written[-1], (source / f"{name}.jpg").read_bytes())
    with Image.open(source / "character_sheet.jpg") as sheet:
        for name in ("left", "right"):
            written.append(out / f"sheet_{name}.png")
            if written[-1].exists():
                continue
            with store.atomic(written[-1]) as temporary:
                sheet.crop(SHEET_BOXES[name]).save(temporary, "PNG")
    return written

"""Commands to begin with: presets, sample-photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.store import disk_errors


def presets(words: Sequence[str]) -> int:
    from head3d.config import preset_names, preset_text
    from head3d.finish.crops import crop_names, crop_text, load_crop
    from head3d.garments.names import COLORS, PARTS

    if words:
        for name in words:
            text = crop_text(name) if name in crop_names() else preset_text(name)
            print(f"{name}\n{_indented(text)}")
        return 0
    print("Of a run (head3d run --preset NAME):\n")
    for name in preset_names():
        print(f"{name}\n{_indented(preset_text(name))}")
    print("\nFrames of pictures (head3d render --crop NAME; head3d presets NAME shows one):\n")
    for name in crop_names():
        crop = load_crop(name)
        print(f"  {name:<{max(map(len, crop_names()))}}  {crop.size_px[0]} x {crop.size_px[1]} px: {crop.title}")
    print("\nGarments (head3d render --garment NAME --garment-color COLOR,COLOR), their parts and usual colours:\n")
    for name, parts in PARTS.items():
        print(f"  {name:<{max(map(len, PARTS))}}  {', '.join(f'{part} {color}' for part, color in parts)}")
    print(f"\nColours: {', '.join(COLORS)}, or #rrggbb")
    return 0


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


@dataclass(frozen=True)
class SamplePhotos:
    """Photos of a synthetic person, to try head3d with."""

    out: tyro.conf.Positional[Path]
    """Folder to put them in."""
    person: str = "P001"
    """P001, P002, P005, P006, P007, P009 or P010."""


def sample_photos(words: Sequence[str]) -> int:
    from head3d.samples import write_sample_photos

    options = parse(SamplePhotos, "sample-photos", words)
    with disk_errors(options.out):
        print("\n".join(str(path) for path in write_sample_photos(options.out, person=options.person)))
    return 0

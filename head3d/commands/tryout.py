"""Commands to begin with: presets, sample-photos, sample."""

import os
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


@dataclass(frozen=True)
class Sample:
    """Photos of a new person who does not exist, drawn from the head model: privacy-safe input for demos and tests."""

    out: tyro.conf.Positional[Path]
    """Folder to put them in."""
    seed: int = 7
    """Which person: the same seed makes the same photos."""
    photos: int = 4
    """How many, 1 to 8: front, both sides, a selfie, both profiles, and between."""
    size_px: int = 1024
    """Their height and width."""
    data: Path = Path(os.environ.get("HEAD3D_DATA", "../shared/data"))
    """Truth data with artists' hair, or HEAD3D_DATA; without it all hair is grown."""


def sample(words: Sequence[str]) -> int:
    from head3d.errors import ConfigError
    from head3d.imaging.io import write_image
    from head3d.prior.sitting import YAWS_DEG, photos_of_nobody
    from head3d.prior.synthetic import truth_studio
    from head3d.store import make_folder

    options = parse(Sample, "sample", words)
    if not 1 <= options.photos <= len(YAWS_DEG) or not 128 <= options.size_px <= 4096 or options.seed < 0:
        raise ConfigError(
            "Such photos cannot be drawn.", hint=f"--photos 1 to {len(YAWS_DEG)}, --size-px 128 to 4096, --seed >= 0."
        )
    with disk_errors(options.out):
        make_folder(options.out)
        drawn = photos_of_nobody(
            truth_studio(options.data), options.seed, count=options.photos, size_px=options.size_px
        )
        for name, pixels in drawn:
            note = {"Comment": f"Drawn by head3d sample --seed {options.seed}: this person does not exist."}
            print(write_image(options.out / f"{name}.jpg", pixels, text=note))
    return 0

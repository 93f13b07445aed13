"""Commands to begin with: presets, sample-photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from head3d.commands.options import parse
from head3d.store import disk_errors


def presets(words: Sequence[str]) -> int:
    from head3d.config import preset_names, preset_text

    for name in words or preset_names():
        print(f"{name}\n{_indented(preset_text(name))}")
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

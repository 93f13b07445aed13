"""Which files a source of photos stands for, told without reading one: what stages and batches depend on."""

from pathlib import Path

from head3d.capture.config import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from head3d.errors import InputError

TRANSFORMS = "transforms.json"
COLMAP_PLACES = (".", "sparse/0", "sparse", "colmap/sparse/0")


def source_files(path: Path) -> list[Path]:
    """The files of a source; itself where that cannot be told: capture says what is wrong with it."""
    try:
        return capture_files(path)
    except (OSError, InputError):
        return [path]


def capture_files(path: Path) -> list[Path]:
    """The files a source stands for, those that tell cameras included; nothing is decoded.

    Raises:
        InputError: There is no such source, or a capture that cannot be read.
    """
    known = find_capture(path)
    if known is None:
        return picture_files(path)
    from head3d.capture.known_cameras import read_capture

    told = [known] if known.is_file() else sorted(one for one in known.iterdir() if one.stem in ("cameras", "images"))
    return [*(one for one in told if one.is_file()), *(frame.file for frame in read_capture(known))]


def picture_files(path: Path) -> list[Path]:
    """The photos and videos of a folder, by name; a file is itself."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.", hint="Check the spelling; quote names with spaces.")
    if not path.is_dir():
        return [path]
    wanted = PHOTO_SUFFIXES | VIDEO_SUFFIXES
    return sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() in wanted and not file.name.startswith(".") and file.is_file()
    )


def find_capture(path: Path) -> Path | None:
    """The file or folder that tells a capture's cameras, if ``path`` is a capture or one of those; else None."""
    if path.is_file():
        return path if path.suffix.lower() == ".json" else None
    if (path / TRANSFORMS).is_file():
        return path / TRANSFORMS
    return find_colmap(path)


def find_colmap(folder: Path) -> Path | None:
    """Where below a folder a COLMAP model lies; None if there is none."""
    for place in COLMAP_PLACES:
        for suffix in ("bin", "txt"):
            if all((folder / place / f"{name}.{suffix}").is_file() for name in ("cameras", "images")):
                return folder / place if place != "." else folder
    return None

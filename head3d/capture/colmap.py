"""COLMAP models, text and binary: cameras and images (https://colmap.github.io/format.html)."""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from head3d.errors import InputError

COLMAP_FOLDERS = frozenset({"sparse", "0", "colmap"})
_MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE")
"""By COLMAP's number; others have no counterpart in OpenCV."""
_LENGTHS = (3, 4, 4, 5, 8, 8)
MOST = 1_000_000


@dataclass(frozen=True)
class ColmapCamera:
    """Intrinsics, px; the middle of the first pixel is at (0.5, 0.5), as in head3d."""

    focal_px: tuple[float, float]
    principal_px: tuple[float, float]
    size: tuple[int, int]
    lens: tuple[float, ...]
    fisheye: bool


@dataclass(frozen=True)
class ColmapImage:
    """A picture's name below the folder of images, its pose (OpenCV axes) and intrinsics."""

    name: str
    c2w: Float[np.ndarray, "4 4"]
    camera: ColmapCamera


def read_colmap(folder: Path) -> list[ColmapImage]:
    """The images of a model; InputError if it is damaged or has a camera that OpenCV does not know."""
    binary = (folder / "cameras.bin").is_file() and (folder / "images.bin").is_file()
    try:
        if binary:
            cameras = _cameras_bin((folder / "cameras.bin").read_bytes())
            images = _images_bin((folder / "images.bin").read_bytes(), cameras)
        else:
            cameras = _cameras_txt((folder / "cameras.txt").read_text(encoding="utf-8"))
            images = _images_txt((folder / "images.txt").read_text(encoding="utf-8"), cameras)
    except (OSError, ValueError, KeyError, IndexError, struct.error, OverflowError) as error:
        raise InputError(
            f"{folder} holds no COLMAP model that can be read: {error}.", hint="Export it again."
        ) from error
    if not images:
        raise InputError(f"{folder}: this COLMAP model has no images.", hint="Choose the model with your pictures.")
    return sorted(images, key=lambda one: one.name)


def _cameras_txt(text: str) -> dict[int, ColmapCamera]:
    found = {}
    for line in _lines(text):
        number, model, width, height, *values = line.split()
        if model not in _MODELS:
            raise ValueError(f"camera model {model} is not supported; undistort the pictures with COLMAP")
        found[int(number)] = _camera(_MODELS.index(model), int(width), int(height), [float(one) for one in values])
    return found


def _images_txt(text: str, cameras: Mapping[int, ColmapCamera]) -> list[ColmapImage]:
    found = []
    # every second line holds the image's points, and may be empty
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in lines[::2]:
        if not line.strip():
            continue
        _, qw, qx, qy, qz, tx, ty, tz, camera, name = line.split(maxsplit=9)
        numbers = [float(one) for one in (qw, qx, qy, qz, tx, ty, tz)]
        found.append(ColmapImage(name.strip(), _pose(numbers), cameras[int(camera)]))
    return found


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _cameras_bin(data: bytes) -> dict[int, ColmapCamera]:
    take = _reader(data)
    (count,) = take("<Q")
    if count > MOST:
        raise ValueError("more cameras than a model has")
    found = {}
    for _ in range(int(count)):
        number, model, width, height = take("<iiQQ")
        if not 0 <= model < len(_MODELS):
            raise ValueError(f"camera model {model} is not supported; undistort the pictures with COLMAP")
        found[int(number)] = _camera(int(model), int(width), int(height), list(take(f"<{_LENGTHS[int(model)]}d")))
    return found


def _images_bin(data: bytes, cameras: Mapping[int, ColmapCamera]) -> list[ColmapImage]:
    take = _reader(data)
    (count,) = take("<Q")
    if count > MOST:
        raise ValueError("more images than a model has")
    found = []
    for _ in range(int(count)):
        _, *numbers, camera = take("<i7di")
        name = take(None)[0]
        (points,) = take("<Q")
        take(int(points) * 24)
        found.append(ColmapImage(str(name), _pose([float(one) for one in numbers]), cameras[int(camera)]))
    return found


def _reader(data: bytes) -> Callable[[str | int | None], tuple]:
    """Takes numbers by a struct format, skips a count of bytes, or takes a name up to its zero (None)."""
    at = 0

    def take(what: str | int | None) -> tuple:
        nonlocal at
        if what is None:
            end = data.index(b"\0", at)
            name = data[at:end].decode("utf-8")
            at = end + 1
            return (name,)
        size = what if isinstance(what, int) else struct.calcsize(what)
        if at + size > len(data):
            raise ValueError("it ends too early")
        values = () if isinstance(what, int) else struct.unpack_from(what, data, at)
        at += size
        return values

    return take


def _camera(model: int, width: int, height: int, values: list[float]) -> ColmapCamera:
    if len(values) != _LENGTHS[model] or not all(math.isfinite(one) for one in values):
        raise ValueError(f"a {_MODELS[model]} camera has {_LENGTHS[model]} numbers")
    if not (0 < width <= 100_000 and 0 < height <= 100_000 and values[0] > 0):
        raise ValueError("a camera without size or focal length")
    single = _MODELS[model] in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
    focal = (values[0], values[0]) if single else (values[0], values[1])
    rest = values[1:] if single else values[2:]
    lens = tuple(rest[2:])
    if _MODELS[model] in ("SIMPLE_RADIAL", "RADIAL"):
        lens = (*lens, *[0.0] * (5 - len(lens)))
    return ColmapCamera(focal, (rest[0], rest[1]), (height, width), lens if any(lens) else (), model == 5)


def _pose(numbers: list[float]) -> Float[np.ndarray, "4 4"]:
    """Camera to world from COLMAP's world to camera: a quaternion (w, x, y, z) and a translation."""
    w, x, y, z = numbers[:4]
    length = math.sqrt(w * w + x * x + y * y + z * z)
    if not (math.isfinite(length) and length > 1e-9 and all(abs(one) < 1e9 for one in numbers)):
        raise ValueError("an image without a pose")
    w, x, y, z = (one / length for one in (w, x, y, z))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    c2w = np.eye(4)
    c2w[:3, :3] = turn.T
    c2w[:3, 3] = -turn.T @ np.array(numbers[4:7])
    return c2w

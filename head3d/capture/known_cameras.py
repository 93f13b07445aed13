"""Captures whose cameras are known: nerfstudio's transforms.json, or a COLMAP model, beside the pictures."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from head3d.capture.colmap import COLMAP_FOLDERS, ColmapImage, read_colmap
from head3d.errors import InputError
from head3d.shapes import shaped

MOST_FRAMES = 100_000
MODELS = {"OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "OPENCV_FISHEYE", "PERSPECTIVE"}
"""Camera models of transforms.json that can be used; an absent one is OPENCV."""
CANDIDATES = 36
"""Frames of a larger capture that are looked at: those whose cameras stand apart most."""


@shaped
@dataclass(frozen=True)
class KnownCamera:
    """A camera somebody else found.

    Attributes:
        c2w: Camera to the capture's own world, OpenCV axes; its unit may be any.
        focal_px: Along x and y.
        principal_px: Of the picture's top-left corner.
        size: (height, width) px the numbers above are for.
        lens: Distortion k1 k2 p1 p2 k3 (OpenCV), or k1 k2 k3 k4 of a fisheye.
        fisheye: Which of the two.
    """

    c2w: Float[np.ndarray, "4 4"]
    focal_px: tuple[float, float]
    principal_px: tuple[float, float]
    size: tuple[int, int]
    lens: tuple[float, ...] = ()
    fisheye: bool = False


@dataclass(frozen=True)
class KnownFrame:
    """A picture's file and its camera."""

    file: Path
    camera: KnownCamera


def read_capture(source: Path) -> list[KnownFrame]:
    """All frames of a capture (see :func:`head3d.capture.files.find_capture`), in its order.

    Raises:
        InputError: It cannot be read, names a picture outside its folder, or has a camera that is none.
    """
    if source.is_file():
        return _read_transforms(source)
    root = source
    while root.name in COLMAP_FOLDERS:
        root = root.parent
    return [_colmap_frame(root, one) for one in read_colmap(source)]


def spread(frames: Sequence[KnownFrame], *, count: int = CANDIDATES) -> list[KnownFrame]:
    """Of many frames those whose cameras stand apart most, farthest first (Gonzalez 1985), in the capture's order."""
    if len(frames) <= count:
        return list(frames)
    places = np.stack([frame.camera.c2w[:3, 3] for frame in frames])
    chosen = [0]
    distance = np.linalg.norm(places - places[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return [frames[k] for k in sorted(set(chosen))]


def _read_transforms(path: Path) -> list[KnownFrame]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}.", hint="Give a capture in nerfstudio's format.") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames or len(frames) > MOST_FRAMES:
        raise InputError(f"{path} lists no frames.", hint="It should be a transforms.json in nerfstudio's convention.")
    return [_frame(path, content, entry, f"{path}: frame {number}") for number, entry in enumerate(frames, start=1)]


def _frame(path: Path, content: dict[str, Any], entry: Any, where: str) -> KnownFrame:
    if not isinstance(entry, dict):
        raise InputError(f"{where} is no object.", hint="Check the file.")
    values = {**content, **entry}
    model = values.get("camera_model", "OPENCV")
    if not isinstance(model, str) or model not in MODELS:
        raise InputError(f"{where} has a camera of model {model!r}.", hint=f"There are {', '.join(sorted(MODELS))}.")
    file = _picture(path.parent, values.get("file_path"), where)
    width, height = (_whole(values, name, where, file) for name in ("w", "h"))
    focal_x = _number(values, "fl_x", where) or _focal_of(values, "camera_angle_x", width, where)
    focal_y = _number(values, "fl_y", where) or _focal_of(values, "camera_angle_y", height, where) or focal_x
    if focal_x <= 0 or focal_y <= 0:
        raise InputError(f"{where} has no focal length.", hint="It needs fl_x (and fl_y), or camera_angle_x.")
    pose = _pose(values.get("transform_matrix"), where)
    fisheye = model == "OPENCV_FISHEYE"
    names = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3")
    if not fisheye and _number(values, "k4", where):
        raise InputError(f"{where} has a lens of more than five numbers.", hint="Undistort the pictures first.")
    lens = tuple(_number(values, name, where) for name in names)
    camera = KnownCamera(
        pose @ np.diag([1.0, -1.0, -1.0, 1.0]),  # OpenGL to OpenCV axes
        (focal_x, focal_y),
        (_number(values, "cx", where, width / 2), _number(values, "cy", where, height / 2)),
        (height, width),
        lens if any(lens) else (),
        fisheye,
    )
    return KnownFrame(file, camera)


def _pose(value: Any, where: str) -> Float[np.ndarray, "4 4"]:
    try:
        pose = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pose = np.zeros(0)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, [0.0, 0.0, 0.0, 1.0]])
    if pose.shape != (4, 4) or not np.isfinite(pose).all() or np.abs(pose).max() > 1e9:
        raise InputError(f"{where} has no 4 x 4 transform_matrix.", hint="It is the camera's pose, camera to world.")
    return _rigid(pose, where)


def _rigid(pose: Float[np.ndarray, "4 4"], where: str) -> Float[np.ndarray, "4 4"]:
    """The pose with its rotation made exact; InputError if it is none."""
    turn = pose[:3, :3]
    scale = np.cbrt(abs(np.linalg.det(turn)))
    if not scale > 1e-9 or np.linalg.det(turn) < 0 or np.abs(turn @ turn.T / scale**2 - np.eye(3)).max() > 0.02:
        raise InputError(f"{where}: its transform_matrix is no rotation and place.", hint="Check the file.")
    u, _, vt = np.linalg.svd(turn)
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = u @ vt, pose[:3, 3]
    return result


def _picture(root: Path, value: Any, where: str) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"{where} has no file_path.", hint="It is the picture's path from the json's folder.")
    file = root / value
    try:
        inside = file.resolve().is_relative_to(root.resolve())
        file = next((one for one in (file, file.with_name(f"{file.name}.png")) if one.is_file()), file)
        there = file.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{where}: its file_path cannot be used ({error}).", hint="Check the file.") from error
    if not inside:
        raise InputError(f"{where}: {value} lies outside the capture's folder.", hint="Keep its pictures inside.")
    if not there:
        raise InputError(f"{where}: there is no picture {file}.", hint="Pictures lie beside the json, at file_path.")
    return file


def _number(values: dict[str, Any], name: str, where: str, default: float = 0.0) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: {name} is no number.", hint="Check the file.")
    if not -1e9 < value < 1e9:  # also what is no number at all
        raise InputError(f"{where}: {name} is {value}.", hint="Check the file.")
    return float(value)


def _whole(values: dict[str, Any], name: str, where: str, file: Path) -> int:
    value = _number(values, name, where)
    if value == 0:
        width, height = _size_of(file)
        value = width if name == "w" else height
    if not 1 <= value <= 1e5:
        raise InputError(f"{where}: {name} is {value:g} px.", hint="Check the file.")
    return int(value)


def _size_of(file: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{file} is no picture: {error}.", hint="Give w and h in the json, or mend the file."
        ) from error


def _focal_of(values: dict[str, Any], name: str, side_px: int, where: str) -> float:
    angle = _number(values, name, where)
    return 0.5 * side_px / math.tan(0.5 * angle) if 0.0 < angle < math.pi else 0.0


def _colmap_frame(root: Path, one: ColmapImage) -> KnownFrame:
    where = f"{root}: {one.name}"
    at: Literal["images", ""] = "images" if (root / "images").is_dir() else ""
    file = _picture(root / at, one.name, where)
    camera = KnownCamera(
        _rigid(one.c2w, where), one.camera.focal_px, one.camera.principal_px, one.camera.size, one.camera.lens,
        one.camera.fisheye,
    )  # fmt: skip
    return KnownFrame(file, camera)

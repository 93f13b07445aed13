"""Environment maps: light from all directions as one picture, longitude across and latitude down, 2 wide to 1 high."""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError, optional_package
from head3d.imaging.color import linear_from_levels

MAP_SUFFIXES = (".hdr", ".exr", ".png", ".jpg", ".jpeg")
"""Radiance RGBE, OpenEXR (with the package OpenEXR), and pictures, whose highlights are clipped."""
_ASPECT = 0.02  # a map may miss 2:1 by a row or a column, not by a crop


def read_panorama(path: Path) -> Float[Tensor, "H W 3"]:
    """Read an environment map: linear RGB radiance, not negative.

    Raises:
        ConfigError: No such file, not a picture, not 2:1, or nothing in it shines.
    """
    pixels = read_linear(path)
    height, width = pixels.shape[:2]
    if abs(width / height / 2 - 1) > _ASPECT:
        raise ConfigError(
            f"{path}: {width} x {height} px is no environment map.",
            hint="It must show all directions (equirectangular), twice as wide as high.",
        )
    if float(pixels.max()) <= 0:
        raise ConfigError(f"{path}: this environment map is black.", hint="Choose another one.")
    return pixels


def read_linear(path: Path) -> Float[Tensor, "H W 3"]:
    """Any picture of ``MAP_SUFFIXES`` as linear RGB, not negative; what is no number becomes black."""
    suffix = path.suffix.lower()
    if suffix not in MAP_SUFFIXES:
        raise ConfigError(f"{path}: cannot read {suffix or 'this'}.", hint=f"Use one of {', '.join(MAP_SUFFIXES)}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}.", hint="Check the path.") from error
    if suffix == ".exr":
        return _clean(_read_exr(path))
    flags = cv2.IMREAD_UNCHANGED if suffix == ".hdr" else cv2.IMREAD_COLOR
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)  # what is wrong is said below, in one line
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        found = None
    finally:
        log.setLogLevel(level)
    if found is None or found.ndim != 3 or found.shape[2] != 3:
        raise ConfigError(f"{path}: not a readable {suffix[1:]} file.", hint="It may be damaged or of another kind.")
    rgb = np.ascontiguousarray(found[..., ::-1])
    return linear_from_levels(rgb) if rgb.dtype == np.uint8 else _clean(rgb.astype(np.float32))


def _read_exr(path: Path) -> np.ndarray:
    needs = f"{path}: to read OpenEXR one more package is needed."
    openexr = optional_package("OpenEXR", needs, hint="pip install OpenEXR, or use a .hdr file.")
    try:
        with openexr.File(str(path)) as file:
            channels = file.channels()
            kept = [channels[name].pixels for name in ("RGB", "RGBA") if name in channels]
            pixels = kept[0] if kept else np.stack([channels[name].pixels for name in "RGB"], axis=-1)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise ConfigError(f"{path}: not a readable exr file.", hint="It needs the channels R, G and B.") from error
    return np.asarray(pixels[..., :3], np.float32)


def _clean(rgb: np.ndarray) -> Tensor:
    finite = np.where(np.isfinite(rgb), rgb, 0.0)
    return torch.from_numpy(np.ascontiguousarray(finite.clip(min=0.0), dtype=np.float32))

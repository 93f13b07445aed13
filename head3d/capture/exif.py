"""Focal length and camera from EXIF."""

import math
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
# EXIF FocalPlaneResolutionUnit: 2 inch, 3 cm, 4 mm, 5 micrometre.
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}


@dataclass(frozen=True)
class Exposure:
    """What EXIF says about the camera.

    Attributes:
        focal_px: Focal length in px of a picture whose long side is ``long_side_px``; None if unknown.
        long_side_px: Of the picture ``focal_px`` belongs to.
        camera: Make, model and 35 mm equivalent, or "".
    """

    focal_px: float | None
    long_side_px: int
    camera: str

    def scaled(self, long_side_px: int) -> "Exposure":
        """The same for a resized picture."""
        if self.focal_px is None:
            return replace(self, long_side_px=long_side_px)
        return replace(self, focal_px=self.focal_px * long_side_px / self.long_side_px, long_side_px=long_side_px)


def read_exposure(exif: Image.Exif, size: tuple[int, int]) -> Exposure:
    """Read the focal length, in px, of a picture of ``size`` (width, height).

    The 35 mm equivalent is by the diagonal (CIPA DC-008), so a 4:3 phone picture and a 3:2 one are treated right. A
    picture cropped after it was taken (its shape differs from what the camera wrote) has no known focal length.
    """
    tags: dict[int, Any] = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    width, height = size
    camera = _camera(tags)
    taken = _number(tags.get(ExifTags.Base.ExifImageWidth)), _number(tags.get(ExifTags.Base.ExifImageHeight))
    shape = max(width, height) / min(width, height)
    if taken[0] and taken[1] and abs(max(taken) / min(taken) / shape - 1.0) > 0.02:
        return Exposure(None, max(size), camera)
    return Exposure(_focal_px(tags, size, max(taken) or max(size)), max(size), camera)


def _focal_px(tags: dict[int, Any], size: tuple[int, int], taken_long_side: float) -> float | None:
    equivalent_mm = _number(tags.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if 8.0 <= equivalent_mm <= 1200.0:
        return equivalent_mm / FULL_FRAME_DIAGONAL_MM * math.hypot(*size)
    focal_mm = _number(tags.get(ExifTags.Base.FocalLength))
    per_unit = _number(tags.get(ExifTags.Base.FocalPlaneXResolution))
    unit_mm = _UNIT_MM.get(int(_number(tags.get(ExifTags.Base.FocalPlaneResolutionUnit)) or 2))
    if focal_mm <= 0.0 or per_unit <= 0.0 or unit_mm is None:
        return None
    zoom = max(_number(tags.get(ExifTags.Base.DigitalZoomRatio)), 1.0)
    focal_px = focal_mm * per_unit / unit_mm * zoom * max(size) / taken_long_side
    # Outside of a fisheye and a telescope the tags contradict each other (some software rewrites only half of them).
    return focal_px if 0.2 <= focal_px / max(size) <= 30.0 else None


def _camera(tags: dict[int, Any]) -> str:
    make, model = (str(tags.get(tag, "")).strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    lens = _number(tags.get(ExifTags.Base.FocalLengthIn35mmFilm)) or _number(tags.get(ExifTags.Base.FocalLength))
    name = model if model.startswith(make) else f"{make} {model}".strip()
    return f"{name} {lens:g}mm" if name and lens else name


def _number(value: Any) -> float:
    """A finite float, or 0.0 for what is absent, malformed or a fraction with denominator 0."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) else 0.0

"""Which files are taken as photos and videos, and how large they are kept: options."""

from dataclasses import dataclass, field
from typing import Literal

PHOTO_SUFFIXES = frozenset(".jpg .jpeg .jpe .mpo .png .webp .heic .heif .hif .avif .tif .tiff .bmp .gif".split())
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".avi", ".webm", ".mkv"})


@dataclass(frozen=True)
class VideoConfig:
    """How frames are taken from a video."""

    candidates: int = 36
    """Sharp frames handed on; perception keeps those that spread over head pose."""
    max_side_px: int = 1920
    """Long side of a stored frame, px."""
    max_seconds: float = 180.0
    """What comes later in the video is not looked at, seconds."""


@dataclass(frozen=True)
class CaptureConfig:
    """Which files are taken, and how large they are kept."""

    max_side_px: int = 3000
    """Long side of a stored photo, px; larger ones are scaled down."""
    max_megapixels: float = 150.0
    """Files larger than this are refused before they are decoded, megapixels."""
    min_side_px: int = 160
    """Files whose short side is below this are refused, px."""
    max_photos: int = 20
    """Photos beyond this many are left out."""
    keep_duplicates: bool = False
    """Keep near duplicates: they add time, no information."""
    cameras: Literal["auto", "ignore"] = "auto"
    """auto: a folder with transforms.json (nerfstudio) or a COLMAP model tells its pictures' cameras, which are kept as
    they are; ignore: they are fitted anew."""
    video: VideoConfig = field(default_factory=VideoConfig)
    """How frames are taken from videos."""

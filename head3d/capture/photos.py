"""Collects the user's photos: expands folders and videos, decodes, refuses files that cannot serve."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from head3d.capture.config import VIDEO_SUFFIXES, CaptureConfig
from head3d.capture.decode import decode
from head3d.capture.duplicates import Fingerprint, fingerprint, is_near
from head3d.capture.files import find_capture, picture_files
from head3d.capture.known_cameras import KnownCamera, read_capture, spread
from head3d.capture.rectify import rectified
from head3d.capture.types import Photo, Verdict, refused
from head3d.capture.verdicts import tell_verdicts
from head3d.capture.video import sharp_frames
from head3d.errors import InputError, PhotoUnusable
from head3d.events import Emit, Progress, StageStart, ignore


def gather(
    paths: Sequence[Path], *, config: CaptureConfig = CaptureConfig(), emit: Emit = ignore
) -> tuple[list[Photo], list[Verdict]]:
    """Read photos (files, folders of them, videos, captures with known cameras).

    Returns:
        The usable photos, and a verdict on every file, in the order of the files. Frames of videos are candidates:
        perception keeps those that spread over head pose.

    Raises:
        InputError: A path does not exist or may not be read, or there is no picture at all.
    """
    sources = _expand(paths, config)
    files = [(name, source.file) for name, source in sources]
    cameras = {name: source for name, source in sources}
    emit(StageStart("capture", len(files)))
    photos: list[Photo] = []
    prints: list[Fingerprint] = []
    verdicts: list[Verdict] = []
    for step, (name, path) in enumerate(files):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            frames, verdict = sharp_frames(path, name, config=config.video)
            photos += frames
            prints += [fingerprint(frame) for frame in frames]
        else:
            photo, verdict = _read(path, name, config, cameras[name])
            if photo is not None:
                seen = fingerprint(photo)
                verdict = _check_against(photo, seen, verdict, photos, prints, config)
                if verdict.accepted:
                    photos.append(photo)
                    prints.append(seen)
        verdicts.append(verdict)
        emit(Progress("capture", step + 1, len(files), name))
    tell_verdicts(verdicts, emit)
    return photos, verdicts


@dataclass(frozen=True)
class _Source:
    """A file, with its camera and the name of its capture where those are known."""

    file: Path
    camera: KnownCamera | None = None
    capture: str = ""


def _read(path: Path, name: str, config: CaptureConfig, source: _Source) -> tuple[Photo | None, Verdict]:
    try:
        data = path.read_bytes()
    except OSError as error:
        return None, refused(name, f"it cannot be read ({error.strerror})")
    try:
        decoded = decode(data, max_side_px=config.max_side_px, max_pixels=round(config.max_megapixels * 1e6))
    except PhotoUnusable as error:
        return None, refused(name, error.message)
    height, width = decoded.rgb_srgb.shape[:2]
    if min(height, width) < config.min_side_px:
        return None, refused(name, f"{width} x {height} px is too small: the face needs at least 100 px")
    if reason := _without_content(decoded.rgb_srgb):
        return None, refused(name, reason)
    photo = Photo(
        name=name,
        rgb_srgb=decoded.rgb_srgb,
        focal_px=decoded.exposure.focal_px,
        sha256=hashlib.sha256(data).hexdigest(),
        camera=decoded.exposure.camera,
        alpha=decoded.alpha,
        video=source.capture,
    )
    if source.camera is not None:
        try:
            photo = rectified(replace(photo, camera=photo.camera or source.capture), source.camera)
        except PhotoUnusable as error:
            return None, refused(name, error.message)
    return photo, Verdict(name, accepted=True, warnings=decoded.warnings)


def _without_content(rgb_srgb: np.ndarray) -> str:
    """A reason if the whole picture is black, white or one colour, else ""."""
    small = cv2.resize(rgb_srgb, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(small.mean(-1), (2, 98))
    if high < 16.0:
        return "the picture is black"
    if low > 245.0:
        return "the picture is white: nothing can be seen"
    return "the picture is empty: one colour all over" if high - low < 6.0 else ""


def _check_against(
    photo: Photo,
    seen: Fingerprint,
    verdict: Verdict,
    photos: Sequence[Photo],
    prints: Sequence[Fingerprint],
    config: CaptureConfig,
) -> Verdict:
    """Refuse what is already there, and what is too much."""
    for other, other_print in zip(photos, prints, strict=True):
        if photo.sha256 == other.sha256:
            return refused(photo.name, f"the same file as {other.name}")
        if not config.keep_duplicates and is_near(seen, other_print):
            return refused(photo.name, f"almost the same picture as {other.name}")
    if sum(not other.video for other in photos) >= config.max_photos:
        return refused(photo.name, f"left out: {config.max_photos} photos are enough")
    return verdict


def _expand(paths: Iterable[Path], config: CaptureConfig) -> list[tuple[str, _Source]]:
    """Files with names to show: unique, and as short as the files' own."""
    sources: list[_Source] = []
    for path in paths:
        try:
            known = find_capture(path) if config.cameras == "auto" else None
            if known is None:
                sources += [_Source(file) for file in picture_files(path)]
            else:
                sources += _of_capture(known, config)
        except PermissionError as error:
            raise InputError(f"{path}: no permission to read it.", hint="Check who owns it: ls -ld.") from error
    if not sources:
        where = ", ".join(str(path) for path in paths) or "the command line"
        raise InputError(f"No photo found in {where}.", hint="Give photos, a folder of photos, or a video.")
    unique = {source.file: source for source in reversed(sources)}
    files = list(dict.fromkeys(source.file for source in sources))
    names = [file.name for file in files]
    shown = [file.name if names.count(file.name) == 1 else f"{file.parent.name}/{file.name}" for file in files]
    return [(name, unique[file]) for name, file in zip(shown, files, strict=True)]


def _of_capture(known: Path, config: CaptureConfig) -> list[_Source]:
    """A small capture is all photos; of a large one perception keeps frames that spread over head pose."""
    frames = read_capture(known)
    name = known.parent.name if known.is_file() else known.name
    many = len(frames) > config.max_photos
    return [_Source(one.file, one.camera, f"capture {name}" if many else "") for one in spread(frames)]

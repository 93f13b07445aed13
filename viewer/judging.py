"""What is said of a photo as it comes, and who is meant on one that shows several people.

The run takes one choice (``--face``): that of the first photo it reads that shows so many faces. So the photo on which
somebody was pointed at is read first, and on the others that person is looked for, here as there.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from head3d import store
from head3d.capture.config import VIDEO_SUFFIXES, CaptureConfig, VideoConfig
from head3d.capture.photos import gather
from head3d.capture.types import Photo, Verdict
from head3d.config import load_config
from head3d.imaging.warp import resize
from head3d.perception.config import PerceptionConfig
from head3d.subject import merge_verdicts

from .render_loop import jpeg_of

THUMB_PX = 160
GLANCE = CaptureConfig(video=VideoConfig(candidates=6, max_seconds=60.0))
"""What is looked at of a video before the run, which takes more of it."""
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""One of them begins an MP4 or QuickTime file, after its length."""
MATROSKA = b"\x1a\x45\xdf\xa3"
CROWD_PX = 640
"""Long side of the small picture of a photo with several people: one of them is to be pointed at in it."""


def judge(path: Path, *, face: int | None = None, after: Path | None = None) -> dict[str, Any]:
    """Judge a photo, and leave a small picture of it beside it (``.thumb``).

    Args:
        path: The photo.
        face: Who is meant where a photo shows several; None: not known.
        after: The photo on which that was said, if it is another.

    Returns:
        ``accepted``, ``reasons``, ``warnings``; ``faces`` where there are several (boxes as fractions, the largest
        first), ``face``, the one that is meant, and ``crowd``: nothing tells who that is.
    """
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _told(_judged_video(path))
    photos, verdicts = gather([path])
    if photos:
        first = gather([after])[0] if after is not None else []
        later = _looked_at([*first, *photos], face)
        verdicts = merge_verdicts(verdicts, {photos[0].name: later})
        _write_thumb(path, photos[0], CROWD_PX if later.faces else THUMB_PX)
    return _told(verdicts[0] if verdicts else Verdict(path.name, False, ("it is no picture",)))


def is_video(content: bytes) -> bool:
    """Whether bytes are a video's, whatever they are called: what reads videos would also read lists of other files."""
    mp4 = content[4:8] in MP4_BOXES
    return mp4 or content.startswith(MATROSKA) or (content[:4], content[8:12]) == (b"RIFF", b"AVI ")


def _judged_video(path: Path) -> Verdict:
    """One good frame makes a good video; without any, the first one's verdict tells why."""
    frames, verdicts = gather([path], config=GLANCE)
    if not frames:
        return verdicts[0]
    from head3d.perception.observe import observe

    seen = observe(frames)[1]
    good = [one for one in seen if one.accepted]
    first = good[0] if good else seen[0]
    _write_thumb(path, next(frame for frame in frames if frame.name == first.name), THUMB_PX)
    # who is meant is pointed at on photos; frames are asked again in the run
    return replace(first, name=path.name, rivals=0, faces=(), face=None)


def _told(verdict: Verdict) -> dict[str, Any]:
    return {
        "accepted": verdict.accepted,
        "reasons": list(verdict.reasons),
        "warnings": list(verdict.warnings),
        "faces": [list(box) for box in verdict.faces],
        "face": verdict.face,
        "crowd": verdict.rivals > 0,
        "chosen": False,
    }


def chosen_of(photos: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The photo on which somebody said who is meant."""
    return next((one for one in photos if one.get("chosen")), None)


def for_run(photos: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Photos a run is given: those that were accepted, after the one that tells who is meant, even if its face is too
    blurred to be of other use."""
    if not any(one["accepted"] for one in photos):
        return []
    return sorted(
        (one for one in photos if one["accepted"] or one.get("chosen")), key=lambda one: not one.get("chosen")
    )


def face_under(preset: str, photos: Sequence[dict[str, Any]], folder: Path) -> int | None:
    """Number of the face that was pointed at, as a run with a preset will count; None if nobody was.

    A preset may keep photos smaller than the page does, and then two faces of about one size may change places.
    """
    chosen = chosen_of(photos)
    if chosen is None:
        return None
    config = load_config(preset)
    there = gather([folder / chosen["file"]], config=config.capture)[0]
    meant, found = chosen["faces"][chosen["face"]], _looked_at(there, chosen["face"], config.perception).faces
    apart = [math.dist(_middle(box), _middle(meant)) for box in found]
    return apart.index(min(apart)) if apart else chosen["face"]


def _looked_at(photos: Sequence[Photo], face: int | None, config: PerceptionConfig = PerceptionConfig()) -> Verdict:
    """The verdict on the last of some photos."""
    from head3d.perception.observe import observe

    return observe(photos, config=replace(config, face=face))[1][-1]


def _middle(box: Sequence[float]) -> tuple[float, float]:
    left, top, right, low = box
    return (left + right) / 2, (top + low) / 2


def _write_thumb(path: Path, photo: Photo, side_px: int) -> None:
    import torch

    pixels = photo.rgb_srgb
    scale = side_px / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    small = resize(torch.from_numpy(pixels).float() / 255, size)
    store.write_bytes(path.with_suffix(".thumb"), jpeg_of((small * 255).round().byte().numpy(), quality=80))

"""A second landmark detector that ours can be held against: the 68 iBUG points of the package ``face-alignment``.

Optional twice over: the package is imported when it is asked for, and its two nets (face detector S3FD and landmark
net 2DFAN-4, 185 MB, Bulat & Tzimiropoulos 2017) are not in it. Left alone it fetches them from its author's site
into ``$TORCH_HOME/hub/checkpoints``; here only ``download=True`` does, and a net must have the checksum in its name.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from jaxtyping import Float, UInt8

from head3d.errors import ConfigError, WeightsMissing, optional_package
from head3d.perception import topology
from head3d.perception.config import SecondConfig
from head3d.perception.landmarks import ibug68
from head3d.perception.nets import Crop, apply_affine
from head3d.perception.types import Landmarks
from head3d.store import sha256_file

PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "lips": slice(48, 68),
}
"""The iBUG-68 points by part of the face."""
LOOK_PX = 640
"""Side of the square it looks at: enough for either net, and a second or two of one core."""
LOOK_SCALE = 2.2
"""Side of that square over the extent of our points: its face detector was made for faces with something round them."""

_NEEDS = "The second landmark detector needs the package face-alignment 1.5."
_HINT = "pip install -c constraints.txt --no-deps face-alignment numba llvmlite; and scikit-image and tqdm."


@dataclass(frozen=True)
class Disagreement:
    """How far a second detector's points are from ours, in distances between the outer eye corners.

    Attributes:
        median: Over brows, nose, eyes and lips; the jaw's points slide along the outline.
        parts: The same of each part of the face (see ``PARTS``) of which the head does not hide everything.
    """

    median: float
    parts: dict[str, float]


def load_second_detector(*, download: bool = False, device: str = "cpu") -> Any:
    """The package's ``FaceAlignment`` for points in the picture.

    Args:
        download: Fetch nets that are not here from its author's site; WeightsMissing otherwise.
        device: As torch names it.
    """
    api = optional_package("face_alignment.api", _NEEDS, hint=_HINT)
    boxes = optional_package("face_alignment.detection.sfd.sfd_detector", _NEEDS, hint=_HINT)
    try:
        addresses = (boxes.models_urls["s3fd"], api.models_urls["2DFAN-4"])
    except (AttributeError, KeyError) as error:
        raise ConfigError("This face-alignment is not one that head3d knows.", hint=_HINT) from error
    for url in addresses:
        _provide(url, download=download)
    # Compiled, its net would wait a minute for the compiler at its first picture, and leave a cache behind.
    return api.FaceAlignment(api.LandmarksType.TWO_D, device=device, face_detector="sfd", compile=False)


def second_points(rgb_srgb: UInt8[np.ndarray, "H W 3"], ours: Landmarks, net: Any) -> Float[np.ndarray, "68 2"] | None:
    """Where the second detector has the 68 points, px of the picture; None if it sees no face where we do.

    It looks at the neighbourhood of our face, upright and at one size; of several faces the nearest to ours counts.

    Args:
        rgb_srgb: The picture.
        ours: ``mediapipe478``.
        net: See :func:`load_second_detector`.
    """
    crop = _neighbourhood(ours)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No faces were detected")
        faces = net.get_landmarks_from_image(crop.cut(rgb_srgb, LOOK_PX)) or []
    # It rounds down to whole pixels; our pixels have their centres at +0.5.
    found = [apply_affine(crop.to_picture(LOOK_PX), np.asarray(one, np.float64) + 0.5) for one in faces]
    return min(found, key=lambda one: disagreement(ours, one).median, default=None)


def disagreement(ours: Landmarks, theirs: Float[np.ndarray, "68 2"]) -> Disagreement:
    """How far the second detector's points are from ours, where the head does not hide them.

    Args:
        ours: ``mediapipe478``.
        theirs: px of the same picture.
    """
    mine = ibug68(ours)
    gap = np.linalg.norm(mine.points_px - theirs, axis=1) / _eye_distance(ours)
    inner = mine.visible & (np.arange(len(gap)) >= PARTS["jaw"].stop)
    parts = {name: gap[rows][mine.visible[rows]] for name, rows in PARTS.items()}
    return Disagreement(
        median=float(np.median(gap[inner] if inner.any() else gap)),
        parts={name: float(np.median(one)) for name, one in parts.items() if one.size},
    )


def second_opinion(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], ours: Landmarks, net: Any, *, config: SecondConfig = SecondConfig()
) -> str | None:
    """What the second detector says against our points, in words for a person; None if it agrees."""
    theirs = second_points(rgb_srgb, ours, net)
    if theirs is None:
        return "a second detector sees no face here"
    found = disagreement(ours, theirs)
    if found.median < config.most:
        return None
    worst = max(found.parts, key=lambda name: found.parts[name])
    return (
        f"a second detector disagrees: its points are {found.median:.0%} of the distance between the eyes from ours "
        f"({worst}: {found.parts[worst]:.0%})"
    )


def _provide(url: str, *, download: bool) -> None:
    """See to it that a net is where the package looks for it, and whole."""
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    mark = re.search(r"-([0-9a-f]{8,})\.", name)
    checksum = mark.group(1) if mark else ""
    if path.is_file() and sha256_file(path).startswith(checksum):
        return
    if not download:
        state = "is damaged" if path.is_file() else "is not here"
        raise WeightsMissing(
            f"A net of face-alignment {state}: {path}.",
            hint=f"--perception.second.use download fetches it from its author's site ({url}); or put it there.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=checksum, progress=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: another checksum
        raise WeightsMissing(f"{url} cannot be fetched: {error}.", hint=f"Put it at {path}.") from error


def _neighbourhood(ours: Landmarks) -> Crop:
    """An upright square round our points."""
    mesh = ours.points_px[: len(topology.MIRROR)]
    low, high = mesh.min(0), mesh.max(0)
    up = mesh[topology.GLABELLA] - mesh[topology.CHIN]
    centre = (low + high) / 2
    side = float((high - low).max()) * LOOK_SCALE
    return Crop((float(centre[0]), float(centre[1])), side, float(np.arctan2(up[0], -up[1])))


def _eye_distance(ours: Landmarks) -> float:
    """Between the outer eye corners, px; of a turned face as if it were frontal (see ``judge.eye_distance``)."""
    points = ours.points_px
    across = np.linalg.norm(points[topology.RIGHT_EYE_CORNERS[0]] - points[topology.LEFT_EYE_CORNERS[0]])
    tall = np.linalg.norm(points[topology.CHIN] - points[topology.GLABELLA])
    return float(max(across, tall / 1.5, 1e-6))

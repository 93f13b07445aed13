"""How good one finished picture is, in numbers a reader can compare, and what a set of them says with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from head3d import weights
from head3d.geometry.reproject import reproject
from head3d.imaging.color import lab_from_linear, linear_from_levels
from head3d.imaging.perceptual import FILES
from head3d.imaging.similarity import lpips
from head3d.networks.files import version
from head3d.quality.gate_net import NAME
from head3d.quality.photo_match import FARTHEST_DEG, LEAST_SEEN, SeenPhoto, angle_deg
from head3d.quality.picture_signs import NEAR, SIGNS

MID_GREY = 0.5
"""sRGB level of what is not compared."""
TOLERANCE = 0.02
"""Of depths of one surface, relative: the photo's is the fitted head's, the picture's that of the field."""
RESAMPLES, INTERVAL = 2000, (2.5, 97.5)
NETS = ("face_landmark", "face_identity", FILES["alex"])
"""Model files that the numbers come from, beside the gate's own."""


@dataclass(frozen=True)
class PictureNumbers:
    """Of one picture; None where it cannot be measured.

    Attributes:
        landmarks: Root mean square of how far features are from where the fitted head has them, face heights.
        sharpness: Spread of the face's fine structure, logarithm, relative to that of its brightness.
        exposure: Median CIE lightness of the face.
        consistency: Correlation of the face's structure with the best of the other pictures of the set.
        lpips_photo: LPIPS (alex) to the photo from the nearest side, moved into the picture's camera through depth.
    """

    landmarks: float | None = None
    sharpness: float | None = None
    exposure: float | None = None
    consistency: float | None = None
    lpips_photo: float | None = None


def picture_numbers(
    values: Float32[np.ndarray, "S"], *, exposure: float | None, lpips_photo: float | None
) -> PictureNumbers:
    """Numbers from a picture's signs (see ``SIGNS``), and those that the signs do not hold."""
    found = dict(zip(SIGNS, values.tolist(), strict=True))
    return PictureNumbers(
        landmarks=math.exp(found["points_rms"]) - 1e-3 if found["face_seen"] else None,  # as it was put in
        sharpness=found["detail"],
        exposure=exposure,
        consistency=found[f"{NEAR}mean"] if found[f"{NEAR}matched"] else None,
        lpips_photo=lpips_photo,
    )


def face_exposure(face: SeenPhoto) -> float | None:
    """Median CIE lightness where the head is in a window on the face; None if it is not there."""
    solid = face.depth_m > 0
    if not bool(solid.any()):
        return None
    return float(lab_from_linear(linear_from_levels(face.rgb_srgb)[solid])[:, 0].median())


def nearest_lpips(face: SeenPhoto, photos: Sequence[SeenPhoto]) -> float | None:
    """LPIPS of a picture's face to the photo from the nearest side that shows enough of it.

    Light and expression are those of each, so that it is no error by itself: it tells pictures of one set apart.
    """
    for photo in sorted(photos, key=lambda one: angle_deg(one.camera, face.camera)):
        if angle_deg(photo.camera, face.camera) > FARTHEST_DEG:
            return None
        moved = reproject(
            torch.from_numpy(photo.rgb_srgb).float() / 255,
            photo.depth_m,
            photo.camera,
            target_depth_m=face.depth_m,
            target_camera=face.camera,
            tolerance=TOLERANCE,
        )
        seen = torch.from_numpy(cv2.erode(moved.visible.numpy().astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        if float(seen.float().mean()) >= LEAST_SEEN:
            own = torch.from_numpy(face.rgb_srgb).float() / 255
            pair = [torch.where(seen[..., None], one, MID_GREY).clamp(0, 1) for one in (moved.values, own)]
            return float(lpips(pair[0], pair[1], mask=seen.float()))
    return None


def numbers_of(numbers: PictureNumbers | None) -> dict[str, float | None]:
    """By name; every name is there, whether it was measured or not."""
    return asdict(numbers or PictureNumbers())


def mean_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over pictures; the mean itself twice for a single one."""
    drawn = np.random.default_rng(seed).choice(np.asarray(values, np.float64), (RESAMPLES, len(values))).mean(1)
    low, high = np.percentile(drawn, INTERVAL)
    return float(low), float(high)


def over_set(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean of every number over a set, its interval, and of how many pictures it is."""
    found = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        values = [float(row[name]) for row in rows if isinstance(row.get(name), float)]
        if values:
            found[name] = {"mean": float(np.mean(values)), "interval": list(mean_interval(values)), "of": len(values)}
    return found


def nets_used() -> dict[str, str]:
    """Name and version of every net behind the numbers, with the beginning of its checksum."""
    known = [weights.known(name) for name in NETS]
    told = {one.name: f"{one.package} {one.version}, sha256 {one.sha256[:12]}" for one in known}
    return {**told, NAME: f"shipped, sha256 {version(NAME)}"}

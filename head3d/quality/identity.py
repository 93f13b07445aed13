"""Does a picture show the same person as the photos? Distances of dlib descriptors, picture by picture."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from head3d.perception.detector import detect_faces
from head3d.perception.identity import describe_face, distance
from head3d.perception.landmarks import find_points
from head3d.perception.nets import FaceNets
from head3d.perception.types import Observation

MIN_SCORE = 0.5
"""Landmarks of a face that the net itself does not believe in are not compared (0.0005 on the back of a head)."""
MAX_WOBBLE = 0.025
"""Nor are those that change from crop to crop: below 0.014 up to 45 degrees of yaw, above 0.04 for profiles."""
MAX_YAW_DEG = 60.0
"""Faces turned further are not compared."""
MIN_VISIBLE = 0.68
"""Part of the landmarks that a photo must show: about 60 degrees of yaw."""


@dataclass(frozen=True)
class IdentityScore:
    """How far a picture's face is from the face of each photo; below 0.6 is the same person to dlib.

    Attributes:
        view: Name of the picture.
        distances: Per photo, in the order of the photos; empty if no face was found in the picture.
        mean: Over the photos, or None.
    """

    view: str
    distances: Mapping[str, float]
    mean: float | None


def describe_picture(rgb_srgb: UInt8[np.ndarray, "H W 3"], nets: FaceNets) -> Float32[np.ndarray, "128"] | None:
    """dlib descriptor of the largest face of a picture; None for profiles and where there is no face."""
    faces = detect_faces(rgb_srgb, nets)
    if not faces:
        return None
    found = find_points(rgb_srgb, faces[0], nets)
    turned = abs(math.degrees(found.pose[0])) > MAX_YAW_DEG
    if found.score < MIN_SCORE or found.wobble > MAX_WOBBLE or turned:
        return None
    return describe_face(rgb_srgb, found.points[:, :2])


def describe_photos(observations: Sequence[Observation]) -> dict[str, Float32[np.ndarray, "128"]]:
    """dlib descriptor of each photo's subject, by photo name.

    Profiles are left out unless there is nothing else: the descriptor is not made for them (one at 71 degrees of yaw
    lay 0.25 further from every frontal picture of its person than the other photos).
    """
    fair = [one for one in observations if float(np.mean(one.landmarks.visible[:468])) >= MIN_VISIBLE]
    return {one.photo.name: describe_face(one.photo.rgb_srgb, one.landmarks.points_px) for one in fair or observations}


def identity_scores(
    pictures: Mapping[str, UInt8[np.ndarray, "H W 3"]],
    references: Mapping[str, Float32[np.ndarray, "128"]],
    *,
    nets: FaceNets,
) -> list[IdentityScore]:
    """Distance of every picture to every reference.

    Args:
        pictures: Finished headshots by view name.
        references: Descriptors by photo name.
    """
    scores = []
    for view, pixels in pictures.items():
        found = describe_picture(pixels, nets)
        if found is None or not references:
            scores.append(IdentityScore(view, {}, None))
            continue
        distances = {name: distance(found, reference) for name, reference in references.items()}
        scores.append(IdentityScore(view, distances, float(np.mean(list(distances.values())))))
    return scores

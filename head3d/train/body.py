"""Shoulders and clothes are learned from one photo: between photos they move, and people change.

Others count as well where they demonstrably show the same: frames of one video, a person who turns on a stool.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.geometry.draw import draw_mesh
from head3d.geometry.mesh import Mesh, vertex_normals
from head3d.geometry.subdivide import subdivide
from head3d.imaging.color import linear_from_levels
from head3d.morphable.region_votes import in_sight
from head3d.morphable.types import HeadFit, HeadModel
from head3d.perception.types import Observation, Region
from head3d.train.config import CropConfig
from head3d.train.rays import TrainPhoto

OUTLINE_PX = 320
"""Long side of the picture of the fitted head in which its shoulders are looked for."""
DRESSED = 0.2
"""Shoulders of which less is cloth are bare: they look the same in every photo."""
HAIR_DOWN_M = 0.06
"""Farther below the top of the shoulders, other photos' hair is left out as well."""
BELOW_CHIN_M = 0.02
"""What lies this far below the chin is body."""
LOOK_M = 0.003
"""Bodies are compared in pixels of this size."""
STILL_SHADE, STILL_TINT, STILL_OUTLINE = 0.12, 0.03, 0.06
"""Two photos show a body that stood still if the logarithms of its colours differ by less than these, in brightness and
in tint (medians), and less of it is wall in one of them only. Frames of a scan differ by .02 to .07, .006 to .02 and 0
to .02; portraits of one person in one shirt, on one stool, by .21 to .54, .02 to .08 and .01 to .2."""
FEWEST = 25
"""Places both photos have to show."""


def body_photo(fit: HeadFit, observations: Sequence[Observation], crop: CropConfig) -> int:
    """The photo that shoulders and clothes are learned from: frontal, sharp, and showing enough of them."""
    best, chosen = -math.inf, 0
    for number, (observation, camera) in enumerate(zip(observations, fit.cameras, strict=True)):
        yaw = abs(float(camera.yaw_pitch[0, 0]))
        labels = observation.parsing.labels
        share = float((labels == Region.CLOTH).mean() / max((labels == Region.SKIN).mean(), 1e-3))
        fine = float(camera.K[0, 0, 0]) / float(camera.centre[0].norm()) * crop.pixel_m
        score = -yaw + 0.3 * min(share / 0.2, 1.0) + 0.3 * min(fine, 1.0)
        if score > best:
            best, chosen = score, number
    return chosen


@dataclass(frozen=True)
class BodyLook:
    """What one photo shows of the places of a body."""

    shown: Bool[np.ndarray, "P"]
    wall: Bool[np.ndarray, "P"]
    log_rgb: Float[np.ndarray, "P 3"]


def still_bodies(fit: HeadFit, observations: Sequence[Observation], mesh: Mesh, *, body: int) -> set[int]:
    """Photos whose shoulders and clothes are those of the photo ``body``, in the same place: it and often no other.

    Args:
        fit: With the cameras.
        observations: Photos of the fit.
        mesh: Outside of the neutral head.
        body: Number of the photo that shows shoulders best.
    """
    fine = subdivide(mesh, rounds=1)
    chin = float(mesh.vertices[fit.model.groups["face"], 1].min())
    low = torch.nonzero(fine.vertices[:, 1] < chin - BELOW_CHIN_M)[:, 0]
    normals = vertex_normals(fine.vertices, fine.faces)[low]
    places = fine.vertices[low]
    looks = [look_at_body(one, camera, places, normals) for one, camera in zip(observations, fit.cameras, strict=True)]
    still, queue = {body}, [body]
    while queue:  # opposite sides share no place: they are compared with what lies between them
        known = queue.pop()
        for number in set(range(len(looks))) - still:
            if stands_still(looks[known], looks[number]):
                still.add(number)
                queue.append(number)
    return still


def look_at_body(
    observation: Observation, camera: Cameras, places_m: Float[Tensor, "P 3"], normals: Float[Tensor, "P 3"]
) -> BodyLook:
    """Look up places of the head frame in a photo."""
    px_per_m = float(camera.K[0, 0, 0]) / float(camera.centre[0].norm())
    times = min(1.0, 1.0 / (LOOK_M * px_per_m))
    picture = cv2.resize(observation.photo.rgb_srgb, None, fx=times, fy=times, interpolation=cv2.INTER_AREA)
    height, width = picture.shape[:2]
    labels: UInt8[np.ndarray, "H W"] = cv2.resize(
        observation.parsing.labels, (width, height), interpolation=cv2.INTER_NEAREST
    )  # pyright: ignore[reportAssignmentType]
    small = camera.resized((height, width))
    shown, at = in_sight(places_m, normals, small, (height, width))
    rgb = linear_from_levels(picture[at]).numpy()
    return BodyLook(shown & (labels[at] != Region.HAIR), labels[at] == Region.BACKGROUND, np.log(rgb + 0.01))


def stands_still(one: BodyLook, other: BodyLook) -> bool:
    """Whether two photos show the same body in the same place."""
    both = one.shown & other.shown
    person = both & ~one.wall & ~other.wall
    if person.sum() < FEWEST or (one.wall != other.wall)[both].mean() > STILL_OUTLINE:
        return False
    apart = (one.log_rgb - other.log_rgb)[person]
    shade = apart.mean(1)
    tint = np.abs(apart - shade[:, None]).mean(1)
    return bool(np.median(np.abs(shade)) < STILL_SHADE and np.median(tint) < STILL_TINT)


def without_body(photo: TrainPhoto, posed: Mesh, model: HeadModel) -> TrainPhoto:
    """A photo that teaches nothing where it shows the fitted head's shoulders, whatever its labels say.

    Bare shoulders look the same in all photos and stay. A jacket's edge taken for neck, or a wall seen where the other
    photo has a shoulder, would stain the clothes. Hair stays down to where it hangs in other photos as well.

    Args:
        photo: Cropped.
        posed: Outside of the head with the photo's expression.
        model: Of the head, for which of its vertices are shoulders.
    """
    if "shoulders" not in model.groups:
        return photo
    y = posed.vertices[:, 1]
    shoulder = torch.zeros(len(y), dtype=torch.bool).index_fill(0, model.groups["shoulders"], True)
    low = shoulder & (y < y[shoulder].max() - HAIR_DOWN_M)
    shown = _shows(photo, posed, shoulder)
    if not shown.any() or float((photo.labels[shown] == Region.CLOTH).mean()) < DRESSED:
        return photo
    left_out = shown & (photo.labels != Region.HAIR) | _shows(photo, posed, low)
    kept = np.where(left_out, 0, 1).astype(np.uint8)
    return replace(
        photo,
        color_weight=photo.color_weight * kept,
        alpha_weight=photo.alpha_weight * kept,
        chance=photo.chance * kept,
    )


def _shows(photo: TrainPhoto, posed: Mesh, part: Bool[Tensor, "V"]) -> Bool[np.ndarray, "H W"]:
    """Pixels of triangles between vertices of a part of the head."""
    height, width = photo.camera.size
    times = min(1.0, OUTLINE_PX / max(height, width))
    small = photo.camera.resized((max(round(height * times), 8), max(round(width * times), 8)))
    triangle = draw_mesh(posed.vertices, posed.faces, small).triangle
    of_face = torch.cat([part[posed.faces].all(1), torch.zeros(1, dtype=torch.bool)])  # the last: no face (-1)
    shown = of_face[triangle.long()].numpy().astype(np.uint8)
    return cv2.resize(shown, (width, height), interpolation=cv2.INTER_NEAREST) > 0

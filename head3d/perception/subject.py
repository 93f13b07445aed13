"""Finds out which of the faces on several photos are the subject, and which frames of a video are worth keeping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from head3d.perception.config import SubjectConfig
from head3d.perception.identity import distance
from head3d.perception.landmarks import FacePoints, face_size


@dataclass(frozen=True)
class Candidate:
    """A face that may be the subject, with its dlib descriptor."""

    face: FacePoints
    descriptor: np.ndarray


@dataclass(frozen=True)
class Choice:
    """The subject's face on a photo, or why there is none.

    Attributes:
        index: Of the face among the photo's, largest first; None if the subject is not on it.
        why: ``found``, ``nobody`` (no face), ``other`` (another person), ``unclear`` (several, nothing tells which).
    """

    index: int | None
    why: Literal["found", "nobody", "other", "unclear"]


def choose_subject(
    groups: Sequence[Sequence[Candidate]], *, face: int | None = None, config: SubjectConfig = SubjectConfig()
) -> list[Choice]:
    """Pick in every photo the face of the subject.

    The subject is the person whose face agrees with faces on the most other photos; of equals, the larger face. Steep
    faces, of which the identity net knows nothing, pass where they are alone.

    Args:
        groups: Per photo its faces, largest first.
        face: The user's choice where a photo shows several faces: 0 the largest; None = by agreement.
        config: Thresholds.
    """
    asked = [
        (photo, item)
        for photo, group in enumerate(groups)
        for item in group
        if abs(np.degrees(item.face.pose[0])) < config.identity_yaw_deg
    ]
    place = _pointed_at(groups, face)
    anchor = _anchor(asked, config) if place is None else groups[place][face or 0]
    family = [item.descriptor for _, item in asked if anchor is not None and _same(item, anchor, config)]
    agreed = face is not None or (anchor is not None and _support(anchor, asked, config)[0] > 1)
    choices = [_choose(group, family, agreed=agreed, config=config) for group in groups]
    if place is not None:  # whoever was pointed at is meant there, also if the net cannot tell the face
        choices[place] = Choice(face, "found")
    return choices


def _pointed_at(groups: Sequence[Sequence[Candidate]], face: int | None) -> int | None:
    """The photo whose face the user's choice is: the first that shows several, and so many."""
    return next((at for at, group in enumerate(groups) if face is not None and len(group) > max(face, 1)), None)


def _anchor(asked: Sequence[tuple[int, Candidate]], config: SubjectConfig) -> Candidate | None:
    """The face that stands for the subject, by agreement."""
    return max((item for _, item in asked), key=lambda item: _support(item, asked, config), default=None)


def _same(first: Candidate, second: Candidate, config: SubjectConfig) -> bool:
    return distance(first.descriptor, second.descriptor) < config.same_person


def _support(item: Candidate, asked: Sequence[tuple[int, Candidate]], config: SubjectConfig) -> tuple[int, float]:
    """On how many photos the person is, and how large the face."""
    return len({photo for photo, other in asked if _same(item, other, config)}), face_size(item.face.points)


def _choose(group: Sequence[Candidate], family: Sequence[np.ndarray], *, agreed: bool, config: SubjectConfig) -> Choice:
    if not group:
        return Choice(None, "nobody")
    if not agreed and len(group) > 1:
        if face_size(group[1].face.points) > config.rival_size * face_size(group[0].face.points):
            return Choice(None, "unclear")
        return Choice(0, "found")
    apart = [float(np.median([distance(item.descriptor, other) for other in family] or [0.0])) for item in group]
    steep = [abs(np.degrees(item.face.pose[0])) >= config.identity_yaw_deg for item in group]
    known = [index for index in range(len(group)) if not steep[index] and apart[index] < config.same_person]
    if known:
        return Choice(min(known, key=lambda index: apart[index]), "found")
    if any(steep):
        return Choice(steep.index(True), "found")
    return Choice(None, "other")


def spread_frames(
    poses_deg: Sequence[tuple[float, float]], sharpness: Sequence[float], *, config: SubjectConfig = SubjectConfig()
) -> list[int]:
    """Choose frames of a video that spread over head pose.

    Starts with the most frontal one and adds what is farthest (yaw, pitch) from everything chosen; of frames almost
    equally far the sharpest.

    Returns:
        Indices in order of time.
    """
    if not poses_deg:
        return []
    angles = np.array(poses_deg, float)
    sharp = np.array(sharpness, float)
    bonus = 1.5 * (sharp / max(float(sharp.max()), 1e-9))  # worth up to 1.5 degrees
    chosen = [int(np.argmin(np.linalg.norm(angles, axis=1) - bonus))]
    while len(chosen) < min(config.video_frames, len(angles)):
        gap = np.linalg.norm(angles[:, None] - angles[chosen][None], axis=-1).min(1)
        best = int(np.argmax(np.where(gap < config.video_step_deg, -1.0, gap + bonus)))
        if gap[best] < config.video_step_deg:
            break
        chosen.append(best)
    return sorted(chosen)

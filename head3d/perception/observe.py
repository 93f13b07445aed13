"""Looks at photos: finds the subject's face in each, its points, its outline and regions, and who it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from head3d.capture.types import Photo, Verdict, refused
from head3d.events import Emit, Notice, Progress, StageStart, ignore
from head3d.perception.detector import DetectorConfig, detect_faces
from head3d.perception.identity import describe_face
from head3d.perception.judge import Candidate, JudgeConfig, choose_subject, face_problems
from head3d.perception.landmarks import FacePoints, LandmarkConfig, find_irises, find_points, landmarks_of
from head3d.perception.nets import FaceNets, load_face_nets
from head3d.perception.parsing import ParsingConfig, parse_face
from head3d.perception.types import Detection, Landmarks, Observation


@dataclass(frozen=True)
class PerceptionConfig:
    """What is looked for in photos, and what is refused."""

    face: int | None = None
    """Which face is the subject where a photo shows several: 0 the largest; None = the one on most photos."""
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    """Finding faces."""
    landmarks: LandmarkConfig = field(default_factory=LandmarkConfig)
    """Finding points."""
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    """What a usable photo is."""
    parsing: ParsingConfig = field(default_factory=ParsingConfig)
    """Regions of a photo."""


@dataclass(frozen=True)
class _Found:
    """A face of a photo on its way to an observation."""

    detection: Detection
    candidate: Candidate


def observe(
    photos: Sequence[Photo], *, config: PerceptionConfig = PerceptionConfig(), emit: Emit = ignore
) -> tuple[list[Observation], list[Verdict]]:
    """Perceive the subject in every photo that shows it well enough.

    Returns:
        Observations of the accepted photos, in order, and a verdict on every photo.
    """
    emit(StageStart("perception", len(photos)))
    nets = load_face_nets()
    groups = [_faces(photo, nets, config) for photo in photos]
    subject = choose_subject(
        [[found.candidate for found in group] for group in groups], face=config.face, config=config.judge
    )
    observations: list[Observation] = []
    verdicts: list[Verdict] = []
    for step, (photo, group, chosen) in enumerate(zip(photos, groups, subject, strict=True)):
        verdict = _verdict(photo, group, chosen, config)
        if verdict.accepted and chosen is not None:
            observations.append(_observation(photo, group[chosen], nets, config))
        verdicts.append(verdict)
        emit(Progress("perception", step + 1, len(photos), photo.name))
        for text in (*verdict.reasons, *verdict.warnings):
            emit(Notice(f"{photo.name}: {text}", "info" if verdict.accepted else "warning"))
    return observations, verdicts


def _faces(photo: Photo, nets: FaceNets, config: PerceptionConfig) -> list[_Found]:
    """Every real face of a photo, largest first."""
    faces = []
    for index, detection in enumerate(detect_faces(photo.rgb_srgb, nets, config=config.detector)):
        points = find_points(photo.rgb_srgb, detection, nets, config=config.landmarks)
        if points.score >= config.judge.min_score:
            descriptor = describe_face(photo.rgb_srgb, points.points[:, :2])
            faces.append(_Found(detection, Candidate(photo, index, points, descriptor)))
    return faces


def _verdict(photo: Photo, group: Sequence[_Found], chosen: int | None, config: PerceptionConfig) -> Verdict:
    if not group:
        return refused(photo.name, "no face found: use a photo where both eyes can be seen")
    if chosen is None:
        return refused(photo.name, "another person than on the other photos")
    reasons, notes = face_problems(photo.rgb_srgb, group[chosen].candidate.face, config=config.judge)
    if len(group) > 1:
        notes.append(f"{len(group)} faces: number {chosen + 1} by size is taken (--face chooses another)")
    return Verdict(photo.name, accepted=not reasons, reasons=tuple(reasons), warnings=tuple(notes))


def _observation(photo: Photo, found: _Found, nets: FaceNets, config: PerceptionConfig) -> Observation:
    face = found.candidate.face
    return Observation(
        photo=photo,
        detection=found.detection,
        landmarks=landmarks_of(face, find_irises(photo.rgb_srgb, face.points, nets)),
        parsing=parse_face(photo.rgb_srgb, face, nets, alpha=photo.alpha, config=config.parsing),
        embedding=found.candidate.descriptor.astype(np.float32),
    )


@dataclass(frozen=True)
class FaceReading:
    """What the quality metrics need of a rendered picture."""

    landmarks: Landmarks
    face: FacePoints
    embedding: Float32[np.ndarray, "128"]


def read_face(rgb_srgb: UInt8[np.ndarray, "H W 3"], *, nets: FaceNets | None = None) -> FaceReading | None:
    """Landmarks and identity descriptor of the largest face of a picture (a render, say), or None if there is none."""
    nets = nets or load_face_nets()
    for detection in detect_faces(rgb_srgb, nets):
        face = find_points(rgb_srgb, detection, nets)
        if face.score >= JudgeConfig().min_score:
            landmarks = landmarks_of(face, find_irises(rgb_srgb, face.points, nets))
            return FaceReading(landmarks, face, describe_face(rgb_srgb, face.points[:, :2]).astype(np.float32))
    return None

"""Looks at photos: finds the subject's face in each, its points, its outline and regions, and who it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from head3d.capture.types import Photo, Verdict, refused
from head3d.capture.verdicts import tell_verdicts
from head3d.events import Emit, Notice, Progress, StageStart, ignore
from head3d.perception.config import (
    PerceptionConfig,
)
from head3d.perception.detector import detect_faces, detect_turned_faces
from head3d.perception.identity import describe_face
from head3d.perception.judge import face_problems, is_face, sharpness
from head3d.perception.landmarks import FacePoints, find_irises, find_points, landmarks_of
from head3d.perception.nets import FaceNets, load_face_nets
from head3d.perception.parsing import parse_face
from head3d.perception.second_detector import load_second_detector, second_opinion
from head3d.perception.subject import Candidate, Choice, choose_subject, spread_frames
from head3d.perception.types import Detection, Landmarks, Observation


@dataclass(frozen=True)
class _Looked:
    """A photo and the faces on it, largest first; ``missed``: something like a face was seen, but no points found."""

    photo: Photo
    detections: tuple[Detection, ...]
    faces: tuple[Candidate, ...]
    missed: bool


def observe(
    photos: Sequence[Photo], *, config: PerceptionConfig = PerceptionConfig(), emit: Emit = ignore
) -> tuple[list[Observation], list[Verdict]]:
    """Perceive the subject in every photo that shows it well enough.

    Returns:
        Observations of the accepted photos, in order, and a verdict on every photo (of video frames: on those kept).
    """
    emit(StageStart("perception", len(photos)))
    nets = load_face_nets()
    second = _second_detector(config)
    looked = [_look(photo, nets, config) for photo in photos]
    choices = choose_subject([look.faces for look in looked], face=config.face, config=config.subject)
    judged = [_verdict(look, choice, config) for look, choice in zip(looked, choices, strict=True)]
    kept = _thin_videos(looked, choices, judged, config, emit)
    observations: list[Observation] = []
    verdicts: list[Verdict] = []
    for step, index in enumerate(kept):
        look, choice, verdict = looked[index], choices[index], judged[index]
        if verdict.accepted and choice.index is not None:
            observations.append(_observation(look, choice.index, nets, config))
            if second is not None:
                verdict = _cross_checked(verdict, observations[-1], second, config)
        verdicts.append(verdict)
        emit(Progress("perception", step + 1, len(kept), look.photo.name))
    tell_verdicts(verdicts, emit)
    return observations, verdicts


def _look(photo: Photo, nets: FaceNets, config: PerceptionConfig) -> _Looked:
    pixels = photo.rgb_srgb
    upright = detect_faces(pixels, nets, config=config.detector)
    found = _believable(pixels, upright, nets, config)
    if not found:
        found = _believable(pixels, detect_turned_faces(pixels, nets, config=config.detector)[:3], nets, config)[:1]
    faces = [Candidate(face, describe_face(pixels, face.points[:, :2])) for _, face in found]
    missed = not faces and any(detection.score > 0.8 for detection in upright)
    return _Looked(photo, tuple(detection for detection, _ in found), tuple(faces), missed)


def _believable(
    rgb_srgb: np.ndarray, detections: Sequence[Detection], nets: FaceNets, config: PerceptionConfig
) -> list[tuple[Detection, FacePoints]]:
    """Finds of the detector in which the landmark net too sees a face."""
    looks = [(one, find_points(rgb_srgb, one, nets, config=config.landmarks)) for one in detections]
    return [(one, face) for one, face in looks if is_face(face, config=config.judge)]


def _verdict(look: _Looked, choice: Choice, config: PerceptionConfig) -> Verdict:
    several = len(look.faces) > 1
    verdict = _judged(look, choice, config)
    return replace(verdict, faces=_boxes(look), face=choice.index) if several else verdict


def _boxes(look: _Looked) -> tuple[tuple[float, float, float, float], ...]:
    """Where the faces are, as fractions of the photo, within it."""
    height, width = look.photo.size
    places = [np.clip(one.box_px / (width, height, width, height), 0, 1) for one in look.detections]
    return tuple((float(left), float(top), float(right), float(low)) for left, top, right, low in places)


def _judged(look: _Looked, choice: Choice, config: PerceptionConfig) -> Verdict:
    name = look.photo.name
    if choice.index is None:
        match choice.why:
            case "other":
                # A spoilt picture looks like nobody: then that is the reason.
                spoilt, _ = face_problems(look.photo.rgb_srgb, look.faces[0].face, config=config.judge)
                return refused(name, spoilt[0] if spoilt else "another person than on the other photos")
            case "unclear":
                several = f"{len(look.faces)} people, and nothing tells who is meant"
                told = f"{several}: crop the photo, or choose with --face 0 (the largest), 1, ..."
                return replace(refused(name, told), rivals=len(look.faces))
            case _:
                seen = "a face is there, but turned too far or covered: its points cannot be found"
                return refused(name, seen if look.missed else "no face found: both eyes should be visible")
    face = look.faces[choice.index].face
    reasons, notes = face_problems(look.photo.rgb_srgb, face, config=config.judge)
    if len(look.faces) > 1:
        notes.append(f"{len(look.faces)} people: face {choice.index} (0 is the largest) is the subject")
    return Verdict(name, accepted=not reasons, reasons=tuple(reasons), warnings=tuple(notes))


def _thin_videos(
    looked: Sequence[_Looked],
    choices: Sequence[Choice],
    judged: Sequence[Verdict],
    config: PerceptionConfig,
    emit: Emit,
) -> list[int]:
    """Indices of all photos, and of those good frames of each video that spread over head pose."""
    kept = [index for index, look in enumerate(looked) if not look.photo.video]
    for video in dict.fromkeys(look.photo.video for look in looked if look.photo.video):
        frames = [index for index, look in enumerate(looked) if look.photo.video == video]
        poses, values, good = [], [], []
        for index in frames:
            chosen = choices[index].index
            if judged[index].accepted and chosen is not None:
                face = looked[index].faces[chosen].face
                yaw, pitch, _ = np.degrees(face.pose)
                poses.append((float(yaw), float(pitch)))
                values.append(sharpness(looked[index].photo.rgb_srgb, face))
                good.append(index)
        spread = [good[place] for place in spread_frames(poses, values, config=config.subject)]
        emit(Notice(f"{video}: {len(spread)} of {len(frames)} sharp frames are used", "info" if spread else "warning"))
        kept += spread or frames[:1]  # the verdict on the first frame tells why there is none
    return sorted(kept)


def _observation(look: _Looked, index: int, nets: FaceNets, config: PerceptionConfig) -> Observation:
    photo, face = look.photo, look.faces[index].face
    return Observation(
        photo=photo,
        detection=look.detections[index],
        landmarks=landmarks_of(face, find_irises(photo.rgb_srgb, face.points, nets)),
        parsing=parse_face(photo.rgb_srgb, face, nets, alpha=photo.alpha, config=config.parsing),
        embedding=look.faces[index].descriptor.astype(np.float32),
    )


def _second_detector(config: PerceptionConfig) -> Any | None:
    if config.second.use == "never":
        return None
    return load_second_detector(download=config.second.use == "download")


def _cross_checked(verdict: Verdict, seen: Observation, second: Any, config: PerceptionConfig) -> Verdict:
    against = second_opinion(seen.photo.rgb_srgb, seen.landmarks, second, config=config.second)
    return replace(verdict, warnings=(*verdict.warnings, against)) if against else verdict


@dataclass(frozen=True)
class FaceReading:
    """What the quality metrics need of a rendered picture."""

    landmarks: Landmarks
    face: FacePoints
    embedding: Float32[np.ndarray, "128"]


def read_face(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    *,
    nets: FaceNets | None = None,
    config: PerceptionConfig = PerceptionConfig(),
) -> FaceReading | None:
    """Landmarks and identity descriptor of the largest face of a picture (a render, say), or None if there is none."""
    nets = nets or load_face_nets()
    for _, face in _believable(rgb_srgb, detect_faces(rgb_srgb, nets, config=config.detector), nets, config):
        landmarks = landmarks_of(face, find_irises(rgb_srgb, face.points, nets))
        return FaceReading(landmarks, face, describe_face(rgb_srgb, face.points[:, :2]).astype(np.float32))
    return None

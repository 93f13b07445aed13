"""Finds 468 mesh points and 10 iris points of a face, says how sure it is of each, and which the head itself hides.

Nets: Kartynnik et al. 2019 (face mesh), Ablavatski et al. 2020 (iris), at 192 and 64 px. One look jumps by a pixel of
its crop when the crop moves; the mean over shifted, turned and mirrored crops does not, and their spread is the
confidence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from head3d.perception import topology
from head3d.perception.config import LandmarkConfig
from head3d.perception.detector import face_crop
from head3d.perception.nets import Crop, FaceNets, apply_affine
from head3d.perception.types import Detection, Landmarks
from head3d.perception.visibility import visible_points
from head3d.shapes import shaped

# Turn (degrees), scale and shift (fractions of the side) of the crops that are averaged; every other one is mirrored.
_JITTER = (
    (0.0, 1.00, 0.00, 0.00),
    (0.0, 1.00, 0.00, 0.00),
    (6.0, 0.93, 0.03, -0.02),
    (-6.0, 0.93, -0.03, -0.02),
    (-5.0, 1.10, 0.02, 0.03),
    (5.0, 1.10, -0.02, 0.03),
    (10.0, 1.02, -0.03, 0.01),
    (-10.0, 1.02, 0.03, 0.01),
)
# Starts tried where the first one fails: faces in profile are found in crops that reach behind the head, or are turned.
_STARTS = tuple(
    (turn, scale, shift)
    for scale in (1.0, 1.3, 0.8)
    for turn, shift in ((0.0, 0.0), (0.0, 0.12), (0.0, -0.12), (20.0, 0.0), (-20.0, 0.0))
)
# The mesh net was trained on squares 1.5 times the box of its points.
_MESH_SCALE = 1.5
_IRIS_SCALE = 2.3


@shaped
@dataclass(frozen=True)
class FacePoints:
    """The net's points in space.

    Attributes:
        points: Picture px; z in px of the same scale, smaller is closer to the camera (weak perspective).
        spread_px: Standard deviation over the jittered crops, in the picture.
        score: Mean face score in [0, 1].
    """

    points: Float[np.ndarray, "468 3"]
    spread_px: Float[np.ndarray, "468"]
    score: float

    @property
    def pose(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll, radians; yaw > 0 turns the face to its own left, pitch > 0 up, roll > 0 clockwise."""
        return topology.head_angles(self.points)

    @property
    def wobble(self) -> float:
        """Median spread in units of the face's size: what tells a good profile from a hallucinated one."""
        return float(np.median(self.spread_px)) / face_size(self.points)


def face_size(points: Float[np.ndarray, "468 3"]) -> float:
    """Distance from brow to chin in px: unlike the eye distance it survives a profile."""
    return float(np.linalg.norm(points[topology.CHIN] - points[topology.GLABELLA])) + 1e-6


def find_points(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    face: Detection,
    nets: FaceNets,
    *,
    config: LandmarkConfig = LandmarkConfig(),
) -> FacePoints:
    """Find the mesh points of a detected face."""
    start = face_crop(face)
    first = _settle(rgb_srgb, nets, start)
    points = _average(rgb_srgb, nets, crop_of_points(first[0]))
    if points.score >= config.good_score and abs(np.degrees(points.pose[0])) < config.steep_yaw_deg:
        return points
    tried = [points]
    settled = sorted(_starts(rgb_srgb, nets, start), key=lambda item: item[1], reverse=True)
    for candidate, _ in settled[:3]:
        tried.append(_average(rgb_srgb, nets, crop_of_points(candidate)))
    return max(tried, key=lambda item: item.score - 6.0 * item.wobble)


def track_points(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], nets: FaceNets, crop: Crop, *, rounds: int = 1
) -> tuple[Float[np.ndarray, "468 3"], float]:
    """The mesh points and their score in a picture of a video, where ``crop`` says the face is: one look a round."""
    return _settle(rgb_srgb, nets, crop, rounds)


def follow_points(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], expected: Float[np.ndarray, "468 2"], nets: FaceNets
) -> FacePoints:
    """Find the mesh points of a face that is known to be about where ``expected`` has it: no detector is asked."""
    start = np.concatenate([expected, np.zeros((len(expected), 1))], axis=1)
    settled, _ = _settle(rgb_srgb, nets, crop_of_points(start), rounds=1)
    return _average(rgb_srgb, nets, crop_of_points(settled))


def _starts(rgb_srgb: np.ndarray, nets: FaceNets, start: Crop) -> Iterable[tuple[np.ndarray, float]]:
    for turn, scale, shift in _STARTS:
        centre = start.centre_px[0] + shift * start.side_px, start.centre_px[1]
        crop = Crop(centre, start.side_px * scale, start.angle + float(np.radians(turn)))
        yield _settle(rgb_srgb, nets, crop)


def _settle(rgb_srgb: np.ndarray, nets: FaceNets, crop: Crop, rounds: int = 2) -> tuple[np.ndarray, float]:
    """Look, move the crop to what was found, look again."""
    points, score = _look(rgb_srgb, nets, crop)
    for _ in range(rounds - 1):
        points, score = _look(rgb_srgb, nets, crop_of_points(points))
    return points, score


def _look(rgb_srgb: np.ndarray, nets: FaceNets, crop: Crop) -> tuple[Float[np.ndarray, "468 3"], float]:
    """One run of the mesh net: points in picture px and the face score."""
    size = nets.mesh.size[0]
    outputs = sorted(nets.mesh(crop.cut(rgb_srgb, size)), key=lambda output: output.size)
    logit, raw = float(outputs[0].reshape(-1)[0]), outputs[1].reshape(468, 3).astype(np.float64)
    if crop.flipped:
        raw = raw[topology.MIRROR]
    points = np.empty((468, 3))
    points[:, :2] = apply_affine(crop.to_picture(size), raw[:, :2])
    points[:, 2] = raw[:, 2] * crop.side_px / size
    return points, float(1.0 / (1.0 + np.exp(-np.clip(logit, -60.0, 60.0))))


def crop_of_points(points: Float[np.ndarray, "468 3"]) -> Crop:
    """The upright square round mesh points that the mesh net likes best."""
    up = points[topology.GLABELLA, :2] - points[topology.CHIN, :2]
    angle = float(np.arctan2(up[0], -up[1]))
    cos, sin = np.cos(angle), np.sin(angle)
    upright = points[:, :2] @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(0), upright.max(0)
    centre = (low + high) / 2.0 @ np.array([[cos, sin], [-sin, cos]])
    return Crop((float(centre[0]), float(centre[1])), float((high - low).max()) * _MESH_SCALE, angle)


def _average(rgb_srgb: np.ndarray, nets: FaceNets, crop: Crop) -> FacePoints:
    """Mean and spread over jittered and mirrored crops; looks with a poor score count little."""
    looks, scores = [], []
    for index, (turn, scale, dx, dy) in enumerate(_JITTER):
        jittered = Crop(
            (crop.centre_px[0] + dx * crop.side_px, crop.centre_px[1] + dy * crop.side_px),
            crop.side_px * scale,
            crop.angle + float(np.radians(turn)),
            flipped=bool(index % 2),
        )
        points, score = _look(rgb_srgb, nets, jittered)
        looks.append(points)
        scores.append(score)
    weight = np.array(scores) + 1e-3
    weight = weight / weight.sum()
    stack = np.stack(looks)
    mean = np.einsum("n,nkc->kc", weight, stack)
    spread = np.sqrt(np.einsum("n,nkc->k", weight, (stack[..., :2] - mean[:, :2]) ** 2) / 2.0)
    return FacePoints(mean, spread, float(np.mean(scores)))


def find_irises(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "468 3"], nets: FaceNets
) -> Float[np.ndarray, "2 5 2"]:
    """Iris centre and four rim points (image right, top, left, bottom) of the subject's right and left eye, px."""
    found = [
        _iris(rgb_srgb, points[:, :2], corners, nets, mirrored)
        for corners, mirrored in ((topology.RIGHT_EYE_CORNERS, False), (topology.LEFT_EYE_CORNERS, True))
    ]
    return np.stack(found)


def _iris(
    rgb_srgb: np.ndarray, points: np.ndarray, corners: Sequence[int], nets: FaceNets, mirrored: bool
) -> Float[np.ndarray, "5 2"]:
    outer, inner = points[corners[0]], points[corners[1]]
    along = (outer - inner) if mirrored else (inner - outer)
    size = nets.iris.size[0]
    looks = []
    for scale in (0.9, 1.0, 1.1):
        crop = Crop(
            tuple((outer + inner) / 2.0),
            float(np.linalg.norm(along)) * _IRIS_SCALE * scale,
            float(np.arctan2(along[1], along[0])),
            flipped=mirrored,  # the net knows right eyes only
        )
        outputs = sorted(nets.iris(crop.cut(rgb_srgb, size)), key=lambda output: output.size)
        raw = outputs[0].reshape(5, 3).astype(np.float64)
        looks.append(apply_affine(crop.to_picture(size), raw[:, :2]))
    iris = np.mean(looks, axis=0)
    # The rim comes in the order of the unmirrored eye; mirrored, image right and left change places.
    return iris[[0, 3, 2, 1, 4]] if mirrored else iris


def landmarks_of(face: FacePoints, irises: Float[np.ndarray, "2 5 2"]) -> Landmarks:
    """Pack mesh and iris points as ``mediapipe478``, with visibility."""
    visible = visible_points(face.points)
    iris_seen = [visible[list(ring)].mean() > 0.5 for ring in (topology.RIGHT_EYE, topology.LEFT_EYE)]
    lids = [face.spread_px[list(ring)].mean() for ring in (topology.RIGHT_EYE, topology.LEFT_EYE)]
    return Landmarks(
        scheme="mediapipe478",
        points_px=np.concatenate([face.points[:, :2], irises.reshape(10, 2)]),
        visible=np.concatenate([visible, np.repeat(iris_seen, 5)]),
        sigma_px=np.concatenate([face.spread_px, np.repeat(lids, 5)]),
        score=face.score,
        iris_px=irises,
    )


def ibug68(landmarks: Landmarks) -> Landmarks:
    """The iBUG-68 points, taken from the dense mesh."""
    index = list(topology.IBUG_68)
    return Landmarks(
        scheme="ibug68",
        points_px=landmarks.points_px[index],
        visible=landmarks.visible[index],
        sigma_px=landmarks.sigma_px[index],
        score=landmarks.score,
        iris_px=landmarks.iris_px,
    )

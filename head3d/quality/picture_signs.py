"""What a finished picture shows of its own faults, as numbers with names.

All is measured in windows of fixed size on the head, so that a picture's frame and resolution matter little.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.geometry.reproject import backproject
from head3d.geometry.sh import harmonics_of, irradiance_basis
from head3d.imaging.color import linear_from_levels, luminance
from head3d.morphable.types import HeadModel
from head3d.perception import topology
from head3d.perception.identity import describe_face, distance
from head3d.perception.landmarks import FacePoints, follow_points
from head3d.perception.nets import Crop, FaceNets
from head3d.quality.identity import MAX_WOBBLE, MAX_YAW_DEG, MIN_SCORE
from head3d.quality.photo_match import MATCH_SIGNS, SIDE_PX, SeenPhoto, face_camera, match_photo, small_window
from head3d.render.types import RenderOutput, View
from head3d.shapes import shaped

HEAD_WINDOW = ((0.0, 0.015, 0.02), 0.34)
"""Middle (head frame) and side of the window on the head, metres: hair and the air about it included."""
FACE_WINDOW = ((0.0, -0.02, 0.085), 0.17)
"""The same of the window on the face."""
WINDOW_PX = 224
SHADING_PX = 96
"""Side of the head's window where light and outline are measured."""
FACE_FRONT_M, FACE_FLOOR_M, FACE_TOP_M = 0.03, -0.11, 0.065
"""Head frame: where the bare face is."""
DARKEST = 0.02
"""Luminance of the albedo below which a place is hair, a brow or a pupil: it says nothing about light."""
NEAR = "near_"
"""Begins the names of what was measured against other pictures of the set."""
SIGNS = (
    "px_per_mm", "turn", "away", "edges", "detail", "grain", "haze", "stray", "pieces", "gaps", "soft_rim", "steps",
    "rough", "turned_away", "level", "shade_spread", "shade_match", "shade_x", "shade_y", "shade_z", "cast_red",
    "cast_blue", "albedo_x", "albedo_y", "albedo_cast_x", "face_seen", "face_score", "face_wobble", "points_rms",
    "points_worst", "points_skew", *MATCH_SIGNS, *(NEAR + name for name in MATCH_SIGNS),
)  # fmt: skip
"""Names of the numbers, in order."""


@dataclass(frozen=True)
class Expected:
    """What a picture should show.

    Attributes:
        points_px: Where the fitted head's mesh points are, px of the render; None if no head was fitted.
        depth_m: Of the fitted head in the face's window of the view (see :func:`face_window`).
        photos: Of the person.
        neighbours: Other pictures of the set.
    """

    points_px: Float[np.ndarray, "468 2"] | None
    depth_m: Float[Tensor, "S S"] | None = None
    photos: Sequence[SeenPhoto] = ()
    neighbours: Sequence[SeenPhoto] = ()


@shaped
@dataclass(frozen=True)
class Signs:
    """Of one picture.

    Attributes:
        values: In the order of ``SIGNS``.
        descriptor: dlib's, of the face; None where it cannot be compared.
    """

    values: Float32[np.ndarray, "S"]
    descriptor: Float32[np.ndarray, "128"] | None

    def identity(self, references: Sequence[Float32[np.ndarray, "128"]]) -> float | None:
        """Mean distance to the faces of the photos; None without a face or photos."""
        if self.descriptor is None or not len(references):
            return None
        return float(np.mean([distance(self.descriptor, one) for one in references]))

    def nearest(self, references: Sequence[Float32[np.ndarray, "128"]]) -> float | None:
        """Distance to the nearest of the photos' faces; None without a face or photos."""
        if self.descriptor is None or not len(references):
            return None
        return float(min(distance(self.descriptor, one) for one in references))


def landmarks_in(camera: Cameras, vertices: Float[Tensor, "V 3"], model: HeadModel) -> Float[np.ndarray, "468 2"]:
    """Where a head's mesh points fall in a picture of a camera, px."""
    corners = vertices[model.landmark_triangles[:468]]
    places = (corners * model.landmark_barycentrics[:468, :, None]).sum(1)
    return project(places, camera.c2w[0], camera.K[0])[0].double().numpy()


def read_signs(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    output: RenderOutput,
    view: View,
    *,
    expected: Expected,
    nets: FaceNets,
) -> Signs:
    """Measure a finished picture against the render it was made from and the head that it should show.

    Args:
        rgb_srgb: As it would be delivered.
        output: The render.
        view: Its camera, and the light of the set.
        expected: What it should show.
        nets: Find the face's points.
    """
    scale = rgb_srgb.shape[0] / output.alpha.shape[0]
    head, near = windows_of(view.camera)
    yaw = float(view.camera.yaw_pitch[0, 0])
    found = {name: 0.0 for name in SIGNS}
    found["px_per_mm"] = math.log(near.side_px * scale / FACE_WINDOW[1] / 1000)
    found["turn"], found["away"] = abs(math.sin(yaw)), 1 - math.cos(yaw)
    found |= _sharpness(_scaled(near, scale).cut(rgb_srgb, WINDOW_PX, border=cv2.BORDER_REPLICATE))
    found |= _outline(output, head)
    found |= _shading(rgb_srgb, output, view, head, scale)
    descriptor, window = None, None
    if expected.depth_m is not None:
        window = seen_window(rgb_srgb, view, expected.depth_m)
        found |= match_photo(window.rgb_srgb, window.depth_m, window.camera, expected.photos)
    if expected.points_px is not None and abs(math.degrees(yaw)) < MAX_YAW_DEG:
        points = follow_points(rgb_srgb, expected.points_px * scale, nets)
        found |= _landmarks(points, expected.points_px * scale)
        if points.score >= MIN_SCORE and points.wobble <= MAX_WOBBLE:
            descriptor = describe_face(rgb_srgb, points.points[:, :2])
    signs = Signs(_finite([found[name] for name in SIGNS]), descriptor)
    return signs if window is None else beside(signs, window, expected.neighbours)


def seen_window(rgb_srgb: UInt8[np.ndarray, "H W 3"], view: View, depth_m: Float[Tensor, "S S"]) -> SeenPhoto:
    """The face of a finished picture, small.

    Args:
        rgb_srgb: The whole frame of its view.
        view: Its camera.
        depth_m: Of the fitted head in the view's window (see :func:`face_window`).
    """
    whole = view.camera.resized((rgb_srgb.shape[0], rgb_srgb.shape[1]))
    camera = face_camera(whole, FACE_WINDOW)
    return SeenPhoto(small_window(rgb_srgb, camera, whole), depth_m, camera.resized((SIDE_PX, SIDE_PX)))


def beside(signs: Signs, window: SeenPhoto, others: Sequence[SeenPhoto]) -> Signs:
    """The signs of a picture with what other pictures of its set tell about it.

    Args:
        signs: Of the picture alone.
        window: Its face.
        others: Of the set.
    """
    values = signs.values.copy()
    for name, value in match_photo(window.rgb_srgb, window.depth_m, window.camera, others).items():
        values[SIGNS.index(NEAR + name)] = value
    return Signs(_finite(values), signs.descriptor)


def _finite(values: Sequence[float] | np.ndarray) -> Float32[np.ndarray, "S"]:
    return np.nan_to_num(np.asarray(values, np.float32), posinf=9.0, neginf=-9.0)


def face_window(view: View) -> Cameras:
    """Camera of the face's window at the working size; the depth of the fitted head belongs to it."""
    return face_camera(view.camera, FACE_WINDOW).resized((SIDE_PX, SIDE_PX))


def windows_of(camera: Cameras) -> tuple[Crop, Crop]:
    """The windows on the head and on the face, px of a camera's picture."""
    return _window(camera, HEAD_WINDOW), _window(camera, FACE_WINDOW)


def _window(camera: Cameras, window: tuple[tuple[float, float, float], float]) -> Crop:
    middle, side_m = window
    px, depth = project(torch.tensor([middle]), camera.c2w[0], camera.K[0])
    return Crop((float(px[0, 0]), float(px[0, 1])), side_m * float(camera.K[0, 0, 0] / depth[0]))


def _scaled(crop: Crop, scale: float) -> Crop:
    return Crop((crop.centre_px[0] * scale, crop.centre_px[1] * scale), crop.side_px * scale)


def _sharpness(face: UInt8[np.ndarray, "S S 3"]) -> dict[str, float]:
    """Energy of three octaves of the face, middle of the window only: logarithms of their spreads."""
    margin = WINDOW_PX // 6
    level = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    octaves, names = {}, ("edges", "detail", "grain")
    blurred = [level, *(cv2.GaussianBlur(level, (0, 0), sigma) for sigma in (0.8, 1.6, 3.2))]
    for name, fine, coarse in zip(reversed(names), blurred, blurred[1:], strict=False):
        octaves[name] = math.log(float((fine - coarse)[margin:-margin, margin:-margin].std()) + 0.05)
    whole = math.log(float(level[margin:-margin, margin:-margin].std()) + 1.0)
    return {name: value - whole for name, value in octaves.items()}


def outline_of(output: RenderOutput, camera: Cameras) -> dict[str, float]:
    """How clean a render's coverage is about the head, all 0 at best.

    Returns:
        ``haze``: half-covered pixels outside the head for each of its rim; ``soft_rim``: pixels that are neither there
        nor not, for each of its rim; ``stray``: coverage apart from the head, part of its area; ``pieces`` of it;
        ``gaps``: holes in the head, part of its area.
    """
    return _coverage(output, _window(camera, HEAD_WINDOW))[0]


def _coverage(
    output: RenderOutput, head: Crop
) -> tuple[dict[str, float], Bool[np.ndarray, "S S"], Float32[np.ndarray, "S S"], float]:
    """See :func:`outline_of`; with the inside of the head, the coverage, and the head's area in the window."""
    alpha = head.cut(output.alpha.detach().float().cpu().numpy(), WINDOW_PX).clip(0, 1)
    solid = alpha > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.12).astype(np.uint8), connectivity=4)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else 0
    apart = (labels != largest) & (labels > 0)
    pieces = sum(int(area) >= 6 for area in stats[1:, cv2.CC_STAT_AREA]) - 1 if count > 1 else 0
    closed = cv2.morphologyEx(solid.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)) > 0
    inside = cv2.erode(closed.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    thin = (alpha > 0.05) & (alpha < 0.95)
    area = max(float(solid.sum()), 1.0)
    rim = max(float((solid ^ (cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)).sum()), 1.0)
    found = {
        "haze": float((4 * alpha * (1 - alpha))[~inside].sum()) / rim,
        "soft_rim": float(thin.sum()) / rim,
        "stray": float(alpha[apart].sum()) / area,
        "pieces": float(max(pieces, 0)),
        "gaps": float((1 - alpha)[inside].sum()) / area,
    }
    return found, inside, alpha, area


def _outline(output: RenderOutput, head: Crop) -> dict[str, float]:
    """Coverage that is neither there nor not there, pieces apart from the head, holes, jumps of depth."""
    found, inside, alpha, area = _coverage(output, head)
    depth = head.cut(output.depth_m.detach().float().cpu().numpy(), WINDOW_PX)
    smooth = cv2.medianBlur(depth.astype(np.float32), 5)
    steps = (np.abs(depth - smooth) > 0.004) & inside & (alpha > 0.9)
    normal = head.cut(output.normal.detach().float().cpu().numpy(), WINDOW_PX)
    mean = np.linalg.norm(cv2.blur(normal, (5, 5)), axis=-1)
    return {
        "haze": math.log(found["haze"] + 0.02),
        "soft_rim": math.log(found["soft_rim"] + 0.02),
        "stray": math.log(found["stray"] + 1e-4),
        "pieces": math.log1p(found["pieces"]),
        "gaps": math.log(found["gaps"] + 1e-4),
        "steps": math.log(float(steps.sum()) / area + 1e-4),
        "rough": float((1 - mean)[inside].mean()) if inside.any() else 0.0,
        "turned_away": float((mean < 0.6)[inside].mean()) if inside.any() else 0.0,
    }


def _small(values: Tensor, head: Crop) -> Float32[np.ndarray, "S S *C"]:
    return head.cut(np.ascontiguousarray(values.detach().float().cpu().numpy()), SHADING_PX)


def _face(output: RenderOutput, view: View, head: Crop) -> tuple[Bool[np.ndarray, "S S"], Float32[np.ndarray, "S S"]]:
    """Where the window shows bare face, and the head frame's x there."""
    points = _small(backproject(output.depth_m, view.camera), head)
    face = (points[..., 2] > FACE_FRONT_M) & (points[..., 1] > FACE_FLOOR_M) & (points[..., 1] < FACE_TOP_M)
    return face & (_small(output.alpha, head) > 0.95), points[..., 0]


def _shading(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], output: RenderOutput, view: View, head: Crop, scale: float
) -> dict[str, float]:
    """How the light on the face departs from the light of the set, and whether light hides in the albedo."""
    face, across = _face(output, view, head)
    albedo, normal = _small(output.albedo, head), _small(output.normal, head)
    dark = luminance(torch.from_numpy(albedo)).numpy() < DARKEST
    face = cv2.erode((face & ~dark).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if int(face.sum()) < 60:
        return {}
    shown = linear_from_levels(_scaled(head, scale).cut(rgb_srgb, SHADING_PX)).numpy()[face].clip(2e-3)
    there = face & True
    albedo, normal, across = albedo[there].clip(DARKEST / 2), normal[there], across[there]
    normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True).clip(1e-6)
    light = (irradiance_basis(torch.from_numpy(normal)) @ harmonics_of(view.lighting).float()).numpy().clip(0.02)
    seen, wanted = np.log(shown / albedo), np.log(light)
    bright, meant = seen.mean(1), wanted.mean(1)
    gap = bright - meant
    basis = np.concatenate([normal, np.ones((len(normal), 1))], axis=1)
    slope = np.linalg.lstsq(basis, gap, rcond=None)[0]
    tint = (seen - wanted) - (seen - wanted).mean(1, keepdims=True)
    level = np.log(albedo.mean(1))
    place = across / 0.06
    return {
        "level": float(np.median(gap)),
        "shade_spread": float((gap - np.median(gap)).std()),
        "shade_match": float(np.corrcoef(bright, meant)[0, 1]) if meant.std() > 1e-4 and bright.std() > 1e-4 else 0.0,
        "shade_x": abs(float(slope[0])),
        "shade_y": float(slope[1]),
        "shade_z": float(slope[2]),
        "cast_red": float(np.median(tint[:, 0])),
        "cast_blue": float(np.median(tint[:, 2])),
        "albedo_x": abs(_slope(place, level)),
        "albedo_y": float(level.std()),
        "albedo_cast_x": abs(_slope(place, np.log(albedo[:, 0] / albedo[:, 2]))),
    }


def _slope(place: np.ndarray, value: np.ndarray) -> float:
    spread = float(place.var())
    return float(((place - place.mean()) * (value - value.mean())).mean() / spread) if spread > 1e-6 else 0.0


def _landmarks(points: FacePoints, expected: Float[np.ndarray, "468 2"]) -> dict[str, float]:
    """Whether features are where the fitted head has them, in face heights; a shift of all is the detector's."""
    inner = list(topology.IBUG_68[17:])  # the contour slides along the outline
    gap = (points.points[inner, :2] - expected[inner]) / np.linalg.norm(
        expected[topology.CHIN] - expected[topology.GLABELLA]
    )
    gap = gap - np.median(gap, axis=0)
    away = np.linalg.norm(gap, axis=1)
    return {
        "face_seen": 1.0,
        "face_score": points.score,
        "face_wobble": math.log(points.wobble + 1e-3),
        "points_rms": math.log(float(np.sqrt((away**2).mean())) + 1e-3),
        "points_worst": math.log(float(away.max()) + 1e-3),
        "points_skew": float(np.abs(gap.mean(0)).max()),
    }

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
from head3d.geometry.draw import draw_mesh
from head3d.geometry.sh import harmonics_of
from head3d.morphable.types import HeadModel
from head3d.perception import topology
from head3d.perception.identity import describe_face, distance
from head3d.perception.landmarks import FacePoints, follow_points
from head3d.perception.nets import Crop, FaceNets
from head3d.quality.identity import MAX_WOBBLE, MAX_YAW_DEG, MIN_SCORE
from head3d.quality.light_signs import light_signs
from head3d.quality.photo_match import MATCH_SIGNS, SIDE_PX, SeenPhoto, cut, face_camera, match_photo, small_window
from head3d.quality.set_match import SET_SIGNS, SeenPicture, match_set
from head3d.render.types import RenderOutput, View
from head3d.shapes import shaped

HEAD_WINDOW = ((0.0, 0.015, 0.02), 0.34)
"""Middle (head frame) and side of the window on the head, metres: hair and the air about it included."""
FACE_WINDOW = ((0.0, -0.02, 0.085), 0.17)
"""The same of the window on the face."""
WINDOW_PX = 224
SOLID = 0.9
"""Coverage from which a pixel's depth is that of a surface."""
UNKNOWN = 0.5
"""Coverage of what is beyond the picture: neither a surface nor free."""
RIM_PX = 13
"""Of the head's window, 2 cm: what a fit may be off at outlines, twice."""
NEAR = "near_"
"""Begins the names of what was measured against other pictures of the set."""
SIGNS = (
    "px_per_mm", "turn", "away", "edges", "detail", "grain", "haze", "stray", "pieces", "gaps", "soft_rim", "steps",
    "rough", "turned_away", "lit", "level", "shade_spread", "shade_match", "shade_x", "shade_y", "shade_z", "cast_red",
    "cast_blue", "albedo_x", "albedo_y", "albedo_cast_x", "face_seen", "face_score", "face_wobble", "points_rms",
    "points_worst", "points_skew", "uncovered", *MATCH_SIGNS, *(NEAR + name for name in SET_SIGNS),
)  # fmt: skip
"""Names of the numbers, in order."""


@dataclass(frozen=True)
class Expected:
    """What a picture should show.

    Attributes:
        points_px: Where the fitted head's mesh points are, px of the render; None if no head was fitted.
        depth_m: Of the fitted head in the face's window of the view (see :func:`face_window`).
        photos: Of the person.
        cover: Where the fitted head is in the head's window of the view (see :func:`head_cover`).
        neighbours: Other pictures of the set.
    """

    points_px: Float[np.ndarray, "468 2"] | None
    depth_m: Float[Tensor, "S S"] | None = None
    photos: Sequence[SeenPhoto] = ()
    cover: Bool[np.ndarray, "S S"] | None = None
    neighbours: Sequence[SeenPicture] = ()


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
    found["uncovered"] = math.log(uncovered(output, view.camera, expected.cover) + 1e-4)
    found |= light_signs(rgb_srgb, output, view, head, head_of_picture=_scaled(head, scale))
    descriptor = None
    if expected.depth_m is not None:
        window = seen_window(rgb_srgb, view, expected.depth_m)
        found |= match_photo(window.rgb_srgb, window.depth_m, window.camera, expected.photos)
    if expected.points_px is not None and abs(math.degrees(yaw)) < MAX_YAW_DEG:
        points = follow_points(rgb_srgb, expected.points_px * scale, nets)
        found |= _landmarks(points, expected.points_px * scale)
        if points.score >= MIN_SCORE and points.wobble <= MAX_WOBBLE:
            descriptor = describe_face(rgb_srgb, points.points[:, :2])
    signs = Signs(_finite([found[name] for name in SIGNS]), descriptor)
    return beside(signs, own_window(rgb_srgb, output, view), expected.neighbours)


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


def own_window(rgb_srgb: UInt8[np.ndarray, "H W 3"], output: RenderOutput, view: View) -> SeenPicture:
    """What others of its set compare a finished picture with.

    Args:
        rgb_srgb: The whole frame of its view.
        output: The render.
        view: Its camera.
    """
    face, head = (face_camera(view.camera, window) for window in (FACE_WINDOW, HEAD_WINDOW))
    near, _ = _surface(output, view, face)
    depth, alpha = _surface(output, view, head)
    free = torch.where(alpha < 1 - SOLID, torch.inf, depth)
    light = harmonics_of(view.lighting).float()
    return SeenPicture(seen_window(rgb_srgb, view, near), free, head.resized((SIDE_PX, SIDE_PX)), light)


def _surface(output: RenderOutput, view: View, window: Cameras) -> tuple[Float[Tensor, "S S"], Float[Tensor, "S S"]]:
    """Depth in a window where the render is solid, else 0, and the render's coverage, at the working size."""
    found = []
    for one, beyond in ((output.depth_m, 0.0), (output.alpha, UNKNOWN)):
        part = cut(one.detach().float().cpu().numpy(), window, view.camera, beyond=beyond)
        # depths are never mixed
        found.append(torch.from_numpy(cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST_EXACT)))
    depth, alpha = found
    return torch.where(alpha > SOLID, depth, 0.0), alpha


def head_cover(vertices: Float[Tensor, "V 3"], faces: Tensor, view: View) -> Bool[np.ndarray, "S S"]:
    """Where a head's mesh is in the window on the head of a view."""
    window = face_camera(view.camera, HEAD_WINDOW).resized((WINDOW_PX, WINDOW_PX))
    return (draw_mesh(vertices, faces, window).depth > 0).numpy()


def beside(signs: Signs, picture: SeenPicture, others: Sequence[SeenPicture]) -> Signs:
    """The signs of a picture with what other pictures of its set tell about it.

    Args:
        signs: Of the picture alone.
        picture: The picture.
        others: Of the set.
    """
    values = signs.values.copy()
    for name, value in match_set(picture, others).items():
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


def uncovered(output: RenderOutput, camera: Cameras, cover: Bool[np.ndarray, "S S"] | None) -> float:
    """How much of the fitted head, away from its rim, shows the backdrop: a share of what the frame shows of it."""
    if cover is None:
        return 0.0
    head = _window(camera, HEAD_WINDOW)
    alpha = head.cut(output.alpha.detach().float().cpu().numpy(), WINDOW_PX).clip(0, 1)
    inside = cv2.erode(cover.astype(np.uint8), np.ones((RIM_PX, RIM_PX), np.uint8)) > 0
    inside &= head.cut(np.ones(output.alpha.shape, np.float32), WINDOW_PX) > 0.99  # a tight frame cuts the head
    return float((1 - alpha)[inside].mean()) if inside.any() else 0.0


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

"""One run of the benchmark: choose inputs, reconstruct, align, render what was not an input, score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from head3d import memory
from head3d.bench_align import Similarity, align_by_cameras, match_surface, rotation_errors_deg, scaled_about_camera
from head3d.bench_metrics import FrameScore, by_yaw, means, on_grey, score_frame
from head3d.bench_reconstruct import Reconstruct, Reconstruction, lit, reconstruct, solve_light, timed
from head3d.bench_truth import (
    HeadMarks,
    Truth,
    TruthFrame,
    frontal_frame,
    head_mask,
    marks_from_points,
    photo_of,
    surface_points,
)
from head3d.config import Config
from head3d.events import Emit, Progress, ignore
from head3d.geometry.reproject import backproject
from head3d.imaging.color import srgb_from_linear
from head3d.quality.consistency import SeenView, cross_view_consistency
from head3d.render.types import RenderOutput

IDENTITY_YAW_DEG = 45.0
"""Faces turned further are not compared: the descriptor is not made for them."""


@dataclass(frozen=True)
class BenchReport:
    """Everything ``--json`` prints; see :func:`head3d.bench.to_json`."""

    truth: str
    inputs: tuple[str, ...]
    cameras: str
    alignment: str
    pose_error_deg: Mapping[str, float]
    focal_error_pct: float
    overall: Mapping[str, float | int]
    by_yaw: Mapping[str, Mapping[str, float | int]]
    frames: tuple[FrameScore, ...]
    mesh_error_mm: Mapping[str, float] | None
    identity_distance: float | None
    consistency: Mapping[str, float]
    relight: Mapping[str, Any] | None
    marks: HeadMarks
    seconds: Mapping[str, float]
    peak_rss_mb: float


@dataclass(frozen=True)
class Anatomy:
    """Landmarks of the truth's frontal frame, px."""

    eyes_px: Float[np.ndarray, "2 2"]
    chin_px: Float[np.ndarray, "2"]
    outline_px: Float[np.ndarray, "L 2"]


def bench_subject(
    truth: Truth,
    *,
    inputs: Sequence[int],
    cameras: Literal["hidden", "given"],
    config: Config,
    relight: Truth | None = None,
    run: Reconstruct = reconstruct,
    anatomy: Anatomy | None = None,
    emit: Emit = ignore,
) -> BenchReport:
    """Run the benchmark.

    Args:
        truth: What is right.
        inputs: Frames the pipeline sees.
        cameras: ``given`` hands it their true cameras.
        config: Options of the pipeline.
        relight: The same head under another light.
        run: The pipeline (tests hand in others).
        anatomy: Landmarks of the frontal frame; found with our own nets if None.
        emit: Hears progress.
    """
    memory.reset_peak()
    given = cameras == "given"
    photos = [photo_of(truth, i, focal_known=given) for i in inputs]
    made = run(photos, cameras=[truth.frames[i].camera for i in inputs] if given else None, config=config, emit=emit)
    seconds = dict(made.seconds)
    used = [i for i, photo in zip(inputs, photos, strict=True) if photo.name in made.photos]
    anatomy = anatomy or find_anatomy(truth)
    marks = marks_from_points(truth, eyes_px=anatomy.eyes_px, chin_px=anatomy.chin_px, unit_m=truth.unit_m)
    with timed("score", seconds, emit):
        similarity, how = _align(made, truth, used)
        outputs = _render_all(made, truth, similarity, emit)
        tested = [i for i in range(len(truth.frames)) if i not in inputs]
        scores = tuple(score_frame(outputs[i], truth.frames[i], similarity=similarity, marks=marks) for i in tested)
        true_cameras = [truth.frames[i].camera for i in used]
        turned = rotation_errors_deg(made.cameras, true_cameras, similarity)
        report = BenchReport(
            truth=truth.name,
            inputs=made.photos,
            cameras=cameras,
            alignment=how,
            pose_error_deg={
                "median": float(np.median(turned)),
                "mean": float(np.mean(turned)),
                "max": float(np.max(turned)),
            },
            focal_error_pct=_focal_error_pct(made, truth, used),
            overall=means(scores),
            by_yaw=by_yaw(scores),
            frames=scores,
            mesh_error_mm=_mesh_error_mm(truth, outputs, similarity, marks, anatomy),
            identity_distance=_identity(truth, outputs, tested),
            consistency=_consistency(truth, outputs, similarity, marks),
            relight=None if relight is None else _relight(made, relight, similarity, marks),
            marks=marks,
            seconds={},
            peak_rss_mb=memory.peak_mb(),
        )
    seconds["total"] = sum(made.seconds.values())
    return BenchReport(**{**vars(report), "seconds": seconds})


def find_anatomy(truth: Truth) -> Anatomy:
    """Landmarks of the frontal frame by our own nets."""
    from head3d.errors import NoFaceFound
    from head3d.perception import topology
    from head3d.perception.detector import detect_faces
    from head3d.perception.landmarks import find_points
    from head3d.perception.nets import load_face_nets

    photo = photo_of(truth, frontal_frame(truth), focal_known=False)
    nets = load_face_nets()
    faces = detect_faces(photo.rgb_srgb, nets)
    if not faces:
        raise NoFaceFound(f"{photo.name}: no face found in the frontal truth frame.", hint="Check the truth's cameras.")
    points = find_points(photo.rgb_srgb, faces[0], nets).points[:, :2]
    eyes = np.stack([points[list(ring)].mean(0) for ring in (topology.RIGHT_EYE, topology.LEFT_EYE)])
    return Anatomy(eyes, points[topology.CHIN], points)


def _align(made: Reconstruction, truth: Truth, used: Sequence[int]) -> tuple[Similarity, str]:
    surfaces = []
    for camera in made.cameras:
        small = camera.resized((camera.size[0] // 4, camera.size[1] // 4))
        seen = made.render(small, made.sh)
        points = backproject(seen.depth_m, small)[(seen.alpha > 0.95) & (seen.depth_m > 0)]
        surfaces.append(points[:: max(len(points) // 400, 1)])
    cameras = [truth.frames[i].camera for i in used]
    similarity = align_by_cameras(made.cameras, cameras, surface_m=surfaces)
    how = "input cameras: our surface lands on the same pixels of the inputs"
    frame = truth.frames[used[0]]
    if len(used) == 1 and frame.depth is not None:
        seen = made.render(similarity.camera_to_head(frame.camera), made.sh)
        both = (seen.alpha > 0.95) & (seen.depth_m > 0) & (frame.depth > 0)
        if both.any():
            factor = float((frame.depth[both] / (seen.depth_m[both] * similarity.scale)).median())
            similarity = scaled_about_camera(similarity, frame.camera, factor=factor)
            how += "; its scale by the median depth of the only input"
    return similarity, how


def _render_all(made: Reconstruction, truth: Truth, similarity: Similarity, emit: Emit) -> list[RenderOutput]:
    outputs = []
    for step, frame in enumerate(truth.frames):
        outputs.append(made.render(similarity.camera_to_head(frame.camera), made.sh))
        emit(Progress("score", step + 1, len(truth.frames), frame.name))
    return outputs


def _focal_error_pct(made: Reconstruction, truth: Truth, used: Sequence[int]) -> float:
    ratios = [
        float(mine.K[0, 0, 0] / mine.size[1])
        / float(truth.frames[i].camera.K[0, 0, 0] / truth.frames[i].camera.size[1])
        for mine, i in zip(made.cameras, used, strict=True)
    ]
    return float(np.median(np.abs(np.array(ratios) - 1)) * 100)


def _mesh_error_mm(
    truth: Truth, outputs: Sequence[RenderOutput], similarity: Similarity, marks: HeadMarks, anatomy: Anatomy
) -> dict[str, float] | None:
    """Truth surface of the head (all that its cameras see above the floor) to our surface, after ICP."""
    if any(frame.depth is None for frame in truth.frames):
        return None
    theirs, ours, normals, facial = [], [], [], []
    for i, (frame, output) in enumerate(zip(truth.frames, outputs, strict=True)):
        seen = (head_mask(frame, marks) > 0) & (frame.depth > 0)  # type: ignore[operator]
        points = surface_points(frame)[seen].double().numpy()
        face = (
            _inside_outline(frame, anatomy)[seen.numpy()] if i == frontal_frame(truth) else np.zeros(len(points), bool)
        )
        step = max(len(points) // 3000, 1)
        theirs.append(points[::step])
        facial.append(face[::step])
        camera = similarity.camera_to_head(frame.camera)
        solid = (output.alpha > 0.9) & (output.depth_m > 0)
        ours.append(backproject(output.depth_m, camera)[solid].double().numpy()[::3])
        normals.append(output.normal[solid].double().numpy()[::3])
    cloud, planes = np.concatenate(ours), np.concatenate(normals)
    keep = np.linalg.norm(planes, axis=1) > 0.5
    match = match_surface(np.concatenate(theirs), cloud[keep], planes[keep], start=similarity)
    millimetres = match.distance_m * match.similarity.scale * marks.unit_m * 1000
    face = np.zeros(0)
    facial_points = np.concatenate(theirs)[np.concatenate(facial)]
    if len(facial_points) >= 100:  # aligned by itself, as the face error of the literature is
        match = match_surface(facial_points, cloud[keep], planes[keep], start=match.similarity)
        face = match.distance_m * match.similarity.scale * marks.unit_m * 1000
    return {
        "median": float(np.median(millimetres)),
        "p90": float(np.quantile(millimetres, 0.9)),
        "face_median": float(np.median(face)) if len(face) else math.nan,
        "face_p90": float(np.quantile(face, 0.9)) if len(face) else math.nan,
    }


def _inside_outline(frame: TruthFrame, anatomy: Anatomy) -> np.ndarray:
    """Pixels inside the hull of the landmarks."""
    import cv2

    hull = cv2.convexHull(anatomy.outline_px.astype(np.float32))
    mask = np.zeros(frame.alpha.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 1)
    return mask > 0


def _identity(truth: Truth, outputs: Sequence[RenderOutput], tested: Sequence[int]) -> float | None:
    """Mean descriptor distance of our pictures to the truth's from the same cameras, on mid-grey."""
    from head3d.perception.identity import distance
    from head3d.perception.nets import load_face_nets
    from head3d.quality.identity import describe_picture

    nets, distances = load_face_nets(), []
    for i in tested:
        frame, output = truth.frames[i], outputs[i]
        if abs(frame.yaw_deg) > IDENTITY_YAW_DEG:
            continue
        pair = [
            describe_picture(picture, nets)
            for picture in (on_grey(output), photo_of(truth, i, focal_known=False).rgb_srgb)
        ]
        if pair[0] is not None and pair[1] is not None:
            distances.append(distance(pair[0], pair[1]))
    return float(np.mean(distances)) if distances else None


def _consistency(
    truth: Truth, outputs: Sequence[RenderOutput], similarity: Similarity, marks: HeadMarks
) -> dict[str, float]:
    seen = []
    for frame, output in zip(truth.frames, outputs, strict=True):
        if abs(frame.yaw_deg) > 91:
            continue
        mask = head_mask(frame, marks)
        camera = similarity.camera_to_head(frame.camera)
        colors = srgb_from_linear(output.rgb_linear.clamp(0, 1))
        seen.append(SeenView(frame.name, colors, output.depth_m, output.alpha * mask, camera))
    found = cross_view_consistency(seen)
    return {"psnr_db": found.psnr_db, "lpips_alex": found.lpips_alex}


def _relight(made: Reconstruction, other: Truth, similarity: Similarity, marks: HeadMarks) -> dict[str, Any]:
    """Solve the light from the most frontal frame of another truth, score the rest of them."""
    solved_from = frontal_frame(other)
    cameras = [similarity.camera_to_head(frame.camera) for frame in other.frames]
    first = made.render(cameras[solved_from], made.sh)
    light = solve_light(first, other.frames[solved_from], marks=marks)
    scores = [
        score_frame(lit(made.render(cameras[i], made.sh), light), frame, similarity=similarity, marks=marks)
        for i, frame in enumerate(other.frames)
        if i != solved_from
    ]
    return {
        "truth": other.name,
        "light_from": other.frames[solved_from].name,
        **means(scores),
        "by_yaw": by_yaw(scores),
    }


def as_plain(report: BenchReport) -> dict[str, Any]:
    """The report as nested dicts and lists."""
    return asdict(report)

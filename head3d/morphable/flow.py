"""Cross-view flow: colour the model from the other photos, see where this photo disagrees.

The biggest single gain on scans with truth, and it needs no light model: compared are locally normalised greys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Int

from head3d.geometry.cameras import project
from head3d.geometry.mesh import vertex_normals
from head3d.kernels.raster import rasterize
from head3d.morphable.energies import PointTargets
from head3d.morphable.state import FitState
from head3d.morphable.types import HeadModel
from head3d.morphable.windows import WINDOW_PX, Window, look_up
from head3d.perception.types import Region
from head3d.shapes import shaped

FACE = (Region.SKIN, Region.BROWS, Region.EYES, Region.LIPS, Region.EARS)
POINTS_PER_PHOTO = 900
SAME_PATCH = 0.6
"""Normalised correlation of 21 px patches from which two pictures show the same skin; below, flow follows shadows and
wrinkles."""
DEPTH_TOLERANCE_M = 0.004
"""A surface point is visible if the depth picture agrees within this: well above raster noise, below a nose."""


@shaped
@dataclass(frozen=True)
class SurfacePicture:
    """The fitted model as one photo's window shows it (arrays of S x S)."""

    triangle: Int[np.ndarray, "S S"]
    barycentrics: Float32[np.ndarray, "S S 3"]
    depth: Float32[np.ndarray, "S S"]
    vertices_px: Float32[np.ndarray, "V 2"]
    vertices_depth: Float32[np.ndarray, "V"]
    vertices_cosine: Float32[np.ndarray, "V"]


def picture_surface(model: HeadModel, state: FitState, window: Window, *, photo: int) -> SurfacePicture:
    """Rasterise the model with a photo's expression into its window; also projects all vertices."""
    vertices = state.vertices(model, photo)
    camera = window.camera(state.camera(photo))
    px, depth = project(vertices, camera.c2w[0], camera.K[0])
    picture = rasterize(torch.cat([px, depth[:, None]], dim=1), model.faces, size=(WINDOW_PX, WINDOW_PX))
    towards = torch.nn.functional.normalize(camera.centre[0] - vertices, dim=-1)
    cosine = (vertex_normals(vertices, model.faces) * towards).sum(-1)
    return SurfacePicture(
        triangle=picture.triangle.numpy().astype(np.int64),
        barycentrics=picture.barycentrics.numpy(),
        depth=picture.depth.numpy(),
        vertices_px=px.numpy(),
        vertices_depth=depth.numpy(),
        vertices_cosine=cosine.numpy(),
    )


def flow_targets(
    model: HeadModel,
    state: FitState,
    windows: Sequence[Window],
    *,
    sigma_px: Sequence[float],
    reach_px: float = 24.0,
    seed: int = 0,
) -> tuple[list[PointTargets], list[float]]:
    """Match each photo against the model coloured from the others; also says how far each photo's flow was trusted.

    Args:
        model: Head model.
        state: Current fit.
        windows: Working pictures of all photos.
        sigma_px: Standard deviation per photo, px of the photo.
        reach_px: Flow longer than this (window px) is refused.
        seed: Chooses among more than ``POINTS_PER_PHOTO`` candidates.
    """
    pictures = [picture_surface(model, state, window, photo=i) for i, window in enumerate(windows)]
    faces = model.faces.numpy()
    directions = torch.stack([state.camera(i).centre[0] for i in range(state.photos)])
    directions = torch.nn.functional.normalize(directions, dim=-1).numpy()
    generator = np.random.default_rng(seed)
    found: list[PointTargets] = []
    weights = [0.0] * len(windows)
    for i, window in enumerate(windows):
        synthetic, coverage = _colour_from_others(i, pictures, windows, faces, directions)
        covered = (coverage > 0.15) & np.isin(window.labels, FACE) & (window.inside > 0)
        core = cv2.erode(covered.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0) > 0
        if core.sum() < 400:
            continue
        flow, trusted = _flow(synthetic, window.contrast, covered)
        trusted &= core & (_correlation(synthetic, _warped(window.contrast, flow)) > SAME_PATCH)
        weight = reliability(float(trusted.sum()) / float(core.sum()))
        trusted &= np.linalg.norm(flow, axis=-1) < reach_px
        candidates = np.flatnonzero(trusted)
        if weight == 0 or len(candidates) < 60:
            continue
        chosen = generator.permutation(candidates)[:POINTS_PER_PHOTO]
        y, x = np.unravel_index(chosen, trusted.shape)
        target = np.stack([x + 0.5, y + 0.5], axis=-1) + flow[y, x]
        weights[i] = weight
        found.append(
            PointTargets(
                photo=i,
                triangles=torch.from_numpy(faces[pictures[i].triangle[y, x]]),
                barycentrics=torch.from_numpy(pictures[i].barycentrics[y, x]),
                target_px=torch.from_numpy(window.to_photo(target).astype(np.float32)),
                sigma_px=torch.full((len(x),), float(sigma_px[i]) / weight**0.5),
            )
        )
    return found, weights


def reliability(trusted: float) -> float:
    """Weight in [0, 1] of a photo's flow from the fraction of its face where flow can be trusted.

    Of photos of one session 0.67 to 0.88 of the face agree; of pictures whose light, expression or very shape differ,
    0.22 to 0.42 do, and following those pulls the head apart.
    """
    return float(np.clip((trusted - 0.4) / 0.3, 0.0, 1.0) ** 2)


def _colour_from_others(
    i: int,
    pictures: Sequence[SurfacePicture],
    windows: Sequence[Window],
    faces: np.ndarray,
    directions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Contrast of the surface seen in window i, taken from the other photos, and the weight of what was found."""
    y, x = np.nonzero(pictures[i].triangle >= 0)
    corner = faces[pictures[i].triangle[y, x]]
    bary = pictures[i].barycentrics[y, x]
    total, weights = np.zeros(len(x), np.float32), np.zeros(len(x), np.float32)
    apart = np.degrees(np.arccos(np.clip(directions @ directions[i], -1, 1)))
    near = np.exp(-0.5 * (apart / 25.0) ** 2) + 1e-3  # nearer views look more alike
    for j, (picture, window) in enumerate(zip(pictures, windows, strict=True)):
        if j == i:
            continue
        # perspective-correct barycentrics interpolate positions in space: px needs the depth weights
        by_depth = picture.vertices_depth[corner] * bary
        depth = by_depth.sum(-1)
        px = (picture.vertices_px[corner] * by_depth[..., None]).sum(1) / depth[:, None]
        cosine = (picture.vertices_cosine[corner] * bary).sum(-1)
        seen_depth = look_up(picture.depth, px)
        visible = (np.abs(seen_depth - depth) < DEPTH_TOLERANCE_M) & (cosine > 0.2)
        inside = (px > 1).all(-1) & (px < WINDOW_PX - 1).all(-1)
        at = np.clip(px.astype(int), 0, WINDOW_PX - 1)
        face = np.isin(window.labels[at[:, 1], at[:, 0]], FACE) & (window.inside[at[:, 1], at[:, 0]] > 0)
        weight = np.where(visible & inside & face, near[j] * cosine**2, 0).astype(np.float32)
        total += weight * look_up(window.contrast, px)
        weights += weight
    synthetic, coverage = np.zeros((WINDOW_PX, WINDOW_PX), np.float32), np.zeros((WINDOW_PX, WINDOW_PX), np.float32)
    synthetic[y, x] = total / np.maximum(weights, 1e-9)
    coverage[y, x] = weights / np.delete(near, i).max(initial=1e-3)
    return synthetic, coverage


def _flow(synthetic: np.ndarray, photo: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow (px) from the synthetic picture to the photo, and where forward and backward agree within a pixel."""

    def grey(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.where(mask, picture * 40 + 128, 128).clip(0, 255).astype(np.uint8)

    a, b = grey(synthetic, covered), grey(photo, cv2.dilate(covered.astype(np.uint8), np.ones((15, 15))) > 0)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    forward = search.calc(a, b, np.zeros((*a.shape, 2), np.float32))
    backward = search.calc(b, a, np.zeros((*a.shape, 2), np.float32))
    y, x = np.mgrid[: a.shape[0], : a.shape[1]].astype(np.float32)
    returned = cv2.remap(backward, x + forward[..., 0], y + forward[..., 1], cv2.INTER_LINEAR)
    agree = np.linalg.norm(forward + returned, axis=-1) < 1.0
    # flat skin carries no information: its flow is only the smoothness prior
    edges = cv2.GaussianBlur(
        np.hypot(cv2.Sobel(synthetic, cv2.CV_32F, 1, 0), cv2.Sobel(synthetic, cv2.CV_32F, 0, 1)), (0, 0), 3
    )
    return forward, agree & (edges > 0.15)


def _warped(photo: np.ndarray, flow: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    return cv2.remap(photo, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Normalised correlation of the patches round each pixel, in [-1, 1]."""

    def mean(picture: np.ndarray) -> np.ndarray:
        return cv2.blur(picture, (21, 21))

    va, vb = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
    return (mean(a * b) - mean(a) * mean(b)) / np.sqrt(np.maximum(va * vb, 1e-4))

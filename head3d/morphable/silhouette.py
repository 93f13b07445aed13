"""Contours: where the model's outline should meet the person's outline in a photo."""

import cv2
import numpy as np
import torch
from scipy.spatial import KDTree

from head3d.geometry.cameras import Cameras, project
from head3d.kernels.raster import rasterize
from head3d.morphable.energies import PointTargets
from head3d.morphable.state import FitState
from head3d.morphable.types import HeadModel
from head3d.morphable.windows import WINDOW_PX, Window
from head3d.perception.types import Region

NORMALS_WITHIN_DEG = 37.0
"""Contours whose directions differ by more are different contours."""

BODY = (Region.SKIN, Region.EARS, Region.BROWS, Region.EYES, Region.LIPS, Region.NECK)
"""Regions whose border with the background is the head's own outline; hair and cloth are not in the model."""


def silhouette_targets(
    model: HeadModel, state: FitState, window: Window, *, photo: int, sigma_px: float, reach_px: float
) -> PointTargets | None:
    """Match the model's outline to the person's in one photo, along the person's contour normals.

    Args:
        model: Head model.
        state: Current fit.
        window: The photo's working picture.
        photo: Its index.
        sigma_px: Standard deviation, px of the photo.
        reach_px: Matches further apart (window px) are refused.

    Returns:
        Point-to-line targets, or None if fewer than 20 contour points match.
    """
    seen, seen_normals = _contour(window.matte)
    keep = _usable(window, seen, seen_normals)
    seen, seen_normals = seen[keep], seen_normals[keep]
    if len(seen) < 20:
        return None
    triangles, barycentrics, points, normals = model_outline(model, state, window.camera(state.camera(photo)), photo)
    distance, nearest = KDTree(seen).query(points, distance_upper_bound=reach_px)
    found = np.isfinite(distance)
    nearest = np.where(found, nearest, 0)
    agree = (normals * seen_normals[nearest]).sum(-1) > np.cos(np.radians(NORMALS_WITHIN_DEG))
    rows = np.flatnonzero(found & agree)
    if len(rows) < 20:
        return None
    target = window.to_photo(seen[nearest[rows]])
    return PointTargets(
        photo=photo,
        triangles=torch.from_numpy(triangles[rows]),
        barycentrics=torch.from_numpy(barycentrics[rows]),
        target_px=torch.from_numpy(target.astype(np.float32)),
        # neighbours along a contour are not independent: a 400 px outline counts like about 100 points
        sigma_px=torch.full((len(rows),), sigma_px * max(1.0, (len(rows) / 100) ** 0.5)),
        normal_px=torch.from_numpy(seen_normals[nearest[rows]].astype(np.float32)),
    )


def model_outline(
    model: HeadModel, state: FitState, camera: Cameras, photo: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outline of the rendered model: triangles (vertex indices), barycentrics, px, outward normals."""
    vertices = state.vertices(model, photo)
    px, depth = project(vertices, camera.c2w[0], camera.K[0])
    picture = rasterize(torch.cat([px, depth[:, None]], dim=1), model.faces, size=(WINDOW_PX, WINDOW_PX))
    mask = (picture.triangle >= 0).numpy()
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    y, x = np.nonzero(mask & (eroded == 0))
    normals = _outward(mask.astype(np.float32), x, y)
    triangles = model.faces.numpy()[picture.triangle.numpy()[y, x]]
    barycentrics = picture.barycentrics.numpy()[y, x]
    # the true edge lies on average half a pixel outside the last covered pixel's centre
    points = np.stack([x + 0.5, y + 0.5], axis=-1) + 0.5 * normals
    return triangles, barycentrics, points, normals


def _contour(matte: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sub-pixel 0.5 level of a matte (window px) and its outward normals."""
    smooth = cv2.GaussianBlur(matte, (0, 0), 1.0)
    mask = smooth > 0.5
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    y, x = np.nonzero(mask & (inner == 0))
    if len(x) == 0:
        return np.zeros((0, 2)), np.zeros((0, 2))
    normals = _outward(smooth, x, y)
    steps = np.linspace(-1.5, 2.5, 17)
    at_x = (x[:, None] + steps * normals[:, :1]).astype(np.float32)
    at_y = (y[:, None] + steps * normals[:, 1:]).astype(np.float32)
    values = cv2.remap(smooth, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    below = values < 0.5
    first = np.clip(below.argmax(1), 1, None)
    rows = np.arange(len(x))
    a, b = values[rows, first - 1], values[rows, first]
    t = steps[first - 1] + (steps[1] - steps[0]) * np.clip((a - 0.5) / np.maximum(a - b, 1e-6), 0, 1)
    points = np.stack([x + 0.5, y + 0.5], axis=-1) + t[:, None] * normals
    return points[below.any(1)], normals[below.any(1)]


def _outward(mask: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    blurred = cv2.GaussianBlur(mask, (0, 0), 2.5)
    gx, gy = cv2.Sobel(blurred, cv2.CV_32F, 1, 0), cv2.Sobel(blurred, cv2.CV_32F, 0, 1)
    normals = -np.stack([gx[y, x], gy[y, x]], axis=-1).astype(np.float64)
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)


def _usable(window: Window, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """True where the outline is skin against background, inside the photo and not hair or cloth."""
    body = np.isin(window.labels, BODY).astype(np.uint8)
    other = np.isin(window.labels, (Region.HAIR, Region.CLOTH, Region.GLASSES)).astype(np.uint8)
    inner = np.round(points - 4.0 * normals - 0.5).astype(int).clip(0, WINDOW_PX - 1)
    outer = np.round(points + 4.0 * normals - 0.5).astype(int).clip(0, WINDOW_PX - 1)
    near_other = cv2.dilate(other, np.ones((9, 9), np.uint8))
    inside = cv2.erode(window.inside, np.ones((9, 9), np.uint8), borderValue=0)
    skin = body[inner[:, 1], inner[:, 0]] > 0
    free = near_other[inner[:, 1], inner[:, 0]] == 0
    return skin & free & (inside[outer[:, 1], outer[:, 0]] > 0)

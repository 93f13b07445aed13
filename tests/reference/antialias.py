"""Antialiasing by section 3.4 of Laine et al. 2020, one pair of pixels after the other, in float64.

The surface is followed over its edges from the triangle that the near pixel sees.
"""

import numpy as np


def antialias(
    image: np.ndarray, triangle: np.ndarray, depth: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """``image`` (H, W, C) blended across silhouettes; vertices (V, 3) in px, px, m."""
    out = image.copy()
    height, width = triangle.shape
    for y, x in np.ndindex(height, width):
        for step in (np.array([1, 0]), np.array([0, 1])):
            a, b = np.array([x, y]), np.array([x, y]) + step
            if b[0] >= width or b[1] >= height or triangle[a[1], a[0]] == triangle[b[1], b[0]]:
                continue
            depths = [depth[p[1], p[0]] if triangle[p[1], p[0]] >= 0 else np.inf for p in (a, b)]
            near, far = (a, b) if depths[0] <= depths[1] else (b, a)
            t = _crossing(near + 0.5, far + 0.5, int(triangle[near[1], near[0]]), vertices[:, :2], faces)
            if t is None:
                continue
            difference = image[near[1], near[0]] - image[far[1], far[0]]
            target = far if t > 0.5 else near
            out[target[1], target[0]] += (t - 0.5) * difference
    return out


def _crossing(near: np.ndarray, far: np.ndarray, face: int, place: np.ndarray, faces: np.ndarray) -> float | None:
    """How far on the way from near to far the surface ends that begins with this face, if it does and steeply."""
    way, passed = far - near, set()
    while True:
        exits = []
        for k in range(3):
            edge = frozenset(int(v) for v in np.delete(faces[face], k))
            p, q = place[faces[face, (k + 1) % 3]], place[faces[face, (k + 2) % 3]]
            matrix = np.stack([way, p - q], 1)
            if edge in passed or np.linalg.det(matrix) == 0:
                continue
            t, s = np.linalg.solve(matrix, p - near)
            if 0 <= t <= 1 and 0 <= s <= 1:
                exits.append((float(t), k, edge, q - p))
        if not exits:
            return None
        t, k, edge, along = max(exits, key=lambda one: one[0])
        beyond = _continued(face, k, place, faces)
        if beyond is None:
            # an edge acts on the pairs that it crosses more steeply, a diagonal one on rows
            lengthwise, crosswise = abs(along @ way), abs(along[0] * way[1] - along[1] * way[0])
            steep = lengthwise < crosswise or (lengthwise == crosswise and way[0] != 0)
            return t if steep else None
        passed.add(edge)
        face = beyond


def _continued(face: int, corner: int, place: np.ndarray, faces: np.ndarray) -> int | None:
    """The face across the edge that faces a corner, if the surface goes on there instead of ending or folding."""
    own, p, q = faces[face, corner], faces[face, (corner + 1) % 3], faces[face, (corner + 2) % 3]
    others = [i for i, f in enumerate(faces) if i != face and p in f and q in f]
    if len(others) != 1:
        return None
    other = next(v for v in faces[others[0]] if v not in (p, q))
    along = place[q] - place[p]
    here, there = ((along[0] * d[1] - along[1] * d[0]) for d in (place[own] - place[p], place[other] - place[p]))
    return others[0] if (here > 0) != (there > 0) else None

"""Closest point on a triangle by the regions of Ericson, Real-Time Collision Detection (2005), 5.1.5; ray casting."""

import numpy as np


def closest_on_triangle(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The point of triangle (a, b, c) nearest to p, each (3,)."""
    ab, ac, ap = b - a, c - a, p - a
    d1, d2 = ab @ ap, ac @ ap
    if d1 <= 0 and d2 <= 0:
        return a
    d3, d4 = ab @ (p - b), ac @ (p - b)
    if d3 >= 0 and d4 <= d3:
        return b
    if (vc := d1 * d4 - d3 * d2) <= 0 and d1 >= 0 and d3 <= 0:
        return a + d1 / (d1 - d3) * ab
    d5, d6 = ab @ (p - c), ac @ (p - c)
    if d6 >= 0 and d5 <= d6:
        return c
    if (vb := d5 * d2 - d1 * d6) <= 0 and d2 >= 0 and d6 <= 0:
        return a + d2 / (d2 - d6) * ac
    if (va := d3 * d6 - d5 * d4) <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        return b + (d4 - d3) / ((d4 - d3) + (d5 - d6)) * (c - b)
    return a + (ab * vb + ac * vc) / (va + vb + vc)


def ray_triangle(direction: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Where the ray from the origin meets a triangle: the multiple of its direction, and barycentrics."""
    matrix = np.stack([a, b, c], 1)
    if abs(np.linalg.det(matrix)) < 1e-12:
        return None
    weights = np.linalg.solve(matrix, direction)  # a point a w0 + b w1 + c w2 along the ray, up to scale
    if (weights < 0).any():
        return None
    return 1 / weights.sum(), weights / weights.sum()

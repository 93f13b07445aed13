"""Light on matte surfaces by integrating over the directions it comes from, in float64."""

import numpy as np


def harmonics(d: np.ndarray) -> np.ndarray:
    """Real orthonormal harmonics of order 2 of (..., 3) unit directions, without the Condon-Shortley sign."""
    x, y, z = np.moveaxis(d, -1, 0)
    one = np.ones_like(x)
    p = np.sqrt([1 / 4, 3 / 4, 3 / 4, 3 / 4, 15 / 4, 15 / 4, 5 / 16, 15 / 4, 15 / 16]) / np.sqrt(np.pi)
    return np.stack([one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=-1) * p


def sphere(steps: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Directions over the whole sphere and the solid angle of each (midpoints in azimuth and cosine)."""
    cosine = (np.arange(steps) + 0.5) / steps * 2 - 1
    azimuth = (np.arange(2 * steps) + 0.5) / (2 * steps) * 2 * np.pi
    z, a = np.meshgrid(cosine, azimuth, indexing="ij")
    r = np.sqrt(1 - z * z)
    d = np.stack([r * np.cos(a), r * np.sin(a), z], axis=-1).reshape(-1, 3)
    return d, np.full(len(d), 4 * np.pi / len(d))


def sky(albedo: np.ndarray, normal: np.ndarray, sh: np.ndarray) -> np.ndarray:
    """albedo / pi * integral of L(d) max(n . d, 0) over the sphere, of one surface; not lifted."""
    d, angle = sphere()
    cosine = np.maximum(d @ normal, 0)
    return albedo / np.pi * ((harmonics(d) @ sh) * (cosine * angle)[:, None]).sum(0)


def lifted(light: np.ndarray, sh: np.ndarray, darkest: float) -> np.ndarray:
    """Light above twice the floor as it is, below it floor * (1 + exp(light / floor - 2))."""
    floor = darkest * np.abs(sh[0]) / (2 * np.sqrt(np.pi))
    return np.where(light > 2 * floor, light, floor * (1 + np.exp(np.minimum(light / floor - 2, 0))))


def lamps(albedo, normal, point, positions, intensities) -> np.ndarray:
    """albedo / pi * sum of intensity * max(cos, 0) / distance^2, of one surface."""
    total = np.zeros(3)
    for position, intensity in zip(positions, intensities, strict=True):
        distance = np.linalg.norm(position - point)
        cosine = normal @ (position - point) / distance
        total += intensity * max(cosine, 0) / distance**2
    return albedo / np.pi * total

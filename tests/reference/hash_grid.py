"""Hash grid of Müller et al. 2022 (section 3), one point and one corner at a time, in float64."""

import numpy as np

PRIMES = (1, 2654435761, 805459861)


def encode(points: np.ndarray, table: np.ndarray, *, levels, base, growth, log2_size, smooth=False) -> np.ndarray:
    """Encode (P, 3) points of the unit cube; the table holds the levels one after the other as tiny-cuda-nn does."""
    out = np.zeros((len(points), levels, table.shape[1]))
    first = 0
    for level in range(levels):
        scale = base * growth**level - 1
        resolution = int(np.ceil(scale)) + 1
        entries = min(-(-(resolution**3) // 8) * 8, 2**log2_size)
        for p, point in enumerate(points):
            position = point * scale + 0.5
            cell = np.floor(position).astype(int)
            t = position - cell
            t = 3 * t**2 - 2 * t**3 if smooth else t
            for corner in np.ndindex(2, 2, 2):
                x = cell + corner
                if resolution**3 <= entries:
                    index = x[0] + x[1] * resolution + x[2] * resolution**2
                else:
                    index = 0
                    for axis in range(3):
                        index ^= int(x[axis]) * PRIMES[axis] % 2**32
                weight = np.prod([t[a] if corner[a] else 1 - t[a] for a in range(3)])
                out[p, level] += weight * table[first + index % entries]
        first += entries
    return out.reshape(len(points), -1)

"""A radiance field and one of its rays, in float64 and one number at a time.

Signed distance and colour as head3d.field states them; weights of sections after Wang et al. 2021 (NeuS), light after
Ramamoorthi & Hanrahan 2001. A volume is (values (C, z, y, x), origin, cell).
"""

import math

import numpy as np

from tests.reference.hash_grid import encode


def trilinear(volume, point: np.ndarray) -> np.ndarray:
    values, origin, cell = volume
    last = np.array(values.shape[:0:-1]) - 1
    at = np.clip((point - origin) / cell, 0, last)
    low = np.minimum(at.astype(int), last - 1)
    total = np.zeros(len(values))
    for corner in np.ndindex(2, 2, 2):
        x, y, z = low + corner
        total += np.prod([t if up else 1 - t for t, up in zip(at - low, corner, strict=True)]) * values[:, z, y, x]
    return total


def network(net, point: np.ndarray, box: float) -> np.ndarray:
    """net: grid's keywords of ``encode``, table, weight_in, bias_in, weight_out."""
    grid, table, weight_in, bias_in, weight_out = net
    features = encode(np.clip(point / box + 0.5, 0, 1)[None], table, **grid)[0]
    return weight_out @ np.maximum(weight_in @ features + bias_in, 0)


def residual_sdf(field: dict, point: np.ndarray) -> float:
    reach = trilinear(field["traits"], point)[0]
    return reach * math.tanh(network(field["geometry"], point, field["box"])[0] * field["unit"] / reach)


def sdf(field: dict, point: np.ndarray) -> float:
    return trilinear(field["shape"], point)[0] + residual_sdf(field, point)


def color(field: dict, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Albedo, residual radiance, how far a photo looked."""
    *logits, seen = trilinear(field["paint"], point)
    raw = network(field["color"], point, field["box"]) * seen
    return 1 / (1 + np.exp(-np.array(logits) - raw[:3])), field["residual"] * np.tanh(raw[3:]), seen


def filled(field: dict, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour where unseen places take the albedo of the mirrored one."""
    albedo, residual, seen = color(field, point)
    other, _, there = color(field, point * [-1, 1, 1])
    share = (1 - seen) * there
    return (albedo if share <= 0.02 else albedo * (1 - share) + other * share), residual


def places(field: dict, origin: np.ndarray, direction: np.ndarray, samples: int) -> list[float]:
    """Distances of the samples of a ray."""
    values, low, cell = field["cache"]
    shell = min(max(4 * field["sd"], 2e-3), 12e-3)
    ends = np.stack([low - origin, low + (np.array(values.shape[:0:-1]) - 1) * cell - origin]) / direction
    t, far = max(ends.min(0).max(), 0.02), ends.max(0).min()

    def distance() -> float:
        return trilinear(field["cache"], origin + t * direction)[0]

    for _ in range(48):
        if t >= far:
            return []
        value = distance()
        t += max(0.7 * (value - 0.8 * shell), 0)
        if value <= shell:
            break
    found: list[float] = []
    before, stride = math.inf, 1.0
    while t < far and len(found) < samples:
        found.append(t)
        value = distance()
        slope = min(max(abs(before - value) / stride, 0.25), 1)
        stride = max(0.7 * (value if value > 0 else -1.5 * value), 0.8 * field["sd"] / slope)
        before = value
        t += stride
        if value <= -shell:
            break
    return found


def irradiance(normal: np.ndarray, sh: np.ndarray) -> np.ndarray:
    x, y, z = normal
    basis = [
        math.sqrt(1 / (4 * math.pi)),
        *(math.sqrt(3 / (4 * math.pi)) * np.array([y, z, x])),
        *(math.sqrt(15 / (4 * math.pi)) * np.array([x * y, y * z])),
        math.sqrt(5 / (16 * math.pi)) * (3 * z * z - 1),
        math.sqrt(15 / (4 * math.pi)) * x * z,
        math.sqrt(15 / (16 * math.pi)) * (x * x - y * y),
    ]
    light = (np.array(basis) * np.repeat([1, 2 / 3, 1 / 4], [1, 3, 5])) @ sh
    floor = 0.03 * abs(sh[0]) / (2 * math.sqrt(math.pi))
    return np.where(light > 2 * floor, light, floor * (1 + np.exp(np.minimum(light / floor - 2, 0))))


def ray(field: dict, origin, direction, sh, *, samples: int, colors: int, step: float) -> dict:
    """Radiance, albedo, normal, alpha, distance of one ray."""
    t = places(field, origin, direction, samples)
    values = [sdf(field, origin + at * direction) for at in t]
    soft = [field["sd"] * trilinear(field["traits"], origin + at * direction)[1] for at in t]
    phi = [1 / (1 + math.exp(-value / width)) for value, width in zip(values, soft, strict=True)]
    sections, clear = [], 1.0
    for k in range(len(t)):
        at = t[k]
        if k + 1 < len(t):
            alpha = max((phi[k] - phi[k + 1]) / phi[k], 0)
            if values[k] > 0 > values[k + 1]:
                at += (t[k + 1] - t[k]) * values[k] / (values[k] - values[k + 1])
            elif values[k] > values[k + 1] > 0:
                at = t[k + 1]
        else:
            alpha = float(values[k] < 0)
        sections.append((alpha * clear, at))
        clear *= 1 - alpha
    alpha = sum(weight for weight, _ in sections)
    heaviest = [one for one in sorted(sections, reverse=True)[:colors] if one[0] > 1e-4]
    result = {"rgb": np.zeros(3), "albedo": np.zeros(3), "normal": np.zeros(3), "alpha": alpha, "t": 0.0}
    if not heaviest:
        return result
    for weight, at in heaviest:
        portion = weight / sum(one for one, _ in heaviest)
        albedo, extra = filled(field, origin + at * direction)
        result["albedo"] = result["albedo"] + portion * albedo
        result["rgb"] = result["rgb"] + portion * extra
        result["t"] += portion * at
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    surface = origin + heaviest[0][1] * direction
    slope = np.sum([corner * sdf(field, surface + corner * step) for corner in corners], axis=0)
    result["normal"] = slope / np.linalg.norm(slope)
    result["rgb"] = result["rgb"] + result["albedo"] * irradiance(result["normal"], sh)
    return result

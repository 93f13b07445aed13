"""3D Gaussian splats from the formats' descriptions: readers of .ply and .spz, and a picture (Zwicker et al. 2001).

Written from the papers and Niantic's format description, not from head3d.export.
"""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Loaded:
    """Gaussians as a viewer has them: x right, y up, z back; scales in their unit; quaternions w, x, y, z."""

    centres: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    opacity: np.ndarray
    color: np.ndarray


def read_ply(path: Path) -> Loaded:
    """A .ply of 3D Gaussian Splatting with float properties (x right, y down, z forward)."""
    data = path.read_bytes()
    header, _, body = data.partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    (count,) = [int(line.split()[2]) for line in lines if line.startswith("element vertex")]
    names = [line.split()[2] for line in lines if line.startswith("property float")]
    assert len(body) == 4 * count * len(names), "no byte too many, none too few"
    rows = dict(zip(names, np.frombuffer(body, "<f4").reshape(count, -1).T.astype(np.float64), strict=True))

    def stack(pattern: str, n: int) -> np.ndarray:
        return np.stack([rows[pattern.format(k)] for k in range(n)], axis=-1)

    flip = np.array([1.0, -1.0, -1.0])
    q = stack("rot_{}", 4)
    return Loaded(
        np.stack([rows["x"], rows["y"], rows["z"]], axis=-1) * flip,
        np.exp(stack("scale_{}", 3)),
        q / np.linalg.norm(q, axis=1, keepdims=True) * np.array([1.0, 1.0, -1.0, -1.0]),
        1 / (1 + np.exp(-rows["opacity"])),
        0.5 + 0.28209479177387814 * stack("f_dc_{}", 3),
    )


def read_spz(path: Path) -> Loaded:
    """A .spz of version 2 or 3 with harmonics of order 0."""
    data = gzip.decompress(path.read_bytes())
    magic, version, count, degree, bits, _flags, _ = struct.unpack_from("<IIIBBBB", data)
    assert (magic, degree) == (0x5053474E, 0) and version in (2, 3)
    at = 16

    def take(width: int) -> np.ndarray:
        nonlocal at
        part = np.frombuffer(data, np.uint8, count * width, at).reshape(count, width).astype(np.int64)
        at += count * width
        return part

    raw = take(9).reshape(count, 3, 3)
    fixed = raw[..., 0] | raw[..., 1] << 8 | raw[..., 2] << 16
    fixed = np.where(fixed >= 1 << 23, fixed - (1 << 24), fixed)
    opacity, color, scales = take(1)[:, 0] / 255, take(3), take(3)
    if version == 2:
        xyz = take(3) / 127.5 - 1
        q = np.concatenate([np.sqrt(np.maximum(0, 1 - (xyz**2).sum(1, keepdims=True))), xyz], axis=1)
    else:
        q = _smallest_three(take(4))
    assert at == len(data), "no byte too many, none too few"
    return Loaded(
        fixed / 2.0**bits,
        np.exp(scales / 16.0 - 10.0),
        q / np.linalg.norm(q, axis=1, keepdims=True),
        opacity,
        0.5 + 0.28209479177387814 * (color / 255 - 0.5) / 0.15,
    )


def _smallest_three(raw: np.ndarray) -> np.ndarray:
    word = raw[:, 0] | raw[:, 1] << 8 | raw[:, 2] << 16 | raw[:, 3] << 24
    xyzw = np.zeros((len(raw), 4))
    largest, rest = word >> 30, word.copy()
    for k in (3, 2, 1, 0):
        mine = largest != k
        size = (rest & 511) / 511 * np.sqrt(0.5)
        xyzw[mine, k] = np.where(rest & 512, -size, size)[mine]
        rest = np.where(mine, rest >> 10, rest)
    left = np.sqrt(np.maximum(0, 1 - (xyzw**2).sum(1)))
    xyzw[np.arange(len(raw)), largest] = left
    return np.roll(xyzw, 1, axis=1)


def draw(splats: Loaded, c2w: np.ndarray, K: np.ndarray, size: tuple[int, int], *, reach: int = 4) -> np.ndarray:
    """Premultiplied colour and alpha (H, W, 4): Gaussians in front hide those behind; footprints of 2 reach + 1 px.

    The camera has OpenCV axes.
    """
    height, width = size
    w, x, y, z = splats.rotations.T
    turn = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        axis=1,
    )
    local = (splats.centres - c2w[:3, 3]) @ c2w[:3, :3]
    depth = local[:, 2]
    middle = local[:, :2] / depth[:, None] * K.diagonal()[:2] + K[:2, 2]
    jacobian = np.zeros((len(depth), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 1, 1] = K[0, 0] / depth, K[1, 1] / depth
    jacobian[:, :, 2] = -local[:, :2] * K.diagonal()[:2] / depth[:, None] ** 2
    half = jacobian @ c2w[:3, :3].T @ turn * splats.scales[:, None, :]
    spread = half @ half.transpose(0, 2, 1) + 0.3 * np.eye(2)  # 0.3 px: the filter of 3D Gaussian Splatting
    inverse = np.linalg.inv(spread)
    corner = np.floor(middle).astype(int)
    pixels, owners, alphas = [], [], []
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            at = corner + np.array([dx, dy])
            off = at + 0.5 - middle
            alpha = splats.opacity * np.exp(-0.5 * np.einsum("pi,pij,pj->p", off, inverse, off))
            keep = (alpha > 1 / 255) & (at >= 0).all(1) & (at[:, 0] < width) & (at[:, 1] < height)
            pixels.append(at[keep, 1] * width + at[keep, 0])
            owners.append(np.flatnonzero(keep))
            alphas.append(np.minimum(alpha[keep], 0.99))
    pixel, owner, alpha = (np.concatenate(parts) for parts in (pixels, owners, alphas))
    order = np.lexsort((depth[owner], pixel))
    pixel, owner, alpha = pixel[order], owner[order], alpha[order]
    clear = np.cumsum(np.log1p(-alpha)) - np.log1p(-alpha)
    first = np.r_[True, pixel[1:] != pixel[:-1]]
    clear = np.exp(clear - clear[first][np.cumsum(first) - 1])
    picture = np.zeros((height * width, 4))
    np.add.at(picture, pixel, (alpha * clear)[:, None] * np.c_[splats.color[owner], np.ones(len(owner))])
    return picture.reshape(height, width, 4)

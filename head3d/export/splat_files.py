"""Splats on the disk: the .ply of 3D Gaussian Splatting (Kerbl et al. 2023) and Niantic's .spz, versions 2 and 3.

A .ply is written x right, y down, z forward, as trainers write what they learned from photos and viewers expect it; a
.spz x right, y up, z back, as its specification says. Both show the head upright.
"""

import gzip
import struct
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8

from head3d import store
from head3d.export.splat import SH0, Splats

SPZ_MAGIC = 0x5053474E
SPZ_FRACTION_BITS = 13
"""Positions in steps of 0.12 mm, up to 1 km; 12, the usual, is for rooms."""
SPZ_COLOR_SCALE = 0.15
SpzVersion = Literal[2, 3]

_FIELDS = ("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity")
_REST = ("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")


def write_splat_ply(path: Path, splats: Splats) -> Path:
    """Write a .ply with harmonics of order 0: logit of the opacity, logarithms of the scales, quaternions w first."""
    names = [*_FIELDS, *_REST]
    table = np.zeros((len(splats.centres), len(names)), dtype="<f4")
    flip = np.array([1.0, -1.0, -1.0], dtype=np.float32)
    table[:, 0:3] = splats.centres.numpy() * flip
    table[:, 6:9] = (splats.color.numpy() - 0.5) / SH0
    table[:, 9] = torch.logit(splats.opacity.double(), eps=1e-6).numpy()
    table[:, 10:13] = np.log(splats.scales.numpy())
    table[:, 13:17] = splats.rotations.numpy() @ _FLIPPED
    header = ["ply", "format binary_little_endian 1.0", "comment head3d; x right, y down, z forward; metres"]
    header += [f"element vertex {len(table)}", *(f"property float {name}" for name in names), "end_header\n"]
    store.write_bytes(path, "\n".join(header).encode() + table.tobytes())
    return path


def write_spz(path: Path, splats: Splats, *, version: SpzVersion = 2) -> Path:
    """Write a .spz: a tenth of the .ply, with colours in steps of 1/255 or so and places in steps of 1/8 mm.

    Args:
        version: 3 keeps rotations in four bytes instead of three; fewer programs read it.
    """
    count = len(splats.centres)
    header = struct.pack("<IIIBBBB", SPZ_MAGIC, version, count, 0, SPZ_FRACTION_BITS, 0, 0)
    fixed = np.round(splats.centres.double().numpy() * (1 << SPZ_FRACTION_BITS)).astype(np.int32)
    places = np.ascontiguousarray(fixed[..., None].view(np.uint8).reshape(count, 3, 4)[..., :3])
    alphas = _byte(splats.opacity.numpy() * 255)
    colors = _byte(((splats.color.numpy() - 0.5) / SH0 * SPZ_COLOR_SCALE + 0.5) * 255)
    scales = _byte((np.log(splats.scales.numpy()) + 10.0) * 16.0)
    turned = _first_three(splats.rotations.numpy()) if version == 2 else _smallest_three(splats.rotations.numpy())
    parts = [places, alphas, colors, scales, turned]
    content = header + b"".join(part.tobytes() for part in parts)
    store.write_bytes(path, gzip.compress(content, compresslevel=9, mtime=0))
    return path


_FLIPPED = np.diag([1.0, 1.0, -1.0, -1.0]).astype(np.float32)
"""A rotation between frames whose y and z are reversed: its axis is."""


def _byte(values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _first_three(wxyz: Float[np.ndarray, "P 4"]) -> UInt8[np.ndarray, "P 3"]:
    """x, y, z of the quaternion whose w is not negative."""
    return _byte(wxyz[:, 1:] * np.where(wxyz[:, :1] < 0, -1.0, 1.0) * 127.5 + 127.5)


def _smallest_three(wxyz: Float[np.ndarray, "P 4"]) -> UInt8[np.ndarray, "P 4"]:
    """Which of x, y, z, w is largest in two bits, and of each other its sign and nine bits of size."""
    q = np.roll(wxyz.astype(np.float64), -1, axis=1)
    largest = np.abs(q).argmax(1)
    q = q * np.where(np.take_along_axis(q, largest[:, None], 1) < 0, -1.0, 1.0)
    packed = largest.astype(np.uint32)
    for k in range(4):
        size = np.minimum(np.abs(q[:, k]) * np.sqrt(2.0) * 511 + 0.5, 511).astype(np.uint32)
        entry = (packed << np.uint32(10)) | ((q[:, k] < 0).astype(np.uint32) << np.uint32(9)) | size
        packed = np.where(largest == k, packed, entry)
    return packed.astype("<u4")[:, None].view(np.uint8)

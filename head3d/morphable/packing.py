"""Shape modes as small integers that compress well: each vertex as what it differs from a neighbour stored before it.

Neighbours on a surface move alike, so the differences are small numbers. The integers wrap around (modulo 256), so
nothing is lost whatever their size. Where modes are symmetric or antisymmetric, the second half is stored as what it
differs from the mirrored first, which is next to nothing. The files are npz files whose members are packed by LZMA,
which ``np.load`` reads: an eighth smaller than what ``np.savez_compressed`` makes.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Int8
from numpy.typing import NDArray
from scipy.spatial import KDTree

from head3d.errors import WeightsMissing

NEAREST = 200
"""How many neighbours of a vertex are asked whether they come before it and move like it."""


def neighbour_before(mean: Float[NDArray, "V 3"], modes: Float[NDArray, "K V 3"]) -> Int[NDArray, "V"]:
    """How many places before it a vertex has a near one that moves most like it; 0 for the first vertex."""
    near = KDTree(mean).query(mean, k=min(NEAREST, len(mean)))[1].reshape(len(mean), -1)
    moves = np.ascontiguousarray(modes.transpose(1, 0, 2).reshape(len(mean), -1))
    back = np.zeros(len(mean), dtype=np.uint16)
    for vertex in range(1, len(mean)):
        before = near[vertex][near[vertex] < vertex]
        if not len(before):
            before = np.array([vertex - 1])
        alike = before[((moves[before] - moves[vertex]) ** 2).sum(1).argmin()]
        back[vertex] = vertex - alike
    return back


def quantised(
    modes: Float[NDArray, "K V 3"], *, finest: float = 0.0
) -> tuple[Int8[NDArray, "K V 3"], Float[NDArray, "K"]]:
    """Modes as integers in [-127, 127] and the size of one, m: what the largest move needs, at least ``finest``."""
    scale = np.maximum(np.abs(modes).reshape(len(modes), -1).max(1) / 127, finest)
    return np.round(modes / scale[:, None, None]).astype(np.int8), scale.astype(np.float32)


def dequantised(values: Int8[NDArray, "K V 3"], scale: Float[NDArray, "K"]) -> Float[NDArray, "K V 3"]:
    """The modes in metres, float32."""
    return values.astype(np.float32) * scale[:, None, None]


@dataclass(frozen=True)
class Halves:
    """What the second half of symmetric and antisymmetric modes has in common with the first.

    Attributes:
        back: How many places before it a vertex has its mirror image; 0 in the first half and in the middle.
        sign: 1 or -1: what a coordinate of a mode is multiplied by on the other side.
    """

    back: Int[NDArray, "V"]
    sign: Int8[NDArray, "K 3"]


def halves(values: Int8[NDArray, "K V 3"], mirror: Int[NDArray, "V"]) -> Halves:
    """The halves of modes, given the mirror image of each vertex (x changes its sign)."""
    other = values[:, mirror].astype(np.int64) * (-1, 1, 1)
    odd = (values * other).sum((1, 2)) < 0
    sign = np.where(odd[:, None], (1, -1, -1), (-1, 1, 1)).astype(np.int8)
    return Halves(np.maximum(np.arange(len(mirror)) - mirror, 0).astype(np.uint16), sign)


def differences(
    values: Int8[NDArray, "K V 3"], back: Int[NDArray, "V"], of: Halves | None = None
) -> Int8[NDArray, "K 3 V"]:
    """Each vertex less its mirror image before, if it has one, or its neighbour before; the first as it is."""
    unsigned, places = values.view(np.uint8), np.arange(len(back))
    less = unsigned[:, places - back]
    less[:, back == 0] = 0
    if of is not None:
        second = of.back > 0
        less[:, second] = of.sign.view(np.uint8)[:, None] * unsigned[:, (places - of.back)[second]]
    return np.ascontiguousarray((unsigned - less).view(np.int8).transpose(0, 2, 1))


def from_differences(
    values: Int8[NDArray, "K 3 V"], back: Int[NDArray, "V"], of: Halves | None = None
) -> Int8[NDArray, "K V 3"]:
    """The inverse of ``differences``."""
    by_vertex = np.ascontiguousarray(values.view(np.uint8).transpose(2, 0, 1))
    if of is None:
        of = Halves(np.zeros_like(back), np.ones(by_vertex.shape[1:], dtype=np.int8))
    sign = of.sign.view(np.uint8)
    for vertex, (step, leap) in enumerate(zip(back.tolist(), of.back.tolist(), strict=True)):
        if leap:
            by_vertex[vertex] += sign * by_vertex[vertex - leap]
        elif step:
            by_vertex[vertex] += by_vertex[vertex - step]
    return np.ascontiguousarray(by_vertex.view(np.int8).transpose(1, 0, 2))


def save_arrays(path: Path, **arrays: NDArray) -> None:
    """Write an npz file: the same bytes from the same arrays."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            about = zipfile.ZipInfo(f"{name}.npy")
            about.compress_type = zipfile.ZIP_LZMA
            archive.writestr(about, member.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray]:
    """All arrays of an npz file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except RuntimeError as error:  # of zipfile, where Python was compiled without LZMA
        hint = "use a Python that has its lzma module (Debian's has; pyenv needs liblzma-dev)"
        raise WeightsMissing(f"{path.name}: this Python cannot read it ({error}).", hint=hint) from error

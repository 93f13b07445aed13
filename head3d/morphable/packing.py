"""Shape modes as small integers that compress well: each vertex as what it differs from what its neighbours tell.

Neighbours on a surface move alike, so three that are stored before a vertex tell nearly where it goes, and the
differences are small numbers. They are computed in integers that wrap around (modulo 256), so nothing is lost. Where
modes are symmetric or antisymmetric, the second half is stored as what it differs from the mirrored first, which is
next to nothing; of the mean the first half is enough. The files are npz files whose
members are packed by LZMA, which ``np.load`` reads: an eighth smaller than what ``np.savez_compressed`` makes.
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

SHARE_BITS = 5
SHARES = 1 << SHARE_BITS
LARGEST_SHARE = 1.0
"""Of a neighbour's motion; larger ones gain nothing, and these keep the sums within 16 bits."""


@dataclass(frozen=True)
class Neighbours:
    """From which vertices before it each vertex is guessed: x0 + share0 (x1 - x0) + share1 (x2 - x0).

    Attributes:
        back: How many places before it the three are (0: none).
        share: Of the second and the third, in parts of ``SHARES``; 0 where there is none.
    """

    back: Int[NDArray, "V 3"]
    share: Int8[NDArray, "V 2"]


def neighbours_before(mean: Float[NDArray, "V 3"], modes: Float[NDArray, "K V 3"]) -> Neighbours:
    """The near vertex before each that moves most like it, and two more whose motions explain most of the rest."""
    near = KDTree(mean).query(mean, k=min(NEAREST, len(mean)))[1].reshape(len(mean), -1)
    moves = np.ascontiguousarray(modes.transpose(1, 0, 2).reshape(len(mean), -1)).astype(np.float64)
    back, share = np.zeros((len(mean), 3), dtype=np.uint16), np.zeros((len(mean), 2), dtype=np.int8)
    for vertex in range(1, len(mean)):
        before = near[vertex][near[vertex] < vertex]
        if not len(before):
            before = np.array([vertex - 1])
        chosen = [int(((moves[before] - moves[vertex]) ** 2).sum(1).argmin())]
        ways = moves[before] - moves[before[chosen[0]]]
        wanted = moves[vertex] - moves[before[chosen[0]]]
        rest = wanted
        for _ in range(2):
            gain = (ways @ rest) ** 2 / ((ways**2).sum(1) + 1e-30)
            gain[chosen] = 0
            if not gain.any():
                break
            chosen.append(int(gain.argmax()))
            found = np.linalg.lstsq(ways[chosen[1:]].T, wanted, rcond=None)[0]
            found = np.round(found.clip(-LARGEST_SHARE, LARGEST_SHARE) * SHARES)
            share[vertex, : len(found)] = found
            rest = wanted - ways[chosen[1:]].T @ (found / SHARES)
        back[vertex, : len(chosen)] = vertex - before[chosen]
    return Neighbours(back, share)


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


def shared_neighbours(
    mean: Float[NDArray, "V 3"], identity: Int8[NDArray, "K V 3"], expression: Int8[NDArray, "E V 3"], of: Halves
) -> Neighbours:
    """Neighbours for both: by identity in the first half; the second, where identity is mirrored, by expression."""
    first, second = neighbours_before(mean, identity), neighbours_before(mean, expression)
    mirrored = of.back[:, None] > 0
    back = np.where(mirrored, second.back, first.back)
    return Neighbours(back, np.where(mirrored, second.share, first.share))


def differences(values: Int8[NDArray, "K V 3"], near: Neighbours, of: Halves | None = None) -> Int8[NDArray, "K 3 V"]:
    """Each vertex less its mirror image before, if it has one, or less what its neighbours before tell of it."""
    by_vertex = values.transpose(1, 0, 2).astype(np.int32)
    places = np.arange(len(by_vertex))
    first, *others = (by_vertex[places - near.back[:, k]] for k in range(3))
    moved = sum(near.share[:, k, None, None] * (one - first) for k, one in enumerate(others))
    less = first + (moved + SHARES // 2 >> SHARE_BITS)
    less[near.back[:, 0] == 0] = 0
    if of is not None:
        second = of.back > 0
        less[second] = of.sign * by_vertex[(places - of.back)[second]]
    return np.ascontiguousarray((by_vertex - less).astype(np.uint8).view(np.int8).transpose(1, 2, 0))


def from_differences(
    values: Int8[NDArray, "K 3 V"], near: Neighbours, of: Halves | None = None
) -> Int8[NDArray, "K V 3"]:
    """The inverse of ``differences``."""
    mirrored = np.zeros(len(near.back), dtype=np.int64) if of is None else of.back
    made = np.ascontiguousarray(values.transpose(2, 0, 1)).astype(np.int16)
    share = near.share[..., None, None].astype(np.int16)
    for vertex, (leap, (step, second, third)) in enumerate(zip(mirrored.tolist(), near.back.tolist(), strict=True)):
        here = made[vertex]
        if leap:
            assert of is not None
            here += of.sign * made[vertex - leap]
        elif step:
            first = made[vertex - step]
            here += first
            if second:  # at most 2 * 32 * 255: within 16 bits
                moved = share[vertex, 0] * (made[vertex - second] - first)
                if third:
                    moved += share[vertex, 1] * (made[vertex - third] - first)
                here += moved + SHARES // 2 >> SHARE_BITS
        here[:] = here.astype(np.int8)  # what wrapped around when it was stored
    return np.ascontiguousarray(made.astype(np.int8).transpose(1, 0, 2))


def both_halves(first: Int[NDArray, "S 3"], of: Halves) -> Int[NDArray, "V 3"]:
    """Places on a symmetric head from those of its first half (x changes its sign)."""
    made = np.zeros((len(of.back), 3), dtype=first.dtype)
    made[of.back == 0] = first
    second = np.flatnonzero(of.back)
    made[second] = made[second - of.back[second]] * np.array((-1, 1, 1), dtype=first.dtype)
    return made


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

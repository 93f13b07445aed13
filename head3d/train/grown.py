"""What the photos' outlines say about a head's outside: hair and clothes over the mesh, and hair that hangs free."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.field.from_mesh import ShellConfig, base_volume, cloak_volume
from head3d.field.volumes import Volume
from head3d.geometry.mesh import Mesh
from head3d.morphable.types import HeadModel
from head3d.train.curtain import CELL_M, curtain_volume, distance_to
from head3d.train.hair import stand_off
from head3d.train.rays import TrainPhoto

HAIR_SOFTNESS = 2.0
"""Blur of the surface of hair over that of skin."""


@dataclass(frozen=True)
class Grown:
    """A head with hair and clothes, before any photo's pixels are learned.

    Attributes:
        thick: Thickness (m) of hair and clothes at each vertex.
        cloak: The same in the space around; None without any.
        shell: Signed distance (m) to the mesh with them, coarse.
        curtain: Signed distance (m) to hair that hangs free; None without such hair.
    """

    thick: Float[Tensor, "V"]
    cloak: Volume | None
    shell: Volume
    curtain: Volume | None

    def distance(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """Signed distance (m) to all of it."""
        own = distance_to(self.shell, points_m)
        return own if self.curtain is None else torch.minimum(own, distance_to(self.curtain, points_m))

    def bald_distance(self, points_m: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """Signed distance (m) to the mesh alone."""
        own = distance_to(self.shell, points_m)
        return own if self.cloak is None else own + self.cloak.at(points_m)[:, 0]


def grow(mesh: Mesh, model: HeadModel, photos: Sequence[TrainPhoto]) -> Grown:
    """Measure hair and clothes on the outlines of the photos.

    Args:
        mesh: Outside of the neutral head, with the vertices of the model.
        model: For its groups.
        photos: Cropped, with labels, mattes and cameras.
    """
    none = torch.zeros(0, dtype=torch.long)
    scalp, shoulders = (model.groups.get(name, none) for name in ("scalp", "shoulders"))
    hairless, unclothed = bare_parts(mesh, model)
    thick = stand_off(mesh, photos, scalp=scalp, shoulders=shoulders, hairless=hairless, unclothed=unclothed)
    cloak = cloak_volume(mesh, thick)
    shell = base_volume(mesh, cloak=cloak, config=ShellConfig(cell_m=CELL_M))
    return Grown(thick, cloak, shell, curtain_volume(mesh, model, photos, shell=shell))


def bald(mesh: Mesh) -> Grown:
    """The mesh alone."""
    shell = base_volume(mesh, config=ShellConfig(cell_m=CELL_M))
    return Grown(torch.zeros(len(mesh.vertices)), None, shell, None)


def bare_parts(mesh: Mesh, model: HeadModel) -> tuple[Int[Tensor, "A"], Int[Tensor, "B"]]:
    """Vertices on which no hair grows (ears, and what is lower than they are), and those that no clothes cover."""
    groups = {name: model.groups.get(name, torch.zeros(0, dtype=torch.long)) for name in ("ears", "scalp", "face")}
    if not len(groups["ears"]):
        return groups["ears"], groups["face"]
    hairless = mesh.vertices[:, 1] < mesh.vertices[groups["ears"], 1].median()
    hairless[groups["ears"]] = True
    hairless[groups["scalp"]] = False
    return torch.nonzero(hairless)[:, 0], torch.cat([groups["face"], groups["ears"]])

"""What is drawn: pieces of mesh with colours, put together into one."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor

from head3d.geometry.mesh import vertex_normals


class Material(IntEnum):
    """How a triangle gets its colour."""

    SKIN = 0
    """From the skin map; ``paint`` is the place on the neutral mean head."""
    EYE = 1
    """Drawn per pixel; ``paint`` is the place from the eye's centre before it turned."""
    PLAIN = 2
    """``paint`` is the albedo."""
    HAIR_MAP = 3
    """From a texture of hair; ``paint`` begins with the place on it."""
    TEXTURE = 4
    """From a picture; ``paint`` is the place on it (u right, v down, in [0, 1]) and which picture."""


@dataclass(frozen=True)
class Layer:
    """A piece of mesh.

    Attributes:
        vertices: Head frame, metres.
        faces: Triangles.
        normal: Unit, for shading.
        paint: See ``Material``.
        open_sky: Share of the sky that reaches a vertex, 0 to 1.
        gloss: Of the highlight, 1 for skin.
        material: Of each triangle.
        label: ``Region`` of each triangle (skin triangles take theirs from the map).
    """

    vertices: Float[Tensor, "P 3"]
    faces: Int[Tensor, "F 3"]
    normal: Float[Tensor, "P 3"]
    paint: Float[Tensor, "P 3"]
    open_sky: Float[Tensor, "P"]
    gloss: Float[Tensor, "P"]
    material: Int[Tensor, "F"]
    label: Int[Tensor, "F"]


def plain_layer(
    vertices: Float[Tensor, "P 3"],
    faces: Int[Tensor, "F 3"],
    *,
    color: Float[Tensor, "P 3"],
    label: int,
    normal: Float[Tensor, "P 3"] | None = None,
    open_sky: Float[Tensor, "P"] | None = None,
    gloss: float = 0.0,
) -> Layer:
    """A piece of mesh with a colour at each vertex."""
    count = len(vertices)
    return Layer(
        vertices=vertices,
        faces=faces,
        normal=vertex_normals(vertices, faces) if normal is None else normal,
        paint=color.expand(count, 3),
        open_sky=torch.ones(count) if open_sky is None else open_sky,
        gloss=torch.full((count,), gloss),
        material=torch.full((len(faces),), int(Material.PLAIN)),
        label=torch.full((len(faces),), label),
    )


def join(layers: Sequence[Layer]) -> Layer:
    """One mesh of several pieces."""
    starts = [0]
    for layer in layers:
        starts.append(starts[-1] + len(layer.vertices))
    return Layer(
        vertices=torch.cat([layer.vertices for layer in layers]),
        faces=torch.cat([layer.faces + start for layer, start in zip(layers, starts, strict=False)]),
        normal=torch.cat([layer.normal for layer in layers]),
        paint=torch.cat([layer.paint for layer in layers]),
        open_sky=torch.cat([layer.open_sky for layer in layers]),
        gloss=torch.cat([layer.gloss for layer in layers]),
        material=torch.cat([layer.material for layer in layers]),
        label=torch.cat([layer.label for layer in layers]),
    )

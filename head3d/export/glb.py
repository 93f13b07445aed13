"""A subject as .glb: the head's meshes, textures baked from its field, and the expressions of ARKit's faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from head3d import __version__
from head3d.export.atlas import Unwrapped
from head3d.export.bake import EYES, bake
from head3d.export.gltf import Material, Node, Primitive, glb_bytes
from head3d.export.mesh import HeadMesh, Part
from head3d.export.provenance import DIGITAL_SOURCE_TYPE, NOTE
from head3d.field.radiance import RadianceField
from head3d.geometry.mesh import vertex_normals
from head3d.imaging.io import encode_jpeg
from head3d.morphable.expressions import eyeballs
from head3d.morphable.types import HeadFit

ARKIT: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""Blend shapes of ARKit's ARFaceAnchor, in alphabetical order. The head has no tongue: ``tongueOut`` moves nothing."""

MUCOSA, TEETH = (0.12, 0.03, 0.025), (0.62, 0.57, 0.47)
"""Linear RGB of what no photo shows: the inside of lips and lids, and teeth."""
MATERIALS = (
    Material("skin, hair, clothes", roughness=0.62, color_texture=0, normal_texture=1),
    Material("eyes", roughness=0.15, color_texture=0),
    Material("inside of mouth and lids", color=MUCOSA, roughness=0.4),
    Material("teeth", color=TEETH, roughness=0.25),
)


@dataclass(frozen=True)
class GlbOptions:
    """How a .glb is made."""

    texture_px: int = 2048
    """Side of the textures."""
    rounds: int = 1
    """Subdivisions of the fitted mesh: 1 gives 30,000 triangles of skin, 2 gives 120,000."""


def arkit_morphs(morphs: Float[Tensor, "E V 3"], names: Sequence[str]) -> Float[Tensor, "52 V 3"]:
    """Displacements in the order of ``ARKIT``; a shape that the model has by sides is the sum of both."""
    rows = []
    for wanted in ARKIT:
        mine = [k for k, name in enumerate(names) if name in (wanted, f"{wanted}Left", f"{wanted}Right")]
        rows.append(morphs[mine].sum(0))
    return torch.stack(rows)


def head_glb(head: HeadMesh, trained: RadianceField, fit: HeadFit, *, options: GlbOptions = GlbOptions()) -> bytes:
    """A .glb of a head (see :func:`head3d.export.mesh.head_mesh`); glTF's frame is the head frame: m, Y up, Z front."""
    baked = bake(head, trained, fit, side_px=options.texture_px)
    images = [encode_jpeg(baked.color, quality=95), encode_jpeg(baked.bumps, quality=95)]
    names = head.expression_names
    skins = (
        _primitive(head.part("skin"), names, 0, flat=baked.skin, tangents=baked.tangent),
        _primitive(head.part("inner"), names, 2),
    )
    nodes = [Node("head", skins)]
    for name, ball, flat in zip(EYES, eyeballs(fit), baked.eyes, strict=True):
        x, y, z = ball.centre.tolist()
        eye = _primitive(head.part(name), names, 1, flat=flat, about=ball.centre)
        nodes.append(Node(name, (eye,), (x, y, z)))
    nodes.append(Node("teeth", (_primitive(head.part("teeth"), names, 3),)))
    notes = {"digital_source_type": DIGITAL_SOURCE_TYPE, "comment": NOTE}
    generator = f"head3d {__version__}"
    return glb_bytes(nodes, MATERIALS, images=images, morph_names=ARKIT, generator=generator, notes=notes)


def _primitive(
    part: Part,
    names: Sequence[str],
    material: int,
    *,
    flat: Unwrapped | None = None,
    tangents: Tensor | None = None,
    about: Tensor | None = None,
) -> Primitive:
    mesh, source = (part.mesh, torch.arange(len(part.mesh.vertices))) if flat is None else (flat.mesh, flat.source)
    vertices = mesh.vertices if about is None else mesh.vertices - about
    return Primitive(
        vertices.numpy(),
        vertex_normals(part.mesh.vertices, part.mesh.faces)[source].numpy(),
        mesh.faces.numpy(),
        arkit_morphs(part.morphs, names)[:, source].numpy(),
        material,
        uv=None if mesh.uv is None else mesh.uv.numpy(),
        tangents=None if tangents is None else tangents.numpy(),
    )

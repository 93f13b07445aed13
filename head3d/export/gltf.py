"""Meshes as one binary glTF 2.0 file (.glb): geometry, tangents, textures, morph targets (Khronos, version 2.0.1)."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

FLOAT, UINT, USHORT = 5126, 5125, 5123
ARRAY, ELEMENT = 34962, 34963
REPEAT, LINEAR, MIPMAPPED = 10497, 9729, 9987
STILL_M = 5e-5
"""Displacements below this are not written: 1/20 mm."""


@dataclass(frozen=True)
class Material:
    """How a surface looks; metal never.

    Attributes:
        name: For editors.
        color: Linear RGB, times the texture's.
        roughness: 0 a mirror, 1 matte.
        color_texture: Index among the images, or None.
        normal_texture: The same.
    """

    name: str
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    roughness: float = 0.6
    color_texture: int | None = None
    normal_texture: int | None = None


@dataclass(frozen=True)
class Primitive:
    """Triangles of one material.

    Attributes:
        vertices: m, in the frame of its node.
        normals: Unit.
        faces: Counter-clockwise from outside.
        morphs: Displacements, one set per target.
        material: Index.
        uv: In [0, 1], v up; None without texture.
        tangents: Needed with a normal texture.
    """

    vertices: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    morphs: Float[np.ndarray, "K V 3"]
    material: int
    uv: Float[np.ndarray, "V 2"] | None = None
    tangents: Float[np.ndarray, "V 4"] | None = None


@dataclass(frozen=True)
class Node:
    """A mesh at a place: what turns about its own centre stands there."""

    name: str
    primitives: tuple[Primitive, ...]
    place_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass
class _Buffer:
    """The binary part while it grows, and what describes it."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def view(self, content: bytes, *, target: int | None = None) -> int:
        self.data.extend(b"\0" * (-len(self.data) % 4))
        entry: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(entry if target is None else {**entry, "target": target})
        self.data.extend(content)
        return len(self.views) - 1

    def accessor(self, entry: dict[str, Any]) -> int:
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def vectors(self, values: np.ndarray, *, bounds: bool = False) -> int:
        values = np.ascontiguousarray(values, dtype="<f4")
        kind = f"VEC{values.shape[1]}"
        entry: dict[str, Any] = {"componentType": FLOAT, "count": len(values), "type": kind}
        entry["bufferView"] = self.view(values.tobytes(), target=ARRAY)
        return self.accessor(entry | (_bounds(values) if bounds else {}))

    def indices(self, faces: np.ndarray, *, count: int) -> int:
        kind, dtype = (USHORT, "<u2") if count <= 65535 else (UINT, "<u4")
        view = self.view(np.ascontiguousarray(faces, dtype=dtype).tobytes(), target=ELEMENT)
        return self.accessor({"bufferView": view, "componentType": kind, "count": int(faces.size), "type": "SCALAR"})

    def displacement(self, values: np.ndarray) -> int:
        """Sparse: most vertices stay where they are in most expressions."""
        moved = np.flatnonzero(np.abs(values).max(1) > STILL_M)
        entry: dict[str, Any] = {"componentType": FLOAT, "count": len(values), "type": "VEC3"}
        kept = np.zeros_like(values, dtype="<f4")
        kept[moved] = values[moved]
        if len(moved):
            entry["sparse"] = {
                "count": len(moved),
                "indices": {"bufferView": self.view(moved.astype("<u4").tobytes()), "componentType": UINT},
                "values": {"bufferView": self.view(kept[moved].tobytes())},
            }
        return self.accessor(entry | _bounds(kept))


def glb_bytes(
    nodes: Sequence[Node],
    materials: Sequence[Material],
    *,
    images: Sequence[bytes],
    morph_names: Sequence[str],
    generator: str,
    notes: Mapping[str, Any],
) -> bytes:
    """A .glb.

    Args:
        nodes: Children of one root, metres, Y up, +Z forward.
        materials: What primitives point to.
        images: JPEG or PNG files.
        morph_names: Of the targets that every primitive has.
        generator: Who made it.
        notes: Written as ``asset.extras``.
    """
    buffer = _Buffer()
    meshes, scene_nodes = [], []
    for number, node in enumerate(nodes):
        meshes.append(
            {
                "name": node.name,
                "primitives": [_primitive(buffer, one) for one in node.primitives],
                "weights": [0.0] * len(morph_names),
                "extras": {"targetNames": list(morph_names)},
            }
        )
        entry: dict[str, Any] = {"name": node.name, "mesh": number}
        if any(node.place_m):
            entry["translation"] = [float(value) for value in node.place_m]
        scene_nodes.append(entry)
    root = {"name": "person", "children": list(range(len(scene_nodes)))}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": generator, "extras": dict(notes)},
        "scene": 0,
        "scenes": [{"name": "head", "nodes": [len(scene_nodes)]}],
        "nodes": [*scene_nodes, root],
        "meshes": meshes,
        "materials": [_material(one) for one in materials],
    }
    if images:
        document["images"] = [{"bufferView": buffer.view(one), "mimeType": _mime(one)} for one in images]
        document["samplers"] = [{"magFilter": LINEAR, "minFilter": MIPMAPPED, "wrapS": REPEAT, "wrapT": REPEAT}]
        document["textures"] = [{"sampler": 0, "source": k} for k in range(len(images))]
    document |= {"accessors": buffer.accessors, "bufferViews": buffer.views}
    document["buffers"] = [{"byteLength": len(buffer.data)}]
    return _container(document, bytes(buffer.data))


def _primitive(buffer: _Buffer, one: Primitive) -> dict[str, Any]:
    attributes = {
        "POSITION": buffer.vectors(one.vertices, bounds=True),
        "NORMAL": buffer.vectors(one.normals),
    }
    if one.tangents is not None:
        attributes["TANGENT"] = buffer.vectors(one.tangents)
    if one.uv is not None:  # glTF counts v from the top
        attributes["TEXCOORD_0"] = buffer.vectors(np.stack([one.uv[:, 0], 1.0 - one.uv[:, 1]], axis=-1))
    return {
        "attributes": attributes,
        "indices": buffer.indices(one.faces, count=len(one.vertices)),
        "material": one.material,
        "targets": [{"POSITION": buffer.displacement(moved)} for moved in one.morphs],
    }


def _material(one: Material) -> dict[str, Any]:
    look: dict[str, Any] = {
        "baseColorFactor": [*map(float, one.color), 1.0],
        "metallicFactor": 0.0,
        "roughnessFactor": one.roughness,
    }
    entry: dict[str, Any] = {"name": one.name, "pbrMetallicRoughness": look}
    if one.color_texture is not None:
        look["baseColorTexture"] = {"index": one.color_texture}
    if one.normal_texture is not None:
        entry["normalTexture"] = {"index": one.normal_texture}
    return entry


def _bounds(values: np.ndarray) -> dict[str, Any]:
    return {"min": [float(v) for v in values.min(0)], "max": [float(v) for v in values.max(0)]}


def _mime(image: bytes) -> str:
    return "image/png" if image.startswith(b"\x89PNG") else "image/jpeg"


def _container(document: Mapping[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, size),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(binary), b"BIN\0"),
            binary,
        ]
    )

"""People whom artists made: textured meshes (binary glTF) of head and shoulders, hair and clothes included."""

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from head3d.errors import CorruptPart
from head3d.geometry.mesh import face_normals
from head3d.imaging.color import linear_from_levels
from head3d.perception.types import Region
from head3d.prior.layers import Layer, Material, join
from head3d.prior.openness import open_sky

EYES_M = (0.0, 0.027, 0.0745)
"""Midway between the eyeballs in the head frame: where the default head model's mean has it."""
WELD_M = 1e-5
"""Vertices this close are one: textures cut meshes, normals must not show it."""
PARTS = {"eye": Region.EYES, "gland": Region.EYES, "teeth": Region.MOUTH, "wig": Region.HAIR, "hair": Region.HAIR}
"""Region by a word in the mesh's name; what has none is skin or cloth, which only the texture tells: SKIN."""

_NUMBERS = {5121: np.dtype("<u1"), 5123: np.dtype("<u2"), 5125: np.dtype("<u4"), 5126: np.dtype("<f4")}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


@dataclass(frozen=True)
class ArtistPerson:
    """A textured person.

    Attributes:
        scene: All meshes, head frame, metres.
        textures: Albedo pictures, linear RGB, (1, 3, H, W) each.
    """

    scene: Layer
    textures: tuple[Float[Tensor, "1 3 H W"], ...]

    def colors(
        self, paint: Float[Tensor, "P 3"], material: Int[Tensor, "P"], label: Int[Tensor, "P"]
    ) -> tuple[Float[Tensor, "P 3"], UInt8[Tensor, "P"]]:
        """Albedo (linear RGB) and ``Region`` of samples (see ``picture.Sitter``)."""
        albedo = torch.zeros_like(paint)
        for page, texture in enumerate(self.textures):
            on = torch.nonzero(paint[:, 2].round() == page)[:, 0]
            at = (paint[on, :2] * 2 - 1)[None, None]
            found = torch.nn.functional.grid_sample(texture, at, align_corners=False, padding_mode="border")
            albedo[on] = found[0, :, 0].T
        return albedo, label.to(torch.uint8)


def load_artist_person(path: Path) -> ArtistPerson:
    """Read a person whose meshes stand upright in metres and look along +z, eyeballs as meshes of their own.

    Raises:
        CorruptPart: The file is not such a glTF.
    """
    try:
        document, binary = _chunks(path.read_bytes())
        meshes = [
            (str(mesh.get("name", "")), *_mesh(document, binary, primitive))
            for mesh in document["meshes"]
            for primitive in mesh["primitives"]
        ]
        textures = tuple(_texture(document, binary, number) for number in range(len(document["images"])))
        eyes = [vertices.mean(0) for name, vertices, *_ in meshes if _region(name) is Region.EYES]
        middle = (eyes[0] + eyes[1]) / 2 if len(eyes) == 2 else torch.stack(eyes).mean(0)
    except (KeyError, IndexError, ValueError, TypeError, struct.error, RuntimeError, OSError) as error:
        raise CorruptPart(
            f"{path} is not a textured person: {error!r}.", hint="Give a binary glTF with textures and eyeballs."
        ) from error
    shift = torch.tensor(EYES_M) - middle
    layers = [
        _layer(vertices + shift, faces, uv, page=page, region=_region(name))
        for name, vertices, faces, uv, page in meshes
    ]
    scene = join(layers)
    sky = open_sky(scene.vertices, scene.normal, scene.faces)
    return ArtistPerson(Layer(**{**vars(scene), "open_sky": sky}), textures)


def _region(name: str) -> Region:
    words = name.lower()
    return next((region for word, region in PARTS.items() if word in words), Region.SKIN)


def _chunks(content: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, _ = struct.unpack_from("<4sII", content)
    if magic != b"glTF" or version != 2:
        raise ValueError("no binary glTF 2")
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def _accessor(document: dict[str, Any], binary: bytes, number: int) -> np.ndarray:
    entry = document["accessors"][number]
    view = document["bufferViews"][entry["bufferView"]]
    width = _WIDTHS[entry["type"]]
    start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
    flat = np.frombuffer(binary, _NUMBERS[entry["componentType"]], entry["count"] * width, start)
    return flat.reshape(-1, width)


def _mesh(
    document: dict[str, Any], binary: bytes, primitive: dict[str, Any]
) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"], Float[Tensor, "V 2"], int]:
    """Vertices, triangles, texture coordinates and number of the picture."""
    places = _accessor(document, binary, primitive["attributes"]["POSITION"])
    uv = _accessor(document, binary, primitive["attributes"]["TEXCOORD_0"])
    faces = _accessor(document, binary, primitive["indices"]).reshape(-1, 3)
    paint = document["materials"][primitive["material"]]["pbrMetallicRoughness"]["baseColorTexture"]["index"]
    return (
        torch.from_numpy(places.astype(np.float32)),
        torch.from_numpy(faces.astype(np.int64)),
        torch.from_numpy(uv.astype(np.float32)),
        int(document["textures"][paint]["source"]),
    )


def _texture(document: dict[str, Any], binary: bytes, number: int) -> Float[Tensor, "1 3 H W"]:
    view = document["bufferViews"][document["images"][number]["bufferView"]]
    start = view.get("byteOffset", 0)
    with Image.open(io.BytesIO(binary[start : start + view["byteLength"]]), formats=("JPEG", "PNG")) as picture:
        levels = np.array(picture.convert("RGB"))
    return linear_from_levels(levels).permute(2, 0, 1)[None].contiguous()


def _layer(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], uv: Float[Tensor, "V 2"], *, page: int, region: Region
) -> Layer:
    _, one = np.unique(np.round(vertices.numpy() / WELD_M).astype(np.int64), axis=0, return_inverse=True)
    one = torch.from_numpy(one.reshape(-1))
    summed = torch.zeros(int(one.max()) + 1, 3)
    for corner in range(3):
        summed.index_add_(0, one[faces[:, corner]], face_normals(vertices, faces))
    normal = torch.nn.functional.normalize(summed[one], dim=-1, eps=1e-20)
    return Layer(
        vertices=vertices,
        faces=faces,
        normal=normal,
        paint=torch.cat([uv, torch.full((len(uv), 1), float(page))], dim=1),
        open_sky=torch.ones(len(vertices)),
        gloss=torch.full((len(vertices),), {Region.EYES: 1.5, Region.HAIR: 0.4}.get(region, 0.7)),
        material=torch.full((len(faces),), int(Material.TEXTURE)),
        label=torch.full((len(faces),), int(region)),
    )

"""A .glb as others read it: trimesh, the rules of the format, and Khronos' validator where it is installed."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from head3d.export.gltf import Material, Node, Primitive, glb_bytes
from head3d.imaging.io import encode_jpeg
from tests.unit.export.balls import ball
from tests.unit.export.validator import report_on

NAMES = ("jawOpen", "tongueOut")
PLACE = (0.03, 0.02, 0.08)


def sample() -> bytes:
    """A textured ball, and another at a place of its own; one target moves one vertex, the other nothing."""
    mesh = ball(rings=8)
    vertices = mesh.vertices.numpy()
    normals = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    morphs = np.zeros((2, len(vertices), 3), dtype=np.float32)
    morphs[0, 5] = (0.0, -0.02, 0.001)
    tangents = np.zeros((len(vertices), 4), dtype=np.float32)
    tangents[:, 3] = 1.0
    helper = np.eye(3)[np.abs(normals).argmin(1)]
    along = np.cross(normals, helper)
    tangents[:, :3] = along / np.linalg.norm(along, axis=1, keepdims=True)
    uv = 0.5 + 0.4 * normals[:, :2]
    textured = Primitive(vertices, normals, mesh.faces.numpy(), morphs, 0, uv=uv, tangents=tangents)
    plain = Primitive(vertices * 0.1, normals, mesh.faces.numpy(), morphs * 0.1, 1)
    picture = encode_jpeg(np.full((32, 32, 3), (200, 100, 50), np.uint8), quality=95)
    return glb_bytes(
        [Node("head", (textured,)), Node("eye_left", (plain,), PLACE)],
        [Material("skin", color_texture=0, normal_texture=1), Material("teeth", color=(0.5, 0.25, 0.125))],
        images=[picture, picture],
        morph_names=NAMES,
        generator="test",
        notes={"comment": "synthetic"},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "head.glb"
    path.write_bytes(sample())
    return path


def document(path: Path) -> dict:
    """The JSON chunk."""
    data = path.read_bytes()
    assert struct.unpack("<4sII", data[:12]) == (b"glTF", 2, len(data))
    (length,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + length])


def test_trimesh_reads_geometry_place_and_texture(file: Path):
    scene = trimesh.load_scene(file)
    by_name = {name: scene.geometry[scene.graph[name][1]] for name in scene.graph.nodes_geometry}
    head, eye = by_name["head"], by_name["eye_left"]
    assert head.is_watertight and head.volume > 0, "triangles face outwards"
    assert np.allclose(head.bounds, [[-0.1] * 3, [0.1] * 3], atol=1e-6), "metres"
    assert np.allclose(scene.graph["eye_left"][0][:3, 3], PLACE)
    assert eye.extents[0] == pytest.approx(0.02, abs=1e-6)
    mesh = ball(rings=8)
    normals = mesh.vertices.numpy() / 0.1
    assert np.allclose(head.visual.uv, 0.5 + 0.4 * normals[:, :2], atol=1e-6), "v up again after both turned it"
    color = np.asarray(head.visual.material.baseColorTexture)[16, 16]
    assert np.abs(color[:3].astype(int) - (200, 100, 50)).max() <= 3


def test_targets_are_named_sparse_and_exact(file: Path):
    content = document(file)
    mesh = content["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(NAMES)
    jaw, tongue = (content["accessors"][one["POSITION"]] for one in mesh["primitives"][0]["targets"])
    assert jaw["sparse"]["count"] == 1 and jaw["min"][1] == pytest.approx(-0.02)
    assert "sparse" not in tongue and tongue["max"] == [0.0, 0.0, 0.0]


def test_chunks_and_views_are_aligned(file: Path):
    content = document(file)
    assert len(file.read_bytes()) % 4 == 0
    assert all(view["byteOffset"] % 4 == 0 for view in content["bufferViews"])


def test_khronos_validator_finds_nothing(file: Path):
    issues = report_on(file)["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_khronos_validator_finds_what_is_wrong(file: Path):
    content = bytearray(file.read_bytes())
    content[content.index(b'"nodes"')] = ord("(")
    file.write_bytes(content)
    assert report_on(file)["issues"]["numErrors"] > 0

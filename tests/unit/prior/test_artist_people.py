import json
import struct

import cv2
import numpy as np
import pytest
import torch

from head3d.bench_truth import load_truth, surface_points
from head3d.errors import CorruptPart
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.perception.types import Region
from head3d.prior.artist_people import EYES_M, load_artist_person
from head3d.prior.light import draw_light
from head3d.prior.picture import pictures
from head3d.prior.truth_folder import write_truth_folder


def sphere(centre, radius):
    rows, columns = 32, 64
    v, u = np.meshgrid(np.linspace(0.01, np.pi - 0.01, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    points = np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], -1).reshape(-1, 3) * radius + centre
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    faces = np.concatenate([np.stack([a, a + columns, a + 1], -1), np.stack([a + 1, a + columns, a + columns + 1], -1)])
    uv = np.stack([u / (2 * np.pi), v / np.pi], -1).reshape(-1, 2)
    return points.astype("<f4"), faces.astype("<u4"), uv.astype("<f4")


@pytest.fixture(scope="module")
def glb(tmp_path_factory):
    """A ball with two eyes: the ball's texture is red on its left half, the eyes' is white."""
    pictures = [np.full((16, 32, 3), 255, np.uint8), np.full((8, 8, 3), 255, np.uint8)]
    pictures[0][:, :16] = (0, 0, 255)
    packed = [cv2.imencode(".png", one)[1].tobytes() for one in pictures]
    parts = [("skin", sphere((0, 1.5, 0), 0.1), 0)]
    parts += [(f"h_{side}_eye", sphere((x, 1.53, 0.09), 0.012), 1) for side, x in (("L", 0.03), ("R", -0.03))]
    blob, views, accessors, meshes = b"", [], [], []

    def view(data):
        nonlocal blob
        blob += b"\0" * (-len(blob) % 4)
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        blob += data
        return len(views) - 1

    def accessor(array, kind, code):
        accessors.append(
            {"bufferView": view(array.tobytes()), "componentType": code, "count": array.shape[0], "type": kind}
        )
        return len(accessors) - 1

    for name, (points, faces, uv), material in parts:
        attributes = {"POSITION": accessor(points, "VEC3", 5126), "TEXCOORD_0": accessor(uv, "VEC2", 5126)}
        primitive = {"attributes": attributes, "indices": accessor(faces.reshape(-1, 1), "SCALAR", 5125)}
        meshes.append({"name": name, "primitives": [{**primitive, "material": material}]})
    document = {
        "asset": {"version": "2.0"},
        "meshes": meshes,
        "accessors": accessors,
        "images": [{"bufferView": view(data), "mimeType": "image/png"} for data in packed],
        "textures": [{"source": 0}, {"source": 1}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": k}}} for k in range(2)],
        "bufferViews": views,
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    path = tmp_path_factory.mktemp("glb") / "ball.glb"
    header = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(blob))
    path.write_bytes(
        header + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    )
    return path


def test_eyes_are_put_where_the_head_frame_has_them(glb):
    scene = load_artist_person(glb).scene
    eyes = torch.tensor([one == int(Region.EYES) for one in scene.label.tolist()])
    middle = scene.vertices[scene.faces[eyes].unique()].mean(0)
    torch.testing.assert_close(middle, torch.tensor(EYES_M), rtol=0, atol=2e-3)


def test_pictures_show_the_texture(glb):
    person = load_artist_person(glb)
    c2w = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)
    camera = Cameras(c2w[None], intrinsics(320.0, (128, 128))[None], (128, 128))
    seen = pictures(person, camera, [draw_light(torch.Generator().manual_seed(0))])
    face = seen.labels[0] == int(Region.SKIN)
    column = torch.arange(128).expand(128, 128)
    left, right = seen.albedo[0][face & (column > 70)], seen.albedo[0][face & (column < 58)]
    green = sorted([float(left[:, 1].median()), float(right[:, 1].median())])
    assert green[0] < 0.01 and green[1] > 0.99  # one half is red, the other white
    assert bool((seen.labels[0] == int(Region.EYES)).any())


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "no.glb"
    path.write_bytes(b"no glTF at all, only text")
    with pytest.raises(CorruptPart, match="not a textured person"):
        load_artist_person(path)


def test_a_truth_folder_says_where_the_surface_is(glb, tmp_path):
    person = load_artist_person(glb)
    light = draw_light(torch.Generator().manual_seed(0))
    write_truth_folder(tmp_path, person, light, name="ball", licence="CC0-1.0", size_px=64)
    truth = load_truth(tmp_path)
    assert len(truth.frames) == 32 and truth.unit_m == 1.0
    assert abs(truth.frames[0].yaw_deg) < 1 and abs(truth.frames[8].yaw_deg) > 179
    centre = person.scene.vertices[person.scene.faces[person.scene.label == int(Region.SKIN)].unique()].mean(0)
    for frame in truth.frames[::7]:
        points = surface_points(frame)[torch.from_numpy(frame.alpha) > 0.99]
        away = (points - torch.stack([centre[0], -centre[2], centre[1]])).norm(dim=-1)
        assert abs(float(away.median()) - 0.1) < 2e-3

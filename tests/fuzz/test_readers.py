"""Whatever a file holds, reading it ends in a result or in an error of ours, writes nothing, and reads nothing else."""

import gzip
import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from head3d import store
from head3d.bench_export import read_glb
from head3d.capture.colmap import read_colmap
from head3d.capture.decode import decode
from head3d.capture.known_cameras import read_capture
from head3d.capture.video import sharp_frames
from head3d.config import load_config
from head3d.erasing import deliveries
from head3d.errors import Head3DError
from head3d.export.provenance import read_provenance
from head3d.imaging.io import read_image
from head3d.imaging.panorama import read_linear
from head3d.light_maps import LightMaps
from head3d.parts import read_photos
from head3d.parts_views import read_view
from head3d.render.lamp_file import read_lamps
from head3d.subject import Subject
from tests.fuzz.mutations import damaged, reshaped
from tests.fuzz.survival import survives
from tests.golden.make_folder import write as write_folder
from tests.unit.export.test_gltf import sample

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)


def picture(kind: str) -> bytes:
    """A small picture with EXIF where its format has it."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x920A], exif[0x010F] = 6, (50, 1), "A maker"
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
PICTURES = {kind: picture(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_photos(kind: str, data: st.DataObject):
    content = data.draw(damaged(PICTURES[kind]))
    survives(lambda: decode(content, max_side_px=512, max_pixels=4_000_000))


@given(content=st.binary(max_size=300))
def test_photos_of_anything(content: bytes):
    survives(lambda: decode(content, max_side_px=512, max_pixels=4_000_000))


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg")])
@given(data=st.data())
def test_own_pictures(kind: str, suffix: str, data: st.DataObject, tmp_path: Path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data.draw(damaged(PICTURES[kind])))
    survives(lambda: read_image(path))
    survives(lambda: read_provenance(path))
    if suffix == ".png":
        survives(lambda: store.read_png(path))


def hdr() -> bytes:
    done, encoded = cv2.imencode(".hdr", PIXELS.astype(np.float32))
    assert done
    return encoded.tobytes()


@given(data=st.data())
def test_hdr_maps(data: st.DataObject, tmp_path: Path):
    path = tmp_path / "a.hdr"
    path.write_bytes(data.draw(damaged(hdr())))
    survives(lambda: read_linear(path))
    survives(lambda: LightMaps(tmp_path).add(path.read_bytes()), inside=tmp_path)


@given(data=st.data())
def test_exr_maps(data: st.DataObject, tmp_path: Path):
    good, path = tmp_path / "good.exr", tmp_path / "a.exr"
    if not good.exists():
        with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": PIXELS.astype(np.float32)}) as file:
            file.write(str(good))
    path.write_bytes(data.draw(damaged(good.read_bytes())))
    survives(lambda: read_linear(path))
    survives(lambda: LightMaps(tmp_path).add(path.read_bytes()), inside=tmp_path)


LAMPS = {
    "ambient": [0.1, 0.1, 0.1],
    "lamps": [
        {"kind": "area", "position_m": [0.8, 0.5, 0.9], "size_m": [0.6, 0.9], "color": "#fff1e0", "intensity": 2},
        {"kind": "directional", "azimuth_deg": 45, "elevation_deg": 40, "angle_deg": 0.5, "intensity": 3},
    ],
}


@given(data=st.data())
def test_lamp_files(data: st.DataObject, tmp_path: Path):
    path = tmp_path / "a.yaml"
    text = json.dumps(LAMPS).encode()
    path.write_bytes(data.draw(st.one_of(reshaped(LAMPS), damaged(text))))
    survives(lambda: read_lamps(path, most_lamps=4))


@given(data=st.data())
def test_presets(data: st.DataObject, tmp_path: Path):
    path = tmp_path / "a.yaml"
    good = b"train:\n  steps: 20\nviews:\n  names: [front]\n  size_px: 96\nfinish: {size: 96}\n"
    preset = {"train": {"steps": 20}, "views": {"names": ["front"]}, "gate": {"warn_invented": 0.1}}
    path.write_bytes(data.draw(st.one_of(damaged(good), reshaped(preset))))
    survives(lambda: load_config(str(path)))


FRAME = {"file_path": "a.png", "transform_matrix": np.eye(4).tolist(), "w": 32, "h": 24, "k1": 0.1}
CAPTURE = {"camera_model": "OPENCV", "fl_x": 40.0, "fl_y": 40.0, "cx": 16.0, "cy": 12.0, "frames": [FRAME, FRAME]}


@given(data=st.data())
def test_transforms(data: st.DataObject, tmp_path: Path):
    (tmp_path / "a.png").write_bytes(PICTURES["PNG"])
    path = tmp_path / "transforms.json"
    path.write_bytes(data.draw(st.one_of(reshaped(CAPTURE), damaged(json.dumps(CAPTURE).encode()))))

    def read() -> None:
        for frame in read_capture(path):
            assert frame.file.resolve().is_relative_to(tmp_path.resolve())
            assert np.isfinite(frame.camera.c2w).all()

    survives(read)


COLMAP = {
    "cameras.bin": struct.pack("<QiiQQ4d", 1, 1, 1, 32, 24, 40, 40, 16, 12),
    "images.bin": struct.pack("<Qi7di", 1, 1, 1, 0, 0, 0, 0, 0, 2, 1) + b"a.png\0" + struct.pack("<Qddq", 1, 1, 2, -1),
    "cameras.txt": b"1 PINHOLE 32 24 40 40 16 12\n",
    "images.txt": b"1 1 0 0 0 0 0 2 1 a.png\n1 2 -1\n",
}


@pytest.mark.parametrize("suffix", ["bin", "txt"])
@given(data=st.data())
def test_colmap_models(suffix: str, data: st.DataObject, tmp_path: Path):
    folder = store.make_folder(tmp_path / suffix)
    hurt = data.draw(st.sampled_from(["cameras", "images"]))
    for name in ("cameras", "images"):
        good = COLMAP[f"{name}.{suffix}"]
        (folder / f"{name}.{suffix}").write_bytes(data.draw(damaged(good)) if name == hurt else good)
    survives(lambda: read_colmap(folder))


TENSORS = save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4, dtype=torch.int64)})


@given(data=st.data())
def test_tensors(data: st.DataObject, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data.draw(damaged(TENSORS)))
    survives(lambda: store.read_tensors(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("subject") / "me"
    write_folder(place)
    return place


@pytest.mark.parametrize(
    "name", ["subject.json", "photos/photos.json", "views/front/view.json", "views/front/depth.png"]
)
@given(data=st.data())
def test_subject_folders(name: str, data: st.DataObject, folder: Path):
    path = folder / name
    good = path.read_bytes()
    try:
        choices = [damaged(good)]
        if name.endswith(".json"):
            choices.append(reshaped(json.loads(good)))
        path.write_bytes(data.draw(st.one_of(choices)))
        survives(lambda: Subject(folder).ledger())
        survives(lambda: read_photos(folder / "photos"))
        survives(lambda: read_view(folder / "views" / "front"))
    finally:
        path.write_bytes(good)


@given(data=st.data())
def test_lists_of_deliveries(data: st.DataObject, folder: Path):
    good = {"format": "head3d.deliveries", "version": 1, "files": {"/tmp/a.png": "0" * 64}}
    (folder / "deliveries.json").write_bytes(data.draw(reshaped(good)))
    survives(lambda: deliveries(Subject(folder)))


GLB = sample()


@given(data=st.data())
def test_glb_files(data: st.DataObject, tmp_path: Path):
    path = tmp_path / "a.glb"
    path.write_bytes(data.draw(damaged(GLB)))
    survives(lambda: read_glb(path))


@given(data=st.data())
def test_videos(data: st.DataObject, tmp_path: Path):
    good, path = tmp_path / "good.avi", tmp_path / "a.avi"
    if not good.exists():
        writer = cv2.VideoWriter(str(good), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (32, 24))
        for _ in range(4):
            writer.write(PIXELS)
        writer.release()
    path.write_bytes(data.draw(damaged(good.read_bytes())))
    survives(lambda: sharp_frames(path, "a.avi"))


def test_what_ten_thousand_cases_found(tmp_path: Path, folder: Path):
    """A kind or a model that is a list, numbers no float can hold, an entry that is nothing."""
    lamp = LAMPS["lamps"][0]
    for wrong in ({"kind": []}, {"intensity": 10**400}, {"size_m": [10**400, 1]}, {"size_m": [1, float("inf")]}):
        path = tmp_path / "a.json"
        path.write_text(json.dumps({"lamps": [{**lamp, **wrong}]}))
        with pytest.raises(Head3DError):
            read_lamps(path, most_lamps=4)
    (tmp_path / "transforms.json").write_text(json.dumps({"camera_model": [], "frames": [{"file_path": "a.png"}]}))
    with pytest.raises(Head3DError):
        read_capture(tmp_path / "transforms.json")
    place = Path(shutil.copytree(folder, tmp_path / "me")) / "photos" / "photos.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "photos": [None]}))
    with pytest.raises(Head3DError):
        read_photos(place.parent)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path):
    """A few kB that would be gigabytes: pictures by their header, and text that was never a picture."""
    wide = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    header = b"IHDR" + wide
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    for content in (png, gzip.compress(b"\0" * 50_000_000)):
        with pytest.raises(Head3DError):
            decode(content, max_side_px=512, max_pixels=4_000_000)
    yaml = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + k)}: &{chr(98 + k)} [{','.join([f'*{chr(97 + k)}'] * 9)}]\n" for k in range(8)
    )
    path = tmp_path / "bomb.yaml"
    path.write_text(yaml)
    survives(lambda: read_lamps(path, most_lamps=4))
    survives(lambda: load_config(str(path)))

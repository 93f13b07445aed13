"""Captures of other programs: nerfstudio's transforms.json and COLMAP models, text and binary."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from head3d.capture.config import CaptureConfig
from head3d.capture.files import find_capture
from head3d.capture.known_cameras import KnownCamera, read_capture, spread
from head3d.capture.photos import gather
from head3d.capture.rectify import rectified
from head3d.capture.types import Photo
from head3d.errors import InputError, PhotoUnusable

WIDTH, HEIGHT = 320, 240


def pose(yaw_deg: float, *, far: float = 2.0) -> np.ndarray:
    """A camera (OpenCV axes) on a circle about the origin, looking at it."""
    s, c = math.sin(math.radians(yaw_deg)), math.cos(math.radians(yaw_deg))
    result = np.eye(4)
    result[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.diag([1.0, -1.0, -1.0])
    result[:3, 3] = far * np.array([s, 0, c])
    return result


def picture(path: Path, seed: int) -> None:
    """A picture that is like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)).save(path)


@pytest.fixture
def transforms(tmp_path: Path) -> Path:
    """Three frames in nerfstudio's convention."""
    frames = []
    for k in range(3):
        picture(tmp_path / "images" / f"{k}.png", k)
        matrix = pose(20.0 * k) @ np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append({"file_path": f"images/{k}.png", "transform_matrix": matrix.tolist()})
    content = {"fl_x": 400.0, "fl_y": 400.0, "cx": 150.0, "cy": 130.0, "w": WIDTH, "h": HEIGHT, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def colmap(tmp_path: Path) -> Path:
    """The same as a COLMAP model, text and binary."""
    place = tmp_path / "model" / "sparse" / "0"
    place.mkdir(parents=True)
    (place / "cameras.txt").write_text(f"# cameras\n7 OPENCV {WIDTH} {HEIGHT} 400 410 150 130 0.1 -0.02 0.001 0\n")
    lines, body = ["# images"], b""
    for k in range(3):
        picture(tmp_path / "model" / "images" / f"{k}.png", k)
        w2c = np.linalg.inv(pose(20.0 * k))
        # camera's rotation from the world, as a quaternion by Rodrigues' axis and angle
        axis = cv2.Rodrigues(w2c[:3, :3])[0][:, 0]
        angle = float(np.linalg.norm(axis))
        q = [math.cos(angle / 2), *(math.sin(angle / 2) * axis / angle)]
        numbers = [*q, *w2c[:3, 3]]
        lines += [" ".join([str(k + 1), *(repr(float(n)) for n in numbers), "7", f"{k}.png"]), "1.0 2.0 -1"]
        body += (
            struct.pack("<i7di", k + 1, *numbers, 7) + f"{k}.png".encode() + b"\0" + struct.pack("<Qddq", 1, 1, 2, -1)
        )
    (place / "images.txt").write_text("\n".join(lines) + "\n")
    binary = tmp_path / "binary"
    binary.mkdir()
    camera = struct.pack("<iiQQ8d", 7, 4, WIDTH, HEIGHT, 400, 410, 150, 130, 0.1, -0.02, 0.001, 0)
    (binary / "cameras.bin").write_bytes(struct.pack("<Q", 1) + camera)
    (binary / "images.bin").write_bytes(struct.pack("<Q", 3) + body)
    for k in range(3):
        picture(binary / "images" / f"{k}.png", k)
    return tmp_path


def known(path: Path):
    found = find_capture(path)
    assert found is not None
    return read_capture(found)


def test_transforms_become_opencv_cameras(transforms: Path):
    frames = known(transforms)
    assert [frame.file.name for frame in frames] == ["0.png", "1.png", "2.png"]
    for k, frame in enumerate(frames):
        assert np.allclose(frame.camera.c2w, pose(20.0 * k), atol=1e-9)
        assert frame.camera.focal_px == (400.0, 400.0) and frame.camera.size == (HEIGHT, WIDTH)
    assert known(transforms / "transforms.json")[0].camera.principal_px == (150.0, 130.0)


def test_text_and_binary_colmap_say_the_same(colmap: Path):
    text, binary = known(colmap / "model"), known(colmap / "binary")
    assert len(text) == len(binary) == 3
    for k, (one, other) in enumerate(zip(text, binary, strict=True)):
        assert np.allclose(one.camera.c2w, pose(20.0 * k), atol=1e-9)
        assert np.allclose(one.camera.c2w, other.camera.c2w)
        assert one.camera.lens == other.camera.lens == (0.1, -0.02, 0.001, 0.0)
        assert one.camera.focal_px == other.camera.focal_px == (400.0, 410.0)


def test_photos_of_a_capture_keep_their_cameras(transforms: Path):
    photos, verdicts = gather([transforms], config=CaptureConfig(max_side_px=256))
    assert all(one.accepted for one in verdicts) and len(photos) == 3
    for k, photo in enumerate(photos):
        assert photo.size == (192, 256) and photo.c2w is not None and photo.K is not None
        assert np.allclose(photo.c2w, pose(20.0 * k))
        assert photo.K.tolist() == [[320.0, 0.0, 120.0], [0.0, 320.0, 104.0], [0.0, 0.0, 1.0]]
    assert not photos[0].video


def test_cameras_can_be_ignored(transforms: Path):
    photos, _ = gather([transforms / "images"])
    assert photos[0].c2w is None
    photos, _ = gather([transforms / "images"], config=CaptureConfig(cameras="ignore"))
    assert photos[0].c2w is None


def test_of_a_large_capture_the_frames_that_stand_apart_are_candidates(transforms: Path):
    photos, _ = gather([transforms], config=CaptureConfig(max_photos=2))
    assert [photo.video for photo in photos] == [f"capture {transforms.name}"] * 3
    frames = known(transforms)
    many = [frames[0], *[frames[1]] * 50, frames[2]]
    assert len(spread(many, count=3)) == 3 and {one.file.name for one in spread(many, count=3)} == {
        "0.png", "1.png", "2.png",
    }  # fmt: skip


@pytest.mark.parametrize("fisheye", [False, True])
def test_a_distorted_dot_comes_to_where_a_pinhole_sees_it(fisheye: bool):
    lens = (0.2, -0.05, 0.0, 0.0) if fisheye else (-0.25, 0.05, 0.002, -0.001, 0.0)
    camera = KnownCamera(np.eye(4), (300.0, 330.0), (170.0, 115.0), (HEIGHT, WIDTH), lens, fisheye)
    point = np.array([[[0.25, -0.15, 1.0]]])
    K = np.array([[300.0, 0, 169.5], [0, 330.0, 114.5], [0, 0, 1.0]])  # OpenCV counts from the middle of a pixel
    if fisheye:
        seen = cv2.fisheye.projectPoints(point, np.zeros(3), np.zeros(3), K, np.array(lens))[0][0, 0]
    else:
        seen = cv2.projectPoints(point, np.zeros(3), np.zeros(3), K, np.array(lens))[0][0, 0]
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    dot = np.exp(-((x - seen[0]) ** 2 + (y - seen[1]) ** 2) / (2 * 3.0**2))
    photo = Photo("a", np.repeat((dot * 255).astype(np.uint8)[..., None], 3, -1), None, "0")
    made = rectified(photo, camera)
    assert made.K is not None and made.K[0, 0] == made.K[1, 1] == made.focal_px
    weight = made.rgb_srgb[..., 0].astype(float)
    found = np.array([(weight * (x + 0.5)).sum(), (weight * (y + 0.5)).sum()]) / weight.sum()
    wanted = (made.K @ point[0, 0])[:2]
    assert np.abs(found - wanted).max() < 0.3


def test_a_camera_for_another_shape_is_refused(transforms: Path):
    content = json.loads((transforms / "transforms.json").read_text())
    content["w"] = 640
    (transforms / "transforms.json").write_text(json.dumps(content))
    photos, verdicts = gather([transforms])
    assert not photos and "another shape" in verdicts[0].reasons[0]
    with pytest.raises(PhotoUnusable):
        rectified(
            Photo("a", np.zeros((10, 10, 3), np.uint8), None, "0"),
            KnownCamera(np.eye(4), (1.0, 1.0), (1.0, 1.0), (10, 30)),
        )


BAD: list[tuple[dict[str, Any], str]] = [
    ({"frames": []}, "no frames"),
    ({"camera_model": "SIMPLE_DIVISION"}, "SIMPLE_DIVISION"),
    ({"fl_x": "long"}, "fl_x is no number"),
    ({"fl_x": -3.0, "fl_y": -3.0}, "no focal length"),
    ({"frames": [{"file_path": "../../etc/passwd", "transform_matrix": np.eye(4).tolist()}]}, "outside"),
    ({"frames": [{"file_path": "/etc/passwd", "transform_matrix": np.eye(4).tolist()}]}, "outside"),
    ({"frames": [{"file_path": "images/9.png", "transform_matrix": np.eye(4).tolist()}]}, "no picture"),
    ({"frames": [{"file_path": "images/0.png", "transform_matrix": [[1, 2], [3]]}]}, "no 4 x 4"),
    ({"frames": [{"file_path": "images/0.png", "transform_matrix": np.diag([1, 2, 3, 1]).tolist()}]}, "no rotation"),
]


@pytest.mark.parametrize(("change", "told"), BAD, ids=[told for _, told in BAD])
def test_what_is_wrong_is_named(transforms: Path, change: dict[str, Any], told: str):
    content = json.loads((transforms / "transforms.json").read_text()) | change
    (transforms / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=told):
        gather([transforms])


def test_a_link_out_of_the_capture_is_not_followed(transforms: Path, tmp_path_factory: pytest.TempPathFactory):
    secret = tmp_path_factory.mktemp("elsewhere") / "x.png"
    picture(secret, 9)
    (transforms / "images" / "0.png").unlink()
    (transforms / "images" / "0.png").symlink_to(secret)
    with pytest.raises(InputError, match="outside"):
        gather([transforms])


def test_a_cut_colmap_model_is_named(colmap: Path):
    path = colmap / "binary" / "images.bin"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="ends too early"):
        gather([colmap / "binary"])

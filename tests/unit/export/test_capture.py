"""A set of pictures with cameras, as nerfstudio's convention says and as our own truth reader reads it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh

from head3d.bench_truth import load_truth
from head3d.errors import ConfigError
from head3d.export.nerfstudio import ring_angles
from head3d.geometry.cameras import project
from tests.unit.export.balls import RADIUS_M
from tests.unit.export.capture import write_ball


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ball(tmp_path_factory.mktemp("capture"))


def test_a_pixel_its_depth_and_its_camera_meet_on_the_surface(folder: Path):
    meta = json.loads((folder / "transforms.json").read_text())
    for entry in meta["frames"]:
        levels = cv2.imread(str(folder / entry["depth_file_path"]), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(folder / entry["mask_path"]), cv2.IMREAD_UNCHANGED)
        assert levels is not None and mask is not None
        depth = levels * meta["depth_unit_scale_factor"]
        assert depth.shape == mask.shape == (entry["h"], entry["w"])
        row, column = np.argwhere(mask == 255)[len(np.argwhere(mask == 255)) // 2]
        z = depth[row, column]
        # OpenGL: x right, y up, looking along -z
        x, y = (column + 0.5 - entry["cx"]) / entry["fl_x"] * z, (row + 0.5 - entry["cy"]) / entry["fl_y"] * z
        point = np.array(entry["transform_matrix"]) @ [x, -y, -z, 1.0]
        assert np.linalg.norm(point[:3]) == pytest.approx(RADIUS_M, abs=1.5e-3)
        assert np.all(depth[mask == 0] == 0)


def test_our_own_reader_of_truth_reads_it(folder: Path):
    truth = load_truth(folder)
    assert [frame.camera.size for frame in truth.frames] == [(48, 64)] * 3
    front = truth.frames[0].camera
    pixels, depth = project(torch.tensor([[0.0, 0.05, 0.0]]), front.c2w[0], front.K[0])
    assert float(pixels[0, 1]) < 24 and float(depth) == pytest.approx(1.5, abs=1e-4), "up is up"


def test_points_are_a_cloud_with_colours(folder: Path):
    cloud = trimesh.load(folder / "sparse_pc.ply")
    assert isinstance(cloud, trimesh.PointCloud)
    assert len(cloud.vertices) == 100 and np.asarray(cloud.colors)[0, :3].tolist() == [128] * 3


@pytest.mark.parametrize("count", [3, 8, 72])
def test_rings_are_complete_and_their_cameras_apart(count: int):
    angles = ring_angles(count)
    assert len(set(angles)) == count == len(angles)
    with pytest.raises(ConfigError, match="none"):
        ring_angles(2)

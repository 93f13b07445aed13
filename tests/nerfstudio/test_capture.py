"""What ``head3d export --format transforms`` writes, as nerfstudio's own parser of transforms.json reads it."""

# nerfstudio is not in the environment of the checks
# pyright: reportMissingImports=false

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from head3d.export.nerfstudio import DEPTH_STEP_M
from tests.unit.export.balls import RADIUS_M
from tests.unit.export.capture import write_ball


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ball(tmp_path_factory.mktemp("capture"))


def parsed(folder: Path, **options):
    """Every picture, in the folder's own axes and metres."""
    from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig

    config = NerfstudioDataParserConfig(
        data=folder,
        downscale_factor=1,
        orientation_method="none",
        center_method="none",
        auto_scale_poses=False,
        eval_mode="all",
        depth_unit_scale_factor=DEPTH_STEP_M,
        **options,
    )
    return config.setup().get_dataparser_outputs("train")


def test_cameras_files_and_masks_are_all_there(folder: Path):
    outputs, meta = parsed(folder), json.loads((folder / "transforms.json").read_text())
    cameras, frames = outputs.cameras, meta["frames"]
    assert len(cameras) == len(outputs.image_filenames) == len(outputs.mask_filenames or []) == len(frames)
    for k, entry in enumerate(frames):
        assert np.allclose(cameras.camera_to_worlds[k], np.array(entry["transform_matrix"])[:3], atol=1e-6)
        lens = [float(getattr(cameras, name)[k]) for name in ("fx", "fy", "cx", "cy")]
        assert np.allclose(lens, [entry[name] for name in ("fl_x", "fl_y", "cx", "cy")], atol=1e-4)
        assert (int(cameras.height[k]), int(cameras.width[k])) == (entry["h"], entry["w"])


def test_a_ray_of_nerfstudios_meets_the_surface_where_the_depth_says(folder: Path):
    outputs = parsed(folder)
    for k, (depths, masks) in enumerate(zip(outputs.metadata["depth_filenames"], outputs.mask_filenames, strict=True)):
        depth = np.asarray(Image.open(depths)).astype(np.float64) * outputs.metadata["depth_unit_scale_factor"]
        inside = np.argwhere(np.asarray(Image.open(masks)) == 255)
        row, column = inside[len(inside) // 2]
        rays = outputs.cameras.generate_rays(k, coords=torch.tensor([row + 0.5, column + 0.5]))
        # depth is along the camera's axis, a ray's direction of length 1
        along = float(rays.metadata["directions_norm"])
        point = rays.origins.numpy() + rays.directions.numpy() * along * depth[row, column]
        assert np.linalg.norm(point) == pytest.approx(RADIUS_M, abs=1.5e-3)


def test_the_cloud_of_points_is_loaded_where_it_is(folder: Path):
    pytest.importorskip("open3d", reason="nerfstudio reads clouds through it")
    points = parsed(folder, load_3D_points=True).metadata["points3D_xyz"].numpy()
    assert points.shape == (100, 3) and np.allclose(np.linalg.norm(points, axis=1), RADIUS_M, atol=2e-3)

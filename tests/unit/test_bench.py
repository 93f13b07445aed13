"""The benchmark must give perfect scores to the truth itself, and find out what is wrong with what is not."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from head3d.bench import to_json
from head3d.bench_align import Similarity, match_surface
from head3d.bench_metrics import boundary_error_px
from head3d.bench_reconstruct import Reconstruction
from head3d.bench_run import Anatomy, bench_subject
from head3d.bench_truth import Truth, TruthFrame, frontal_frame, load_truth, photo_of, pick_inputs, thinned
from head3d.config import Config
from head3d.errors import ConfigError, InputError
from head3d.geometry.cameras import Cameras, intrinsics, pixel_grid, pixel_rays
from head3d.geometry.conventions import flip_camera_axes
from head3d.geometry.sh import ambient, irradiance_basis, project_directional
from head3d.imaging.color import levels_from_linear
from head3d.imaging.io import write_image
from head3d.render.types import RenderOutput

SIZE = 80
AXES = torch.tensor([0.55, 0.7, 0.85])
"""Half axes of the egg that plays the head, truth units (z up)."""
_UPRIGHT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
_TILT = Rotation.from_euler("xyz", [3, -5, 2], degrees=True).as_matrix()
WORLD_FROM_HEAD = Similarity(6.5, _UPRIGHT @ _TILT, np.array([0.03, -0.05, 0.1]))
LIGHT = ambient(torch.full((3,), 0.5)) + project_directional(torch.tensor([0.3, -0.9, 0.3]), torch.full((3,), 0.6))


def pose(azimuth_deg: float, elevation_deg: float) -> Cameras:
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    back = torch.tensor([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0]), back), dim=0)
    c2w = torch.eye(4)
    c2w[:3, :3] = torch.stack([right, torch.linalg.cross(back, right), back], dim=1)
    c2w[:3, 3] = 4 * back
    return Cameras(flip_camera_axes(c2w)[None], intrinsics(SIZE * 1.5, (SIZE, SIZE))[None], (SIZE, SIZE))


def egg(camera: Cameras, light: torch.Tensor = LIGHT) -> RenderOutput:
    """The egg from a camera of the truth world, lit in that world."""
    o, d = pixel_rays(pixel_grid(*camera.size), camera.c2w[0], camera.K[0])
    a, b = (d / AXES).square().sum(1), ((o / AXES) * (d / AXES)).sum(1)
    root = b * b - a * ((o / AXES).square().sum(1) - 1)
    t = (-b - root.clamp_min(0).sqrt()) / a
    points = o + t[:, None] * d
    normal = torch.nn.functional.normalize(points / AXES**2, dim=1)
    albedo = 0.4 + 0.2 * torch.sin(points * 7)
    rgb = albedo * (irradiance_basis(normal) @ light)
    hit = (root > 0).float()[:, None]
    depth = t * (d @ camera.c2w[0, :3, 2])
    shape = camera.size
    return RenderOutput(
        (rgb * hit).reshape(*shape, 3), (albedo * hit).reshape(*shape, 3), (normal * hit).reshape(*shape, 3),
        hit.reshape(shape), (depth * hit[:, 0]).reshape(shape),
    )  # fmt: skip


def truth(light: torch.Tensor = LIGHT, name: str = "egg") -> Truth:
    frames = []
    for i, (azimuth, elevation) in enumerate(
        [(0, 0), (30, 0), (60, 0), (120, 0), (180, 0), (-30, 0), (-60, 0), (20, 15)]
    ):
        camera = pose(azimuth, elevation)
        seen = egg(camera, light)
        frames.append(
            TruthFrame(
                f"{i:03d}", levels_from_linear(seen.rgb_linear), seen.alpha.numpy(), camera, seen.depth_m, seen.normal
            )
        )
    return Truth(name, tuple(frames))


ANATOMY = Anatomy(
    eyes_px=np.array([[33.0, 34.0], [47.0, 34.0]]),
    chin_px=np.array([40.0, 58.0]),
    outline_px=np.array([[30.0, 28.0], [50.0, 28.0], [40.0, 58.0]]),
)


def perfect(photos, *, cameras, config, emit, turned_deg=0.0, gain=1.0):
    """A pipeline that knows the egg; optionally one whose cameras are wrong or whose pictures are too bright."""
    del cameras, config, emit
    frames = {f"{frame.name}.png": frame for frame in truth().frames}
    found = []
    for i, photo in enumerate(photos):
        camera = WORLD_FROM_HEAD.camera_to_head(frames[photo.name].camera)
        turn = Rotation.from_euler("y", turned_deg if i == 0 else 0.0, degrees=True).as_matrix()
        c2w = torch.eye(4)
        c2w[:3] = torch.from_numpy(turn).float() @ camera.c2w[0, :3]
        found.append(replace(camera, c2w=c2w[None]))
    to_world = torch.from_numpy(WORLD_FROM_HEAD.rotation).float()

    def render(camera: Cameras, sh: torch.Tensor) -> RenderOutput:
        c2w = torch.eye(4)
        c2w[:3, :3] = to_world @ camera.c2w[0, :3, :3]
        c2w[:3, 3] = torch.from_numpy(WORLD_FROM_HEAD.to_truth(camera.c2w[:, :3, 3].double().numpy()))[0]
        seen = egg(replace(camera, c2w=c2w[None]))
        normal = seen.normal @ to_world
        lit = seen.rgb_linear if sh.abs().sum() == 0 else seen.albedo * (irradiance_basis(normal) @ sh)
        return RenderOutput(lit * gain, seen.albedo, normal, seen.alpha, seen.depth_m / WORLD_FROM_HEAD.scale)

    return Reconstruction(tuple(p.name for p in photos), tuple(found), torch.zeros(9, 3), render, {"fit": 1.0})


def bench(pipeline=perfect, inputs=(0, 1, 5), **options):
    return bench_subject(
        truth(), inputs=inputs, cameras="hidden", config=Config(), run=pipeline, anatomy=ANATOMY, **options
    )


@pytest.mark.weights
class TestBenchSubject:
    def test_the_truth_itself_scores_perfectly(self):
        result = to_json(bench())
        assert result["psnr_db"] > 48 and result["ssim"] > 0.999 and result["lpips_alex"] < 0.001
        assert result["pose_error_deg"] < 0.01 and result["focal_error_pct"] < 0.01
        assert result["alpha_iou"] > 0.999 and result["boundary_px"] < 0.05
        assert result["depth_rmse_mm"] < 0.1 and result["normal_error_deg"] < 0.1
        assert result["mesh_error_mm"]["median"] < 0.1
        assert result["n"] == 5 and set(result["by_yaw"]) == {"0-30", "30-60", "90-180"}
        json.dumps(result, allow_nan=False)

    def test_one_input_still_finds_the_scale(self):
        result = to_json(bench(inputs=(0,)))
        assert result["psnr_db"] > 45 and result["depth_rmse_mm"] < 0.3

    def test_pictures_too_bright_by_a_tenth_lose_decibels_only(self):
        result = to_json(bench(lambda *a, **k: perfect(*a, **k, gain=1.1)))
        assert 20 < result["psnr_db"] < 35 and result["alpha_iou"] > 0.999 and result["mesh_error_mm"]["median"] < 0.1

    def test_a_wrong_camera_shows_in_the_pose(self):
        result = bench(lambda *a, **k: perfect(*a, **k, turned_deg=3.0), inputs=(0, 1, 2, 5, 6))
        assert 1.0 < result.pose_error_deg["max"] < 3.5

    def test_another_light_is_solved_from_one_frame(self):
        other = ambient(torch.full((3,), 0.2)) + project_directional(
            torch.tensor([1.0, 0.0, 0.0]), torch.full((3,), 1.2)
        )
        result = to_json(bench(relight=truth(other, "egg_right")))
        assert result["relight"]["psnr_db"] > 30 and result["relight"]["n"] == 7


class TestInputs:
    def test_a_count_is_spread_over_yaw_and_stays_level(self):
        assert pick_inputs(truth(), "5") == (0, 1, 2, 5, 6)
        assert pick_inputs(truth(), "1") == (0,)

    def test_names_are_taken_as_they_are(self):
        assert pick_inputs(truth(), "4,0") == (4, 0)
        assert pick_inputs(truth(), "3,") == (3,)

    @pytest.mark.parametrize("spec", ["0,99", "x", "0", "7", "1,1"])
    def test_nonsense_is_named(self, spec):
        with pytest.raises(ConfigError, match="inputs"):
            pick_inputs(truth(), spec)

    def test_cameras_are_hidden(self):
        photo = photo_of(truth(), 0, focal_known=False)
        assert photo.focal_px is None and photo.alpha is not None
        assert photo.rgb_srgb[0, 0].tolist() == [128, 128, 128]


class TestLoadTruth:
    def test_opengl_poses_become_opencv_and_yaw_has_the_right_sign(self, tmp_path: Path):
        camera = pose(40.0, 10.0)
        pixels = np.zeros((8, 8, 4), np.uint8)
        write_image(tmp_path / "a.png", pixels)
        write_image(tmp_path / "d.png", np.full((8, 8), 2000, np.uint16))
        pose_opengl = flip_camera_axes(camera.c2w[0]).tolist()
        frame = {"file_path": "a.png", "depth_file_path": "d.png", "transform_matrix": pose_opengl}
        meta = {"fl_x": 20.0, "depth_unit_scale_factor": 1e-3, "frames": [frame]}
        (tmp_path / "transforms.json").write_text(json.dumps(meta))
        got = load_truth(tmp_path).frames[0]
        assert torch.allclose(got.camera.c2w, camera.c2w, atol=1e-6)
        # a camera on the subject's left (+x) sees a face turned to its own right
        assert got.yaw_deg == pytest.approx(-40, abs=1e-3) and got.pitch_deg == pytest.approx(-10, abs=1e-3)
        assert got.depth is not None and float(got.depth[0, 0]) == pytest.approx(2.0)

    def test_a_folder_without_transforms_is_named(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"transforms\.json"):
            load_truth(tmp_path)


class TestMeasures:
    def test_a_shift_of_three_pixels_is_a_boundary_error_of_about_three(self):
        first = np.zeros((60, 60), bool)
        first[:, 20:] = True
        second = np.roll(first, 3, axis=1)
        second[:, :3] = False
        assert boundary_error_px(first, second) == pytest.approx(3.0)

    def test_icp_undoes_a_similarity_and_keeps_a_bump(self):
        generator = np.random.default_rng(0)
        sphere = generator.normal(size=(20000, 3))
        normals = sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
        points = normals * np.array([0.08, 0.12, 0.1])
        planes = normals / np.array([0.08, 0.12, 0.1])
        planes /= np.linalg.norm(planes, axis=1, keepdims=True)
        true = Similarity(
            5.0, Rotation.from_euler("xyz", [5, 4, -3], degrees=True).as_matrix(), np.array([0.1, 0.2, -0.1])
        )
        start = Similarity(5.1, np.eye(3), np.array([0.12, 0.19, -0.08]))
        match = match_surface(true.to_truth(points[::7]), points, planes, start=start, rounds=60)
        assert np.median(match.distance_m) < 2e-5
        assert match.similarity.scale == pytest.approx(5.0, rel=2e-3)


def test_a_quick_look_keeps_inputs_and_the_front():
    whole = truth()
    inputs = pick_inputs(whole, "2,6")
    few, renumbered = thinned(whole, inputs, every=4)
    assert [few.frames[i].name for i in renumbered] == [whole.frames[i].name for i in inputs]
    assert whole.frames[frontal_frame(whole)].name in {frame.name for frame in few.frames}
    assert len(few.frames) < len(whole.frames)
    assert thinned(whole, inputs, every=1)[0].frames == whole.frames

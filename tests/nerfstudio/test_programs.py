"""nerfstudio's own programs on a subject: they train, render and export as for any of its methods."""

# nerfstudio is not in the environment of the checks
# pyright: reportMissingImports=false

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.nerfstudio.alexnet import write_alexnet

pytestmark = pytest.mark.weights
STEPS = 100


def program(name: str, *words: str, folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run one of the environment's programs to its end."""
    command = [str(Path(sys.executable).parent / name), *words]
    inside = {**os.environ, **(environment or {})}
    done = subprocess.run(
        command, cwd=folder, env=inside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture(scope="module")
def trained(subject: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ns-train head3d leaves: the path of its config."""
    folder = tmp_path_factory.mktemp("head3d")
    words = ["head3d", "--data", str(subject), "--output-dir", str(folder / "out"), "--vis", "tensorboard"]
    program("ns-train", *words, "--max-num-iterations", str(STEPS), folder=folder)
    (found,) = (folder / "out").rglob("config.yml")
    return found


def test_ns_train_goes_on_training_and_keeps_the_result(trained: Path):
    assert [one.name for one in trained.parent.rglob("*.ckpt")] == [f"step-{STEPS - 1:09d}.ckpt"]


def test_ns_render_shows_a_head_from_a_camera_in_front(trained: Path, tmp_path: Path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="ns-render wants an ffmpeg")
    (tmp_path / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    pose = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.9, 0, 0, 0, 1]
    size = {"render_height": 64, "render_width": 64}
    camera = {"camera_to_world": pose, "fov": 26, "aspect": 1}
    path = {"camera_type": "perspective", **size, "fps": 1, "seconds": 1, "is_cycle": False, "camera_path": [camera]}
    (tmp_path / "path.json").write_text(json.dumps(path))
    words = ["camera-path", "--load-config", str(trained), "--camera-path-filename", str(tmp_path / "path.json")]
    words += ["--output-path", str(tmp_path / "out.mp4"), "--output-format", "images", "--image-format", "png"]
    where = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    program("ns-render", *words, "--rendered-output-names", "rgb", folder=trained.parents[4], environment=where)
    (picture,) = tmp_path.rglob("*.png")
    shown = np.asarray(Image.open(picture).convert("RGB")).astype(float)
    assert shown.shape == (64, 64, 3)
    corner, face = shown[:6, :6], shown[26:40, 26:38].reshape(-1, 3).mean(0)
    assert corner.std() < 3 and abs(corner.mean() - 127.5) < 6, "grey behind the head"
    assert face[0] > face[2] + 10, "skin is redder than blue"


def test_ns_export_makes_a_cloud_of_points_on_the_head(trained: Path, tmp_path: Path):
    words = ["pointcloud", "--load-config", str(trained), "--output-dir", str(tmp_path), "--num-points", "2000"]
    words += ["--num-rays-per-batch", "2048", "--remove-outliers", "False"]
    words += ["--normal-method", "model_output", "--normal-output-name", "normals"]
    program("ns-export", *words, folder=trained.parents[4])
    header = (tmp_path / "point_cloud.ply").read_bytes()[:400].decode(errors="replace")
    assert int(header.split("element vertex ")[1].split()[0]) >= 2000


def test_nerfacto_trains_on_the_photos(subject: Path, tmp_path: Path):
    write_alexnet(tmp_path / "torch")
    words = ["nerfacto", "--output-dir", str(tmp_path / "out"), "--vis", "tensorboard", "--max-num-iterations", "10"]
    words += ["--machine.device-type", "cpu", "--mixed-precision", "False"]
    words += ["--pipeline.model.implementation", "torch", "--pipeline.model.log2-hashmap-size", "14"]
    words += ["--pipeline.datamanager.train-num-rays-per-batch", "128"]
    words += ["--steps-per-eval-image", "1000", "--steps-per-eval-batch", "1000"]
    environment = {"TORCH_HOME": str(tmp_path / "torch")}
    program("ns-train", *words, "--data", str(subject), "head3d-data", folder=tmp_path, environment=environment)
    assert list((tmp_path / "out").rglob("*.ckpt"))

"""What is installed is what is in the tree, and the layers list every module."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import head3d

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_of_the_tree_is_installed():
    inside = {f"head3d.{one.parent.name}" for one in (ROOT / "head3d").glob("*/__init__.py")}
    beside = {"head3d.configs", "head3d.cuda_ext", "head3d.viewer"}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == {"head3d"} | inside | beside


def test_every_module_has_its_layer():
    layers = " ".join(PROJECT["tool"]["importlinter"]["contracts"][0]["layers"])
    placed = {name.strip("()") for name in layers.replace("|", " ").replace(":", " ").split()}
    modules = {one.stem for one in (ROOT / "head3d").glob("*.py")} | {
        one.parent.name for one in (ROOT / "head3d").glob("*/__init__.py")
    }
    assert modules - {"__init__"} <= placed


def test_public_names_are_what_they_say_whatever_was_imported():
    """A module of the same name would be found instead, as soon as anything had imported it."""
    check = "import head3d.rendering; from head3d import *; print(callable(render_pictures), callable(run), Config())"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("True True Config(")
    modules = {one.stem for one in (ROOT / "head3d").iterdir()}
    assert not modules & set(head3d.__all__)


@pytest.mark.parametrize("module", ["head3d.config", "head3d.pipeline", "head3d.batch.run", "head3d.serve.run"])
def test_who_only_tells_others_what_to_do_needs_no_torch(module: str):
    """Whoever reads options, and whoever supervises work, is not to wait seconds for what only the work needs."""
    heavy = "{'torch', 'scipy', 'cv2', 'PIL', 'jaxtyping'}"
    check = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_whole_configuration_is_checked_without_torch():
    check = "import sys; from head3d import load_config; load_config('test'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_images_install_what_they_need_by_names_that_are_there():
    text = (ROOT / ".ci" / "Containerfile").read_text(encoding="utf-8")
    extras = {one for words in re.findall(r'"(?:/src|head3d)\[([a-z,]+)\]"', text) for one in words.split(",")}
    assert {"serve", "batch", "provenance", "ray"} <= extras <= set(PROJECT["project"]["optional-dependencies"])
    manifest = (ROOT / "head3d" / "batch" / "examples" / "kuberay_job.yaml").read_text(encoding="utf-8")
    image = re.findall(r"^ +image: (\S+)", manifest, re.MULTILINE)
    assert len(set(image)) == 1 and f"--target ray -t {image[0]} ." in text
    targets = re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE)
    assert "ray" in targets and targets[-1] == "serve", "the server is what is built where no target is named"

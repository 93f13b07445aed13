"""What is installed is what is in the tree, and the layers list every module."""

import tomllib
from pathlib import Path

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

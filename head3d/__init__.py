"""Photos of one person in, a relightable 3D head and any number of headshots out.

    from head3d import load_config, render_pictures, run
    subject = run(["a.jpg", "b.jpg"], "subjects/me", config=load_config("cpu"))
    render_pictures(subject, ["three-quarter-left"], light="rembrandt")

Dimension letters in shapes: N photos, R rays, S samples, P points, V vertices, F faces, L landmarks, I identity,
E expression, J joints, C channels, H W pixels. Conventions: :mod:`head3d.geometry.conventions`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from head3d.config import Config, load_config
    from head3d.pipeline import run
    from head3d.rendering import render_pictures
    from head3d.subject import Subject

__version__ = "0.1.0"
__all__ = ["Config", "Subject", "load_config", "render_pictures", "run"]

_HOMES = {
    "Config": "config",
    "Subject": "subject",
    "load_config": "config",
    "render_pictures": "rendering",
    "run": "pipeline",
}
"""Modules of the public names. None may be a module's own name: once imported, that would be found instead."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: ``import head3d`` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'head3d' has no attribute {name!r}")
    return getattr(importlib.import_module(f"head3d.{_HOMES[name]}"), name)

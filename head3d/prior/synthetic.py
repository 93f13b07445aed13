"""Synthetic people with exact truth: ``open_studio``, ``make_person``, ``pictures``."""

from functools import cache
from pathlib import Path
from typing import Literal

import torch

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.morphable.head_model import load_head_model
from head3d.prior.light import StudioLight, draw_light
from head3d.prior.people import Casting, SyntheticPerson, cast_person, prepare_casting
from head3d.prior.picture import SyntheticPictures, pictures

__all__ = [
    "Casting",
    "StudioLight",
    "SyntheticPerson",
    "SyntheticPictures",
    "draw_cameras",
    "draw_light",
    "make_person",
    "open_studio",
    "pictures",
    "truth_studio",
]

FRAME_M = 0.44
"""Height of what a picture shows: head and shoulders."""


def open_studio(
    source: Literal["anny", "ict"] = "anny", *, path: Path | None = None, hair_folder: Path | None = None
) -> Casting:
    """Load a head model and prepare for its people: a few seconds, once.

    Args:
        source: Which head model (see ``load_head_model``); ``ict`` has no shoulders.
        path: Where it is.
        hair_folder: Where artists' hair is (see ``hair_meshes``); without it, or where it has none, all hair is grown.
    """
    return prepare_casting(load_head_model(source, path=path), hair_folder=hair_folder)


@cache
def truth_studio(data: Path) -> Casting:
    """The studio of the default head model with the artists' hair of the truth data, if it is there; opened once."""
    hair = data / "head_models"
    return open_studio("anny", hair_folder=hair if hair.is_dir() else None)


def make_person(casting: Casting, seed: int) -> SyntheticPerson:
    """A random person; the same seed makes the same one."""
    return cast_person(casting, torch.Generator().manual_seed(seed))


def draw_cameras(
    generator: torch.Generator,
    *,
    count: int,
    size: tuple[int, int] = (256, 256),
    yaw_deg: float = 75.0,
    pitch_deg: float = 20.0,
    distance_m: tuple[float, float] = (0.5, 1.6),
) -> Cameras:
    """Draw cameras that see head and shoulders from within these angles and distances (log-uniform)."""
    poses, matrices = [], []
    for yaw, pitch, distance in (torch.rand(count, 3, generator=generator)).tolist():
        away = distance_m[0] * (distance_m[1] / distance_m[0]) ** distance
        poses.append(
            look_at_head(
                yaw_deg=(2 * yaw - 1) * yaw_deg,
                pitch_deg=(2 * pitch - 1) * pitch_deg,
                distance_m=away,
                target_m=torch.tensor([0.0, 0.0, 0.0]),
            )
        )
        matrices.append(intrinsics(size[0] * away / FRAME_M, size))
    return Cameras(torch.stack(poses), torch.stack(matrices), size)

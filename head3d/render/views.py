"""Named angles, framing and studio light: what a picture of the head shows when nobody says more."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.sh import Lighting, ambient, project_directional
from head3d.render.types import View

ANGLES: dict[str, tuple[float, float]] = {
    "front": (0.0, 0.0),
    "left-20": (20.0, 0.0),
    "right-20": (-20.0, 0.0),
    "three-quarter-left": (40.0, 0.0),
    "three-quarter-right": (-40.0, 0.0),
    "profile-left": (85.0, 0.0),
    "profile-right": (-85.0, 0.0),
    "slightly-above": (0.0, -15.0),
    "slightly-below": (0.0, 15.0),
    "back": (180.0, 0.0),
}
"""Yaw and pitch (degrees) of the head by name; yaw > 0 turns the face to its own left, a camera above sees it pitched
down."""

LightName = Literal["soft-front", "rembrandt", "split", "rim"]
LIGHTS: tuple[LightName, ...] = ("soft-front", "rembrandt", "split", "rim")

HEAD_HEIGHT_M = 0.235
"""Chin to crown of an adult, with a little hair."""
HEAD_CENTRE_M = (0.0, -0.008, 0.015)
"""Middle of the picture, head frame: below the middle of the head, so that shoulders show and no empty sky."""
HEAD_SHARE = 0.57
"""Part of the picture's height that the head takes."""
FULL_FRAME_HEIGHT_MM = 24.0
"""Height of the 35 mm format that focal lengths are quoted for."""


def named_view(
    name: str,
    *,
    size: tuple[int, int] = (1024, 1024),
    light: LightName | Lighting = "soft-front",
    yaw_deg: float | None = None,
    pitch_deg: float | None = None,
    distance_m: float = 1.5,
    focal_mm: float | None = None,
    centre_m: tuple[float, float, float] = HEAD_CENTRE_M,
    head_height_m: float = HEAD_HEIGHT_M,
) -> View:
    """A head-and-shoulders picture from a named angle, or any other.

    Args:
        name: One of ``ANGLES``, or any name if ``yaw_deg`` is given.
        size: (height, width) px.
        light: A preset, or light in the head frame.
        yaw_deg: Turn of the head to its own left; overrides the name's.
        pitch_deg: Turn of the head up; overrides the name's.
        distance_m: From the camera to the middle of the head.
        focal_mm: 35 mm equivalent focal length of the picture's height (24 mm); by default the head takes 57 % of
            the picture's height.
        centre_m: Middle of the head, head frame.
        head_height_m: Chin to crown.
    """
    if name not in ANGLES and yaw_deg is None:
        raise ConfigError(
            f"No view is called {name}.", hint=f"Use one of {', '.join(ANGLES)}, or give a yaw and a pitch."
        )
    yaw, pitch = ANGLES.get(name, (0.0, 0.0))
    yaw = yaw if yaw_deg is None else yaw_deg
    pitch = pitch if pitch_deg is None else pitch_deg
    if distance_m < 0.35:
        raise ConfigError(f"A camera {distance_m} m from the head stands inside its box.", hint="Use at least 0.35 m.")
    height = size[0]
    focal_px = HEAD_SHARE * height * distance_m / head_height_m
    if focal_mm is not None:
        focal_px = focal_mm / FULL_FRAME_HEIGHT_MM * height
    c2w = look_at_head(yaw_deg=yaw, pitch_deg=pitch, distance_m=distance_m, target_m=torch.tensor(centre_m))
    camera = Cameras(c2w[None], intrinsics(focal_px, size)[None], size)
    if isinstance(light, Lighting):
        return View(name, camera, light, "photo")
    # studio lamps stand about the camera's side of the head: they turn with the view, as a photographer would move them
    return View(name, camera, studio_light(light, facing=c2w[:3, :3] @ torch.tensor([0.0, 0.0, -1.0])), light)


def studio_light(name: LightName, *, facing: Float[Tensor, "3"] | None = None) -> Lighting:
    """A studio light as smooth harmonics, head frame.

    Lamps are placed by azimuth (degrees, > 0 towards the subject's left) and elevation relative to halfway between the
    face and the camera, so that a profile is lit from its visible side. Directional lamps are windowed, so that no
    direction receives negative light.

    Args:
        name: Preset.
        facing: Unit direction from the head to the camera; straight in front if None.
    """
    warm, cool, white = torch.tensor([1.04, 1.0, 0.95]), torch.tensor([0.96, 1.0, 1.05]), torch.ones(3)
    lamps: list[tuple[float, float, Tensor]]
    match name:
        case "soft-front":
            base, lamps = 0.52 * white, [(25.0, 25.0, 1.0 * white), (-40.0, 15.0, 0.45 * white)]
        case "rembrandt":
            base, lamps = 0.24 * white, [(48.0, 40.0, 2.0 * warm), (-70.0, 5.0, 0.18 * cool)]
        case "split":
            base, lamps = 0.17 * white, [(88.0, 10.0, 2.3 * white)]
        case "rim":
            base, lamps = (
                0.30 * white,
                [(150.0, 30.0, 1.5 * cool), (-150.0, 30.0, 1.3 * warm), (0.0, 20.0, 0.6 * white)],
            )
    middle = 0.0
    if facing is not None:
        azimuth = math.degrees(math.atan2(float(facing[0]), float(facing[2])))
        middle = max(-60.0, min(60.0, 0.5 * azimuth)) if abs(azimuth) < 150 else azimuth
    sh = ambient(base)
    for azimuth, elevation, color in lamps:
        a, e = math.radians(azimuth + middle), math.radians(elevation)
        direction = torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
        sh = sh + window_sh(project_directional(direction, color))
    return Lighting(sh)


def window_sh(sh: Float[Tensor, "9 3"], *, strength: float = 0.12) -> Float[Tensor, "9 3"]:
    """Damp the higher bands (Sloan 2008): a lamp becomes a little softer and its far side no longer negative."""
    damping = torch.tensor([1.0] + [1 / (1 + strength * 1 * 4)] * 3 + [1 / (1 + strength * 4 * 9 / 2.25)] * 5)
    return sh * damping[:, None]

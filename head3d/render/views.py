"""Named angles and framing: what a picture of the head shows when nobody says more."""

from collections.abc import Sequence

import torch

from head3d.errors import ConfigError
from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.geometry.sh import Lighting
from head3d.render.angles import ANGLES, OWN_ANGLE
from head3d.render.lens import FULL_FRAME_HEIGHT_MM, HEAD_HEIGHT_M, HEAD_SHARE
from head3d.render.lights import ChosenLight
from head3d.render.rigs import LightName
from head3d.render.types import View

HEAD_CENTRE_M = (0.0, -0.008, 0.015)
"""Middle of the picture, head frame: below the middle of the head, so that shoulders show and no empty sky."""


def named_view(
    name: str,
    *,
    size: tuple[int, int] = (1024, 1024),
    light: LightName | ChosenLight | Lighting = "soft-front",
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
        light: A studio rig, a light that was chosen (see ``head3d.render.lights``), or light in the head frame.
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
    chosen = light if isinstance(light, ChosenLight) else ChosenLight(light, None, light)
    return View(name, camera, chosen.on(c2w), chosen.name)


def make_views(
    names: Sequence[str],
    *,
    light: ChosenLight,
    size_px: int,
    distance_m: float = 1.5,
    focal_mm: float | None = None,
) -> list[View]:
    """Views by name or angle.

    Args:
        names: Names of angles, or ``yaw`` or ``yaw/pitch`` in degrees.
        light: See :func:`head3d.render.lights.choose_light`.
        size_px: Height and width.
        distance_m: From the camera to the middle of the head.
        focal_mm: 35 mm equivalent; by default the head fills half of the height.
    """
    if not names:
        raise ConfigError("No view was asked for.", hint=f"There are {', '.join(ANGLES)}.")
    if size_px < 16:
        raise ConfigError(f"A picture of {size_px} px is too small.", hint="Use at least 16.")
    size = (size_px, size_px)
    views = []
    for name in dict.fromkeys(names):
        own = OWN_ANGLE.fullmatch(name)
        yaw, pitch = (float(own[1]), float(own[2] or 0.0)) if own else (None, None)
        label = f"yaw{yaw:+g}_pitch{pitch:+g}" if own else name
        views.append(
            named_view(
                label,
                size=size,
                light=light,
                yaw_deg=yaw,
                pitch_deg=pitch,
                distance_m=distance_m,
                focal_mm=focal_mm,
            )
        )
    return views

"""From what a user calls a light to light in the head frame: a rig, a photo's, an environment map, lamps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from head3d.errors import ConfigError
from head3d.geometry.cameras import look_at_head
from head3d.geometry.lamps import lamps_on_white
from head3d.geometry.sh import Lighting, irradiance_basis, scale_light, turn_light
from head3d.imaging.color import luminance
from head3d.imaging.panorama import MAP_SUFFIXES, read_panorama
from head3d.render.config import LightOptions
from head3d.render.environment import environment_light
from head3d.render.lamp_file import LAMP_SUFFIXES, read_lamps
from head3d.render.rigs import LIGHTS, LightName, studio_light

FACE_LEVEL = 0.76
"""Mean luminance of a white face after automatic exposure: that of the soft-front rig, so that lights compare."""
FACE_HALF_ANGLE_DEG = 60.0
"""The face is what looks within this angle of straight ahead."""
FACE_M = 0.1
"""Of the head frame's origin, where near lamps are measured: the skin."""


@dataclass(frozen=True)
class ChosenLight:
    """A light that is ready for any view.

    Attributes:
        name: For file names and provenance; that of a photo's light tells its number, not its file.
        lighting: As it falls on a head seen from the front.
        rig: A studio rig instead, which turns with the camera by a rule of its own.
        frame: See LightOptions.
        yaw_deg: Of a rig; in ``lighting`` it is already.
        gain: Of a rig; the same.
    """

    name: str
    lighting: Lighting | None
    rig: LightName | None = None
    frame: Literal["head", "camera"] = "head"
    yaw_deg: float = 0.0
    gain: float = 1.0

    def on(self, c2w: Float[Tensor, "4 4"]) -> Lighting:
        """Light in the head frame for the view of one camera."""
        if self.rig is not None:
            back = c2w[:3, :3] @ torch.tensor([0.0, 0.0, -1.0])
            light = scale_light(studio_light(self.rig, facing=back), self.gain)
            return turn_light(light, about_up(self.yaw_deg)) if self.yaw_deg else light
        assert self.lighting is not None
        if self.frame == "head":
            return self.lighting
        front = look_at_head(yaw_deg=0.0, pitch_deg=0.0, distance_m=1.0)
        return turn_light(self.lighting, c2w[:3, :3] @ front[:3, :3].T)


def choose_light(
    spec: str,
    options: LightOptions = LightOptions(),
    *,
    photos: Mapping[str, Lighting],
    backdrop: Float[Tensor, "H W 3"] | None = None,
) -> ChosenLight:
    """The light a user names.

    Args:
        spec: A studio rig; ``photo`` for the light of the first photo, ``photo:NAME`` for that of another;
            ``backdrop``; the path of an environment map (.hdr, .exr, .png, .jpg) or of lamps (.yaml, .json).
        options: How it is put up.
        photos: Light of the subject's photos by name, in order.
        backdrop: Environment map of the place behind the person, its front at the camera; needed for ``backdrop``.
    """
    if spec in LIGHTS:
        gain = 2.0 ** (options.stops or 0.0)
        return ChosenLight(_named(spec, options), None, spec, yaw_deg=options.yaw_deg, gain=gain)  # type: ignore[arg-type]
    kind, _, photo = spec.partition(":")
    file = light_file(spec)
    if kind == "photo" and photos:
        if photo and photo not in photos:
            raise ConfigError(f"There is no photo {photo!r} in this subject.", hint=f"There are {', '.join(photos)}.")
        light = photos[photo] if photo else next(iter(photos.values()))
        # by its place among the photos: what people call their files is not for whoever gets the picture
        name = f"photo-{list(photos).index(photo) + 1}" if photo else "photo"
        return _put_up(light, name, options, exposed=False)
    if spec == "backdrop" and backdrop is not None:
        light = environment_light(backdrop, most_lamps=options.lamps)
        from_camera = LightOptions(options.yaw_deg, "camera", options.exposure, options.lamps)
        return _put_up(light, spec, from_camera, exposed=True)
    if file is not None and file.suffix.lower() in LAMP_SUFFIXES:
        return _put_up(read_lamps(file, most_lamps=options.lamps), file.stem, options, exposed=True)
    if file is not None:
        light = environment_light(read_panorama(file), most_lamps=options.lamps)
        return _put_up(light, file.stem, options, exposed=True)
    raise _no_light(spec)


def check_light(spec: str, options: LightOptions = LightOptions()) -> None:
    """ConfigError if no subject can be lit so: no such light, no such file, an exposure that is none."""
    _ = options.stops
    file = light_file(spec)
    if file is not None and not file.is_file():
        raise ConfigError(f"{file}: there is no such file.", hint="Give the path of a map or of lamps.")
    if file is None and spec not in LIGHTS and spec != "backdrop" and spec.partition(":")[0] != "photo":
        raise _no_light(spec)


def _no_light(spec: str) -> ConfigError:
    names = ", ".join(LIGHTS)
    return ConfigError(
        f"There is no light {spec!r}.",
        hint=f"There are {names}, photo, photo:NAME, backdrop, maps (.hdr .exr .jpg .png) and lamps (.yaml .json).",
    )


def about_up(yaw_deg: float) -> Float[Tensor, "3 3"]:
    """Rotation about +Y of the head frame: > 0 carries what is in front of the face towards the subject's left."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def face_level(light: Lighting) -> float:
    """Mean luminance of a white matte face that nothing shades: the exposure meter of automatic exposure.

    The mean is over the normals within ``FACE_HALF_ANGLE_DEG`` of +Z, weighted by what a camera in front sees.
    """
    i = torch.arange(200) + 0.5
    least = math.cos(math.radians(FACE_HALF_ANGLE_DEG))
    z = 1 - (1 - least) * i / len(i)  # evenly over the cap, on a spiral
    azimuth, radius = math.pi * (1 + 5**0.5) * i, (1 - z * z).sqrt()
    normal = torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], dim=-1)
    level = (irradiance_basis(normal) @ light.sh).clamp(min=0.0)
    for one in lamps_on_white(light.lamps, normal, normal * FACE_M):
        level = level + one
    return float((luminance(level) * z).sum() / z.sum())


def _put_up(light: Lighting, name: str, options: LightOptions, *, exposed: bool) -> ChosenLight:
    stops = options.stops
    if options.yaw_deg:
        light = turn_light(light, about_up(options.yaw_deg))
    if stops is not None:
        light = scale_light(light, 2.0**stops)
    elif exposed:
        light = scale_light(light, FACE_LEVEL / max(face_level(light), 1e-9))
    return ChosenLight(_named(name, options), light, frame=options.frame)


def _named(name: str, options: LightOptions) -> str:
    """The light's name with what sets it apart, fit for a file's name."""
    turned = f"_yaw{options.yaw_deg:+g}" if options.yaw_deg else ""
    exposed = f"_ev{options.exposure}" if options.exposure != "auto" else ""
    return f"{name}{turned}{exposed}"


def light_file(spec: str) -> Path | None:
    """The file a light is read from, if it is; with the same name and another content it is another light."""
    path = Path(spec)
    return path if path.suffix.lower() in (*MAP_SUFFIXES, *LAMP_SUFFIXES) and not spec.startswith("photo:") else None

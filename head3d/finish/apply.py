"""One render in, one headshot out: colours of the rim cleaned, exposure, tone, backdrop, size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8, UInt16
from torch import Tensor

from head3d import __version__
from head3d.errors import ConfigError
from head3d.finish.background import BACKDROPS, PANORAMA_SUFFIXES, Backdrop, paint_backdrop, picture_backdrop
from head3d.finish.config import FinishConfig
from head3d.finish.depth import depth_behind
from head3d.finish.harmonize import Look, apply_look, find_look, read_reference, skin_weight
from head3d.geometry.cameras import Cameras
from head3d.geometry.reproject import backproject
from head3d.imaging.color import levels_from_linear, luminance, parse_color, srgb_from_linear
from head3d.imaging.compose import over, resize_straight, spread_colors
from head3d.imaging.panorama import MAP_SUFFIXES, read_linear, read_panorama
from head3d.imaging.warp import resize
from head3d.render.environment import wrapped_backdrop
from head3d.render.types import RenderOutput, View
from head3d.shapes import shaped

FACE_FRONT_M, FACE_FLOOR_M, FACE_TOP_M = 0.03, -0.11, 0.065
"""Head frame: the face lies in front of the ears, above the chin and below the hairline of most people."""
FACE_PIXELS = 200
"""Fewer say nothing about exposure."""
BACKDROP_SHARE = 0.35
"""Part of the way that people go towards the colours of the place behind them: its air is on them, they are not it."""
LIGHT_SKIN = 0.35
"""Luminance of the albedo of light skin, linear."""


@shaped
@dataclass(frozen=True)
class Headshot:
    """A finished picture.

    Attributes:
        rgb_srgb: Pixels.
        view: Name of the view.
        preset: Names the look: "studio-grey".
        deep_srgb: The same with 16 bits, where somebody asked for them.
        provenance: Facts for the text chunks (see ``head3d.export.provenance``); nothing personal.
    """

    rgb_srgb: UInt8[np.ndarray, "H W 3"]
    view: str
    preset: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    deep_srgb: UInt16[np.ndarray, "H W 3"] | None = None


def roll_off(rgb_linear: Float[Tensor, "*B 3"], *, shoulder: float) -> Float[Tensor, "*B 3"]:
    """Compress what is brighter than ``shoulder`` smoothly into [shoulder, 1); hue is kept.

    The brightest channel x becomes s + (1 - s) (1 - exp(-(x - s) / (1 - s))): slope 1 at the shoulder, 1 at infinity.
    """
    brightest = rgb_linear.amax(-1, keepdim=True).clamp_min(1e-6)
    room = max(1 - shoulder, 1e-3)
    bent = shoulder + room * (1 - torch.exp(-(brightest - shoulder).clamp_min(0) / room))
    return rgb_linear * torch.where(brightest > shoulder, bent / brightest, torch.ones_like(brightest))


def face_mask(output: RenderOutput, view: View) -> Bool[Tensor, "H W"]:
    """Pixels of the bare face: in front of the ears, above the chin, below the hairline, and not black."""
    solid = (output.alpha > 0.95) & (luminance(output.albedo) > 0.02)  # black is hair, a brow or a pupil
    points = backproject(output.depth_m, view.camera)
    y, z = points[..., 1], points[..., 2]
    face = solid & (z > FACE_FRONT_M) & (y > FACE_FLOOR_M) & (y < FACE_TOP_M)
    return face if int(face.sum()) >= FACE_PIXELS else solid & ~solid


def exposure_gain(outputs: Sequence[RenderOutput], views: Sequence[View], *, config: FinishConfig) -> float:
    """One gain for a set of renders, so that a set looks like one session; measured on the face, not on shirt or hair.

    Views that do not show the face (the back of the head) follow the others; without any, all that is solid counts.
    """
    if config.exposure == "as-lit":
        return 1.0
    masks = [face_mask(output, view) for output, view in zip(outputs, views, strict=True)]
    if not any(bool(mask.any()) for mask in masks):
        masks = [output.alpha > 0.95 for output in outputs]
    level = torch.cat([luminance(output.rgb_linear)[mask] for output, mask in zip(outputs, masks, strict=True)])
    albedo = torch.cat([luminance(output.albedo)[mask] for output, mask in zip(outputs, masks, strict=True)])
    if len(level) == 0:
        return 1.0
    lit, reflects = float(level.median()), float(albedo.median())
    if lit < 1e-4:
        return 1.0
    target = config.face_level * (max(reflects, 0.02) / LIGHT_SKIN) ** config.keep_skin
    return float(np.clip(target / lit, 0.25, 4.0))  # two stops: beyond that the light was meant


def backdrop_picture(
    config: FinishConfig, size: tuple[int, int], *, camera: Cameras | None = None
) -> Float[Tensor, "H W 3"]:
    """What stands behind the person, (height, width) px, linear RGB; before one camera, or the usual one in front."""
    if config.backdrop_image:
        depth = depth_behind(camera, far_m=config.backdrop_far_m, f_number=config.backdrop_f, walk=config.backdrop_walk)
        return picture_backdrop(Path(config.backdrop_image), size, depth=depth)
    plain = config.backdrop_color
    return paint_backdrop(Backdrop(plain, plain) if plain else BACKDROPS[config.backdrop], size)


def backdrop_map(config: FinishConfig) -> Float[Tensor, "H W 3"]:
    """Light as it would be where the backdrop is, as an environment map whose front is at the camera.

    A panorama is that light itself, turned so that its middle stands behind the person; of a picture it is guessed.
    """
    path = Path(config.backdrop_image)
    if path.suffix.lower() in PANORAMA_SUFFIXES:
        around = read_panorama(path)
        return around.roll(around.shape[1] // 2, 1)
    return wrapped_backdrop(backdrop_picture(config, (128, 128)))


def with_backdrop(config: FinishConfig, choice: str) -> FinishConfig:
    """The options with another backdrop: one of the painted ones, a colour as #rrggbb, or the path of a picture."""
    if choice in BACKDROPS:
        return replace(config, backdrop=choice, backdrop_color="", backdrop_image="")  # type: ignore[arg-type]
    if choice.startswith("#"):
        parse_color(choice)
        return replace(config, backdrop_color=choice, backdrop_image="")
    if Path(choice).suffix.lower() not in MAP_SUFFIXES:
        raise ConfigError(
            f"There is no backdrop {choice!r}.",
            hint=f"There are {', '.join(BACKDROPS)}, #rrggbb, and pictures ({', '.join(MAP_SUFFIXES)}).",
        )
    read_linear(Path(choice))
    return replace(config, backdrop_image=choice)


def with_match(config: FinishConfig, choice: str) -> FinishConfig:
    """The options with the look of a portrait, or of the ``backdrop``; ConfigError if it cannot be read."""
    if choice != "backdrop":
        read_linear(Path(choice))
    return replace(config, match=choice)


def asked_finish(
    config: FinishConfig,
    *,
    backdrop: str = "",
    match: str = "",
    backdrop_f: float | None = None,
    retouch: float | None = None,
) -> FinishConfig:
    """The options with what was asked for of single pictures; what is empty stays as it is."""
    config = with_backdrop(config, backdrop) if backdrop else config
    config = with_match(config, match) if match else config
    if backdrop_f is not None:
        if not backdrop_f >= 0:
            raise ConfigError(f"There is no lens of f/{backdrop_f:g}.", hint="Use 2 (blurs much) to 16; 0 for none.")
        config = replace(config, backdrop_f=backdrop_f)
    if retouch is not None:
        if not 0 <= retouch <= 1:
            raise ConfigError(f"Skin is not retouched by {retouch:g}.", hint="Use 0 (not at all) to 1.")
        config = replace(config, retouch=retouch)
    return config


def finish_headshot(
    output: RenderOutput,
    view: View,
    *,
    config: FinishConfig,
    gain: float | None = None,
    look: Look | None = None,
    deep: bool = False,
) -> Headshot:
    """Finish one render.

    Args:
        output: The render; its colours are straight (not premultiplied).
        view: What was rendered.
        gain: Exposure of the set from :func:`exposure_gain`; None measures this picture alone.
        look: Of the set, from :func:`set_look`.
        deep: Keep 16 bits beside the usual 8.
    """
    gain = exposure_gain([output], [view], config=config) if gain is None else gain
    rgb, alpha = output.rgb_linear.detach(), output.alpha.detach().clamp(0, 1)
    rgb = spread_colors(rgb, alpha) if config.clean_rim else rgb
    scale = config.size / max(alpha.shape)
    size = (round(alpha.shape[0] * scale), round(alpha.shape[1] * scale))
    skin = skin_weight(output.albedo.detach(), face_mask(output, view)) if look else None
    rgb, alpha = resize_straight(rgb, alpha, size=size)
    lit = roll_off((rgb * gain).clamp_min(0), shoulder=config.shoulder)
    behind = backdrop_picture(config, size, camera=view.camera).to(lit)
    if look and skin is not None:
        lit = roll_off(apply_look(lit, look, skin=resize(skin, size).clamp(0, 1)), shoulder=0.95)
        behind = apply_look(behind, look).clamp_max(1) if look.on_backdrop else behind
    picture = over(lit, alpha, behind)
    preset = "picture" if config.backdrop_image else config.backdrop_color or config.backdrop
    facts = {
        "generator": f"head3d {__version__}",
        "view": view.name,
        "light": view.lighting_name,
        "backdrop": preset,
        "exposure_gain": f"{gain:.3f}",
    }
    sixteen = None
    if deep:
        sixteen = (srgb_from_linear(picture).clamp(0, 1) * 65535 + 0.5).cpu().numpy().astype(np.uint16)
    return Headshot(levels_from_linear(picture), view.name, preset, facts, sixteen)


def set_look(
    outputs: Sequence[RenderOutput], views: Sequence[View], gains: Sequence[float], *, config: FinishConfig
) -> Look | None:
    """One look for a set of renders; None if the options ask for none."""
    if not config.match:
        return None
    people, alphas, skins = [], [], []
    for output, view, gain in zip(outputs, views, gains, strict=True):
        people.append(roll_off((output.rgb_linear.detach() * gain).clamp_min(0), shoulder=config.shoulder))
        alphas.append(output.alpha.detach())
        skins.append(skin_weight(output.albedo.detach(), face_mask(output, view)))
    behind = backdrop_picture(config, (256, 256))
    own = config.match == "backdrop"
    return find_look(
        people,
        alphas,
        skins,
        target=behind if own else read_reference(Path(config.match)),
        backdrop=None if own else behind,
        strength=config.match_strength * (BACKDROP_SHARE if own else 1.0),
    )


def finish_set(
    outputs: Sequence[RenderOutput], views: Sequence[View], *, config: FinishConfig, deep: bool = False
) -> list[Headshot]:
    """Finish renders of one session: views under the same light share one exposure, all of them one look."""
    lights = {view.lighting_name for view in views}
    gains = {}
    for light in lights:
        chosen = [(o, v) for o, v in zip(outputs, views, strict=True) if v.lighting_name == light]
        gains[light] = exposure_gain([o for o, _ in chosen], [v for _, v in chosen], config=config)
    each = [gains[view.lighting_name] for view in views]
    look = set_look(outputs, views, each, config=config)
    return [
        finish_headshot(output, view, config=config, gain=gain, look=look, deep=deep)
        for output, view, gain in zip(outputs, views, each, strict=True)
    ]

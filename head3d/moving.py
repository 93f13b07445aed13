"""Looks in motion: a turn round the head, or a path from look to look, as pictures of a video."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from head3d.errors import ConfigError
from head3d.geometry.easing import smoothstep
from head3d.imaging.color import levels_from_linear, linear_from_levels
from head3d.looks import Look
from head3d.render.views import FULL_FRAME_HEIGHT_MM, HEAD_HEIGHT_M, HEAD_SHARE
from head3d.render_looks import METER_PX, height_for
from head3d.studio import Studio, Turn

MOST_FRAMES = 2000
STRAIGHTLY = ("pitch_deg", "gaze_yaw_deg", "gaze_pitch_deg")
"""Angles that never go round."""


@dataclass(frozen=True)
class Moment:
    """One picture of a video: ``look``, with ``share`` of another look faded over it from the same camera."""

    look: Look
    other: Look | None = None
    share: float = 0.0


def turntable(look: Look, frames: int) -> list[Moment]:
    """Once round the head; starts and ends at the look."""
    _check(frames)
    yaws = (look.yaw_deg + 360.0 * k / frames for k in range(frames))
    return [Moment(replace(look, yaw_deg=_wrapped(yaw), seen_from="")) for yaw in yaws]


def path(looks: Sequence[Look], frames: int) -> list[Moment]:
    """From look to look, in time evenly shared; the camera leaves and arrives gently.

    Angles, distance, lens, the turn of the light and that of the eyes are moved, on the shorter way round. Words
    (light, backdrop, clothes, expression) cannot be: where two looks differ in them, one picture is faded into the
    other. All take the frame of the first look, so that the video has one shape.
    """
    if len(looks) < 2:
        raise ConfigError("A path needs two looks.", hint="Keep two pictures, or make a turntable of one.")
    _check(frames)
    keys = [replace(look, crop=looks[0].crop, seen_from="") for look in looks]
    moments = []
    for k in range(frames):
        at = k / max(frames - 1, 1) * (len(keys) - 1)
        leg = min(int(at), len(keys) - 2)
        t = at - leg
        t = smoothstep(t)
        a, b = keys[leg], keys[leg + 1]
        moved = _between(a, b, t)
        other = replace(b, **moved)
        first = replace(a, **moved)
        moments.append(Moment(first) if replace(other, name=first.name) == first else Moment(first, other, t))
    return moments


def video_facts(studio: Studio, looks: Sequence[Look]) -> dict[str, str]:
    """What a video of looks says of itself: a turn round one, or a path through several. Lights by harmless names."""
    lights = dict.fromkeys(studio.light(look).name for look in looks)
    return {"view": "turntable" if len(looks) == 1 else "path", "light": ", ".join(lights)}


def video_frames(
    studio: Studio,
    moments: Sequence[Moment],
    *,
    size: int,
    turn: Turn = nullcontext,
    tell: Callable[[int], None] = lambda step: None,
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The pictures of a video, sRGB, of even height and width, under one exposure for each light.

    Args:
        studio: The subject.
        moments: What is shown, in order.
        size: Longer side, px.
        turn: See :class:`Studio`.
        tell: Hears how many pictures are done.
    """
    gains: dict[tuple[object, ...], float] = {}

    def made(look: Look) -> UInt8[np.ndarray, "H W 3"]:
        key = (look.light, look.light_frame, look.light_exposure, look.gloss, look.backdrop)
        if key not in gains:
            gains[key] = studio.gain([studio.picture(replace(look, yaw_deg=0.0, pitch_deg=0.0), METER_PX, turn=turn)])
        picture = studio.picture(look, 2 * (height_for(look, size) // 2), turn=turn)
        with turn():
            shot = studio.finish(picture, size=max(picture.output.alpha.shape), gain=gains[key]).rgb_srgb
            return shot[: 2 * (shot.shape[0] // 2), : 2 * (shot.shape[1] // 2)]

    for step, moment in enumerate(moments):
        shown = made(moment.look) if moment.share < 1 else made(moment.other or moment.look)
        if moment.other is not None and 0 < moment.share < 1:
            both = linear_from_levels(shown) * (1 - moment.share)
            shown = levels_from_linear(both + linear_from_levels(made(moment.other)) * moment.share)
        yield shown
        tell(step + 1)


def _between(a: Look, b: Look, t: float) -> dict[str, float]:
    def turned(first: float, second: float) -> float:
        return _wrapped(first + t * _wrapped(second - first))

    return {
        "yaw_deg": turned(a.yaw_deg, b.yaw_deg), "roll_deg": turned(a.roll_deg, b.roll_deg),
        "light_yaw_deg": turned(a.light_yaw_deg, b.light_yaw_deg),
        **{name: getattr(a, name) * (1 - t) + getattr(b, name) * t for name in STRAIGHTLY},
        "distance_m": math.exp(math.log(a.distance_m) * (1 - t) + math.log(b.distance_m) * t),
        **({} if a.focal_mm is b.focal_mm is None else {"focal_mm": _lens(a) * (1 - t) + _lens(b) * t}),
    }  # fmt: skip


def _lens(look: Look) -> float:
    """Its 35 mm equivalent; one that nobody chose shows the head in its usual share of the height."""
    usual = HEAD_SHARE * look.distance_m / HEAD_HEIGHT_M * FULL_FRAME_HEIGHT_MM
    return usual if look.focal_mm is None else look.focal_mm


def _wrapped(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0


def _check(frames: int) -> None:
    if not 2 <= frames <= MOST_FRAMES:
        raise ConfigError(f"A video of {frames} pictures is not made.", hint=f"Use 2 to {MOST_FRAMES}.")

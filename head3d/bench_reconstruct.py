"""The pipeline as the benchmark sees it: pictures in, a head that can be rendered out, and the time each stage took.

Also the light of a picture, solved on that head: what --relight puts on it before it looks at the other pictures.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from head3d.bench_truth import HeadMarks, TruthFrame, head_mask
from head3d.capture.types import Photo
from head3d.config import Config
from head3d.errors import TooFewPhotos
from head3d.events import Emit, Notice, StageDone, StageStart, ignore
from head3d.geometry.cameras import Cameras
from head3d.geometry.sh import Lighting, ambient, irradiance_basis, project_directional
from head3d.imaging.color import linear_from_levels, luminance
from head3d.render.types import RenderOutput, View

LAMPS = 96
"""Places on the sphere at which a lamp may stand."""
PIXELS = 6000
"""More say the same."""

Render = Callable[[Cameras, Float[Tensor, "9 3"]], RenderOutput]


@dataclass(frozen=True)
class Reconstruction:
    """A head made from the benchmark's inputs.

    Attributes:
        photos: Names of the inputs that were used.
        cameras: Their cameras as the pipeline found them, head frame.
        sh: Light of the inputs (their mean), head frame.
        render: Makes a picture from a camera of the head frame under a light.
        seconds: Per stage.
    """

    photos: tuple[str, ...]
    cameras: tuple[Cameras, ...]
    sh: Float[Tensor, "9 3"]
    render: Render
    seconds: Mapping[str, float]


Reconstruct = Callable[..., Reconstruction]


@contextmanager
def timed(stage: str, seconds: dict[str, float], emit: Emit) -> Iterator[None]:
    """Announce a stage and add its time to ``seconds``."""
    emit(StageStart(stage))
    start = time.monotonic()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - start
    emit(StageDone(stage, seconds[stage]))


def reconstruct(
    photos: Sequence[Photo], *, cameras: Sequence[Cameras] | None, config: Config, emit: Emit = ignore
) -> Reconstruction:
    """Run perception, fit and field on pictures.

    Args:
        photos: As capture would hand them on.
        cameras: True cameras, one per photo, in a frame that is a similarity of the head frame; None hides them.
        config: Options of all stages.
        emit: Hears progress.
    """
    from head3d.field.deform import Deformation, expression_volume
    from head3d.field.occupancy import ShellCache
    from head3d.morphable.fit import fit_head
    from head3d.morphable.shell import outer_shell
    from head3d.perception.observe import observe
    from head3d.render.volume import render_view
    from head3d.train.cameras import refined_cameras
    from head3d.train.loop import train_field

    seconds: dict[str, float] = {}
    with timed("perception", seconds, emit):
        observations, verdicts = observe(photos, config=config.perception, emit=emit)
    for verdict in verdicts:
        if not verdict.accepted:
            emit(Notice(f"{verdict.name}: {'; '.join(verdict.reasons)}", level="warning"))
    if not observations:
        raise TooFewPhotos("No input of the benchmark shows a face.", hint="Choose other frames with --inputs.")
    used = tuple(one.photo.name for one in observations)
    given = None
    if cameras is not None:
        by_name = {photo.name: camera for photo, camera in zip(photos, cameras, strict=True)}
        given = [by_name[name] for name in used]
    with timed("fit", seconds, emit):
        fitted = fit_head(observations, config=config.fit, cameras=given, emit=emit)
    with timed("field", seconds, emit):
        # true cameras stay true: what is left is the field's own error
        train = config.train if given is None else replace(config.train, refine_cameras=False)
        field = train_field(fitted, observations, config=train, emit=emit)
    cache = ShellCache(field)
    cache.refresh(field)
    found = refined_cameras(fitted.cameras, field.turn, field.shift)
    yaw = torch.cat([camera.yaw_pitch[:, 0] for camera in found]).abs()
    frontal = int(yaw.argmin())  # the truth's expression is one for all frames: that of the most frontal input
    shells = [outer_shell(fitted.model, fitted.vertices(i).detach().float()) for i in (None, *range(len(found)))]
    deformation = Deformation([expression_volume(shells[0], shell) for shell in shells[1:]])

    def render(camera: Cameras, sh: Float[Tensor, "9 3"]) -> RenderOutput:
        view = View("bench", camera, Lighting(sh), "bench")
        with torch.no_grad():
            return render_view(field, view, config=config.render, cache=cache, deformation=deformation, photo=frontal)

    return Reconstruction(used, found, field.sh.detach().mean(0), render, seconds)


def solve_light(
    output: RenderOutput, frame: TruthFrame, *, marks: HeadMarks, thrift: float = 0.03
) -> Float[Tensor, "9 3"]:
    """Light under which our head looks like a truth frame: a uniform sky and few lamps of non-negative power.

    One picture shows one side of the head. Free harmonics explain it with anything on the other side; a sky and as few
    lamps as will do is what light mostly is. Powers come from the luminance, then sky and lamps get one colour each.

    Args:
        output: Our head from the frame's camera, under any light.
        frame: The picture.
        marks: Where the head is.
        thrift: Price of lamp power, as a fraction of what the brightest pixels would pay for it.
    """
    mask = (head_mask(frame, marks) > 0) & (output.alpha > 0.95)
    target, albedo, normal = linear_from_levels(frame.rgb_srgb)[mask], output.albedo[mask], output.normal[mask]
    fair = torch.nonzero((target.amax(-1) < 0.95) & (albedo.amin(-1) > 0.02))[:, 0]  # not blown out, not black
    fair = fair[:: max(len(fair) // PIXELS, 1)]
    target, albedo, normal = target[fair].double(), albedo[fair].double(), normal[fair].double()
    units = lamp_harmonics().double()
    shading = irradiance_basis(normal) @ units.T
    rows, seen = (luminance(albedo)[:, None] * shading).numpy(), luminance(target).numpy()
    price = thrift * np.linalg.norm(rows[:, :-1], axis=0).max() * np.append(np.ones(LAMPS), 0.0)
    weight, power = np.ones(len(rows)), np.zeros(LAMPS + 1)
    for _ in range(4):  # highlights, brows and what our albedo has wrong must not make lamps
        power, _ = nnls(np.vstack([rows * weight[:, None], price]), np.append(seen * weight, 0.0))
        error = np.abs(rows @ power - seen)
        weight = np.sqrt(1 / (1 + (error / (1.5 * np.median(error) + 1e-6)) ** 2))
    lamps, sky = units[:-1].T @ torch.from_numpy(power[:-1]), units[-1] * power[-1]
    sh = torch.zeros(9, 3)
    for channel in range(3):
        pair = torch.stack([irradiance_basis(normal) @ lamps, irradiance_basis(normal) @ sky], dim=1)
        pair = (albedo[:, channel, None] * pair).numpy() * weight[:, None]
        gain, _ = nnls(pair, target[:, channel].numpy() * weight)
        sh[:, channel] = (gain[0] * lamps + gain[1] * sky).float()
    return sh


def lamp_harmonics() -> Float[Tensor, "L 9"]:
    """Harmonics of white lamps spread evenly over the sphere (a Fibonacci lattice), and last of a uniform sky."""
    k = torch.arange(LAMPS) + 0.5
    z, azimuth = 1 - 2 * k / LAMPS, math.pi * (1 + 5**0.5) * k
    radius = (1 - z * z).sqrt()
    places = torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], dim=-1)
    white = torch.ones(3)
    return torch.stack([*(project_directional(place, white)[:, 0] for place in places), ambient(white)[:, 0]])

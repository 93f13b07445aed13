"""The pipeline as the benchmark sees it: pictures in, a head that can be rendered out, and the time each stage took.

Also the light of a picture, solved on that head: what --relight puts on it before it looks at the other pictures.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

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
from head3d.geometry.sh import Lighting
from head3d.imaging.color import linear_from_levels, luminance
from head3d.render.types import RenderOutput, View
from head3d.train.lamp_fit import fit_lamps, lamp_shading

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
    output: RenderOutput, frame: TruthFrame, *, marks: HeadMarks, thrift: float = 0.01
) -> Float[Tensor, "L 3"]:
    """Light under which our head looks like a truth frame: powers of a uniform sky and few lamps (see ``lamp_fit``).

    Powers come from the luminance, then lamps and sky get one colour each.

    Args:
        output: Our head from the frame's camera, under any light.
        frame: The picture.
        marks: Where the head is.
        thrift: Price of lamps.
    """
    mask = (head_mask(frame, marks) > 0) & (output.alpha > 0.95)
    target, albedo, normal = linear_from_levels(frame.rgb_srgb)[mask], output.albedo[mask], output.normal[mask]
    fair = torch.nonzero((target.amax(-1) < 0.95) & (albedo.amin(-1) > 0.02))[:, 0]  # not blown out, not black
    fair = fair[:: max(len(fair) // PIXELS, 1)]
    target, albedo = target[fair].double(), albedo[fair].double()
    shading = lamp_shading(torch.nn.functional.normalize(normal[fair], dim=-1, eps=1e-9))
    power, weight = fit_lamps(luminance(albedo)[:, None] * shading, luminance(target), thrift=thrift)
    lamps, sky = power.clone(), torch.zeros_like(power)
    lamps[-1], sky[-1] = 0, power[-1]
    light = torch.zeros(len(power), 3)
    root = weight.sqrt()[:, None]
    for channel in range(3):
        pair = albedo[:, channel, None] * torch.stack([shading @ lamps, shading @ sky], dim=1) * root
        gain, _ = nnls(pair.numpy(), (target[:, channel] * root[:, 0]).numpy())
        light[:, channel] = (gain[0] * lamps + gain[1] * sky).float()
    return light


def lit(output: RenderOutput, light: Float[Tensor, "L 3"]) -> RenderOutput:
    """The same picture under lamps and sky: matte and without cast shadows, as the truth's renders are."""
    normal = torch.nn.functional.normalize(output.normal, dim=-1, eps=1e-9)
    shading = lamp_shading(normal.reshape(-1, 3)).float() @ light
    return replace(output, rgb_linear=output.albedo * shading.reshape(output.albedo.shape))

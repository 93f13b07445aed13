"""Renders made as sharp as photos, between the field and the finish."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from head3d.imaging.color import linear_from_srgb, srgb_from_linear
from head3d.imaging.compose import spread_colors
from head3d.networks.files import version
from head3d.refine.agree import shared_detail
from head3d.refine.config import RefineConfig
from head3d.refine.generator import Factor, Refiner, enlarge, trained
from head3d.refine.realesrgan import RealEsrgan, load_realesrgan
from head3d.render.types import RenderOutput, View

PIXELS_PER_M = 1110.0
"""Where about a field's detail ends: 512 px for 46 cm."""
SHARP_PIXELS_PER_M = 2600.0
"""And where that of photos ends, which the field keeps beside its colours."""
BRIGHT = 0.85
"""Where the brightest of a person lies, linear, in the pictures the net has seen."""
SOLID = 0.9
SAMPLES = 100_000
"""Pixels that say how bright a person is."""


def refine_output(output: RenderOutput, view: View, *, config: RefineConfig) -> RenderOutput:
    """A render whose colours are drawn by nets from where the field's own detail ends.

    In linear light, means over a pixel of that size (0.9 mm on the face) stay as they are. Where a photo's own detail
    is in the picture it stays, and nets draw from where that ends. Coverage, depth and normals are not touched. Views
    of small heads come back as they are.
    """
    net = _net(config)
    coarse, fine = field_factor(view), field_factor(view, PIXELS_PER_M / SHARP_PIXELS_PER_M)
    solid = output.alpha > SOLID
    if net is None or coarse == 1 or not bool(solid.any()):
        return output
    rows, columns = (_reach(output.alpha > 0, axis) for axis in (1, 0))
    rgb = output.rgb_linear.detach()
    some = rgb[solid].amax(-1)[:: 1 + int(solid.sum()) // SAMPLES]
    exposure = BRIGHT / max(float(some.quantile(0.98)), 1e-4)
    own = (spread_colors(rgb, output.alpha.detach()) * exposure)[rows, columns]
    shown = own.clamp(0, 1)
    made = _drawn(net, shown, coarse)
    if output.sharp is not None:
        kept = output.sharp[rows, columns, None]
        made = torch.lerp(made, shown if fine == 1 else _drawn(net, shown, fine), kept)
    # beyond what a screen shows, a highlight stays as it was
    mixed = rgb.clone()
    mixed[rows, columns] = (made + (own - shown)) / exposure
    return replace(output, rgb_linear=mixed)


def _net(config: RefineConfig) -> Refiner | RealEsrgan | None:
    """The net that draws; None without one, or if none is wished for."""
    if not config.enlarge:
        return None
    return trained("enlarger") if config.net == "own" else load_realesrgan()


def _drawn(net: Refiner | RealEsrgan, shown: Float[Tensor, "H W 3"], factor: Factor) -> Float[Tensor, "H W 3"]:
    """A linear picture made ``factor`` times smaller and drawn anew by a net."""
    height, width = shown.shape[:2]
    whole = functional.pad(shown.permute(2, 0, 1)[None], (0, -width % factor, 0, -height % factor), mode="replicate")
    small = functional.avg_pool2d(whole, factor)[0].permute(1, 2, 0)
    if isinstance(net, Refiner):
        return linear_from_srgb(enlarge(net, srgb_from_linear(small), factor=factor)[:height, :width])
    return _by_realesrgan(net, small, factor)[:height, :width]


@torch.no_grad()
def _by_realesrgan(net: RealEsrgan, small: Float[Tensor, "h w 3"], factor: Factor) -> Float[Tensor, "H W 3"]:
    """The same by a net that always makes four of one, and whose means wander: those of the given pixels are kept."""
    given = small.permute(2, 0, 1)[None]
    made = linear_from_srgb(net(srgb_from_linear(given)).float().clamp(0, 1))
    made = functional.avg_pool2d(made, 4 // factor)
    lost = given - functional.avg_pool2d(made, factor)
    kept = made + functional.interpolate(lost, scale_factor=factor, mode="nearest")
    return kept.clamp(0, 1)[0].permute(1, 2, 0)


def refine_set(outputs: Sequence[RenderOutput], views: Sequence[View], *, config: RefineConfig) -> list[RenderOutput]:
    """Refine views of one head with one expression under one light: every place gets the same detail in all of them."""
    refined = [refine_output(output, view, config=config) for output, view in zip(outputs, views, strict=True)]
    if all(before is after for before, after in zip(outputs, refined, strict=True)):
        return refined
    return shared_detail(outputs, refined, views)


def refined_by(config: RefineConfig) -> str:
    """Names the net's weights, for whatever depends on them; "none" if nothing is refined."""
    if not config.enlarge:
        return "none"
    return version("enlarger") if config.net == "own" else "realesrgan-x4plus"


def field_factor(view: View, share: float = 1.0) -> Factor:
    """How many pixels of a view one is at which a field's detail ends; ``share`` of that is looked at."""
    camera = view.camera
    finer = share * float(camera.K[0, 0, 0] / camera.centre[0].norm()) / PIXELS_PER_M
    return 1 if finer < 2**0.5 else 2 if finer < 2**1.5 else 4


def _reach(there: Bool[Tensor, "H W"], axis: int) -> slice:
    """From the first to the last row (axis 1) or column (axis 0) in which something is."""
    found = torch.nonzero(there.any(axis))[:, 0]
    return slice(int(found[0]), int(found[-1]) + 1)

"""Do views agree? Each view is warped into its neighbours through the field's own depth and compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from head3d.geometry.cameras import Cameras
from head3d.geometry.reproject import reproject
from head3d.geometry.sh import harmonics_of
from head3d.imaging.color import srgb_from_linear
from head3d.imaging.similarity import lpips, psnr_db
from head3d.render.types import RenderOutput, View

MID_GREY = 0.5
"""sRGB level of what is not compared."""


@dataclass(frozen=True)
class SeenView:
    """A rendered view as consistency sees it.

    Attributes:
        name: Of the view.
        rgb_srgb: Straight colours, sRGB in [0, 1].
        depth_m: z-depth, 0 where there is no surface.
        alpha: Coverage.
        camera: One camera.
        lighting_name: Only views under the same light can be compared.
    """

    name: str
    rgb_srgb: Float[Tensor, "H W 3"]
    depth_m: Float[Tensor, "H W"]
    alpha: Float[Tensor, "H W"]
    camera: Cameras
    lighting_name: str = ""


@dataclass(frozen=True)
class PairScore:
    """One view warped into another.

    Attributes:
        source: The view that was warped.
        target: The view it was compared with.
        angle_deg: Between the two directions of sight.
        overlap: Part of the target's surface that the source sees.
        psnr_db: Over that part, sRGB.
        lpips_alex: Over that part.
    """

    source: str
    target: str
    angle_deg: float
    overlap: float
    psnr_db: float
    lpips_alex: float


@dataclass(frozen=True)
class Consistency:
    """Agreement over all pairs of neighbouring views (means; NaN without pairs)."""

    psnr_db: float
    lpips_alex: float
    pairs: tuple[PairScore, ...]


def rendered_consistency(
    outputs: Sequence[RenderOutput], views: Sequence[View], *, height_px: int = 400
) -> Consistency:
    """Score rendered views, thinned out to about ``height_px`` rows: more pixels say the same.

    Where lamps move with the camera, as in a studio, colours rightly differ between views: then the albedo is compared.
    """
    light = [harmonics_of(view.lighting) for view in views]
    one_light = all(torch.allclose(one, light[0]) for one in light)
    seen = []
    for output, view in zip(outputs, views, strict=True):
        step = max(output.alpha.shape[0] // height_px, 1)
        thin = output.alpha[::step, ::step]
        # pixel j now stands for pixel j * step, so its centre is not the middle of the block that resizing assumes
        aligned = view.camera.cropped(0.5 - 0.5 * step, 0.5 - 0.5 * step, (thin.shape[0] * step, thin.shape[1] * step))
        colors = output.rgb_linear if one_light else output.albedo
        seen.append(
            SeenView(
                name=view.name,
                rgb_srgb=srgb_from_linear(colors[::step, ::step].clamp(0, 1)),
                depth_m=output.depth_m[::step, ::step],
                alpha=thin,
                camera=aligned.resized((thin.shape[0], thin.shape[1])),
                lighting_name=view.lighting_name if one_light else "",
            )
        )
    return cross_view_consistency(seen)


def view_angle_deg(first: Cameras, second: Cameras) -> float:
    """Angle between the directions in which two cameras look, degrees."""
    a, b = first.c2w[0, :3, 2].double(), second.c2w[0, :3, 2].double()
    return math.degrees(math.acos(float((a @ b / (a.norm() * b.norm())).clamp(-1, 1))))


def eroded(mask: Bool[Tensor, "H W"], radius_px: int) -> Bool[Tensor, "H W"]:
    """The mask without its border of ``radius_px``."""
    size = 2 * radius_px + 1
    return -torch.nn.functional.max_pool2d(-mask.float()[None, None], size, 1, radius_px)[0, 0] > 0.5


def score_pair(source: SeenView, target: SeenView) -> PairScore | None:
    """Warp ``source`` into ``target`` and compare; None if too little is seen by both (under 5 % of the target)."""
    solid_source = torch.where(eroded(source.alpha > 0.95, 2), source.depth_m, torch.zeros_like(source.depth_m))
    solid_target = torch.where(eroded(target.alpha > 0.95, 2), target.depth_m, torch.zeros_like(target.depth_m))
    moved = reproject(
        source.rgb_srgb, solid_source, source.camera, target_depth_m=solid_target, target_camera=target.camera
    )
    overlap = float(moved.visible.sum() / (solid_target > 0).sum().clamp_min(1))
    if overlap < 0.05:
        return None
    mask = moved.visible.float()
    grey = torch.full_like(target.rgb_srgb, MID_GREY)
    warped = torch.where(moved.visible[..., None], moved.values, grey).clamp(0, 1)
    own = torch.where(moved.visible[..., None], target.rgb_srgb, grey).clamp(0, 1)
    return PairScore(
        source=source.name,
        target=target.name,
        angle_deg=view_angle_deg(source.camera, target.camera),
        overlap=overlap,
        psnr_db=min(psnr_db(warped, own, mask=mask), 99.0),
        lpips_alex=float(lpips(warped, own, mask=mask)),
    )


def cross_view_consistency(
    views: Sequence[SeenView], *, max_angle_deg: float = 50.0, max_pairs: int = 12
) -> Consistency:
    """Score neighbouring views in both directions, the closest pairs first.

    Args:
        max_angle_deg: Views further apart see too little of each other.
        max_pairs: Enough for a stable mean.
    """
    close = [
        (view_angle_deg(a.camera, b.camera), a, b)
        for i, a in enumerate(views)
        for b in views[i + 1 :]
        if a.lighting_name == b.lighting_name
    ]
    close = sorted((item for item in close if 1.0 < item[0] <= max_angle_deg), key=lambda item: item[0])
    pairs: list[PairScore] = []
    for _, a, b in close[: (max_pairs + 1) // 2]:
        pairs += [score for score in (score_pair(a, b), score_pair(b, a)) if score is not None]
    if not pairs:
        return Consistency(math.nan, math.nan, ())
    return Consistency(
        psnr_db=sum(pair.psnr_db for pair in pairs) / len(pairs),
        lpips_alex=sum(pair.lpips_alex for pair in pairs) / len(pairs),
        pairs=tuple(pairs),
    )

"""Scores of one rendered frame against the truth, and their means by yaw."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from torch import Tensor

from head3d.bench_align import Similarity
from head3d.bench_truth import HeadMarks, TruthFrame, head_mask
from head3d.geometry.reproject import backproject
from head3d.imaging.color import levels_from_linear, luminance, srgb_from_levels, srgb_from_linear
from head3d.imaging.similarity import lpips, psnr_db, ssim
from head3d.render.types import RenderOutput

MID_GREY = 0.5
GREY = 0.2140
"""The same, linear."""
YAW_BINS = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0), (90.0, 180.0))
"""Degrees of |yaw|; the upper end belongs to the bin."""


@dataclass(frozen=True)
class FrameScore:
    """One frame. NaN where the truth lacks what is needed.

    Attributes:
        frame: Name of the truth frame.
        yaw_deg: Of the face in it.
        psnr_db: In the truth's head mask, both on mid-grey, sRGB.
        ssim: Likewise.
        lpips_alex_inside: Mean of the distance map over the mask only: about twice the other.
        lpips_alex: Of the whole picture, both masked on mid-grey, as papers give it.
        alpha_iou: Of the silhouettes, above the floor.
        boundary_px: Mean distance between the silhouettes' outlines, both ways.
        depth_rmse_mm: Where both have a surface in the mask.
        depth_median_mm: Median absolute difference of the same.
        normal_error_deg: Mean angle between normals there.
        albedo_error: Mean absolute difference of linear albedo there, ours scaled by the number that fits best: what is
            left in it of the photos' shading.
        albedo_gain: Our luminance over the truth's, by medians: 1 if skin is as dark as it is.
    """

    frame: str
    yaw_deg: float
    psnr_db: float
    ssim: float
    lpips_alex_inside: float
    lpips_alex: float
    alpha_iou: float
    boundary_px: float
    depth_rmse_mm: float
    depth_median_mm: float
    normal_error_deg: float
    albedo_error: float
    albedo_gain: float


METRICS = tuple(name for name in FrameScore.__dataclass_fields__ if name not in ("frame", "yaw_deg"))


def score_frame(output: RenderOutput, frame: TruthFrame, *, similarity: Similarity, marks: HeadMarks) -> FrameScore:
    """Compare our render from a truth camera with the truth.

    Args:
        output: Rendered from ``similarity.camera_to_head(frame.camera)``.
        similarity: Head frame to truth world.
        marks: Where the head is.
    """
    mask = head_mask(frame, marks)
    ours, theirs = _on_grey(output), _truth_on_grey(frame)
    if mask.sum() < 1:
        raise ValueError(f"{frame.name}: no head")
    box = _box(mask, margin=8)
    inside = mask[..., None] > 0
    grey = torch.full_like(ours, MID_GREY)
    pair = [torch.where(inside, picture, grey)[box] for picture in (ours, theirs)]
    above_ours = _above_floor(output, frame, similarity, marks)
    below_truth = (torch.from_numpy(frame.alpha) > 0.5) & (mask == 0)
    a, b = (output.alpha > 0.5) & above_ours & ~below_truth, mask > 0
    solid = (output.alpha > 0.5) & b & (output.depth_m > 0)
    depth_mm, angle = _depth_mm(output, frame, solid, similarity, marks), _angles_deg(output, frame, solid, similarity)
    albedo_error, albedo_gain = _albedo(output, frame, solid)
    return FrameScore(
        frame=frame.name,
        yaw_deg=frame.yaw_deg,
        psnr_db=min(psnr_db(ours, theirs, mask=mask), 99.0),
        ssim=float(ssim(pair[0], pair[1], mask=mask[box])),
        lpips_alex_inside=float(lpips(pair[0], pair[1], mask=mask[box])),
        lpips_alex=float(lpips(*(torch.where(inside, picture, grey) for picture in (ours, theirs)))),
        alpha_iou=float((a & b).sum() / (a | b).sum().clamp_min(1)),
        boundary_px=boundary_error_px(a.numpy(), b.numpy()),
        depth_rmse_mm=float((depth_mm**2).mean().sqrt()) if len(depth_mm) else math.nan,
        depth_median_mm=float(depth_mm.abs().median()) if len(depth_mm) else math.nan,
        normal_error_deg=float(angle.mean()) if len(angle) else math.nan,
        albedo_error=albedo_error,
        albedo_gain=albedo_gain,
    )


def boundary_error_px(first: Bool[np.ndarray, "H W"], second: Bool[np.ndarray, "H W"]) -> float:
    """Mean distance from each outline to the other, both ways, px. Picture borders are not outline."""
    outlines = [region & ~ndimage.binary_erosion(region, border_value=1) for region in (first, second)]
    if not all(outline.any() for outline in outlines):
        return math.nan
    distances = [
        ndimage.distance_transform_edt(~other)[outline]  # type: ignore[index]
        for outline, other in (outlines, outlines[::-1])
    ]
    return float(np.mean([one.mean() for one in distances]))


def means(scores: Iterable[FrameScore]) -> dict[str, float | int]:
    """Mean of every metric over frames (NaN ignored), and their number."""
    rows = [asdict(score) for score in scores]
    found: dict[str, float | int] = {"n": len(rows)}
    for name in METRICS:
        values = [row[name] for row in rows if not math.isnan(row[name])]
        found[name] = float(np.mean(values)) if values else math.nan
    return found


def by_yaw(scores: Sequence[FrameScore]) -> dict[str, Mapping[str, float | int]]:
    """Means per bin of |yaw|; bins without frames are left out."""
    bins = {}
    for low, high in YAW_BINS:
        edge = 1e-3  # cameras at exactly 30 degrees belong to the lower bin whatever the rounding
        chosen = [s for s in scores if (low + edge < abs(s.yaw_deg) or low == 0) and abs(s.yaw_deg) <= high + edge]
        if chosen:
            bins[f"{low:.0f}-{high:.0f}"] = means(chosen)
    return bins


def _on_grey(output: RenderOutput) -> Float[Tensor, "H W 3"]:
    alpha = output.alpha[..., None].clamp(0, 1)
    return srgb_from_linear(output.rgb_linear.clamp(0, 1)) * alpha + MID_GREY * (1 - alpha)


def _truth_on_grey(frame: TruthFrame) -> Float[Tensor, "H W 3"]:
    alpha = torch.from_numpy(frame.alpha)[..., None]
    return srgb_from_levels(frame.rgb_srgb) * alpha + MID_GREY * (1 - alpha)


def _box(mask: Float[Tensor, "H W"], *, margin: int) -> tuple[slice, slice]:
    y, x = torch.nonzero(mask > 0, as_tuple=True)
    return (
        slice(max(int(y.min()) - margin, 0), int(y.max()) + 1 + margin),
        slice(max(int(x.min()) - margin, 0), int(x.max()) + 1 + margin),
    )


def _above_floor(
    output: RenderOutput, frame: TruthFrame, similarity: Similarity, marks: HeadMarks
) -> Bool[Tensor, "H W"]:
    """Where our own surface lies above the height below which nothing is scored."""
    points = backproject(output.depth_m, similarity.camera_to_head(frame.camera)).reshape(-1, 3).double().numpy()
    heights = similarity.to_truth(points)[:, 2]
    return torch.from_numpy(heights > marks.floor_z).reshape(output.depth_m.shape)


def _depth_mm(
    output: RenderOutput, frame: TruthFrame, solid: Bool[Tensor, "H W"], similarity: Similarity, marks: HeadMarks
) -> Float[Tensor, "P"]:
    if frame.depth is None:
        return torch.zeros(0)
    both = solid & (frame.depth > 0)
    difference = output.depth_m[both].double() * similarity.scale - frame.depth[both].double()
    return difference * marks.unit_m * 1000


def _angles_deg(
    output: RenderOutput, frame: TruthFrame, solid: Bool[Tensor, "H W"], similarity: Similarity
) -> Float[Tensor, "P"]:
    if frame.normal is None:
        return torch.zeros(0)
    both = solid & (torch.from_numpy(frame.alpha) > 0.99)
    turned = (
        torch.nn.functional.normalize(output.normal[both].double(), dim=-1) @ torch.from_numpy(similarity.rotation).T
    )
    return torch.rad2deg(torch.acos((turned * frame.normal[both].double()).sum(-1).clamp(-1, 1)))


def _albedo(output: RenderOutput, frame: TruthFrame, solid: Bool[Tensor, "H W"]) -> tuple[float, float]:
    both = solid & (torch.from_numpy(frame.alpha) > 0.99)
    if frame.albedo is None or not both.any():
        return math.nan, math.nan
    ours, theirs = output.albedo[both].double(), frame.albedo[both].double()
    scale = (ours * theirs).sum() / ours.square().sum().clamp_min(1e-12)
    gain = luminance(ours).median() / luminance(theirs).median().clamp_min(1e-6)
    return float((ours * scale - theirs).abs().mean()), float(gain)


def on_grey(output: RenderOutput) -> UInt8[np.ndarray, "H W 3"]:
    """A render as a picture before sRGB mid-grey."""
    alpha = output.alpha[..., None]
    return levels_from_linear(output.rgb_linear.clamp(0, 1) * alpha + GREY * (1 - alpha))

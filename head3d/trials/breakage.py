"""Renders broken on purpose, as renders break: what the gate learns to refuse, and other kinds it is tried on.

Every kind of fault is made in two ways that share no code: ``TAUGHT`` the net learns from, ``UNTAUGHT`` it never sees
before it is measured. A detector that knew the trace of a blur filter and not what blur looks like would fail there.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import torch

from head3d.geometry.sh import ambient, harmonics_of, irradiance_basis, project_directional
from head3d.render.types import RenderOutput, View
from head3d.trials.exposed import (
    Exposed,
    blurred,
    features_px,
    head_px,
    laid_over,
    layers_of,
    millimetre_px,
    moved_layers,
    noise_cells,
    unlayered,
)

Fault = Literal["blur", "floaters", "light", "misfit"]
FAULTS: tuple[Fault, ...] = ("blur", "floaters", "light", "misfit")
Break = Callable[[Exposed, np.random.Generator], RenderOutput]


def gaussian(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Out of focus, or a field that never got sharp."""
    sigma = draw.uniform(1.5, 4.5) * millimetre_px(shown.view)
    return unlayered(cv2.GaussianBlur(layers_of(shown.output), (0, 0), sigma), shown.output)


def shaken(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """A camera that moved."""
    length = max(int(draw.uniform(6, 14) * millimetre_px(shown.view)), 3)
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = draw.uniform(0, math.pi)
    way = (length * math.cos(angle) / 2, length * math.sin(angle) / 2)
    ends = [(round(length - way[0]), round(length - way[1])), (round(length + way[0]), round(length + way[1]))]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return blurred(shown, kernel / kernel.sum())


def coarse(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Rendered too small and enlarged."""
    layers = layers_of(shown.output)
    height, width = layers.shape[:2]
    step = draw.uniform(3.0, 6.0) * millimetre_px(shown.view)
    size = max(int(width / step), 8), max(int(height / step), 8)
    small = np.dstack(
        [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (layers[..., :4], layers[..., 4:])]
    )
    way = cv2.INTER_CUBIC if draw.random() < 0.5 else cv2.INTER_LINEAR
    back = [
        cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=way)
        for part in (small[..., :4], small[..., 4:])
    ]
    return unlayered(np.dstack(back), shown.output)


def lens(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """The disc of an open aperture."""
    radius = max(draw.uniform(2.5, 6.0) * millimetre_px(shown.view), 1.5)
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return blurred(shown, disc / disc.sum())


def smeared(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Wiped smooth between its edges, like a painting: what too strong denoising does."""
    reach = 2 * int(draw.uniform(1.8, 3.5) * millimetre_px(shown.view)) + 3
    levels = (shown.output.rgb_linear.clamp(0, 4).sqrt() * 127).byte().numpy()
    for _ in range(2):
        levels = cv2.medianBlur(np.ascontiguousarray(levels), reach)
    rgb = cv2.bilateralFilter(levels, -1, float(draw.uniform(10, 25)), reach).astype(np.float32)
    return replace(shown.output, rgb_linear=torch.from_numpy(rgb / 127).square())


def blobs(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Lumps of density in the air about the head and before it."""
    output, mm = shown.output, millimetre_px(shown.view)
    height, width = output.alpha.shape
    x0, y0, reach = head_px(shown.view)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(int(draw.integers(2, 8))):
        angle, far = draw.uniform(0, 2 * math.pi), reach * draw.uniform(0.1, 1.25)
        cx, cy = x0 + far * math.cos(angle), y0 + far * math.sin(angle)
        a, b, turn = draw.uniform(4, 22) * mm, draw.uniform(3, 14) * mm, draw.uniform(0, math.pi)
        u, v = (
            (x - cx) * math.cos(turn) + (y - cy) * math.sin(turn),
            (y - cy) * math.cos(turn) - (x - cx) * math.sin(turn),
        )
        form = 1 - np.hypot(u / a, v / b) + 0.35 * noise_cells(draw, (height, width), int(height / (4 * mm)))
        cover = np.clip(form * draw.uniform(1.2, 5.0), 0, 1) * draw.uniform(0.5, 1.0)
        if draw.random() < 0.5:
            at = min(max(int(cy), 0), height - 1), min(max(int(cx), 0), width - 1)
            base = output.rgb_linear[at].numpy() + draw.uniform(-0.1, 0.2)
        else:
            base = draw.uniform(0, 0.9, 3)
        color = base.clip(0, 1) * (1 + 0.25 * noise_cells(draw, (height, width), int(height / (3 * mm)))[..., None])
        output = laid_over(output, color.clip(0, 1.5), cover, draw.uniform(0.0, 0.15))
    return output


def fog(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """A halo of thin density, as free space that was never carved leaves."""
    output, mm = shown.output, millimetre_px(shown.view)
    height, width = output.alpha.shape
    alpha = output.alpha.numpy()
    wide = cv2.GaussianBlur(alpha, (0, 0), draw.uniform(8, 25) * mm)
    ragged = np.clip(0.75 + 0.4 * noise_cells(draw, (height, width), int(height / (9 * mm))), 0, 1)
    veil = np.clip(wide * 2.5, 0, 1) * ragged * draw.uniform(0.45, 1.0) * (1 - alpha)
    tint = cv2.GaussianBlur((output.rgb_linear * output.alpha[..., None]).numpy(), (0, 0), 20 * mm)
    tint = tint / np.maximum(cv2.GaussianBlur(alpha, (0, 0), 20 * mm), 1e-2)[..., None]
    rgb = np.where(alpha[..., None] > 0.5, output.rgb_linear.numpy(), tint)
    return replace(
        output,
        alpha=torch.from_numpy(alpha + veil).clamp(0, 1),
        rgb_linear=torch.from_numpy(rgb.astype(np.float32)),
    )


def eaten(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Holes that show the backdrop."""
    output, mm = shown.output, millimetre_px(shown.view)
    x0, y0, reach = head_px(shown.view)
    height, width = output.alpha.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cover = np.zeros((height, width), np.float32)
    for _ in range(int(draw.integers(2, 7))):
        angle, far = draw.uniform(0, 2 * math.pi), reach * draw.uniform(0, 0.75)
        form = 1 - np.hypot(x - x0 - far * math.cos(angle), y - y0 - far * math.sin(angle)) / (draw.uniform(4, 13) * mm)
        form = form + 0.4 * noise_cells(draw, (height, width), int(height / (5 * mm)))
        cover = np.maximum(cover, np.clip(form * 3, 0, 1))
    return replace(output, alpha=output.alpha * (1 - torch.from_numpy(cover) * draw.uniform(0.6, 1.0)))


def torn(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Pieces of the person itself that hang elsewhere."""
    output, mm = shown.output, millimetre_px(shown.view)
    layers = layers_of(output)
    height, width = output.alpha.shape
    x0, y0, reach = head_px(shown.view)
    made = layers.copy()
    for _ in range(int(draw.integers(3, 9))):
        half = int(draw.uniform(5, 16) * mm) + 2
        sx, sy = (int(v + draw.uniform(-0.5, 0.5) * reach) for v in (x0, y0))
        angle = draw.uniform(0, 2 * math.pi)
        tx, ty = (int(v) for v in (x0 + 1.15 * reach * math.cos(angle), y0 + 1.05 * reach * math.sin(angle)))
        if min(sx, sy, tx, ty) < half or max(sx, tx) + half >= width or max(sy, ty) + half >= height:
            continue
        piece = layers[sy - half : sy + half, sx - half : sx + half]
        corners = draw.uniform(-1, 1, (7, 2)) * half + half
        mask = np.zeros((2 * half, 2 * half), np.float32)
        cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None]
        place = made[ty - half : ty + half, tx - half : tx + half]
        made[ty - half : ty + half, tx - half : tx + half] = place * (1 - mask) + piece * mask
    return unlayered(made, output)


def specks(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """A cloud of many small dots, as a hash grid's noise leaves."""
    output, mm = shown.output, millimetre_px(shown.view)
    height, width = output.alpha.shape
    x0, y0, reach = head_px(shown.view)
    cover, color = np.zeros((height, width), np.float32), np.zeros((height, width, 3), np.float32)
    for _ in range(int(draw.integers(50, 160))):
        angle, far = draw.uniform(0, 2 * math.pi), reach * math.sqrt(draw.uniform(0.02, 1.5))
        at = (int(x0 + far * math.cos(angle)), int(y0 + far * math.sin(angle)))
        radius = max(int(draw.uniform(0.8, 3.0) * mm), 1)
        cv2.circle(cover, at, radius, float(draw.uniform(0.5, 1.0)), -1, cv2.LINE_AA)
        cv2.circle(color, at, radius + 1, [float(v) for v in draw.uniform(0, 0.8, 3)], -1)
    return laid_over(output, color, cover, 0.05)


def _lit_by(output: RenderOutput, view: View, ratio: torch.Tensor) -> RenderOutput:
    face = (output.alpha > 0.5) & (output.albedo.mean(-1) > 0.02)
    gain = torch.exp(torch.log(ratio.clamp_min(1e-3)).mean(-1)[face].mean()) if bool(face.any()) else 1.0
    return replace(output, rgb_linear=output.rgb_linear * ratio / gain)


def reshaded(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Lit from elsewhere than the set is."""
    azimuth, height = draw.uniform(0.9, 2.4) * draw.choice([-1.0, 1.0]), draw.uniform(-0.7, 0.9)
    way = torch.tensor([math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)])
    color = torch.from_numpy(1 + 0.12 * draw.normal(0, 1, 3)).float()
    sh = ambient(0.35 * color) + project_directional(way, color * draw.uniform(0.8, 2.0))
    basis = irradiance_basis(shown.output.normal.reshape(-1, 3))
    own = (basis @ harmonics_of(shown.view.lighting).float()).clamp_min(0.05)
    ratio = ((basis @ sh.float()).clamp_min(0.06) / own).reshape(shown.output.normal.shape)
    return _lit_by(shown.output, shown.view, ratio)


def cast(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """A colour cast that the others of the set do not have."""
    tint = draw.normal(0, 1, 3)
    tint = tint - tint.mean()
    tint = tint / max(np.abs(tint).max(), 1e-3) * draw.uniform(0.22, 0.5)
    return replace(shown.output, rgb_linear=shown.output.rgb_linear * torch.from_numpy(np.exp(tint)).float())


def baked(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """A photo's side light left in the albedo: the set's light comes on top of it."""
    broken = reshaded(shown, draw)
    ratio = (broken.rgb_linear / shown.output.rgb_linear.clamp_min(1e-4)).clamp(0.1, 6)
    return replace(broken, albedo=(shown.output.albedo * ratio).clamp(0, 1))


def relit(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Truly rendered under another light, shadows and highlights included."""
    return shown.relit


def shadowed(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """A hard shadow over part of the face that no lamp of the set throws."""
    x0, y0, reach = head_px(shown.view)
    height, width = shown.output.alpha.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = draw.uniform(-0.5, 0.5) + (math.pi if draw.random() < 0.5 else 0.0)
    side = (x - x0) * math.cos(angle) + (y - y0) * math.sin(angle) + draw.uniform(-0.15, 0.15) * reach
    soft = draw.uniform(2, 12) * millimetre_px(shown.view)
    dark = 1 - draw.uniform(0.45, 0.75) / (1 + np.exp(-np.clip(side / soft, -30, 30)))
    return replace(
        shown.output, rgb_linear=shown.output.rgb_linear * torch.from_numpy(dark.astype(np.float32))[..., None]
    )


def warped(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Features pulled away from where they are: landmarks that were wrong."""
    layers, mm = layers_of(shown.output), millimetre_px(shown.view)
    height, width = layers.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    at_x, at_y = x.copy(), y.copy()
    for cx, cy in features_px(shown.view)[draw.permutation(4)[: int(draw.integers(2, 5))]]:
        reach, angle, far = draw.uniform(14, 26) * mm, draw.uniform(0, 2 * math.pi), draw.uniform(6, 13) * mm
        near = np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / reach**2)
        at_x, at_y = at_x + near * far * math.cos(angle), at_y + near * far * math.sin(angle)
    return unlayered(moved_layers(layers, at_x, at_y), shown.output)


def doubled(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """Features twice: photos whose cameras did not agree."""
    output, mm = shown.output, millimetre_px(shown.view)
    height, width = output.alpha.shape
    x0, y0, _ = head_px(shown.view)
    turn = cv2.getRotationMatrix2D((x0, y0), float(draw.uniform(-5, 5)), float(draw.uniform(0.96, 1.04)))
    angle, far = draw.uniform(0, 2 * math.pi), draw.uniform(6, 13) * mm
    turn[:, 2] += far * math.cos(angle), far * math.sin(angle)
    share = float(draw.uniform(0.35, 0.6))
    parts = []
    for part in (output.rgb_linear, output.albedo):
        moved = cv2.warpAffine(part.float().numpy(), turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        parts.append(torch.lerp(part, torch.from_numpy(moved), share * (output.alpha > 0.9).float()[..., None]))
    return replace(output, rgb_linear=parts[0], albedo=parts[1])


def misplaced(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """The face as another camera saw it, on this head: a photo laid on with a wrong pose."""
    output, turned = shown.output, shown.turned
    both = (output.alpha > 0.9) & (turned.alpha > 0.9)
    share = both.float()[..., None] * float(draw.uniform(0.45, 1.0))
    return replace(
        output,
        rgb_linear=torch.lerp(output.rgb_linear, turned.rgb_linear, share),
        albedo=torch.lerp(output.albedo, turned.albedo, share),
    )


def sheared(shown: Exposed, draw: np.random.Generator) -> RenderOutput:
    """One half of the face does not meet the other: two photos that were fitted to different heads."""
    layers, mm = layers_of(shown.output), millimetre_px(shown.view)
    height, width = layers.shape[:2]
    middle = features_px(shown.view)[2:].mean(0)
    slant = draw.uniform(-0.4, 0.4) if draw.random() < 0.5 else math.pi / 2 + draw.uniform(-0.3, 0.3)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = (x - middle[0]) * math.cos(slant) + (y - middle[1]) * math.sin(slant)
    way = 1 / (1 + np.exp(-np.clip(side / (2 * mm), -30, 30)))
    far = draw.uniform(7, 13) * mm * draw.choice([-1.0, 1.0])
    at_x, at_y = x - way * far * math.sin(slant), y + way * far * math.cos(slant)
    return unlayered(moved_layers(layers, at_x, at_y), shown.output)


TAUGHT: Mapping[Fault, tuple[Break, ...]] = {
    "blur": (gaussian, shaken, coarse),
    "floaters": (blobs, fog, eaten),
    "light": (reshaded, cast, baked),
    "misfit": (warped, doubled),
}
UNTAUGHT: Mapping[Fault, tuple[Break, ...]] = {
    "blur": (lens, smeared),
    "floaters": (torn, specks),
    "light": (relit, shadowed),
    "misfit": (misplaced, sheared),
}

"""A render on its way to be broken: its layers, its measures in pixels, and how things are moved and laid over it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from head3d.geometry.cameras import project
from head3d.render.types import RenderOutput, View

FEATURES_M = ((-0.032, 0.027, 0.075), (0.032, 0.027, 0.075), (0.0, -0.012, 0.105), (0.0, -0.045, 0.095))
"""Right eye, left eye, tip of the nose, mouth; head frame."""


@dataclass(frozen=True)
class Exposed:
    """A render on its way to be broken.

    Attributes:
        output: As it was rendered.
        view: Its camera and the light of the set.
        turned: The same head under the same light from a camera a few degrees aside.
        relit: The same view under another light than the set's.
    """

    output: RenderOutput
    view: View
    turned: RenderOutput
    relit: RenderOutput


def millimetre_px(view: View) -> float:
    """Pixels of a millimetre on the face."""
    _, depth = project(torch.tensor([[0.0, 0.0, 0.08]]), view.camera.c2w[0], view.camera.K[0])
    return float(view.camera.K[0, 0, 0] / depth[0]) / 1000


def layers_of(output: RenderOutput) -> Float32[np.ndarray, "H W 8"]:
    """Colour, alpha, albedo and depth, premultiplied: what blurs and moves together."""
    alpha = output.alpha[..., None]
    both = torch.cat([output.rgb_linear * alpha, alpha, output.albedo * alpha, output.depth_m[..., None] * alpha], -1)
    return np.ascontiguousarray(both.float().numpy())


def unlayered(layers: Float32[np.ndarray, "H W 8"], output: RenderOutput) -> RenderOutput:
    """The render with these layers instead of its own."""
    alpha = torch.from_numpy(layers[..., 3]).clamp(0, 1)
    straight = torch.from_numpy(layers) / alpha.clamp_min(1e-3)[..., None]
    there = (alpha > 1e-3).float()
    return replace(
        output,
        rgb_linear=straight[..., 0:3].clamp_min(0) * there[..., None],
        alpha=alpha,
        albedo=straight[..., 4:7].clamp(0, 1) * there[..., None],
        depth_m=straight[..., 7].clamp_min(0) * there,
    )


def blurred(shown: Exposed, kernel: np.ndarray) -> RenderOutput:
    """The render, each of its layers filtered."""
    return unlayered(cv2.filter2D(layers_of(shown.output), -1, kernel.astype(np.float32)), shown.output)


def noise_cells(draw: np.random.Generator, size: tuple[int, int], cells: int) -> Float32[np.ndarray, "H W"]:
    """Smooth noise of mean 0 and spread 1 on a picture (height, width) that is so many cells high."""
    grid = draw.normal(0, 1, (max(cells, 2), max(cells * size[1] // size[0], 2))).astype(np.float32)
    return cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def head_px(view: View) -> tuple[float, float, float]:
    """Middle of the head and its half height, px."""
    px, _ = project(torch.tensor([[0.0, 0.015, 0.02]]), view.camera.c2w[0], view.camera.K[0])
    return float(px[0, 0]), float(px[0, 1]), 125 * millimetre_px(view)


def laid_over(output: RenderOutput, color: np.ndarray, cover: np.ndarray, nearer_m: float) -> RenderOutput:
    """Something in front of the person."""
    over, tint = torch.from_numpy(cover.astype(np.float32)).clamp(0, 1), torch.from_numpy(color.astype(np.float32))
    alpha = over + output.alpha * (1 - over)
    share = (over / alpha.clamp_min(1e-4))[..., None]
    solid = output.depth_m[output.depth_m > 0]
    front = (float(solid.median()) if len(solid) else 1.0) - nearer_m
    return replace(
        output,
        rgb_linear=torch.lerp(output.rgb_linear, tint, share),
        albedo=torch.lerp(output.albedo, tint.clamp(0, 1), share),
        alpha=alpha,
        depth_m=torch.where(over > 0.5, torch.full_like(over, front), output.depth_m),
    )


def features_px(view: View) -> Float32[np.ndarray, "4 2"]:
    """Where eyes, nose and mouth are in a view, px."""
    return project(torch.tensor(FEATURES_M), view.camera.c2w[0], view.camera.K[0])[0].numpy()


def moved_layers(layers: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Layers of which each pixel comes from the place given for it, px."""
    places = at_x.astype(np.float32), at_y.astype(np.float32)
    parts = (layers[..., :4], layers[..., 4:])  # OpenCV moves four channels at most
    moved = [
        cv2.remap(np.ascontiguousarray(one), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for one in parts
    ]
    return np.dstack(moved)

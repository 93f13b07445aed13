"""The fitted head drawn over a photo: shaded skin with its wireframe, to see at a glance whether it sits."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from head3d.geometry.cameras import Cameras, project
from head3d.geometry.mesh import Mesh, vertex_normals
from head3d.imaging.color import srgb_from_levels
from head3d.imaging.warp import crop_padded, resize
from head3d.kernels.raster import interpolate, rasterize

TINT = (0.62, 0.80, 0.95)
"""sRGB of the mesh: a colour skin never has."""

WIRE = 0.10
"""Barycentric weight below which a pixel belongs to an edge."""


@dataclass(frozen=True)
class Square:
    """A square window of a photo, px; may reach beyond it."""

    left: int
    top: int
    side: int


def head_square(points_px: Float[Tensor, "P 2"], *, margin: float = 0.18) -> Square:
    """The square around projected points, with a margin as a fraction of its side."""
    low, high = points_px.amin(0), points_px.amax(0)
    side = float((high - low).max()) * (1 + 2 * margin)
    centre = (low + high) / 2
    return Square(round(float(centre[0]) - side / 2), round(float(centre[1]) - side / 2), max(round(side), 8))


def cut(rgb_srgb: UInt8[np.ndarray, "H W 3"], square: Square, *, size: int) -> Float[Tensor, "S S 3"]:
    """A window of a photo at ``size`` px, sRGB in [0, 1]; mid-grey outside the photo."""
    window = crop_padded(srgb_from_levels(rgb_srgb), square.left, square.top, size=(square.side, square.side), fill=0.5)
    return resize(window, (size, size)).clamp(0, 1)


def draw_fit(
    rgb_srgb: UInt8[np.ndarray, "H W 3"],
    mesh: Mesh,
    camera: Cameras,
    *,
    around: Int[Tensor, "P"],
    size: int = 448,
    strength: float = 0.62,
) -> UInt8[np.ndarray, "S S 3"]:
    """Draw a mesh over a photo.

    Args:
        rgb_srgb: The photo.
        mesh: The head with this photo's expression, head frame.
        camera: The photo's camera.
        around: Vertices that the window shows (the head without shoulders).
        size: Side of the result, px.
        strength: Opacity of the mesh.
    """
    pixels, depth = project(mesh.vertices, camera.c2w[0], camera.K[0])
    square = head_square(pixels[around])
    scale = size / square.side
    placed = torch.stack([(pixels[:, 0] - square.left) * scale, (pixels[:, 1] - square.top) * scale, depth], dim=1)
    seen = rasterize(placed, mesh.faces, size=(size, size))
    normals = torch.nn.functional.normalize(
        interpolate(vertex_normals(mesh.vertices, mesh.faces), mesh.faces, seen), dim=-1
    )
    facing = -(normals @ camera.c2w[0, :3, 2]).clamp(-1, 0)  # a lamp at the camera
    light = 0.25 + 0.75 * facing
    covered = (seen.triangle >= 0)[..., None]
    wire = covered & (seen.barycentrics.amin(-1, keepdim=True) < WIRE)
    shaded = light[..., None] * torch.tensor(TINT)
    shaded = torch.where(wire, shaded * 0.72, shaded)
    photo = cut(rgb_srgb, square, size=size)
    drawn = torch.where(covered, photo * (1 - strength) + shaded * strength, photo)
    return (drawn.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()


def draw_photo(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], vertices_m: Float[Tensor, "P 3"], camera: Cameras, *, size: int = 448
) -> UInt8[np.ndarray, "S S 3"]:
    """The same window of the photo without the mesh."""
    pixels, _ = project(vertices_m, camera.c2w[0], camera.K[0])
    return (cut(rgb_srgb, head_square(pixels), size=size) * 255 + 0.5).to(torch.uint8).numpy()

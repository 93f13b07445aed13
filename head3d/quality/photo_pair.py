"""The head as a photo's own camera sees it, with the photo's expression and light, to lay over the photo."""

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from head3d.field.deform import Deformation, expression_volume
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.cameras import Cameras, project
from head3d.geometry.sh import Lighting
from head3d.imaging.color import levels_from_srgb, srgb_from_linear
from head3d.morphable.shell import outer_shell
from head3d.morphable.types import HeadFit
from head3d.quality.fit_overlay import head_square
from head3d.quality.sight_overlay import PAPER
from head3d.render.config import RenderConfig
from head3d.render.types import View
from head3d.render.volume import render_view

PAIR_PX = 420
"""Side of the picture."""


def head_in_photo(
    trained: RadianceField,
    cache: ShellCache,
    fitted: HeadFit,
    photo: int,
    *,
    camera: Cameras,
    around: Int[Tensor, "P"],
    config: RenderConfig,
    size: int = PAIR_PX,
) -> UInt8[np.ndarray, "S S 3"]:
    """Render the head in the window that :func:`head3d.quality.fit_overlay.draw_photo` cuts from a photo.

    Args:
        trained: The field.
        cache: Of the field, refreshed.
        fitted: The head.
        photo: Index of the photo.
        camera: Of the photo, as training left it.
        around: Vertices that the window shows.
        config: Options of the render.
        size: Side of the result, px.
    """
    shells = [outer_shell(fitted.model, fitted.vertices(which).detach().float()) for which in (None, photo)]
    moved = expression_volume(*shells)  # the displacement that training saw this photo with
    view = View("photo", photo_window(fitted.vertices(photo)[around], camera, size=size), Lighting(trained.sh[photo]))
    bent = None if moved is None else Deformation([moved]).to(trained.sd_m.device)
    seen = render_view(trained, view, config=config, cache=cache, deformation=bent)
    alpha = seen.alpha[..., None]
    return levels_from_srgb(srgb_from_linear(seen.rgb_linear.clamp(0, 1)) * alpha + PAPER * (1 - alpha))


def photo_window(vertices_m: Float[Tensor, "P 3"], camera: Cameras, *, size: int) -> Cameras:
    """The camera over the square of its photo that shows some vertices (head frame, m), ``size`` px wide."""
    pixels, _ = project(vertices_m, camera.c2w[0], camera.K[0])
    square = head_square(pixels)
    return camera.cropped(square.left, square.top, (square.side, square.side)).resized((size, size))

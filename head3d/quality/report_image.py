"""A picture within the report's page, and the name of a view in words."""

from html import escape

import numpy as np
from jaxtyping import UInt8

from head3d.imaging.color import levels_from_srgb, srgb_from_levels
from head3d.imaging.io import data_uri
from head3d.imaging.warp import resize


def image(pixels: UInt8[np.ndarray, "H W 3"], alt: str, *, width: int, quality: int = 82, css: str = "") -> str:
    """An ``img`` element that carries its picture, at most ``width`` px wide."""
    height = max(round(pixels.shape[0] * width / pixels.shape[1]), 1)
    small = pixels
    if width < pixels.shape[1]:
        small = levels_from_srgb(resize(srgb_from_levels(pixels), (height, width)))
    shape = f'width="{small.shape[1]}" height="{small.shape[0]}"'
    kind = f' class="{css}"' if css else ""
    return (
        f'<img{kind} src="{data_uri(small, quality=quality)}" alt="{escape(alt, quote=True)}" {shape} loading="lazy">'
    )


def view_words(view: str) -> str:
    """``three quarter left`` of ``three-quarter-left``, for the page."""
    return escape(view.replace("-", " ").replace("_", " "))

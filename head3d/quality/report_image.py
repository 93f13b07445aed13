"""What the sections of the report's page are made of: pictures, tables, names of views in words."""

from collections.abc import Iterable, Sequence
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


def table(head: Iterable[str], rows: Iterable[Sequence[str]], *, caption: str) -> str:
    """Rows under a head; the first cell of a row is its name. Cells are HTML."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(_cell(cell) for cell in row[1:])}</tr>' for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return text if text.startswith("<td") else f"<td>{text}</td>"

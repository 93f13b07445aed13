"""All headshots of a set on one sheet, with their names."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from head3d.errors import ConfigError
from head3d.finish.apply import Headshot

PAPER, INK, FAINT = (24, 25, 27), (236, 236, 238), (150, 152, 156)
"""On a screen."""
PRINTED = ((255, 255, 255), (20, 20, 22), (90, 92, 96))
"""The same on paper."""
A4_IN = (8.27, 11.69)
PAGE_COLUMNS, PAGE_DPI = 3, 200
"""Of a printed sheet: a tile is 6 cm wide with 500 px."""


def contact_sheet(
    headshots: Sequence[Headshot],
    *,
    columns: int = 0,
    tile: int = 360,
    title: str = "",
    labels: Sequence[str] = (),
    printed: bool = False,
) -> UInt8[np.ndarray, "H W 3"]:
    """Lay headshots out in rows with their view names below them.

    Args:
        columns: Tiles per row; 0 finds the number that leaves the fewest gaps.
        tile: Width of a tile, px; its height follows the tallest headshot.
        title: Line above the tiles; none if empty.
        labels: Names to print instead of the views' own.
        printed: Dark on white.
    """
    if not headshots:
        raise ConfigError("There are no headshots for a contact sheet.", hint="Ask for at least one view.")
    names = list(labels) or [shot.view.replace("-", " ") for shot in headshots]
    columns = columns or _columns(len(headshots))
    rows = math.ceil(len(headshots) / columns)
    tall = max(round(tile * shot.rgb_srgb.shape[0] / shot.rgb_srgb.shape[1]) for shot in headshots)
    paper, ink, faint = PRINTED if printed else (PAPER, INK, FAINT)
    gap, caption, head = tile // 24, max(tile // 9, 18), (tile // 5 if title else 0)
    sheet = Image.new(
        "RGB", (columns * tile + (columns + 1) * gap, head + rows * (tall + caption) + (rows + 1) * gap), paper
    )
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((gap, gap + head / 2), title, ink, font=_font(tile // 11), anchor="lm")
    for i, (shot, name) in enumerate(zip(headshots, names, strict=True)):
        left = gap + (i % columns) * (tile + gap)
        top = head + gap + (i // columns) * (tall + caption + gap)
        height = round(tile * shot.rgb_srgb.shape[0] / shot.rgb_srgb.shape[1])
        picture = Image.fromarray(shot.rgb_srgb).resize((tile, height), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left, top + tall - height))
        draw.text((left + tile / 2, top + tall + caption * 0.55), name, faint, font=_font(tile // 19), anchor="mm")
    return np.asarray(sheet)


def blank(shot: Headshot) -> Headshot:
    """A hole in a sheet, as large as a headshot."""
    return replace(shot, rgb_srgb=np.broadcast_to(np.array(PAPER, np.uint8), shot.rgb_srgb.shape))


def sheet_pages(
    headshots: Sequence[Headshot], *, title: str = "", labels: Sequence[str] = ()
) -> list[UInt8[np.ndarray, "H W 3"]]:
    """Pages of A4 at ``PAGE_DPI``, upright, with as many whole rows of headshots as go on each."""
    if not headshots:
        raise ConfigError("There are no headshots for a contact sheet.", hint="Ask for at least one view.")
    names = list(labels) or [shot.view.replace("-", " ") for shot in headshots]
    width, height = (round(inches * PAGE_DPI) for inches in A4_IN)
    tile = (width * 24) // (PAGE_COLUMNS * 24 + PAGE_COLUMNS + 1)  # a gap is a 24th of a tile
    tallest = max(shot.rgb_srgb.shape[0] / shot.rgb_srgb.shape[1] for shot in headshots)
    rows = max(int((height - tile / 5 - tile / 24) / (tile * (tallest + 1 / 9 + 1 / 24))), 1)
    pages = []
    for first in range(0, len(headshots), rows * PAGE_COLUMNS):
        part = slice(first, first + rows * PAGE_COLUMNS)
        sheet = contact_sheet(
            headshots[part], columns=PAGE_COLUMNS, tile=tile, title=title, labels=names[part], printed=True
        )
        page = np.full((max(height, sheet.shape[0]), max(width, sheet.shape[1]), 3), 255, np.uint8)
        page[: sheet.shape[0], : sheet.shape[1]] = sheet
        pages.append(page)
    return pages


def _columns(count: int) -> int:
    if count <= 3:
        return count
    return min((4, 5, 3), key=lambda columns: (-count % columns, abs(columns - math.sqrt(count * 1.4))))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(size, 9))

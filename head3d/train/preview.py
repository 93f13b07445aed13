"""Small pictures of a head while it is trained, for whoever waits for it.

They cost next to nothing and change nothing: no random number is drawn for them, and nothing of the field is written.
"""

import base64
import time
from collections.abc import Callable

import torch

from head3d.events import Emit, Preview
from head3d.field.occupancy import ShellCache
from head3d.field.radiance import RadianceField
from head3d.geometry.sh import Lighting
from head3d.imaging.color import levels_from_srgb, srgb_from_linear
from head3d.imaging.io import encode_jpeg
from head3d.render.config import RenderConfig
from head3d.render.views import named_view
from head3d.render.volume import render_view
from head3d.train.state import TrainState

SIZE_PX = 224
SHARE = 0.015
"""Of the time spent so far: no picture is made whose like would take pictures beyond it."""
EVERY_S = 2.0
"""A GPU could make a hundred a second: nobody looks at them."""
BACKDROP_SRGB = 0.5
JPEG_QUALITY = 85
RENDER = RenderConfig(samples=32, colors=2)
"""Enough for a pixel 2 mm wide."""


class Previews:
    """Decides when a picture is made, makes it and emits it as a Preview. Its clock starts when it is made."""

    def __init__(self, emit: Emit, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.emit, self.clock = emit, clock
        self.spent_s = 0.0
        self._started = clock()
        self._last_s, self._ended = 0.0, -float("inf")

    @property
    def due(self) -> bool:
        """Whether it is time for one. The first is made at once: what it costs is not known before."""
        now = self.clock()
        affordable = self.spent_s + self._last_s <= SHARE * (now - self._started)
        return affordable and now - self._ended >= EVERY_S

    def offer(self, state: TrainState) -> None:
        """Make one if it is time; ``state.cache`` must be about as fresh as training needs it."""
        if not self.due:
            return
        began = self.clock()
        jpeg = preview(state.field, state.cache, Lighting(state.sh[0].detach().cpu()))
        self._ended = self.clock()
        self._last_s = self._ended - began
        self.spent_s += self._last_s
        self.emit(Preview(state.step, base64.b64encode(jpeg).decode("ascii")))


@torch.no_grad()
def preview(trained: RadianceField, cache: ShellCache, light: Lighting, *, size_px: int = SIZE_PX) -> bytes:
    """The head from the front under a photo's light, before grey, as JPEG.

    Under a photo's light the colours are those of the photo, and no shadows need to be followed.
    """
    view = named_view("front", size=(size_px, size_px), light=light)
    seen = render_view(trained, view, config=RENDER, cache=cache)
    alpha = seen.alpha[..., None]
    picture = srgb_from_linear(seen.rgb_linear.clamp_min(0)) * alpha + BACKDROP_SRGB * (1 - alpha)
    return encode_jpeg(levels_from_srgb(picture), quality=JPEG_QUALITY)
